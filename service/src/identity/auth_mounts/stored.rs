//! An auth mount as its entry says it; the entry's name is the path.

use keyring::name::MountPath;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::mount::{AuthMount, AuthMountConfig, MethodKind};
use crate::identity::entries::Shelf;

/// Where auth mounts are kept.
pub(super) const SHELF: Shelf<'static> = Shelf {
    kind: "auth-mount",
    scope: "",
};

/// The body of an auth mount's entry.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct StoredMount {
    kind: MethodKind,
    accessor: String,
    uuid: String,
    config: AuthMountConfig,
    /// Whether it is being disabled. It answers no more; what belongs to it may still be there.
    #[serde(default)]
    pub(super) is_retiring: bool,
}

impl StoredMount {
    pub(super) fn of(mount: &AuthMount) -> Self {
        Self {
            kind: mount.kind,
            accessor: mount.accessor.clone(),
            uuid: mount.uuid.hyphenated().to_string(),
            config: mount.config.clone(),
            is_retiring: false,
        }
    }

    pub(super) fn mounted_at(self, path: MountPath) -> AuthMount {
        AuthMount {
            path,
            kind: self.kind,
            accessor: self.accessor,
            uuid: Uuid::try_parse(&self.uuid).unwrap_or_default(),
            config: self.config,
        }
    }

    /// The same, being disabled.
    pub(super) fn retiring(self) -> Self {
        Self {
            is_retiring: true,
            ..self
        }
    }

    /// The same with its settings changed.
    pub(super) fn tuned<E>(
        self,
        edit: &mut impl FnMut(AuthMountConfig) -> Result<AuthMountConfig, E>,
    ) -> Result<Self, E> {
        Ok(Self {
            config: edit(self.config)?,
            ..self
        })
    }
}
