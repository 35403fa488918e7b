//! A role id and a secret id: roles as administrators keep them. Secret ids and logins are in rooms of their own.

pub mod checked_id;
pub mod login;
pub mod role;
mod role_cache;
pub mod secret_id;
pub mod secret_ids;
mod secret_ids_known;

use keyring::entropy::EntropyError;
use keyring::name::KeyName;
use keyring::store::StoreError;
use keyring::store::identity::CredentialKind;
use serde::{Deserialize, Serialize};

use self::checked_id::Purpose;
use self::role::{Role, RoleFault};
use self::role_cache::RoleCache;
use self::secret_ids_known::SecretIdsKnown;
use super::look_ups::KnownNames;
use super::role_name;
use crate::identity::entries::{EntryError, Shelf};
use crate::identity::parts::Parts;

/// The app roles of all mounts of that kind. Mounts are named by their accessors.
#[derive(Debug)]
pub struct AppRoles {
    parts: Parts,
    cache: RoleCache,
    /// Where the role ids of each mount are.
    places: KnownNames,
    secret_ids: SecretIdsKnown,
}

/// Why something about app roles was not done.
#[derive(Debug, thiserror::Error)]
pub enum AppRoleError {
    /// Reading or writing entries failed.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The role cannot be as asked.
    #[error(transparent)]
    Role(#[from] RoleFault),
    /// Another role has this role id.
    #[error("role_id already in use")]
    RoleIdTaken,
    /// There is no such role.
    #[error("there is no such role")]
    NoRole,
    /// There is a secret id of this text.
    #[error("SecretID is already registered")]
    SecretIdTaken,
    /// The role has as many secret ids as one may have.
    #[error("the role has too many secret ids that have not ended yet")]
    TooManySecretIds,
    /// What was asked of a secret id goes beyond the role.
    #[error(transparent)]
    Terms(#[from] secret_id::TermsFault),
}

impl From<EntropyError> for AppRoleError {
    fn from(error: EntropyError) -> Self {
        Self::Entry(error.into())
    }
}

impl From<StoreError> for AppRoleError {
    fn from(error: StoreError) -> Self {
        Self::Entry(error.into())
    }
}

/// What a role is to be edited from.
#[derive(Debug)]
pub enum Draft {
    /// There is none yet: one with a new role id, about which nothing is said.
    New(Role),
    /// The role as it is.
    Old(Role),
}

impl AppRoles {
    /// No role is known yet.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            cache: RoleCache::new(),
            places: KnownNames::new(),
            secret_ids: SecretIdsKnown::new(),
        }
    }

    /// To be called when entries have changed.
    pub fn entries_changed(&self) {
        self.cache.entries_changed();
        self.secret_ids.entries_changed();
    }

    /// The role of this name, from the store.
    pub async fn role(&self, mount: &str, name: &KeyName) -> Result<Option<Role>, EntryError> {
        let name = role_name(name);
        let found = self.parts.entries.get(roles(mount), &name).await?;
        Ok(found.map(|entry| entry.value))
    }

    /// The names of all roles, in byte order.
    pub async fn names(&self, mount: &str) -> Result<Vec<String>, EntryError> {
        self.parts.entries.names(roles(mount)).await
    }

