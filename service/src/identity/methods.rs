//! How callers prove who they are.

pub mod jose;
pub mod jwt;
#[cfg(test)]
mod stub_server;
