//! Logging in with a role id and a secret id.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use keyring::secret::SecretBytes;
use keyring::store::identity::{CredentialHash, CredentialKind};
use moka::sync::Cache;

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
    /// More ids that nothing tells from garbage are asked for than the store is asked about.
    #[error("too many unknown ids are asked for")]
    Busy,
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

/// Bounds what invented ids cost. Ids made here carry a check; the others, which somebody may have chosen, are looked up
/// only so often.
#[derive(Debug)]
pub(super) struct LookUps {
    unchecked: DefaultDirectRateLimiter,
    /// Secret ids that were not there a moment ago.
    absent: Cache<CredentialHash, ()>,
}

impl LookUps {
    pub(super) fn new() -> Self {
        Self {
            unchecked: RateLimiter::direct(Quota::per_second(UNCHECKED_PER_SECOND)),
            absent: Cache::builder()
                .max_capacity(MAX_ABSENT)
                .time_to_live(ABSENT_FOR)
                .build(),
        }
    }

    /// A secret id that may have been asked for before is there now.
    pub(super) fn appeared(&self, hash: &CredentialHash) {
        self.absent.invalidate(hash);
    }

    fn permit(&self) -> Result<(), LoginError> {
        self.unchecked.check().map_err(|_| LoginError::Busy)
    }
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
        let named = self.role_of_id(mount, role_id).await?;
        let Some(named) = named else {
            return Err(self.refusal(mount, secret_id));
        };
        let role = &named.role;
        let secret = if role.bind_secret_id {
            Some(self.proven(role, secret_id).await?)
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
            Known::Nothing if checked_id::is_generated(Purpose::RoleId, check, role_id) => {}
            Known::Nothing => self.look_ups.permit()?,
        }
        let found = self.find_role(mount, role_id, &place).await?;
        let found = found.map(Arc::new);
        self.cache.put(place, epoch, found.clone());
        Ok(found)
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
    async fn proven(&self, role: &Role, text: &SecretBytes) -> Result<SecretId, LoginError> {
        if text.is_empty() {
            return Err(LoginError::MissingSecretId);
        }
        let hash = self.hash_of(&role.secret_scope, text);
        let check = |text: &[u8]| self.parts.keys.check(text);
        let is_generated = std::str::from_utf8(text.expose_secret())
            .is_ok_and(|text| checked_id::is_generated(Purpose::SecretId, check, text));
        if !(is_generated || role.has_custom_secret_ids) || self.look_ups.absent.contains_key(&hash)
        {
            return Err(LoginError::Invalid);
        }
        if !is_generated {
            self.look_ups.permit()?;
        }
        let kind = CredentialKind::SecretId;
        let found = self.parts.credentials.credential(kind, hash).await;
        let Some(row) = found.map_err(EntryError::from)? else {
            self.look_ups.absent.insert(hash, ());
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

/// How many ids without a check are looked up, on this node.
const UNCHECKED_PER_SECOND: NonZeroU32 = NonZeroU32::new(25).expect("not zero");
/// How many absent secret ids are remembered.
const MAX_ABSENT: u64 = 50_000;
/// For how long: another node may make a secret id of the same text.
const ABSENT_FOR: Duration = Duration::from_secs(1);
