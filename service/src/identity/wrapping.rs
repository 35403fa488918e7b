//! Wrapped responses: an answer kept for whoever brings the token it was wrapped under, once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyring::clock::Timestamp;
use keyring::entropy::EntropyError;
use keyring::secret::SecretBytes;
use keyring::store::StoreError;
use keyring::store::identity::{
    CredentialHash, CredentialKind, Group, GroupUse, Reach, StoredCredential,
};
use serde::{Deserialize, Serialize};

use super::limits::Limits;
use super::parts::Parts;
use super::token::text::{Shape, TokenText, generate_accessor};
use super::ttl::{SYSTEM_TTL, seconds};

/// Wraps responses and gives each out once. Of one caller only so many are kept, of so many bytes.
#[derive(Clone, Debug)]
pub struct Wrapping {
    parts: Parts,
    adding: Arc<Mutex<HashMap<String, GroupUse>>>,
}

/// What is known of a wrapped response besides what it says.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct WrapInfo {
    /// The path of the request that it answers.
    pub creation_path: String,
    /// How long it is kept.
    #[serde(with = "seconds")]
    pub ttl: Duration,
    /// The accessor of the token or secret id in it, if there is one in it.
    pub wrapped_accessor: Option<String>,
    /// When it was wrapped, in microseconds since the epoch.
    created_at: i64,
}

impl WrapInfo {
    /// When it was wrapped.
    pub const fn created_at(&self) -> Timestamp {
        Timestamp::from_micros(self.created_at)
    }
}

/// What the caller gets in place of the response.
#[derive(Debug)]
pub struct Wrapped {
    /// The wrapping token.
    pub token: TokenText,
    /// Its accessor.
    pub accessor: String,
    /// What the caller is told of the response.
    pub info: WrapInfo,
}

/// Why a response was not wrapped, or not given out.
#[derive(Debug, thiserror::Error)]
pub enum WrapError {
    /// As many are kept for this caller, or as long ones, as may be.
    #[error(
        "too many wrapped responses are kept for this caller, or too long ones; unwrap some, or wait until they expire"
    )]
    CallerFull,
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// Nothing is wrapped under this token, or not any more.
    #[error("wrapping token is not valid or does not exist")]
    NotThere,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The row does not belong to the token.
    #[error("a wrapped response failed its integrity check")]
    Tampered,
    /// The response is longer than what is kept.
    #[error("the response is too long to be wrapped")]
    TooLong,
}

/// What is being added to a scope and not stored yet, taken back on drop.
#[derive(Debug)]
struct Adding {
    all: Arc<Mutex<HashMap<String, GroupUse>>>,
    scope: String,
    mine: GroupUse,
}

impl Adding {
    /// Notes it; also, how much is being added to the scope with it.
    fn begin(
        all: &Arc<Mutex<HashMap<String, GroupUse>>>,
        scope: &str,
        mine: GroupUse,
    ) -> (Self, GroupUse) {
        let sum = {
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            let sum = all.entry(scope.to_owned()).or_default();
            sum.count = sum.count.saturating_add(mine.count);
            sum.bytes = sum.bytes.saturating_add(mine.bytes);
            *sum
        };
        let (all, scope) = (Arc::clone(all), scope.to_owned());
        (Self { all, scope, mine }, sum)
    }
}

impl Drop for Adding {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sum) = all.get_mut(&self.scope) {
            sum.count = sum.count.saturating_sub(self.mine.count);
            sum.bytes = sum.bytes.saturating_sub(self.mine.bytes);
            if sum.count == 0 {
                all.remove(&self.scope);
            }
        }
    }
}

impl Wrapping {
    /// The longest response that is wrapped, in bytes.
    pub const MAX_RESPONSE_LEN: usize = 1 << 20;
    /// The longest a response is kept.
    pub const MAX_TTL: Duration = SYSTEM_TTL;

    /// Keeps responses in this store.
    pub fn new(parts: Parts) -> Self {
        let adding = Arc::default();
        Self { parts, adding }
    }

    /// How long, and how long ones, and how many are kept.
    pub const fn limits(&self) -> &Limits {
        &self.parts.limits
    }

