//! The table of auth methods mounted at `auth/<path>/`: what requests are led by, and how it changes.

pub mod mount;
mod stored;

use std::sync::Arc;

use arc_swap::ArcSwap;
use keyring::entropy::EntropyError;
use keyring::name::MountPath;
use keyring::store::StoreError;

use self::mount::{AuthMount, AuthMountConfig, MethodKind};
use self::stored::{SHELF, StoredMount};
use super::entries::{Entry, EntryError};
use super::parts::Parts;

/// The enabled auth methods as this node knows them.
#[derive(Debug)]
pub struct AuthMounts {
    parts: Parts,
    table: ArcSwap<Vec<Arc<AuthMount>>>,
    /// Held while the table is read, so that no older reading replaces a newer one.
    reading: tokio::sync::Mutex<()>,
}

/// Why the table was not changed.
#[derive(Debug, thiserror::Error)]
pub enum AuthMountError {
    /// The tokens of this server are not to be enabled, disabled or moved.
    #[error("token credential backend cannot be instantiated, disabled or moved")]
    BuiltIn,
    /// Reading or writing entries failed.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The path, or one above or below it, is taken.
    #[error("path is already in use at {0}/")]
    InUse(MountPath),
    /// There is no method at this path.
    #[error("no auth method is mounted there")]
    NotFound,
    /// As many methods are mounted as can be.
    #[error("too many auth methods are mounted")]
    TooMany,
}

impl From<EntropyError> for AuthMountError {
    fn from(error: EntropyError) -> Self {
        Self::Entry(error.into())
    }
}

impl From<StoreError> for AuthMountError {
    fn from(error: StoreError) -> Self {
        Self::Entry(error.into())
    }
}

impl AuthMounts {
    /// How many methods can be mounted.
    pub const MAX_MOUNTS: u32 = 1000;

    /// A table with the built-in method alone, until it is [refreshed](Self::refresh).
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            table: ArcSwap::from_pointee(built_in().collect()),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// All methods by path, the built-in one included.
    pub fn all(&self) -> Arc<Vec<Arc<AuthMount>>> {
        self.table.load_full()
    }

    /// The method these segments below `auth` lie on, and the segments below it.
    pub fn find<'p, 's>(&self, segments: &'p [&'s str]) -> Option<(Arc<AuthMount>, &'p [&'s str])> {
        mount_at(&self.table.load(), segments)
    }

    /// The method at exactly this path.
    pub fn at(&self, path: &MountPath) -> Option<Arc<AuthMount>> {
        let table = self.table.load();
        table.iter().find(|mount| mount.path == *path).cloned()
    }

    /// Whether the method of this accessor is enabled. One that is not known is looked up, for another node may have enabled
    /// it just now. Credentials of a method that is not enabled are good for nothing, whatever the store still has.
    pub async fn is_enabled(&self, accessor: &str) -> Result<bool, EntryError> {
        let known = || {
            let table = self.table.load();
            table.iter().any(|mount| mount.accessor == accessor)
        };
        if known() {
            return Ok(true);
        }
        self.refresh().await?;
        Ok(known())
    }

    /// Reads the table again; to be called when entries have changed.
    pub async fn refresh(&self) -> Result<(), EntryError> {
        let _turn = self.reading.lock().await;
        let table = read(&self.parts).await?;
        self.table.store(Arc::new(table));
        Ok(())
    }

    /// Enables a method. Answers it as it is.
    pub async fn enable(
        &self,
        path: MountPath,
        kind: MethodKind,
        config: AuthMountConfig,
    ) -> Result<Arc<AuthMount>, AuthMountError> {
        if kind == MethodKind::Token {
            return Err(AuthMountError::BuiltIn);
        }
        self.refresh().await?;
        let table = self.all();
        if let Some(taken) = table.iter().find(|mount| collide(&mount.path, &path)) {
            return Err(AuthMountError::InUse(taken.path.clone()));
        }
        if table.len() >= usize::try_from(Self::MAX_MOUNTS).unwrap_or(usize::MAX) {
            return Err(AuthMountError::TooMany);
        }
        let mount = AuthMount::generate(path, kind, config, self.parts.entropy.as_ref())?;
        let name = mount.path.as_str();
        let stored = StoredMount::of(&mount);
        let written = self.parts.entries.put(SHELF, name, |there| match there {
            None => Ok(stored.clone()),
            Some(_) => Err(AuthMountError::InUse(mount.path.clone())),
        });
        written.await??;
        self.refresh_after_change().await;
        Ok(Arc::new(mount))
    }

    /// Changes a method's settings by `edit`, which may run several times. What it refuses is refused.
    pub async fn tune<E>(
        &self,
        path: &MountPath,
        mut edit: impl FnMut(AuthMountConfig) -> Result<AuthMountConfig, E>,
    ) -> Result<Result<(), E>, AuthMountError> {
        if path.as_str() == TOKEN {
            return Err(AuthMountError::BuiltIn);
        }
        let tuned = self.parts.entries.put(SHELF, path.as_str(), |there| {
            let there: StoredMount = there.ok_or(None)?;
            if there.is_retiring {
                return Err(None);
            }
            there.tuned(&mut edit).map_err(Some)
        });
        match tuned.await? {
            Ok(_) => {
                self.refresh_after_change().await;
                Ok(Ok(()))
            }
            Err(Some(refused)) => Ok(Err(refused)),
            Err(None) => Err(AuthMountError::NotFound),
        }
    }

    /// The first half of disabling: from now on nobody is led to the method any more. Answers what is to be retired and
    /// then [`removed`](Self::remove); also one whose disabling broke off before. `None` if there is none.
    pub async fn begin_disabling(
        &self,
        path: &MountPath,
    ) -> Result<Option<AuthMount>, AuthMountError> {
        if path.as_str() == TOKEN {
            return Err(AuthMountError::BuiltIn);
        }
        let mark = self.parts.entries.put(SHELF, path.as_str(), |there| {
            let there: StoredMount = there.ok_or(AuthMountError::NotFound)?;
            Ok(there.retiring())
        });
        match mark.await? {
            Ok(entry) => {
                self.refresh_after_change().await;
                Ok(mounted(entry))
            }
            Err(AuthMountError::NotFound) => Ok(None),
            Err(refused) => Err(refused),
        }
    }

    /// The second half: takes away everything that belongs to the method, and at last its name.
    pub async fn remove(&self, mount: &AuthMount) -> Result<(), AuthMountError> {
        let (store, now) = (&self.parts.entry_store, self.parts.now());
        store.retire_scope(&mount.accessor, now).await?;
        self.parts
            .entries
            .delete(SHELF, mount.path.as_str())
            .await?;
        Ok(())
    }

    /// Shows this node's own change at once. The change has been made: if reading it back fails, the next one who looks
    /// does it.
    async fn refresh_after_change(&self) {
        if let Err(error) = self.refresh().await {
            tracing::warn!(%error, "changed auth methods could not be read back");
        }
    }
}

