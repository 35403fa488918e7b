//! Mounts: the paths under which rings live, each a namespace of its own.

use crate::algorithm::CipherType;
use crate::clock::Timestamp;
use crate::ids::MountId;
use crate::name::MountPath;

/// One mount of type `transit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The mount itself; a path mounted again has another.
    pub id: MountId,
    /// Where it answers.
    pub path: MountPath,
    /// When it was enabled.
    pub created_at: Timestamp,
    /// What an operator can tune.
    pub settings: MountSettings,
}

/// What an operator can tune on a mount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountSettings {
    /// Free text, at most [`MountSettings::MAX_DESCRIPTION_LEN`] bytes.
    pub description: String,
    /// The type of rings created without one; absent means the server's setting.
    pub default_key_type: Option<CipherType>,
}

impl MountSettings {
    /// The longest description, in bytes.
    pub const MAX_DESCRIPTION_LEN: usize = 1024;
}
