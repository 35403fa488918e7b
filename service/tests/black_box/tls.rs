//! Listeners: TLS, its reload, client certificates, Unix sockets.

pub(crate) mod authority;
mod certificates;
mod client_certificates;
pub(crate) mod encrypted;
mod unix_socket;
