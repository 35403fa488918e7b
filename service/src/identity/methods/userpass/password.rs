//! Passwords: Argon2id (RFC 9106) hashes, made and checked on few threads at a time and never where requests are served.

use std::fmt;
use std::sync::OnceLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use keyring::entropy::{Entropy, EntropyError};
use keyring::secret::SecretBytes;
use serde::{Deserialize, Serialize};

use crate::identity::methods::origin::Origin;
use crate::identity::methods::turns::{Turn, TurnError, Turns};

/// The hash of a password in the PHC string format, parameters and salt included. Stored sealed, never printed.
#[derive(Clone, Deserialize, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PasswordRecord(String);

impl fmt::Debug for PasswordRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordRecord(..)")
    }
}

/// Why a password was neither hashed nor checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// No salt.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// Memory for it ran out.
    #[error("hashing a password broke off")]
    Memory,
    /// There was no turn for it, or the work broke off.
    #[error(transparent)]
    Turn(#[from] TurnError),
}

/// The threads for passwords. Each hash takes 19 MiB in two passes and one lane, as OWASP recommends: some 20 ms of a core
/// on purpose, so only a few are worked on at once and only so many may wait. Clones share the room.
#[derive(Clone, Debug)]
pub struct PasswordHasher(Turns);

impl PasswordHasher {
    /// Works on at most this many passwords at once.
    pub fn new(at_once: usize) -> Self {
        Self(Turns::new(at_once))
    }

    /// A turn to work on a password that comes from there; waits for it behind others.
    pub async fn turn(&self, origin: Origin) -> Result<PasswordTurn, HashError> {
        Ok(PasswordTurn(self.0.turn(origin).await?))
    }
}

/// The right to work on one password. It lasts until the work is done, whoever still waits for that.
#[derive(Debug)]
pub struct PasswordTurn(Turn);

impl PasswordTurn {
    /// The record of a new password, with a new salt.
    pub async fn hash(
        self,
        password: SecretBytes,
        entropy: &dyn Entropy,
    ) -> Result<PasswordRecord, HashError> {
        let mut salt = [0; argon2::RECOMMENDED_SALT_LEN];
        entropy.fill(&mut salt)?;
        let work = move || record(password.expose_secret(), &salt);
        let (made, _) = self.0.run(work).await?;
        made.ok_or(HashError::Memory)
    }

    /// Whether this is the password of the record. Without a record the answer is no, after the same work. The turn goes on, for
    /// what is to be done about the answer before others have theirs.
    pub async fn check(
        self,
        password: SecretBytes,
        record: Option<PasswordRecord>,
    ) -> Result<(bool, Self), HashError> {
        let work = move || {
            let matched = matches(
                password.expose_secret(),
                record.as_ref().unwrap_or_else(stand_in),
            );
            matched && record.is_some()
        };
        let (is_right, turn) = self.0.run(work).await?;
        Ok((is_right, Self(turn)))
    }
}

fn record(password: &[u8], salt: &[u8]) -> Option<PasswordRecord> {
    let hash = Argon2::default().hash_password_with_salt(password, salt);
    Some(PasswordRecord(hash.ok()?.to_string()))
}

fn matches(password: &[u8], record: &PasswordRecord) -> bool {
    PasswordHash::new(&record.0)
        .is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
}

/// A record with today's parameters to check against where there is none. Nobody's password.
fn stand_in<'a>() -> &'a PasswordRecord {
    static STAND_IN: OnceLock<PasswordRecord> = OnceLock::new();
    STAND_IN.get_or_init(|| {
        let made = record(b"", &[0; argon2::RECOMMENDED_SALT_LEN]);
        made.unwrap_or(PasswordRecord(String::new()))
    })
}

#[cfg(test)]
mod tests {
    use keyring::entropy::SystemEntropy;

    use super::*;

    fn secret(text: &str) -> SecretBytes {
        SecretBytes::new(text.as_bytes().to_vec())
    }

    async fn hashed(text: &str) -> PasswordRecord {
        let hasher = PasswordHasher::new(1);
        let turn = hasher.turn(Origin::of(None)).await.unwrap();
        turn.hash(secret(text), &SystemEntropy).await.unwrap()
    }

    async fn is_it(text: &str, record: Option<&PasswordRecord>) -> bool {
        let hasher = PasswordHasher::new(1);
        let turn = hasher.turn(Origin::of(None)).await.unwrap();
        turn.check(secret(text), record.cloned()).await.unwrap().0
    }

    #[tokio::test]
    async fn a_password_is_known_by_its_record_alone() {
        let record = hashed("open sesame").await;
        assert!(record.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(is_it("open sesame", Some(&record)).await);
        for wrong in ["open sesame ", "Open sesame", ""] {
            assert!(!is_it(wrong, Some(&record)).await, "{wrong:?}");
        }
        assert_ne!(record, hashed("open sesame").await, "the salt is new");
        assert_eq!(format!("{record:?}"), "PasswordRecord(..)");
    }

    #[tokio::test]
    async fn without_a_record_nothing_is_the_password() {
        for wrong in ["", "x"] {
            assert!(!is_it(wrong, None).await);
        }
        let broken = PasswordRecord("$argon2id$".to_owned());
        assert!(!is_it("x", Some(&broken)).await);
    }
}