    /// Refuses a caller for whom no more responses are kept.
    pub async fn check_room(&self, owner: &str) -> Result<(), WrapError> {
        self.room_of(&self.scope_of(owner), 0).await.map(drop)
    }

    /// Wraps the response to a request for this path, for this caller; with the accessor of what is in it, if anything has
    /// one.
    pub async fn wrap(
        &self,
        owner: &str,
        (creation_path, wrapped_accessor): (String, Option<String>),
        ttl: Duration,
        response: &SecretBytes,
    ) -> Result<Wrapped, WrapError> {
        let info = WrapInfo {
            creation_path,
            ttl: ttl.min(Self::MAX_TTL),
            wrapped_accessor,
            created_at: self.parts.now().micros(),
        };
        let scope = self.scope_of(owner);
        let length = response.len().saturating_add(info.creation_path.len());
        let _room = self.room_of(&scope, length).await?;
        self.keep(scope, info, response).await
    }

    /// What is known of the response under this token. It stays there.
    pub async fn look_up(&self, token: &str) -> Result<WrapInfo, WrapError> {
        self.describe(token).await.map(|(info, _)| info)
    }

    /// The same, with the accessor of the token.
    pub async fn describe(&self, token: &str) -> Result<(WrapInfo, String), WrapError> {
        let hash = self.hash(token)?;
        let credentials = &self.parts.credentials;
        let row = credentials.credential(CredentialKind::Wrapped, hash);
        let row = row.await?.ok_or(WrapError::NotThere)?;
        let now = self.parts.now();
        if row.expires_at.is_none_or(|end| end <= now) {
            return Err(WrapError::NotThere);
        }
        let (info, _) = self.open(token, &row)?;
        Ok((info, row.accessor))
    }

    /// Takes the response out; of many who bring the token, one gets it.
    pub async fn unwrap(&self, token: &str) -> Result<SecretBytes, WrapError> {
        let hash = self.hash(token)?;
        let (credentials, now) = (&self.parts.credentials, self.parts.now());
        let row = credentials.take_credential(CredentialKind::Wrapped, hash, now);
        let row = row.await?.ok_or(WrapError::NotThere)?;
        self.open(token, &row).map(|(_, response)| response)
    }

    /// Puts the response under a new token, for as long again. It is put there before it is taken from under the old one, so
    /// that it is not lost if this breaks off; of many who bring the old token, one gets a new one.
    pub async fn rewrap(&self, token: &str) -> Result<Wrapped, WrapError> {
        let hash = self.hash(token)?;
        let (credentials, kind) = (&self.parts.credentials, CredentialKind::Wrapped);
        let now = self.parts.now();
        let row = credentials.credential(kind, hash).await?;
        let row = row.ok_or(WrapError::NotThere)?;
        let (info, response) = self.open(token, &row)?;
        let info = WrapInfo {
            created_at: now.micros(),
            ..info
        };
        let again = self.keep(row.scope, info, &response).await?;
        if credentials
            .take_credential(kind, hash, now)
            .await?
            .is_some()
        {
            return Ok(again);
        }
        let late = self.hash(again.token.expose_secret())?;
        credentials.take_credential(kind, late, now).await?;
        Err(WrapError::NotThere)
    }

    /// Whose it is, without saying so: a keyed hash of the caller's name.
    fn scope_of(&self, owner: &str) -> String {
        let owner = [b"owner\0", owner.as_bytes()].concat();
        let CredentialHash(hash) = self.parts.keys.hash(CredentialKind::Wrapped, &owner);
        format!("wraps {}", data_encoding::HEXLOWER.encode(&hash))
    }

    /// Room for one more of this length, beside what is stored and what others are adding meanwhile.
    async fn room_of(&self, scope: &str, length: usize) -> Result<Adding, WrapError> {
        let more = GroupUse {
            count: 1,
            bytes: u64::try_from(length).unwrap_or(u64::MAX),
        };
        let (adding, all_adding) = Adding::begin(&self.adding, scope, more);
        let group = Group::Scope(CredentialKind::Wrapped, scope);
        let stored = self.parts.credentials.group_use(group, self.parts.now());
        let stored = stored.await?;
        let Limits {
            wraps, wrap_bytes, ..
        } = self.parts.limits;
        let fits = stored.count.saturating_add(all_adding.count) <= wraps
            && stored.bytes.saturating_add(all_adding.bytes) <= wrap_bytes;
        fits.then_some(adding).ok_or(WrapError::CallerFull)
    }

