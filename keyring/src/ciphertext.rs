//! The text form of a ciphertext: `vault:v3:<base64>`.
//!
//! One ciphertext has one spelling: what [`parse`] and [`Parsed::decode_append`] accept, [`write`](fn@write)
//! produces. A second spelling would let somebody who cannot decrypt make two different values of one.

use std::ops::Range;

use crate::algorithm::KeyType;
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
    /// Appends the payload, `nonce || body || tag`, and answers where it is. It holds at least the nonce.
    /// Appends nothing on an error.
    pub fn decode_append(
        &self,
        key_type: KeyType,
        out: &mut Vec<u8>,
    ) -> Result<Range<usize>, CiphertextError> {
        let payload = base64::decode_canonical_append(self.payload_base64.as_bytes(), out)
            .map_err(|_| CiphertextError::NotBase64)?;
        if payload.len() < key_type.nonce_len() {
            out.truncate(payload.start);
            return Err(CiphertextError::TooShort);
        }
        Ok(payload)
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
