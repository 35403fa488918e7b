//! How callers prove who they are.

pub mod jose;
pub mod jwt;
pub mod kubernetes;
#[cfg(test)]
mod stub_server;
