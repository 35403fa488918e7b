//! The text form of a ciphertext: `vault:v3:<base64>`.
//!
//! One ciphertext has one spelling: what [`parse`] and [`Parsed::decode_append`] accept, [`write`](fn@write)
//! produces. A second spelling would let somebody who cannot decrypt make two different values of one.

use std::ops::Range;

use crate::base64;
use crate::version::Version;

/// A ciphertext taken apart; the payload is not decoded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// The key version that sealed it.
    pub version: Version,
    /// Nonce, body and tag as base64.
    pub payload_base64: &'a str,
}

impl Parsed<'_> {
    /// Appends the payload, `nonce || body || tag`, and answers where it is. How long its nonce must be, only its
    /// ring knows. Appends nothing on an error.
    pub fn decode_append(&self, out: &mut Vec<u8>) -> Result<Range<usize>, CiphertextError> {
        base64::decode_canonical_append(self.payload_base64.as_bytes(), out)
            .map_err(|_| CiphertextError::NotBase64)
    }
}

/// Takes `vault:v<version>:<payload>` apart, touching no key.
pub fn parse(text: &str) -> Result<Parsed<'_>, CiphertextError> {
    let rest = text.strip_prefix(PREFIX).ok_or(CiphertextError::NoPrefix)?;
    let (version, payload_base64) = rest.split_once(':').ok_or(CiphertextError::WrongFields)?;
    let version = parse_version(version).ok_or(CiphertextError::VersionNumber)?;
    Ok(Parsed {
        version,
        payload_base64,
    })
}

/// Appends `vault:v<version>:`.
pub fn write_prefix(version: Version, out: &mut Vec<u8>) {
    out.extend_from_slice(PREFIX.as_bytes());
    push_decimal(version.number(), out);
    out.push(b':');
}

/// Appends a whole ciphertext. The nonce's length is a multiple of three, as all nonces' are, so that nonce
/// and body (with its tag) encode separately and need not lie together.
pub fn write(version: Version, nonce: &[u8], body: &[u8], out: &mut Vec<u8>) {
    debug_assert_eq!(nonce.len() % 3, 0, "padding in the middle of the payload");
    out.reserve(
        LONGEST_PREFIX + base64::encoded_len(nonce.len()) + base64::encoded_len(body.len()),
    );
    write_prefix(version, out);
    base64::encode_append(nonce, out);
    base64::encode_append(body, out);
}

/// Why a text is no ciphertext, in the protocol's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CiphertextError {
    /// It does not begin with `vault:v`.
    #[error("invalid ciphertext: no prefix")]
    NoPrefix,
    /// The payload is not base64 as [`write`](fn@write) spells it.
    #[error("invalid ciphertext: could not decode base64")]
    NotBase64,
    /// The payload is shorter than a nonce.
    #[error("invalid ciphertext length")]
    TooShort,
    /// The version is not a decimal number from 1 to 2^32 - 1 without sign and leading zeros.
    #[error("invalid ciphertext: version number could not be decoded")]
    VersionNumber,
    /// There is no second colon.
    #[error("invalid ciphertext: wrong number of fields")]
    WrongFields,
}

fn parse_version(digits: &str) -> Option<Version> {
    // The standard parser also takes a plus sign and leading zeros.
    let canonical = digits.starts_with(|first: char| matches!(first, '1'..='9'));
    canonical
        .then(|| digits.parse().ok())
        .flatten()
        .and_then(Version::new)
}

/// Appends the digits without going through the formatting machinery, which takes as long as a short seal.
fn push_decimal(mut number: u32, out: &mut Vec<u8>) {
    let start = out.len();
    loop {
        let [digit, ..] = (number % 10).to_le_bytes();
        out.push(b'0' + digit);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.get_mut(start..).into_iter().for_each(<[u8]>::reverse);
}

const PREFIX: &str = "vault:v";
const LONGEST_PREFIX: usize = "vault:v4294967295:".len();

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::algorithm::CipherType;

    #[test]
    fn numbers_are_written_as_rust_writes_them() {
        for number in [1, 9, 10, 42, 100, 1_000_000_007, u32::MAX] {
            let mut out = b"before ".to_vec();
            write_prefix(Version::new(number).unwrap(), &mut out);
            assert_eq!(out, format!("before vault:v{number}:").as_bytes());
        }
    }

    proptest! {
        #[test]
        fn parse_undoes_write(
            key_type in select(&CipherType::ALL),
            number in 1..=u32::MAX,
            nonce in vec(any::<u8>(), 24),
            body in vec(any::<u8>(), 0..200),
        ) {
            let nonce = &nonce[..key_type.nonce_len()];
            let mut text = Vec::new();
            write(Version::new(number).unwrap(), nonce, &body, &mut text);
            let text = String::from_utf8(text).unwrap();
            let parsed = parse(&text).unwrap();
            prop_assert_eq!(parsed.version.number(), number);
            let mut payload = Vec::new();
            let range = parsed.decode_append(&mut payload).unwrap();
            prop_assert_eq!(&payload[range], [nonce, &body].concat());
        }

        #[test]
        fn parse_accepts_nothing_that_write_would_not_produce(text in spelling()) {
            let mut payload = Vec::new();
            let decoded = parse(&text).and_then(|parsed| {
                parsed.decode_append(&mut payload).map(|_| parsed.version)
            });
            if let Ok(version) = decoded {
                let (nonce, body) = payload.split_at(12.min(payload.len() / 3 * 3));
                let mut written = Vec::new();
                write(version, nonce, body, &mut written);
                prop_assert_eq!(String::from_utf8(written).unwrap(), text);
            }
        }

        #[test]
        fn no_text_makes_parse_panic(text in any::<String>()) {
            let _ = parse(&text);
        }
    }

    /// Ciphertexts of which some have a second spelling in one place.
    fn spelling() -> impl Strategy<Value = String> {
        let prefix = select(vec![
            "vault:v", "vault:v", "vault:v", "Vault:v", " vault:v", "vault:",
        ]);
        let version = select(vec![
            "1",
            "3",
            "10",
            "4294967295",
            "4294967296",
            "01",
            "+1",
            "0",
            "",
            "1 ",
            "1_0",
        ]);
        let payload = vec(any::<u8>(), 10..40).prop_map(|bytes| {
            let mut text = Vec::new();
            base64::encode_append(&bytes, &mut text);
            String::from_utf8(text).unwrap()
        });
        let damage = proptest::option::of((
            any::<prop::sample::Index>(),
            select(vec!["A", "=", "\n", "B", ":"]),
        ));
        (prefix, version, payload, damage).prop_map(|(prefix, version, mut payload, damage)| {
            if let Some((at, letter)) = damage {
                let at = at.index(payload.len());
                payload.replace_range(at..=at, letter);
            }
            format!("{prefix}{version}:{payload}")
        })
    }
}
