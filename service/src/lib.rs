//! The service: speaks the Vault transit protocol over HTTP and knows no cipher.

pub mod admission;
pub mod app;
pub mod audit;
pub mod backends;
pub mod caller;
pub mod check;
pub mod cli;
pub mod config;
pub mod connection;
pub mod data_directory;
pub mod detached;
pub mod dev;
pub mod failure;
pub mod gate;
pub mod http;
pub mod identity;
pub mod init;
pub mod listener;
pub mod metrics;
pub mod operator;
pub mod output;
pub mod process;
pub mod quota;
pub mod signals;
pub mod telemetry;
pub mod tls;
