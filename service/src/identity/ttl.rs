//! How long a token lives: pure arithmetic on what was asked for, what a role and a mount allow, and the time.
//!
//! Instants are microseconds and every bound is kept to the microsecond. A token that never expires is not a matter of
//! arithmetic: nothing here turns a lifetime into "for ever", however small it gets.

use std::time::Duration;

use keyring::clock::Timestamp;

/// The lifetime of tokens where nothing else is said, and the longest there is: 768 hours.
pub const SYSTEM_TTL: Duration = Duration::from_hours(768);

/// What an auth mount allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TtlLimits {
    /// The lifetime where nothing else is said.
    pub default: Duration,
    /// The longest one.
    pub max: Duration,
}

impl TtlLimits {
    /// The limits of a mount tuned to these; zero means the system's. Neither goes beyond the longest.
    pub fn tuned(default: Duration, max: Duration) -> Self {
        let or_system = |ttl: Duration| if ttl.is_zero() { SYSTEM_TTL } else { ttl };
        let max = or_system(max);
        Self {
            default: or_system(default).min(max),
            max,
        }
    }
}

impl Default for TtlLimits {
    fn default() -> Self {
        Self {
            default: SYSTEM_TTL,
            max: SYSTEM_TTL,
        }
    }
}

/// What is asked for; zero means that nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TtlTerms {
    /// The lifetime a renewal asks for.
    pub increment: Duration,
    /// The lifetime by the role, or by the call that creates the token.
    pub ttl: Duration,
    /// The lifetime of a periodic token, the same at each renewal.
    pub period: Duration,
    /// The role's bound on the age a token can be renewed to. Does not bind periodic tokens.
    pub max_ttl: Duration,
    /// The bound on the age a token can ever reach, periodic or not.
    pub explicit_max_ttl: Duration,
}

/// A lifetime, from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// Never zero.
    pub ttl: Duration,
    /// What was cut, in Vault's words.
    pub warnings: Vec<String>,
}

/// The token has reached the greatest age it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("past the max TTL, cannot renew")]
pub struct PastMax;

/// The lifetime of a token that was issued at `issued_at` (which is `now` for a new one).
pub fn grant(
    terms: &TtlTerms,
    limits: TtlLimits,
    issued_at: Timestamp,
    now: Timestamp,
) -> Result<Granted, PastMax> {
    let mut warnings = Vec::new();
    let max = [terms.max_ttl, terms.explicit_max_ttl]
        .into_iter()
        .filter(|bound| !bound.is_zero())
        .fold(limits.max, Duration::min);
    let (asked, bound) = if terms.period.is_zero() {
        let said = [terms.increment, terms.ttl, limits.default];
        let asked = said.into_iter().find(|ttl| !ttl.is_zero());
        (asked.unwrap_or_default(), max)
    } else {
        // The system's own limit does not bind a period, which is why somebody asks for one.
        let is_systems = max >= SYSTEM_TTL;
        let max = if is_systems { Duration::MAX } else { max };
        if terms.period > max {
            warnings.push(format!(
                "period of \"{}\" exceeded the effective max_ttl of \"{}\"; period value is capped accordingly",
                go_duration(terms.period),
                go_duration(max)
            ));
        }
        (terms.period.min(max), terms.explicit_max_ttl)
    };
    let ttl = if bound.is_zero() {
        asked
    } else {
        let left = left(issued_at.plus(bound), now).ok_or(PastMax)?;
        if asked > left {
            warnings.push(format!(
                "TTL of \"{}\" exceeded the effective max_ttl of \"{}\"; TTL value is capped accordingly",
                go_duration(asked),
                go_duration(left)
            ));
        }
        asked.min(left)
    };
    if ttl.is_zero() {
        return Err(PastMax);
    }
    Ok(Granted { ttl, warnings })
}

/// What is left until an instant; `None` once it has come.
pub fn left(until: Timestamp, now: Timestamp) -> Option<Duration> {
    let micros = until.micros().saturating_sub(now.micros());
    u64::try_from(micros)
        .ok()
        .filter(|left| *left > 0)
        .map(Duration::from_micros)
}

/// Whole seconds, begun ones included: what is left of a token is never shown as 0, which would mean for ever.
pub fn shown_seconds(ttl: Duration) -> u64 {
    ttl.as_secs()
        .saturating_add(u64::from(ttl.subsec_nanos() > 0))
}

/// A duration as Go prints it, to the second and without parts that are zero: `768h`, `1h30m`, `90s` as `1m30s`.
pub fn go_duration(span: Duration) -> String {
    let seconds = shown_seconds(span);
    let parts = [
        (seconds / 3600, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    let mut text = String::new();
    for (count, unit) in parts.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&count.to_string());
        text.push(unit);
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

/// Durations as whole seconds, in stored bodies.
pub mod seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    /// Writes the seconds.
    pub fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(span.as_secs())
    }

    /// Reads the seconds.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests;
