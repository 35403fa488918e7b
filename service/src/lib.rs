//! The service: speaks the Vault transit protocol over HTTP and knows no cipher.

pub mod app;
pub mod backends;
pub mod cli;
pub mod config;
pub mod data_directory;
pub mod dev;
pub mod failure;
pub mod init;
pub mod metrics;
pub mod process;
pub mod root_token;
pub mod signals;
pub mod telemetry;