    /// Makes or changes a role by `edit`, which may run several times. What it refuses is refused.
    pub async fn put<E>(
        &self,
        mount: &str,
        name: &KeyName,
        mut edit: impl FnMut(Draft) -> Result<Role, E>,
    ) -> Result<Result<(), E>, AppRoleError> {
        let name = role_name(name);
        for _ in 0..TRIES {
            let found = self.parts.entries.get::<Role>(roles(mount), &name).await?;
            let before = found.map(|entry| entry.value);
            let draft = match &before {
                Some(role) => Draft::Old(role.clone()),
                None => Draft::New(self.blank(mount)?),
            };
            let after = match edit(draft) {
                Ok(role) => role,
                Err(refusal) => return Ok(Err(refusal)),
            };
            after.check()?;
            if self.replace(mount, &name, before.as_ref(), &after).await? {
                return Ok(Ok(()));
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// Deletes a role with its secret ids; whether there was one.
    pub async fn delete(&self, mount: &str, name: &KeyName) -> Result<bool, AppRoleError> {
        let name = role_name(name);
        let found = self.parts.entries.get::<Role>(roles(mount), &name).await?;
        let Some(role) = found.map(|entry| entry.value) else {
            return Ok(false);
        };
        // In this order: once the role is gone nobody can name its secret ids any more.
        self.retire_secret_ids(&role).await?;
        self.parts.entries.delete(roles(mount), &name).await?;
        self.release(mount, &name, &role.role_id).await?;
        self.entries_changed();
        Ok(true)
    }

    /// Takes away the secret ids of all roles of a mount that is being disabled.
    pub async fn retire_mount(&self, mount: &str) -> Result<(), AppRoleError> {
        let mut last: Option<String> = None;
        loop {
            let page = self
                .parts
                .entries
                .list::<Role>(roles(mount), last.as_deref(), PAGE);
            let page = page.await?;
            for entry in &page {
                self.retire_secret_ids(&entry.value).await?;
            }
            match page.into_iter().next_back() {
                Some(entry) => last = Some(entry.name),
                None => return Ok(()),
            }
        }
    }

    async fn retire_secret_ids(&self, role: &Role) -> Result<(), StoreError> {
        let now = self.parts.now();
        let store = &self.parts.entry_store;
        store.retire_scope(&role.secret_scope, now).await
    }

    fn blank(&self, mount: &str) -> Result<Role, EntropyError> {
        let entropy = self.parts.entropy.as_ref();
        let check = |text: &[u8]| self.parts.keys.check(text);
        let role_id = checked_id::generate(Purpose::RoleId, check, entropy)?;
        let mut scope = [0; 16];
        entropy.fill(&mut scope)?;
        Ok(Role::new(
            String::from_utf8_lossy(role_id.expose_secret()).into_owned(),
            format!("{mount}/{}", data_encoding::HEXLOWER.encode(&scope)),
        ))
    }

    /// Replaces a role that is still as it was before; whether it was. The role id is claimed first and the old one released
    /// last, so that a login finds the role by one of them at any time; a claim that broke off in between leads to a role that
    /// has another id, which is to say nowhere.
    async fn replace(
        &self,
        mount: &str,
        name: &str,
        before: Option<&Role>,
        after: &Role,
    ) -> Result<bool, AppRoleError> {
        let old_id = before.map(|role| role.role_id.as_str());
        if old_id != Some(&after.role_id) {
            self.claim(mount, name, &after.role_id).await?;
        }
        let write = self
            .parts
            .entries
            .put(roles(mount), name, |there: Option<Role>| {
                let unchanged = there.as_ref() == before;
                unchanged.then(|| after.clone()).ok_or(())
            });
        if write.await?.is_err() {
            return Ok(false);
        }
        if let Some(old_id) = old_id.filter(|old| *old != after.role_id) {
            self.release(mount, name, old_id).await?;
        }
        self.entries_changed();
        Ok(true)
    }

    /// Makes a role id lead to this role.
    async fn claim(&self, mount: &str, name: &str, role_id: &str) -> Result<(), AppRoleError> {
        let place = self.place_of_role_id(mount, role_id);
        let (entries, ids) = (&self.parts.entries, role_ids(mount));
        let found = entries.get::<RoleIdHolder>(ids, &place).await?;
        if let Some(other) = found.map(|entry| entry.value.role).filter(|it| it != name) {
            let other = entries.get::<Role>(roles(mount), &other).await?;
            if other.is_some_and(|other| other.value.role_id == role_id) {
                return Err(AppRoleError::RoleIdTaken);
            }
        }
        let holder = RoleIdHolder {
            role: name.to_owned(),
        };
        let claimed = entries.put(ids, &place, |_| Ok::<_, AppRoleError>(holder.clone()));
        claimed.await??;
        Ok(())
    }

    /// Makes a role id lead nowhere, unless it leads to another role by now.
    async fn release(&self, mount: &str, name: &str, role_id: &str) -> Result<(), EntryError> {
        let place = self.place_of_role_id(mount, role_id);
        let (entries, ids) = (&self.parts.entries, role_ids(mount));
        let holder = entries.get::<RoleIdHolder>(ids, &place).await?;
        if holder.is_some_and(|holder| holder.value.role == name) {
            entries.delete(ids, &place).await?;
        }
        Ok(())
    }

    /// The name of the entry that leads from a role id to its role. A hash, for role ids may be chosen and long.
    fn place_of_role_id(&self, mount: &str, role_id: &str) -> String {
        let text = [b"role id\0", mount.as_bytes(), b"\0", role_id.as_bytes()].concat();
        let hash = self.parts.keys.hash(CredentialKind::SecretId, &text);
        data_encoding::HEXLOWER.encode(&hash.0)
    }
}

/// Leads from a role id to its role.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
struct RoleIdHolder {
    role: String,
}

const fn roles(mount: &str) -> Shelf<'_> {
    Shelf {
        kind: "approle-role",
        scope: mount,
    }
}

const fn role_ids(mount: &str) -> Shelf<'_> {
    Shelf {
        kind: "approle-role-id",
        scope: mount,
    }
}

/// How often somebody else may change a role first.
const TRIES: u32 = 16;
/// How many roles are read at a time.
const PAGE: u32 = 500;

#[cfg(test)]
mod tests;
