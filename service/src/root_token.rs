//! Root tokens as text.

use keyring::entropy::{Entropy, EntropyError};
use keyring::secret::SecretBytes;

/// A new random root token: `hvs.` and 28 characters of base62, so over 160 bits.
pub fn generate(entropy: &dyn Entropy) -> Result<SecretBytes, EntropyError> {
    let mut token = Vec::with_capacity(PREFIX.len() + RANDOM_LEN);
    token.extend_from_slice(PREFIX);
    while token.len() < PREFIX.len() + RANDOM_LEN {
        let draw = SecretBytes::generate(RANDOM_LEN, entropy)?;
        let room = PREFIX.len() + RANDOM_LEN - token.len();
        token.extend(draw.expose_secret().iter().filter_map(digit).take(room));
    }
    Ok(SecretBytes::new(token))
}

/// The token somebody chose; `None` unless it can stand in a header and in a shell without quotes.
pub fn parse(text: String) -> Option<SecretBytes> {
    let token = SecretBytes::new(text.into_bytes());
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    let fits = (1..=MAX_LEN).contains(&token.len()) && token.expose_secret().iter().all(is_plain);
    fits.then_some(token)
}

/// The token as text.
pub fn as_text(token: &SecretBytes) -> &str {
    std::str::from_utf8(token.expose_secret()).unwrap_or_default()
}

/// Four characters would be likelier than the others if no byte were thrown away.
fn digit(byte: &u8) -> Option<u8> {
    DIGITS.get(usize::from(*byte & 63)).copied()
}

/// The longest token, in bytes.
pub const MAX_LEN: usize = 256;

const PREFIX: &[u8] = b"hvs.";
const RANDOM_LEN: usize = 28;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use keyring::entropy::SystemEntropy;

    use super::*;

    #[test]
    fn a_generated_token_has_the_shape_that_clients_know() {
        let token = generate(&SystemEntropy).unwrap();
        let random = as_text(&token).strip_prefix("hvs.").unwrap();
        assert_eq!(random.len(), 28);
        assert!(random.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let other = generate(&SystemEntropy).unwrap();
        assert_ne!(token.expose_secret(), other.expose_secret());
    }

    #[test]
    fn a_chosen_token_needs_no_quotes_anywhere() {
        for text in ["root", "hvs.aB3-_"] {
            assert!(parse(text.to_owned()).is_some());
        }
        for text in ["", "a b", "a'b", "$a", "é", "a\n", &"x".repeat(257)] {
            assert!(parse(text.to_owned()).is_none(), "{text:?}");
        }
    }
}
