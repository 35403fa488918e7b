//! Rate limits and budgets: how much a caller may ask for in a time. Pure: time is an argument, and nothing here waits.
//!
//! A *rate limit* is Vault's: requests per client address, and of all that match a request only the most specific counts. A
//! *budget* is ours: several windows at once, in requests or in items, per identity, key or address; every one that matches
//! counts. Each node counts for itself.

mod quotas;
mod refused;
mod settings;
mod spec;
pub mod stored;
mod table;
mod tracked;
mod window;

use std::net::IpAddr;
use std::time::Duration;

pub use self::quotas::Quotas;
pub use self::refused::RefusedRate;
pub use self::settings::{QuotaSettings, SettingsChange};
pub use self::spec::{Budget, Per, QuotaPath, QuotaSpec, SpecFault};
pub use self::table::Table;
pub use self::window::{Unit, Window};

use crate::http::Operation;

/// What is known of a request when it is counted.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its path below `/v1/`, canonical, without a slash at either end.
    pub path: &'a str,
    /// What it asks for, if it led anywhere.
    pub operation: Option<Operation>,
    /// The client's address; absent on a Unix socket.
    pub address: Option<IpAddr>,
    /// Who asks, by something that stays the same from login to login; absent before a login.
    pub identity: Option<QuotaIdentity<'a>>,
    /// The ring it is about: mount and name.
    pub key: Option<(&'a str, &'a str)>,
    /// The role of a login, once its body is read.
    pub role: Option<&'a str>,
}

/// Somebody whom a budget is counted for. No two who differ are the same here, whatever they are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QuotaIdentity<'a> {
    /// Whoever logged in.
    Login {
        /// The accessor of the auth mount.
        mount: &'a str,
        /// A name that nobody else has there.
        name: &'a str,
    },
    /// A token that no login gave, by its hash.
    Token([u8; 32]),
}

/// What comes of counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Allowed,
    /// Not now: 429.
    Refused {
        /// After what time it may be tried again.
        retry_after: Duration,
    },
    /// Never: a batch with more items than the budget is large.
    TooMany,
}

impl Decision {
    /// The value of `Retry-After`: whole seconds, at least one; absent where trying again is of no use.
    pub fn retry_after_seconds(self) -> Option<u64> {
        match self {
            Self::Allowed | Self::TooMany => None,
            Self::Refused { retry_after } => {
                let begun = u64::from(retry_after.subsec_nanos() > 0);
                Some(retry_after.as_secs().saturating_add(begun).max(1))
            }
        }
    }

    /// Of two decisions the one that is worse for the caller.
    #[must_use]
    fn worse(self, other: Self) -> Self {
        match (self, other) {
            (Self::TooMany, _) | (_, Self::TooMany) => Self::TooMany,
            (Self::Refused { retry_after: one }, Self::Refused { retry_after: two }) => {
                Self::Refused {
                    retry_after: one.max(two),
                }
            }
            (refused @ Self::Refused { .. }, Self::Allowed) => refused,
            (Self::Allowed, other) => other,
        }
    }
}

/// What stands for an address: of IPv6, the network of 64 bits that one customer is given.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let bits = v6.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(bits.into())
        }
    }
}
