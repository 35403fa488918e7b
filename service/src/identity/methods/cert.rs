//! Logins with a TLS client certificate: which certificates are trusted, and what they must be called.

pub mod chain;
pub mod config;
pub mod presented;
pub mod role;
