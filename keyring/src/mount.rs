//! Mounts: the paths under which rings live, each a namespace of its own.

use std::time::Duration;

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
    /// Whether encrypting with a ring that does not exist creates it.
    pub upsert: bool,
    /// How many keys clients want cached; 0 for all of them. Kept for them, without effect.
    pub cache_size: u64,
    /// How long leases last, in whole seconds; 0 for the server's default. Kept for clients: nothing here is leased.
    pub default_lease_ttl: Duration,
    /// How long leases may last, in whole seconds; 0 for the server's maximum. Kept likewise.
    pub max_lease_ttl: Duration,
    /// Who may see that the mount is there; absent if nobody has said.
    pub listing_visibility: Option<ListingVisibility>,
}

/// Who may see that a mount is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListingVisibility {
    /// Who shows a token.
    Hidden,
    /// Everybody.
    Unauthenticated,
}

impl ListingVisibility {
    /// The visibility with this word on the wire and in rows.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "hidden" => Some(Self::Hidden),
            "unauth" => Some(Self::Unauthenticated),
            _ => None,
        }
    }

    /// The word on the wire and in rows.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::Unauthenticated => "unauth",
        }
    }
}

impl MountSettings {
    /// The longest description, in bytes.
    pub const MAX_DESCRIPTION_LEN: usize = 1024;
}
