//! Tokens as text: made at random, with a check that refuses garbage without asking anybody, or chosen by somebody.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use keyring::entropy::{Entropy, EntropyError};
use keyring::identity_keys::{CHECK_LEN, IdentityKeys};
use keyring::secret::SecretBytes;

/// A token, or what is presented as one: plain enough to stand in a header and in a shell without quotes.
pub struct TokenText(SecretBytes);

impl TokenText {
    /// The longest text that is chosen or looked up, in bytes. Batch tokens are longer.
    pub const MAX_LEN: usize = 256;

    /// A new service token: `hvs.`, 28 characters of base62, which is more than 160 bits, and their check.
    pub fn generate(keys: &IdentityKeys, entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let random = random_base62(RANDOM_LEN, entropy)?;
        let mut text = Vec::with_capacity(SERVICE_LEN);
        text.extend_from_slice(SERVICE.as_bytes());
        text.extend_from_slice(random.expose_secret());
        let check = check_digits(keys, &text);
        text.extend_from_slice(&check);
        Ok(Self(SecretBytes::new(text)))
    }

    /// A new root token of a store that has no keys yet: `hvs.` and 28 characters of base62. It is known by its hash and
    /// needs no check.
    pub fn generate_root(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let random = random_base62(RANDOM_LEN, entropy)?;
        let text = [SERVICE.as_bytes(), random.expose_secret()].concat();
        Ok(Self(SecretBytes::new(text)))
    }

    /// The token these bytes are; `None` unless they are 1 to 256 of `A-Z a-z 0-9 . _ -`.
    pub fn parse(bytes: SecretBytes) -> Option<Self> {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        let fits = (1..=Self::MAX_LEN).contains(&bytes.len())
            && bytes.expose_secret().iter().all(is_plain);
        fits.then_some(Self(bytes))
    }

    /// A batch token: `hvb.` and its sealed body in base64url.
    pub fn batch(sealed: &[u8]) -> Self {
        let mut text = BATCH.to_owned();
        BASE64URL_NOPAD.encode_append(sealed, &mut text);
        Self(SecretBytes::new(text.into_bytes()))
    }

    /// The token as text. Who shows a token is a grep for this name.
    pub fn expose_secret(&self) -> &str {
        std::str::from_utf8(self.0.expose_secret()).expect("a token is ASCII")
    }

    /// The token's bytes, as the engine takes them.
    pub fn as_secret(&self) -> &SecretBytes {
        &self.0
    }

    /// Why nobody may choose this text for a token, in Vault's words.
    pub fn choice_fault(&self) -> Option<ChoiceFault> {
        let text = self.expose_secret();
        match text.split_once('.') {
            Some(("s", _)) => Some(ChoiceFault::ReservedPrefix("s.")),
            Some(("b", _)) => Some(ChoiceFault::ReservedPrefix("b.")),
            Some(("hvs", _)) => Some(ChoiceFault::ReservedPrefix("hvs.")),
            Some(("hvb", _)) => Some(ChoiceFault::ReservedPrefix("hvb.")),
            Some(("hvr", _)) => Some(ChoiceFault::ReservedPrefix("hvr.")),
            Some(_) => Some(ChoiceFault::Dot),
            None => None,
        }
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(..)")
    }
}

/// Why a text cannot be chosen for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceFault {
    /// It has a dot.
    #[error("custom token ID cannot have a '.' in the value")]
    Dot,
    /// It begins like a token that was made at random.
    #[error("custom token ID cannot have the '{0}' prefix")]
    ReservedPrefix(&'static str),
}

/// What a presented text may be, by its looks alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A batch token.
    Batch,
    /// A service token that this store made: its check is right.
    Checked,
    /// Only a token that somebody chose, or a root token; nothing else has this shape.
    Other,
}

impl Shape {
    /// The shape of a text.
    pub fn of(keys: &IdentityKeys, text: &str) -> Self {
        if text.starts_with(BATCH) {
            return Self::Batch;
        }
        if text.len() != SERVICE_LEN || !text.starts_with(SERVICE) {
            return Self::Other;
        }
        match text.as_bytes().split_at_checked(SERVICE_LEN - CHECK_DIGITS) {
            Some((checked, digits)) if digits == check_digits(keys, checked) => Self::Checked,
            Some(_) | None => Self::Other,
        }
    }
}

/// The sealed body in a batch token's text; `None` if it is none, or longer than any that is given out.
pub fn sealed_body(text: &str) -> Option<Vec<u8>> {
    let encoded = text.strip_prefix(BATCH)?;
    if encoded.len() > MAX_BATCH_LEN {
        return None;
    }
    BASE64URL_NOPAD.decode(encoded.as_bytes()).ok()
}

/// A new accessor: 24 characters of base62.
pub fn generate_accessor(entropy: &dyn Entropy) -> Result<String, EntropyError> {
    let random = random_base62(ACCESSOR_LEN, entropy)?;
    let text = std::str::from_utf8(random.expose_secret()).expect("base62 is ASCII");
    Ok(text.to_owned())
}

