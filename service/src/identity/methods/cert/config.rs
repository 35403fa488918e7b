//! The settings of a mount.

use serde::{Deserialize, Serialize};

/// What is kept and given back. There are neither aliases nor OCSP here, and tokens are renewed by whoever has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Whether renewals are not bound to the certificate of the login.
    pub disable_binding: bool,
    /// Whether metadata goes to aliases too.
    pub enable_identity_alias_metadata: bool,
    /// How many OCSP answers are cached.
    pub ocsp_cache_size: u32,
}
