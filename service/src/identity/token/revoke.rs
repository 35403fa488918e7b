//! Takes tokens away, and counts the uses of those that are good for so many.

use keyring::store::StoreError;
use keyring::store::identity::{CredentialKind, Reach};

use super::entry::TokenEntry;
use super::grant::Issued;
use super::lookup::Stored;
use super::registry::Refusal;
use crate::identity::Identity;

impl Identity {
    /// Revokes a service token, with all its descendants or alone; whether it was there. No request that begins on this
    /// node from now on is let in by it.
    pub async fn revoke(&self, stored: &Stored, reach: Reach) -> Result<bool, StoreError> {
        let (hash, now) = (stored.row.hash, self.clock.now());
        let kind = CredentialKind::Token;
        let revoked = self.credentials.revoke_credential(kind, hash, reach, now);
        let revoked = revoked.await?;
        self.registry.inner().revoked(&[hash]);
        Ok(revoked)
    }

    /// Takes back a token that was only just issued. A batch token cannot be; it is told to nobody.
    pub async fn revoke_issued(&self, issued: &Issued) -> Result<(), StoreError> {
        let Some(text) = &issued.text else {
            return Ok(());
        };
        let hash = self
            .keys
            .hash(CredentialKind::Token, text.expose_secret().as_bytes());
        let kind = CredentialKind::Token;
        let now = self.clock.now();
        self.credentials
            .revoke_credential(kind, hash, Reach::Tree, now)
            .await?;
        self.registry.inner().revoked(&[hash]);
        Ok(())
    }

    /// Takes one use of a token whose uses are counted, before what it is used for begins. The last use leaves it gone.
    pub async fn spend(&self, entry: &TokenEntry) -> Result<(), Refusal> {
        if !entry.counted {
            return Ok(());
        }
        let (hash, now) = (entry.hash, self.clock.now());
        let used = self
            .credentials
            .use_credential(CredentialKind::Token, hash, now);
        match used.await {
            Err(_) => Err(Refusal::Unavailable),
            Ok(Some(1..)) => Ok(()),
            Ok(Some(0)) => {
                self.registry.inner().revoked(&[hash]);
                Ok(())
            }
            Ok(None) => {
                self.registry.inner().revoked(&[hash]);
                Err(Refusal::Denied)
            }
        }
    }
}
