//! Values on the command line, with their bounds.

use std::time::Duration;

use crate::scenario::Scenario;

/// Reads `250us`, `2ms`, `10s`, `5m` or `1h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = digits
        .and_then(|at| text.split_at_checked(at))
        .ok_or_else(|| "a number with a unit: us, ms, s, m or h".to_owned())?;
    let number: u64 = number
        .parse()
        .map_err(|_| "a whole number is missing".to_owned())?;
    let micros = match unit {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        _ => return Err("unknown unit; use us, ms, s, m or h".to_owned()),
    };
    number
        .checked_mul(micros)
        .map(Duration::from_micros)
        .ok_or_else(|| "too long".to_owned())
}

/// Reads the name of a scenario.
pub(super) fn companion(text: &str) -> Result<Scenario, String> {
    Scenario::from_name(text)
        .ok_or_else(|| "encrypt, decrypt, batch, sign-TYPE or verify-TYPE".to_owned())
}

/// Up to 4,096 connections.
pub(super) fn connection_count(text: &str) -> Result<usize, String> {
    within(text, 4096)
}

/// Up to 64 threads.
pub(super) fn thread_count(text: &str) -> Result<usize, String> {
    within(text, 64)
}

fn within(text: &str, most: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=most).contains(&count) => Ok(count),
        Ok(_) | Err(_) => Err(format!("a number from 1 to {most}")),
    }
}

/// Up to 256 MiB.
pub(super) fn body_length(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bytes) if bytes <= LARGEST_BODY => Ok(bytes),
        Ok(_) | Err(_) => Err(format!("a number from 0 to {LARGEST_BODY}")),
    }
}

const LARGEST_BODY: usize = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(duration("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(duration("2ms"), Ok(Duration::from_millis(2)));
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("1h"), Ok(Duration::from_hours(1)));
        for wrong in [
            "",
            "2",
            "ms",
            "2 ms",
            "-2s",
            "2d",
            "1.5s",
            "99999999999999999h",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
