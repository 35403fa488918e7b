//! Sealring's service: HTTP in front of `keyring`, and everything a process needs around it.

pub mod config;
pub mod backends;
pub mod failure;
pub mod process;
pub mod telemetry;