    async fn keep(
        &self,
        scope: String,
        info: WrapInfo,
        response: &SecretBytes,
    ) -> Result<Wrapped, WrapError> {
        if response.len() > Self::MAX_RESPONSE_LEN {
            return Err(WrapError::TooLong);
        }
        let (keys, entropy) = (&self.parts.keys, self.parts.entropy.as_ref());
        let token = TokenText::generate(keys, entropy)?;
        let hash = keys.hash(CredentialKind::Wrapped, token.expose_secret().as_bytes());
        let place = keys.place_of_credential(CredentialKind::Wrapped, &hash);
        let plain = joined(&info, response)?;
        let row = StoredCredential {
            kind: CredentialKind::Wrapped,
            hash,
            accessor: generate_accessor(entropy)?,
            scope,
            parent: None,
            chosen: false,
            created_at: info.created_at(),
            expires_at: Some(info.created_at().plus(info.ttl)),
            uses_left: None,
            body: keys.seal_under(token.expose_secret().as_bytes(), &place, &plain)?,
        };
        self.parts.credentials.add_credential(&row).await?;
        Ok(Wrapped {
            token,
            accessor: row.accessor,
            info,
        })
    }

    /// Takes a wrapped response away by its token; whether there was one.
    pub async fn revoke(&self, token: &str) -> Result<bool, StoreError> {
        let Ok(hash) = self.hash(token) else {
            return Ok(false);
        };
        let kind = CredentialKind::Wrapped;
        let now = self.parts.clock.now();
        self.parts
            .credentials
            .revoke_credential(kind, hash, Reach::Alone, now)
            .await
    }

    /// Takes a wrapped response away by its token's accessor; whether there was one.
    pub async fn revoke_by_accessor(&self, accessor: &str) -> Result<bool, StoreError> {
        let kind = CredentialKind::Wrapped;
        let found = self
            .parts
            .credentials
            .credential_by_accessor(kind, accessor)
            .await?;
        let Some(found) = found else {
            return Ok(false);
        };
        let now = self.parts.clock.now();
        self.parts
            .credentials
            .revoke_credential(kind, found.hash, Reach::Alone, now)
            .await
    }

    fn hash(&self, token: &str) -> Result<CredentialHash, WrapError> {
        match Shape::of(&self.parts.keys, token) {
            Shape::Checked => Ok(self
                .parts
                .keys
                .hash(CredentialKind::Wrapped, token.as_bytes())),
            Shape::Batch | Shape::Other => Err(WrapError::NotThere),
        }
    }

    /// What a row says, if it says what was sealed: nobody who can write to the database keeps a response longer.
    fn open(
        &self,
        token: &str,
        row: &StoredCredential,
    ) -> Result<(WrapInfo, SecretBytes), WrapError> {
        let keys = &self.parts.keys;
        let place = keys.place_of_credential(CredentialKind::Wrapped, &row.hash);
        let plain = keys.open_under(token.as_bytes(), &place, &row.body);
        let plain = plain.map_err(|_| WrapError::Tampered)?;
        let (info, response) = parted(&plain).ok_or(WrapError::Tampered)?;
        let same = row.created_at == info.created_at()
            && row.expires_at == Some(info.created_at().plus(info.ttl));
        same.then_some((info, response)).ok_or(WrapError::Tampered)
    }
}

/// What is sealed: a line that says what is known of the response, and the response.
fn joined(info: &WrapInfo, response: &SecretBytes) -> Result<SecretBytes, WrapError> {
    let line = serde_json::to_vec(info).map_err(|_| WrapError::Tampered)?;
    Ok(SecretBytes::new(
        [&line, b"\n".as_slice(), response.expose_secret()].concat(),
    ))
}

fn parted(plain: &SecretBytes) -> Option<(WrapInfo, SecretBytes)> {
    let bytes = plain.expose_secret();
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = bytes.split_at_checked(end)?;
    let (_, response) = rest.split_first()?;
    let info = serde_json::from_slice(line).ok()?;
    Some((info, SecretBytes::new(response.to_vec())))
}

#[cfg(test)]
mod tests;