/// This many random characters of base62.
pub fn random_base62(length: usize, entropy: &dyn Entropy) -> Result<SecretBytes, EntropyError> {
    let mut text = Vec::with_capacity(length);
    while text.len() < length {
        let draw = SecretBytes::generate(length, entropy)?;
        let room = length - text.len();
        let digits = draw.expose_secret().iter().filter_map(|byte| digit(*byte));
        text.extend(digits.take(room));
    }
    Ok(SecretBytes::new(text))
}

/// The digit for six bits. Two of the 64 values give none: folded in, they would make two digits likelier than the others.
fn digit(byte: u8) -> Option<u8> {
    DIGITS.get(usize::from(byte & 63)).copied()
}

/// The check of a text, 40 bits, in seven digits of base62.
fn check_digits(keys: &IdentityKeys, text: &[u8]) -> [u8; CHECK_DIGITS] {
    let check: [u8; CHECK_LEN] = keys.check(text);
    let mut number = check
        .iter()
        .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    let mut digits = [b'0'; CHECK_DIGITS];
    for place in &mut digits {
        let digit = usize::try_from(number % 62).unwrap_or_default();
        *place = DIGITS.get(digit).copied().unwrap_or(b'0');
        number /= 62;
    }
    digits
}

const SERVICE: &str = "hvs.";
const BATCH: &str = "hvb.";
const RANDOM_LEN: usize = 28;
const CHECK_DIGITS: usize = 7;
const SERVICE_LEN: usize = SERVICE.len() + RANDOM_LEN + CHECK_DIGITS;
const ACCESSOR_LEN: usize = 24;
/// The longest batch token that is read; longer ones are never given out.
pub const MAX_BATCH_LEN: usize = 6 * 1024;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use keyring::entropy::SystemEntropy;

    use super::super::super::fixtures::keys;
    use super::*;

    fn parse(text: &str) -> Option<TokenText> {
        TokenText::parse(SecretBytes::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn a_generated_token_has_the_shape_that_clients_know_and_a_check() {
        let keys = keys();
        let token = TokenText::generate(&keys, &SystemEntropy).unwrap();
        let random = token.expose_secret().strip_prefix("hvs.").unwrap();
        assert_eq!(random.len(), 35);
        assert!(random.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let other = TokenText::generate(&keys, &SystemEntropy).unwrap();
        assert_ne!(token.expose_secret(), other.expose_secret());
        assert_eq!(Shape::of(&keys, token.expose_secret()), Shape::Checked);
    }

    #[test]
    fn any_change_to_a_token_is_seen_without_the_store() {
        let keys = keys();
        let token = TokenText::generate(&keys, &SystemEntropy).unwrap();
        let text = token.expose_secret();
        for at in 0..text.len() {
            let mut changed = text.to_owned().into_bytes();
            changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(Shape::of(&keys, &changed), Shape::Other, "{at}");
        }
        for length in 0..text.len() {
            assert_eq!(Shape::of(&keys, &text[..length]), Shape::Other);
        }
        let longer = format!("{text}0");
        assert_eq!(Shape::of(&keys, &longer), Shape::Other);
        let umlaut = format!("hvs.{}\u{e4}{}", &text[4..30], &text[32..]);
        assert_eq!(Shape::of(&keys, &umlaut), Shape::Other);
    }

    #[test]
    fn a_root_token_and_an_accessor_are_base62() {
        let root = TokenText::generate_root(&SystemEntropy).unwrap();
        assert_eq!(root.expose_secret().len(), 32);
        let accessor = generate_accessor(&SystemEntropy).unwrap();
        assert_eq!(accessor.len(), 24);
        assert!(accessor.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }

    #[test]
    fn a_chosen_token_needs_no_quotes_anywhere() {
        for text in ["root", "hvs.aB3-_"] {
            assert!(parse(text).is_some());
        }
        for text in ["", "a b", "a'b", "$a", "é", "a\n", &"x".repeat(257)] {
            assert!(parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn nobody_chooses_what_looks_generated_or_has_a_dot() {
        let fault = |text: &str| parse(text).unwrap().choice_fault();
        assert_eq!(fault("my-token"), None);
        assert_eq!(fault("a.b"), Some(ChoiceFault::Dot));
        for prefix in ["s.", "b.", "hvs.", "hvb.", "hvr."] {
            let text = format!("{prefix}abc");
            assert_eq!(fault(&text), Some(ChoiceFault::ReservedPrefix(prefix)));
        }
    }

    #[test]
    fn a_batch_token_carries_its_body() {
        let token = TokenText::batch(b"sealed body");
        assert_eq!(Shape::of(&keys(), token.expose_secret()), Shape::Batch);
        assert_eq!(sealed_body(token.expose_secret()).unwrap(), b"sealed body");
        for text in ["", "hvs.YQ", "hvb.YQ==", "hvb.Y", "hvb.a/", "hvb.a\u{e4}"] {
            assert_eq!(sealed_body(text), None, "{text}");
        }
        let long = format!("hvb.{}", "A".repeat(MAX_BATCH_LEN + 1));
        assert_eq!(sealed_body(&long), None);
    }
}
