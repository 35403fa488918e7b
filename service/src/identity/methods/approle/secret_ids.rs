//! Secret ids as administrators make, read and destroy them. Each belongs to one role and is found through no other.

use std::time::Duration;

use keyring::clock::Timestamp;
use keyring::identity_keys::IdentityKeys;
use keyring::name::KeyName;
use keyring::secret::SecretBytes;
use keyring::store::StoreError;
use keyring::store::identity::{
    AccessorPage, CredentialHash, CredentialKind, Group, StoredCredential,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::checked_id::{self, Purpose};
use super::role::Role;
use super::secret_id::{SecretIdBody, SecretIdTerms};
use super::{AppRoleError, AppRoles, Draft};
use crate::identity::entries::EntryError;

/// A secret id that was just made.
#[derive(Debug)]
pub struct NewSecretId {
    /// Its text.
    pub text: SecretBytes,
    /// Names it without giving it away.
    pub accessor: String,
    /// How long it is good for; zero for ever.
    pub ttl: Duration,
    /// How many logins it is good for; zero for any number.
    pub num_uses: u32,
}

/// A secret id that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretId {
    /// Its keyed hash.
    pub hash: CredentialHash,
    /// Names it without giving it away.
    pub accessor: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is good for nothing; absent if never.
    pub expires_at: Option<Timestamp>,
    /// How many logins it is still good for; absent if they are not counted.
    pub uses_left: Option<u32>,
    /// What else is known of it.
    pub body: SecretIdBody,
}

