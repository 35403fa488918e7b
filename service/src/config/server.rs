//! `[server]`: with how many threads the service works, and how it stops. Where it listens is read here and in `[listener]`.

use std::time::Duration;

use super::section::Section;

/// The HTTP server.
#[derive(Debug)]
pub struct Server {
    /// Threads that serve requests; 0 means one per core.
    pub workers: usize,
    /// How long accepted requests may take to end after SIGTERM.
    pub drain_timeout: Duration,
}

impl Server {
    /// Reads the section.
    pub fn read(section: &mut Section<'_>) -> Self {
        Self {
            workers: section.within("workers", 0, 0..=1024),
            drain_timeout: section.within(
                "drain_timeout",
                Duration::from_secs(30),
                Duration::ZERO..=Duration::from_hours(1),
            ),
        }
    }
}
