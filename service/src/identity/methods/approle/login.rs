//! Logging in with a role id and a secret id.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use keyring::secret::SecretBytes;
use keyring::store::identity::{CredentialHash, CredentialKind};

use super::checked_id::{self, Purpose};
use super::role::Role;
use super::role_cache::{Known, NamedRole};
use super::secret_ids::{SecretId, opened};
use super::{AppRoles, RoleIdHolder, role_ids, roles};
use crate::identity::cidr::{Cidr, admits};
use crate::identity::entries::EntryError;
use crate::identity::token_params::TokenParams;

/// Who logged in, and what the token is to be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppRoleLogin {
    /// The role's name, in lower case.
    pub role: String,
    /// What the role, and the secret id, say of tokens.
    pub params: TokenParams,
    /// What the secret id says of the token, and the role's name.
    pub metadata: BTreeMap<String, String>,
}

/// Why nobody logged in. An unknown role, a wrong secret id, and a right one from a forbidden address are one and the same.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The store failed.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// No such role, no such secret id, one that is over, or an address that the role or the secret id is not for.
    #[error("invalid role or secret ID")]
    Invalid,
    /// A secret id is needed.
    #[error("missing secret_id")]
    MissingSecretId,
}

impl AppRoles {
    /// Logs somebody in, and takes one use of the secret id if its uses are counted. Nothing is taken from a login that is
    /// refused.
    pub async fn log_in(
        &self,
        mount: &str,
        role_id: &str,
        secret_id: &SecretBytes,
        remote: Option<IpAddr>,
    ) -> Result<AppRoleLogin, LoginError> {
        let named = self.role_of_id(mount, role_id, remote).await?;
        let Some(named) = named else {
            return Err(self.refusal(mount, secret_id));
        };
        let role = &named.role;
        let secret = if role.bind_secret_id {
            Some(self.proven((mount, role), secret_id, remote).await?)
        } else {
            None
        };
        let cidrs: &[Cidr] = secret.as_ref().map_or(&[], |secret| &secret.body.cidrs);
        if !admits(cidrs, remote) || !admits(&role.secret_id_bound_cidrs, remote) {
            return Err(self.refusal(mount, secret_id));
        }
        if let Some(counted) = secret.as_ref().filter(|secret| secret.uses_left.is_some()) {
            self.take_use(counted.hash).await?;
        }
        Ok(login(&named, secret))
    }

    /// The answer where there is no role, or the caller's address is forbidden: the same as for a role with another secret id, after
    /// the same hash.
    fn refusal(&self, mount: &str, secret_id: &SecretBytes) -> LoginError {
        if secret_id.is_empty() {
            return LoginError::MissingSecretId;
        }
        std::hint::black_box(self.hash_of(mount, secret_id));
        LoginError::Invalid
    }

    /// The role of this role id, as long as no entry has changed without a query.
    async fn role_of_id(
        &self,
        mount: &str,
        role_id: &str,
        remote: Option<IpAddr>,
    ) -> Result<Option<Arc<NamedRole>>, LoginError> {
        if role_id.len() > Role::MAX_ROLE_ID_LEN {
            return Ok(None);
        }
        let place = self.place_of_role_id(mount, role_id);
        let epoch = self.cache.epoch();
        let check = |text: &[u8]| self.parts.keys.check(text);
        match self.cache.get(&place) {
            Known::Now(role) => return Ok(role),
            Known::Before => {}
            Known::Nothing => {
                let may_be_one = checked_id::is_generated(Purpose::RoleId, check, role_id)
                    || self.parts.look_ups.permit(mount, remote)
                    || self.is_place(mount, &place).await?;
                if !may_be_one {
                    return Ok(None);
                }
            }
        }
        let found = self.find_role(mount, role_id, &place).await?;
        let found = found.map(Arc::new);
        self.cache.put(place, epoch, found.clone());
        Ok(found)
    }

    /// Whether a role id was at this place when all places were last read.
    async fn is_place(&self, mount: &str, place: &str) -> Result<bool, EntryError> {
        let read = || self.parts.entries.names(role_ids(mount));
        let places = self.places.of(mount, || self.cache.epoch().number(), read);
        let places = places.await?;
        let found = places.binary_search_by(|known| known.as_str().cmp(place));
        Ok(found.is_ok())
    }

    async fn find_role(
        &self,
        mount: &str,
        role_id: &str,
        place: &str,
    ) -> Result<Option<NamedRole>, EntryError> {
        let entries = &self.parts.entries;
        let holder = entries.get::<RoleIdHolder>(role_ids(mount), place).await?;
        let Some(name) = holder.map(|entry| entry.value.role) else {
            return Ok(None);
        };
        let role = entries.get::<Role>(roles(mount), &name).await?;
        // A role that has another id by now is not meant.
        let role = role.map(|entry| entry.value);
        let role = role.filter(|role| role.role_id == role_id);
        Ok(role.map(|role| NamedRole { name, role }))
    }

    /// The secret id that is presented, if it is one of the role's and is not over.
    async fn proven(
        &self,
        (mount, role): (&str, &Role),
        text: &SecretBytes,
        remote: Option<IpAddr>,
    ) -> Result<SecretId, LoginError> {
        if text.is_empty() {
            return Err(LoginError::MissingSecretId);
        }
        let hash = self.hash_of(&role.secret_scope, text);
        let check = |text: &[u8]| self.parts.keys.check(text);
        let is_generated = std::str::from_utf8(text.expose_secret())
            .is_ok_and(|text| checked_id::is_generated(Purpose::SecretId, check, text));
        if !(is_generated || role.has_custom_secret_ids) || self.secret_ids.is_absent(&hash) {
            return Err(LoginError::Invalid);
        }
        if !is_generated && !self.parts.look_ups.permit(mount, remote) {
            let credentials = self.parts.credentials.as_ref();
            if !self.secret_ids.is_chosen(&hash, credentials).await? {
                return Err(LoginError::Invalid);
            }
        }
        let kind = CredentialKind::SecretId;
        let found = self.parts.credentials.credential(kind, hash).await;
        let Some(row) = found.map_err(EntryError::from)? else {
            self.secret_ids.note_absent(hash);
            return Err(LoginError::Invalid);
        };
        let secret = opened(&self.parts.keys, row)?;
        let now = self.parts.now();
        if secret.expires_at.is_some_and(|end| end <= now) {
            return Err(LoginError::Invalid);
        }
        Ok(secret)
    }

    async fn take_use(&self, hash: CredentialHash) -> Result<(), LoginError> {
        let (kind, now) = (CredentialKind::SecretId, self.parts.now());
        let left = self.parts.credentials.use_credential(kind, hash, now).await;
        match left.map_err(EntryError::from)? {
            Some(_) => Ok(()),
            None => Err(LoginError::Invalid),
        }
    }
}

fn login(named: &NamedRole, secret: Option<SecretId>) -> AppRoleLogin {
    let mut params = named.role.token.clone();
    let (mut metadata, bound_cidrs) = secret.map_or_else(Default::default, |secret| {
        (secret.body.metadata, secret.body.token_bound_cidrs)
    });
    // Tokens that are bound to the very address of the login are bound enough.
    if !bound_cidrs.is_empty() && !params.strictly_bind_ip {
        params.bound_cidrs = bound_cidrs;
    }
    metadata.insert("role_name".to_owned(), named.name.clone());
    AppRoleLogin {
        role: named.name.clone(),
        params,
        metadata,
    }
}
