//! What identity reports of itself, for counting.

use std::fmt;

/// Is told what identity does. Calls are plain and must not block.
pub trait IdentityObserver: Send + Sync + fmt::Debug {
    /// The store was asked for a token, which warm requests and garbage never cause.
    fn token_read(&self);
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl IdentityObserver for Unobserved {
    fn token_read(&self) {}
}
