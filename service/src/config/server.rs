//! `[server]`: where the service listens, and with how many threads.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::section::{Placed, Section};

/// The HTTP listener.
#[derive(Debug)]
pub struct Server {
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Threads that serve requests; 0 means one per core.
    pub workers: usize,
    /// How long accepted requests may take to end after SIGTERM.
    pub drain_timeout: Duration,
}

impl Server {
    /// Reads the section.
    pub fn read(section: &mut Section<'_>) -> Self {
        let remote = section.or("allow_plain_remote", false);
        Self {
            listen: listen(section, remote),
            workers: section.within("workers", 0, 0..=1024),
            drain_timeout: section.within(
                "drain_timeout",
                Duration::from_secs(30),
                Duration::ZERO..=Duration::from_hours(1),
            ),
        }
    }
}

fn listen(section: &mut Section<'_>, remote: bool) -> SocketAddr {
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT));
    let Some(Placed { value, place }) = section.placed::<SocketAddr>("listen") else {
        return default;
    };
    if !value.ip().to_canonical().is_loopback() && !remote {
        section.add_at(
            place,
            "is not a loopback address, and plain HTTP would show tokens and plaintexts to the network; \
             put TLS in front of it and set server.allow_plain_remote = true (SEALRING_SERVER__ALLOW_PLAIN_REMOTE=true)",
        );
    }
    value
}

/// Vault's port, so that clients find us where they look.
const DEFAULT_PORT: u16 = 8200;
