//! Weak typing of scalars: how texts and numbers read as ints, bools and durations, as Go's libraries have it.

use std::time::Duration;

/// A bool as Go's `strconv.ParseBool` reads it.
pub(crate) fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// An integer as Go's `strconv.ParseInt` reads it with base 0: `10`, `0x0a`, `0o12`, `012`, `0b1010`.
pub(crate) fn go_int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    let (digits, radix) = radix_of(digits);
    // `from_str_radix` would take another sign here.
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = i128::from_str_radix(digits, radix).ok()?;
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

fn radix_of(digits: &str) -> (&str, u32) {
    let Some(rest) = digits.strip_prefix('0').filter(|rest| !rest.is_empty()) else {
        return (digits, 10);
    };
    let prefixes = [(['x', 'X'], 16), (['o', 'O'], 8), (['b', 'B'], 2)];
    prefixes
        .iter()
        .find_map(|(letters, radix)| Some((rest.strip_prefix(letters)?, *radix)))
        .unwrap_or((rest, 8))
}

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DurationFault {
    /// It is below zero.
    Negative,
    /// It does not spell one, or one that is too long.
    Unreadable,
}

/// A duration as clients write it, in whole seconds: seconds (`3600`), days (`30d`), or Go's form (`1h30m`); nothing is
/// zero.
pub(crate) fn go_duration(text: &str) -> Result<Duration, DurationFault> {
    exact_go_duration(text).map(|exact| Duration::from_secs(exact.as_secs()))
}

/// A duration as clients write it, down to the nanosecond.
pub(crate) fn exact_go_duration(text: &str) -> Result<Duration, DurationFault> {
    if text.is_empty() {
        return Ok(Duration::ZERO);
    }
    if let Some(days) = text.strip_suffix('d') {
        return seconds(decimal(days)?.saturating_mul(86_400));
    }
    if let Ok(number) = decimal(text) {
        return seconds(number);
    }
    let (negative, rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let nanos = go_units(rest)?;
    match (negative, nanos) {
        (true, 1..) => Err(DurationFault::Negative),
        _ => Ok(Duration::from_nanos(nanos)),
    }
}

/// Seconds as a duration. What Go's 64 bits of nanoseconds do not hold is none: clients would read another one.
pub(crate) fn seconds(number: i128) -> Result<Duration, DurationFault> {
    match u64::try_from(number) {
        Ok(number) if number <= MAX_SECONDS => Ok(Duration::from_secs(number)),
        Err(_) if number < 0 => Err(DurationFault::Negative),
        Ok(_) | Err(_) => Err(DurationFault::Unreadable),
    }
}

/// The longest duration in whole seconds: some 292 years.
const MAX_SECONDS: u64 = i64::MAX.unsigned_abs() / 1_000_000_000;

fn decimal(text: &str) -> Result<i128, DurationFault> {
    text.parse::<i64>()
        .map(i128::from)
        .map_err(|_| DurationFault::Unreadable)
}

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// The nanoseconds of `1h30m`, `1.5h` and the like.
fn go_units(text: &str) -> Result<u64, DurationFault> {
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let number_len = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or(DurationFault::Unreadable)?;
        let (number, tail) = rest.split_at(number_len);
        let unit_len = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        let scale = UNITS.iter().find(|(name, _)| *name == unit);
        let (_, scale) = scale.ok_or(DurationFault::Unreadable)?;
        let part = scaled(number, *scale).ok_or(DurationFault::Unreadable)?;
        total = total.checked_add(part).ok_or(DurationFault::Unreadable)?;
        rest = tail;
    }
    // Go counts nanoseconds in an int64.
    i64::try_from(total).map_err(|_| DurationFault::Unreadable)?;
    Ok(total)
}

/// `number` times `scale`, the number being decimal digits with at most one point among them.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut total = whole.checked_mul(scale)?;
    let mut place = scale;
    for digit in fraction.chars() {
        place /= 10;
        total = total.checked_add(place.checked_mul(digit.to_digit(10)?.into())?)?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bools_are_those_of_go_and_no_others() {
        for text in ["1", "t", "T", "true", "TRUE", "True"] {
            assert_eq!(go_bool(text), Some(true), "{text}");
        }
        for text in ["0", "f", "F", "false", "FALSE", "False"] {
            assert_eq!(go_bool(text), Some(false), "{text}");
        }
        for text in ["", "tRUE", "yes", "on", " true", "2", "-1"] {
            assert_eq!(go_bool(text), None, "{text}");
        }
    }

    #[test]
    fn ints_have_base_zero() {
        for (text, expected) in [
            ("0", 0),
            ("-0", 0),
            ("7", 7),
            ("+7", 7),
            ("-7", -7),
            ("0x10", 16),
            ("0X1f", 31),
            ("-0x10", -16),
            ("010", 8),
            ("0o17", 15),
            ("0b101", 5),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(go_int(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "+",
            "-",
            "--1",
            "+-1",
            "0x",
            "0x-1",
            "08",
            "1.0",
            "1e3",
            " 1",
            "1 ",
            "ten",
            "9223372036854775808",
            "0b2",
        ] {
            assert_eq!(go_int(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_seconds_days_or_units() {
        for (text, expected) in [
            ("", 0),
            ("0", 0),
            ("-0", 0),
            ("3600", 3600),
            ("30d", 2_592_000),
            ("1h", 3600),
            ("1h30m", 5400),
            ("1.5h", 5400),
            (".5h", 1800),
            ("90s", 90),
            ("1500ms", 1),
            ("2\u{b5}s", 0),
            ("-0s", 0),
            ("1h1h", 7200),
        ] {
            assert_eq!(
                go_duration(text),
                Ok(Duration::from_secs(expected)),
                "{text}"
            );
        }
        for text in ["-1", "-1h", "-30d"] {
            assert_eq!(go_duration(text), Err(DurationFault::Negative), "{text}");
        }
        for text in [
            "1w",
            "h",
            "1h30",
            ".h",
            "1..5h",
            "d",
            "one hour",
            "99999999999999999999",
            "9999999h",
            "1.5d",
        ] {
            assert_eq!(go_duration(text), Err(DurationFault::Unreadable), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(number in any::<i64>()) {
            prop_assert_eq!(go_int(&number.to_string()), Some(number));
            let magnitude = number.unsigned_abs();
            prop_assert_eq!(go_int(&format!("{magnitude:#x}")), i64::try_from(magnitude).ok());
        }

        #[test]
        fn no_text_makes_the_readers_panic(text in "\\PC{0,20}|[-+0-9xXobB._hmsd]{0,20}") {
            let _ = (go_int(&text), go_bool(&text), go_duration(&text));
        }
    }
}
