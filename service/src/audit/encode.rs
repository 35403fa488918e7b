//! JSON, appended to a buffer that is reused: texts, numbers, times, hex.

use keyring::clock::Timestamp;
use time::OffsetDateTime;

/// Appends a JSON string, escaped where it must be.
pub(super) fn push_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    push_escaped(out, text);
    out.push(b'"');
}

/// Appends the inside of a JSON string.
fn push_escaped(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(is_plain) {
        return out.extend_from_slice(text.as_bytes());
    }
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            // DEL and the C0 controls: no terminal that shows the log shall obey them.
            0..0x20 | 0x7f => {
                out.extend_from_slice(b"\\u00");
                push_hex(out, &[byte]);
            }
            _ => out.push(byte),
        }
    }
}

fn is_plain(byte: u8) -> bool {
    byte >= 0x20 && byte != b'"' && byte != b'\\' && byte != 0x7f
}

/// Appends a decimal number.
pub(super) fn push_number(out: &mut Vec<u8>, number: u64) {
    push_digits(out, number, 1);
}

/// Appends a decimal number with leading zeros up to a width.
fn push_digits(out: &mut Vec<u8>, number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut rest = number;
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    let (_, written) = digits.split_at(digits.len() - used.max(width.min(20)));
    out.extend_from_slice(written);
}

/// Appends bytes in lower-case hexadecimal.
pub(super) fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        out.extend_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
    }
}

const fn hex_digit(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        _ => b'a' + nibble - 10,
    }
}

/// Bytes in lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// The bytes that lower-case hexadecimal spells, if there are exactly as many.
pub(super) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?;
    bytes.try_into().ok()
}

/// Appends an instant as RFC 3339 in UTC with microseconds. A time beyond what that can say becomes its beginning.
pub(super) fn push_time(out: &mut Vec<u8>, at: Timestamp) {
    let time =
        OffsetDateTime::from_unix_timestamp(at.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    push_digits(out, u64::try_from(year).unwrap_or_default(), 4);
    for (mark, number) in [
        (b'-', u8::from(month)),
        (b'-', day),
        (b'T', hour),
        (b':', minute),
        (b':', second),
    ] {
        out.push(mark);
        push_digits(out, u64::from(number), 2);
    }
    out.push(b'.');
    let micros = at.micros().rem_euclid(1_000_000);
    push_digits(out, u64::try_from(micros).unwrap_or_default(), 6);
    out.push(b'Z');
}

/// An instant as [`push_time`] writes it.
pub(super) fn time_text(at: Timestamp) -> String {
    let mut out = Vec::with_capacity(27);
    push_time(&mut out, at);
    String::from_utf8(out).unwrap_or_default()
}

/// The instant of an RFC 3339 text.
pub(super) fn parse_time(text: &str) -> Option<Timestamp> {
    let time = OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).ok()?;
    let micros = time.unix_timestamp_nanos().div_euclid(1_000);
    i64::try_from(micros).ok().map(Timestamp::from_micros)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn appended(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_rfc_3339_with_microseconds() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000_001, "2000-02-29T00:00:00.000001Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(time_text(Timestamp::from_micros(micros)), text);
        }
    }

    proptest! {
        #[test]
        fn any_text_reads_back(text in "\\PC*|[\\x00-\\x7f]*|\\p{any}*") {
            let json = appended(|out| push_text(out, &text));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
            prop_assert!(json.bytes().all(|byte| byte >= 0x20 && byte != 0x7f));
        }

        #[test]
        fn any_number_and_time_reads_back(number in any::<u64>(), micros in 0..253_402_300_800_000_000_i64) {
            prop_assert_eq!(appended(|out| push_number(out, number)), number.to_string());
            let at = Timestamp::from_micros(micros);
            prop_assert_eq!(parse_time(&time_text(at)), Some(at));
        }
    }
}
