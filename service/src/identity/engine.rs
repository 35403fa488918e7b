//! What identity asks of the engine.

use std::fmt;

use keyring::transit::{RootToken, Transit};

/// The engine, as far as identity needs it.
pub trait Engine: Send + Sync + fmt::Debug {
    /// The root token made by `init` that this text is, if it is one.
    fn root_token(&self, text: &str) -> Option<RootToken>;

    /// Whether the store has answered lately enough for what is cached to count.
    fn is_current(&self) -> bool;
}

impl Engine for Transit {
    fn root_token(&self, text: &str) -> Option<RootToken> {
        Self::root_token(self, text)
    }

    fn is_current(&self) -> bool {
        Self::is_current(self)
    }
}
