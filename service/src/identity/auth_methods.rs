//! All auth methods of a node, and what concerns several of them at once.

mod renewal;

use std::num::NonZero;

use keyring::name::MountPath;

use super::auth_mounts::mount::MethodKind;
use super::auth_mounts::{AuthMountError, AuthMounts};
use super::entries::EntryError;
use super::methods::approle::{AppRoleError, AppRoles};
use super::methods::cert::Certificates;
use super::methods::jwt::Issuers;
use super::methods::kubernetes::Clusters;
use super::methods::turns::Turns;
use super::methods::userpass::Users;
use super::methods::userpass::password::PasswordHasher;
use super::parts::Parts;
use super::wrapping::Wrapping;

pub use self::renewal::RenewalFault;

/// The mounted auth methods and what each kind of them works with.
#[derive(Debug)]
pub struct AuthMethods {
    /// What is mounted where.
    pub mounts: AuthMounts,
    /// Role ids and secret ids.
    pub approles: AppRoles,
    /// TLS client certificates.
    pub certificates: Certificates,
    /// Service accounts of Kubernetes.
    pub clusters: Clusters,
    /// Signed tokens of others.
    pub issuers: Issuers,
    /// Names and passwords.
    pub users: Users,
    /// Wrapped responses.
    pub wrapping: Wrapping,
}

/// Why a method was not disabled.
#[derive(Debug, thiserror::Error)]
pub enum DisableError {
    /// Its app roles could not be retired.
    #[error(transparent)]
    AppRole(#[from] AppRoleError),
    /// It is not to be disabled, or the store failed.
    #[error(transparent)]
    Mount(#[from] AuthMountError),
}

impl AuthMethods {
    /// No method yet but the built-in one: see [`entries_changed`](Self::entries_changed).
    pub fn new(parts: &Parts) -> Self {
        // Half of the cores for passwords at most, and for certificates; the others go on serving.
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let hasher = PasswordHasher::new(cores.div_ceil(2));
        let turns = Turns::new(cores.div_ceil(2));
        Self {
            mounts: AuthMounts::new(parts.clone()),
            approles: AppRoles::new(parts.clone()),
            certificates: Certificates::new(parts.clone(), turns),
            clusters: Clusters::new(parts.clone()),
            issuers: Issuers::new(parts.clone()),
            users: Users::new(parts.clone(), hasher),
            wrapping: Wrapping::new(parts.clone()),
        }
    }

    /// To be called when entries have changed: forgets what was read from them, and reads the table of methods again.
    pub async fn entries_changed(&self) -> Result<(), EntryError> {
        self.approles.entries_changed();
        self.certificates.entries_changed();
        self.clusters.entries_changed();
        self.issuers.entries_changed();
        self.mounts.refresh().await
    }

    /// Disables a method and takes away everything that belongs to it, its tokens included; whether there was one. If this
    /// breaks off, the method answers no more, and disabling it again does the rest.
    pub async fn disable(&self, path: &MountPath) -> Result<bool, DisableError> {
        let Some(mount) = self.mounts.begin_disabling(path).await? else {
            return Ok(false);
        };
        if mount.kind == MethodKind::AppRole {
            self.approles.retire_mount(&mount.accessor).await?;
        }
        self.mounts.remove(&mount).await?;
        self.approles.entries_changed();
        Ok(true)
    }
}
