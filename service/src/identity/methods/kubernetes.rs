//! Logins with the token of a Kubernetes service account: reviewed by the cluster, or verified by its keys.

pub mod account;
pub mod config;
pub mod connection;
pub mod offline;
pub mod review;
pub mod role;
