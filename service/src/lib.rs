//! The service: speaks the Vault transit protocol over HTTP and knows no cipher.

pub mod admission;
pub mod caller;
pub mod detached;
pub mod http;
