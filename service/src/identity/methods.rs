//! How callers prove who they are.

pub mod approle;
pub mod userpass;