/// The method of a table that these segments below `auth` lie on, and the segments below it. No path of a method lies on
/// another's, unless two nodes enabled both at one instant: then the longer one goes first.
pub fn mount_at<'p, 's>(
    table: &[Arc<AuthMount>],
    segments: &'p [&'s str],
) -> Option<(Arc<AuthMount>, &'p [&'s str])> {
    let on = table
        .iter()
        .filter_map(|mount| Some((mount, below(segments, mount.path.as_str())?)));
    let (mount, rest) = on.min_by_key(|(_, rest)| rest.len())?;
    Some((Arc::clone(mount), rest))
}

async fn read(parts: &Parts) -> Result<Vec<Arc<AuthMount>>, EntryError> {
    let limit = AuthMounts::MAX_MOUNTS.saturating_mul(2);
    let entries = parts
        .entries
        .list::<StoredMount>(SHELF, None, limit)
        .await?;
    let enabled = entries.into_iter().filter(|entry| !entry.value.is_retiring);
    let mut table: Vec<_> = enabled.filter_map(mounted).map(Arc::new).collect();
    table.extend(built_in());
    table.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(table)
}

fn built_in() -> impl Iterator<Item = Arc<AuthMount>> {
    let token = MountPath::parse(TOKEN).map(AuthMount::built_in_token);
    token.map(Arc::new).into_iter()
}

/// `None` for an entry whose name is no path, which nobody here has written.
fn mounted(entry: Entry<StoredMount>) -> Option<AuthMount> {
    let path = MountPath::parse(&entry.name)?;
    Some(entry.value.mounted_at(path))
}

fn below<'p, 's>(segments: &'p [&'s str], mount: &str) -> Option<&'p [&'s str]> {
    mount.split('/').try_fold(segments, |rest, part| {
        let (first, rest) = rest.split_first()?;
        (*first == part).then_some(rest)
    })
}

/// Whether one path lies on the other.
fn collide(one: &MountPath, other: &MountPath) -> bool {
    let on = |below: &str, above: &str| {
        let rest = below.strip_prefix(above);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let (one, other) = (one.as_str(), other.as_str());
    on(one, other) || on(other, one)
}

/// Where the built-in method is.
const TOKEN: &str = "token";

#[cfg(test)]
mod tests;
