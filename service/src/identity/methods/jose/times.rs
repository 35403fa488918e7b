//! Since when and until when a token is valid, with what may be forgiven.

use keyring::clock::Timestamp;
use serde::{Deserialize, Serialize};

/// The times a token claims, in microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// When it was issued (`iat`).
    pub issued_at: Option<i64>,
    /// From when on it is valid (`nbf`).
    pub not_before: Option<i64>,
    /// From when on it is not valid any more (`exp`).
    pub expires_at: Option<i64>,
}

/// Why a token is not valid now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeFault {
    /// It is over.
    #[error("invalid expiration time (exp) claim: token is expired")]
    Expired,
    /// It was issued in the future.
    #[error("invalid issued at (iat) claim: token issued in the future")]
    IssuedLater,
    /// It names no time at all.
    #[error("no issued at (iat), not before (nbf), or expiration time (exp) claims in token")]
    NoTimes,
    /// It has not begun.
    #[error("invalid not before (nbf) claim: token not yet valid")]
    NotYet,
}

/// What a role forgives, in seconds. Zero asks for the default, a negative number for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leeways {
    /// For clocks that differ, on every time; by default 60 s.
    #[serde(default)]
    pub clock_skew: i64,
    /// How long a token without `exp` lasts after its `iat` or `nbf`; by default 150 s.
    #[serde(default)]
    pub expiration: i64,
    /// How long before its `exp` a token without `nbf` and `iat` begins; by default 150 s.
    #[serde(default)]
    pub not_before: i64,
}

impl Leeways {
    const DEFAULT_CLOCK_SKEW: i64 = 60;
    const DEFAULT_OTHER: i64 = 150;
}

fn micros(seconds: i64, default: i64) -> i64 {
    let seconds = match seconds {
        0 => default,
        given => given.max(0),
    };
    seconds.saturating_mul(1_000_000)
}

impl Times {
    /// Whether the token is valid at this instant. It is from `nbf` on and before `exp` (RFC 7519, 4.1.4 and 4.1.5), each
    /// moved by the leeway for clocks. A time that is not claimed follows from the others.
    pub fn check(self, now: Timestamp, leeways: Leeways) -> Result<(), TimeFault> {
        let skew = micros(leeways.clock_skew, Leeways::DEFAULT_CLOCK_SKEW);
        let earliest = now.micros().saturating_sub(skew);
        let latest = now.micros().saturating_add(skew);
        let begins = self.not_before.or(self.issued_at);
        let ends = match self.expires_at {
            Some(ends) => ends,
            None => self.implied_end(leeways)?,
        };
        let begins = begins.unwrap_or_else(|| {
            ends.saturating_sub(micros(leeways.not_before, Leeways::DEFAULT_OTHER))
        });
        if latest < begins {
            return Err(TimeFault::NotYet);
        }
        if earliest >= ends {
            return Err(TimeFault::Expired);
        }
        if self.issued_at.is_some_and(|issued| latest < issued) {
            return Err(TimeFault::IssuedLater);
        }
        Ok(())
    }

    fn implied_end(self, leeways: Leeways) -> Result<i64, TimeFault> {
        let begins = self.not_before.max(self.issued_at);
        let begins = begins.ok_or(TimeFault::NoTimes)?;
        Ok(begins.saturating_add(micros(leeways.expiration, Leeways::DEFAULT_OTHER)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Leeways = Leeways {
        clock_skew: -1,
        expiration: -1,
        not_before: -1,
    };
    const T: i64 = 1_700_000_000_000_000;

    fn check(times: Times, now: i64, leeways: Leeways) -> Result<(), TimeFault> {
        times.check(Timestamp::from_micros(now), leeways)
    }

    #[test]
    fn a_token_ends_at_its_end_and_not_a_microsecond_later() {
        let times = Times {
            expires_at: Some(T),
            issued_at: Some(T - 10_000_000),
            not_before: None,
        };
        assert_eq!(check(times, T - 1, NONE), Ok(()));
        assert_eq!(check(times, T, NONE), Err(TimeFault::Expired));
        assert_eq!(check(times, T + 1, NONE), Err(TimeFault::Expired));
        let default = Leeways::default();
        assert_eq!(check(times, T + 59_999_999, default), Ok(()));
        assert_eq!(
            check(times, T + 60_000_000, default),
            Err(TimeFault::Expired)
        );
        let five = Leeways {
            clock_skew: 5,
            ..NONE
        };
        assert_eq!(check(times, T + 4_999_999, five), Ok(()));
        assert_eq!(check(times, T + 5_000_000, five), Err(TimeFault::Expired));
    }

    #[test]
    fn a_token_begins_at_its_beginning_and_not_a_microsecond_before() {
        let times = Times {
            not_before: Some(T),
            expires_at: Some(T + 100_000_000),
            issued_at: None,
        };
        assert_eq!(check(times, T - 1, NONE), Err(TimeFault::NotYet));
        assert_eq!(check(times, T, NONE), Ok(()));
        let default = Leeways::default();
        assert_eq!(check(times, T - 60_000_000, default), Ok(()));
        assert_eq!(
            check(times, T - 60_000_001, default),
            Err(TimeFault::NotYet)
        );
    }

    #[test]
    fn a_token_from_the_future_is_refused_though_it_is_valid_now() {
        let times = Times {
            issued_at: Some(T),
            not_before: Some(T - 100_000_000),
            expires_at: Some(T + 100_000_000),
        };
        assert_eq!(check(times, T - 1, NONE), Err(TimeFault::IssuedLater));
        assert_eq!(check(times, T, NONE), Ok(()));
    }

    #[test]
    fn times_that_are_not_claimed_follow_from_the_others() {
        let nothing = Times::default();
        assert_eq!(
            check(nothing, T, Leeways::default()),
            Err(TimeFault::NoTimes)
        );
        let issued = Times {
            issued_at: Some(T),
            ..nothing
        };
        let no_skew = Leeways {
            clock_skew: -1,
            ..Leeways::default()
        };
        assert_eq!(check(issued, T + 149_999_999, no_skew), Ok(()));
        assert_eq!(
            check(issued, T + 150_000_000, no_skew),
            Err(TimeFault::Expired)
        );
        assert_eq!(check(issued, T, NONE), Err(TimeFault::Expired));
        let ending = Times {
            expires_at: Some(T),
            ..nothing
        };
        assert_eq!(check(ending, T - 150_000_000, no_skew), Ok(()));
        assert_eq!(
            check(ending, T - 150_000_001, no_skew),
            Err(TimeFault::NotYet)
        );
    }

    #[test]
    fn leeways_of_any_size_do_not_overflow() {
        let huge = Leeways {
            clock_skew: i64::MAX,
            expiration: i64::MAX,
            not_before: i64::MAX,
        };
        let ending = Times {
            expires_at: Some(T),
            ..Times::default()
        };
        assert_eq!(check(ending, i64::MAX, huge), Ok(()));
        assert_eq!(check(ending, i64::MIN, huge), Ok(()));
        let least = Leeways {
            clock_skew: i64::MIN,
            expiration: i64::MIN,
            not_before: i64::MIN,
        };
        assert_eq!(check(ending, T, least), Err(TimeFault::Expired));
    }
}
