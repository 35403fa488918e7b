//! What is bounded for each caller, and for all together, as it is counted.

/// What is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Requests that wait for an RSA key.
    RsaSearch,
    /// Wrapped responses that are kept.
    Wraps,
}

impl Bound {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::RsaSearch, Self::Wraps];

    /// The word it is counted by.
    pub const fn word(self) -> &'static str {
        match self {
            Self::RsaSearch => "rsa_search",
            Self::Wraps => "wraps",
        }
    }
}