/// How a secret id is named.
#[derive(Clone, Copy, Debug)]
pub enum SecretIdRef<'a> {
    /// By its accessor.
    Accessor(&'a str),
    /// By its text.
    Text(&'a SecretBytes),
}

/// What is sealed beside a secret id's hash. It repeats what the row says in the clear, so that nobody who can write to the
/// database makes one last longer.
#[derive(Debug, Deserialize, Serialize)]
struct Sealed {
    accessor: String,
    scope: String,
    created_at: i64,
    expires_at: Option<i64>,
    num_uses: u32,
    body: SecretIdBody,
}

impl AppRoles {
    /// Makes a secret id for a role, on a mount whose tokens live at most `max_ttl`; with this text, or a random one.
    pub async fn add_secret_id(
        &self,
        mount: &str,
        name: &KeyName,
        max_ttl: Duration,
        (terms, chosen): (SecretIdTerms, Option<SecretBytes>),
    ) -> Result<NewSecretId, AppRoleError> {
        let role = self.role(mount, name).await?.ok_or(AppRoleError::NoRole)?;
        self.check_room(&role).await?;
        let (body, num_uses) = SecretIdBody::granted(terms, &role, max_ttl)?;
        let is_chosen = chosen.is_some();
        if is_chosen && !role.has_custom_secret_ids {
            self.expect_custom_secret_ids(mount, name).await?;
        }
        let entropy = self.parts.entropy.as_ref();
        let check = |text: &[u8]| self.parts.keys.check(text);
        let text = match chosen {
            Some(text) => text,
            None => checked_id::generate(Purpose::SecretId, check, entropy)?,
        };
        let mut random = [0; 16];
        entropy.fill(&mut random)?;
        let accessor = uuid::Builder::from_random_bytes(random).into_uuid();
        let ttl = body.ttl;
        let sealed = self.sealed(&role, accessor, body, num_uses);
        let row = self.row(&text, sealed, is_chosen)?;
        let accessor = row.accessor.clone();
        match self.parts.credentials.add_credential(&row).await {
            Err(StoreError::Exists) => Err(AppRoleError::SecretIdTaken),
            Err(error) => Err(error.into()),
            Ok(()) => {
                self.secret_ids.appeared(row.hash, is_chosen);
                Ok(NewSecretId {
                    text,
                    accessor,
                    ttl,
                    num_uses,
                })
            }
        }
    }

    async fn check_room(&self, role: &Role) -> Result<(), AppRoleError> {
        let group = Group::Scope(CredentialKind::SecretId, &role.secret_scope);
        let there = self.parts.credentials.group_use(group, self.parts.now());
        if there.await?.count < self.parts.limits.secret_ids {
            Ok(())
        } else {
            Err(AppRoleError::TooManySecretIds)
        }
    }

    /// The accessors of a role's secret ids that are good for something, in byte order.
    pub async fn secret_id_accessors(
        &self,
        mount: &str,
        name: &KeyName,
    ) -> Result<Vec<String>, AppRoleError> {
        let role = self.role(mount, name).await?.ok_or(AppRoleError::NoRole)?;
        let mut all: Vec<String> = Vec::new();
        loop {
            let page = AccessorPage {
                scope: Some(&role.secret_scope),
                now: self.parts.now(),
                after: all.last().map(String::as_str),
                limit: PAGE,
            };
            let credentials = &self.parts.credentials;
            let page = credentials
                .accessors(CredentialKind::SecretId, &page)
                .await?;
            let is_last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// A secret id of this role and no other.
    pub async fn secret_id(
        &self,
        mount: &str,
        name: &KeyName,
        which: SecretIdRef<'_>,
    ) -> Result<Option<SecretId>, AppRoleError> {
        let role = self.role(mount, name).await?.ok_or(AppRoleError::NoRole)?;
        let credentials = &self.parts.credentials;
        let row = match which {
            SecretIdRef::Accessor(accessor) => {
                let kind = CredentialKind::SecretId;
                credentials.credential_by_accessor(kind, accessor).await?
            }
            SecretIdRef::Text(text) => {
                let hash = self.hash_of(&role.secret_scope, text);
                credentials
                    .credential(CredentialKind::SecretId, hash)
                    .await?
            }
        };
        let Some(row) = row.filter(|row| row.scope == role.secret_scope) else {
            return Ok(None);
        };
        let now = self.parts.now();
        let found = opened(&self.parts.keys, row)?;
        Ok(Some(found).filter(|it| it.expires_at.is_none_or(|end| now < end)))
    }

    /// Destroys a secret id of this role and no other; whether there was one. Its text may be chosen again once
    /// what has ended is purged from the store.
    pub async fn destroy_secret_id(
        &self,
        mount: &str,
        name: &KeyName,
        which: SecretIdRef<'_>,
    ) -> Result<bool, AppRoleError> {
        let Some(found) = self.secret_id(mount, name, which).await? else {
            return Ok(false);
        };
        let credentials = &self.parts.credentials;
        let (kind, now) = (CredentialKind::SecretId, self.parts.now());
        let taken = credentials.take_credential(kind, found.hash, now).await?;
        Ok(taken.is_some())
    }

    /// The hash of a secret id of the role with this scope. The scope is part of it: with another role, or the role that a mount
    /// of the same path had before, the same text is another secret id.
    pub(super) fn hash_of(&self, scope: &str, text: &SecretBytes) -> CredentialHash {
        let text = [scope.as_bytes(), b"\0", text.expose_secret()].concat();
        let text = SecretBytes::new(text);
        let keys = &self.parts.keys;
        keys.hash(CredentialKind::SecretId, text.expose_secret())
    }

    /// From now on logins with this role look for texts that were not generated here.
    async fn expect_custom_secret_ids(
        &self,
        mount: &str,
        name: &KeyName,
    ) -> Result<(), AppRoleError> {
        let marked = self.put(mount, name, |draft| match draft {
            Draft::New(_) => Err(AppRoleError::NoRole),
            Draft::Old(role) => Ok(Role {
                has_custom_secret_ids: true,
                ..role
            }),
        });
        marked.await?
    }

    /// What is known of a new secret id.
    fn sealed(&self, role: &Role, accessor: Uuid, body: SecretIdBody, num_uses: u32) -> Sealed {
        let created_at = self.parts.now();
        let expires_at = (!body.ttl.is_zero()).then(|| created_at.plus(body.ttl));
        Sealed {
            accessor: accessor.hyphenated().to_string(),
            scope: role.secret_scope.clone(),
            created_at: created_at.micros(),
            expires_at: expires_at.map(Timestamp::micros),
            num_uses,
            body,
        }
    }

    fn row(
        &self,
        text: &SecretBytes,
        sealed: Sealed,
        chosen: bool,
    ) -> Result<StoredCredential, AppRoleError> {
        let hash = self.hash_of(&sealed.scope, text);
        let plain = serde_json::to_vec(&sealed).map_err(|_| tampered())?;
        let keys = &self.parts.keys;
        let place = keys.place_of_credential(CredentialKind::SecretId, &hash);
        Ok(StoredCredential {
            kind: CredentialKind::SecretId,
            hash,
            accessor: sealed.accessor,
            scope: sealed.scope,
            parent: None,
            chosen,
            created_at: Timestamp::from_micros(sealed.created_at),
            expires_at: sealed.expires_at.map(Timestamp::from_micros),
            uses_left: (sealed.num_uses > 0).then_some(sealed.num_uses),
            body: keys.seal(&place, &SecretBytes::new(plain))?,
        })
    }
}

/// What a row says, if it says what was sealed.
pub(super) fn opened(keys: &IdentityKeys, row: StoredCredential) -> Result<SecretId, EntryError> {
    let place = keys.place_of_credential(CredentialKind::SecretId, &row.hash);
    let plain = keys.open(&place, &row.body).map_err(|_| tampered())?;
    let sealed: Sealed = serde_json::from_slice(plain.expose_secret()).map_err(|_| tampered())?;
    let uses = match (row.uses_left, sealed.num_uses) {
        (None, 0) => true,
        (Some(left), given) => left <= given,
        (None, _) => false,
    };
    let same = row.accessor == sealed.accessor
        && row.scope == sealed.scope
        && row.created_at.micros() == sealed.created_at
        && row.expires_at.map(Timestamp::micros) == sealed.expires_at;
    if !(uses && same) {
        return Err(tampered());
    }
    Ok(SecretId {
        hash: row.hash,
        accessor: row.accessor,
        created_at: row.created_at,
        expires_at: row.expires_at,
        uses_left: row.uses_left,
        body: sealed.body,
    })
}

const fn tampered() -> EntryError {
    EntryError::Tampered("secret id")
}

/// How many accessors are read at a time.
const PAGE: u32 = 1000;
