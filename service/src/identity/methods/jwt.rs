//! Logins with a signed token of somebody else's (RFC 7519): whose keys count, who is who, and what roles ask for.

pub mod bound_claims;
pub mod config;
pub mod key_source;
pub mod login;
pub mod remote_keys;
pub mod role;
