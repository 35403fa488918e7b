//! Listeners: TLS, its reload, client certificates, Unix sockets.

mod authority;
mod certificates;
mod client_certificates;
mod encrypted;
mod unix_socket;
