//! Appends JSON to an answer's bytes.

use std::io::Write as _;

use serde_json::Value;

/// Appends a JSON value.
pub(in crate::http) fn push_json(bytes: &mut Vec<u8>, value: &Value) {
    serde_json::to_writer(bytes, value).expect("a value with text keys always prints to memory");
}

/// Appends a JSON string, escaped where it must be.
pub(in crate::http) fn push_text(bytes: &mut Vec<u8>, text: &str) {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        push_plain(bytes, text);
    } else {
        serde_json::to_writer(bytes, text).expect("a text always prints to memory");
    }
}

/// Appends a JSON string that is known to need no escapes, like base64.
pub(in crate::http) fn push_plain(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(b'"');
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(b'"');
}

/// Appends a number.
pub(in crate::http) fn push_number(bytes: &mut Vec<u8>, number: u32) {
    match u8::try_from(number) {
        Ok(digit @ 0..=9) => bytes.push(b'0' + digit),
        Ok(_) | Err(_) => write!(bytes, "{number}").expect("memory takes what is written to it"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_appended_reads_back(written in "\\PC*|[\\x00-\\x7f]*", number in any::<u32>()) {
            let mut bytes = vec![b'['];
            push_text(&mut bytes, &written);
            bytes.push(b',');
            push_number(&mut bytes, number);
            bytes.push(b']');
            let read: (String, u32) = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(read, (written, number));
        }
    }
}
