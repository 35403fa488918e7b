//! How callers prove who they are.

pub mod approle;
pub mod cert;
pub mod entry_shelf;
pub mod jose;
pub mod jwt;
pub mod kubernetes;
pub mod look_ups;
pub mod origin;
#[cfg(test)]
mod stub_server;
pub mod turns;
pub mod userpass;

use keyring::name::KeyName;

/// The name of a mount's only configuration.
pub(crate) const CONFIG: &str = "config";

/// The canonical form of a role's or user's name: lower case, once and for all.
pub(crate) fn role_name(name: &KeyName) -> String {
    name.as_str().to_ascii_lowercase()
}
