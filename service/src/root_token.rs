//! Root tokens: made, or chosen by somebody.

use keyring::entropy::{Entropy, EntropyError};
use keyring::secret::SecretBytes;

/// A root token: plain enough to stand in a header and in a shell without quotes.
#[derive(Debug)]
pub struct RootToken(SecretBytes);

impl RootToken {
    /// The longest token, in bytes.
    pub const MAX_LEN: usize = 256;

    /// A new random token: `hvs.` and 28 characters of base62, which is more than 160 bits.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut token = Vec::with_capacity(PREFIX.len() + RANDOM_LEN);
        token.extend_from_slice(PREFIX);
        while token.len() < PREFIX.len() + RANDOM_LEN {
            let draw = SecretBytes::generate(RANDOM_LEN, entropy)?;
            let room = PREFIX.len() + RANDOM_LEN - token.len();
            token.extend(
                draw.expose_secret()
                    .iter()
                    .filter_map(|byte| digit(*byte))
                    .take(room),
            );
        }
        Ok(Self(SecretBytes::new(token)))
    }

    /// The token these bytes are; `None` unless they are 1 to 256 of `A-Z a-z 0-9 . _ -`.
    pub fn parse(bytes: SecretBytes) -> Option<Self> {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        let fits = (1..=Self::MAX_LEN).contains(&bytes.len())
            && bytes.expose_secret().iter().all(is_plain);
        fits.then_some(Self(bytes))
    }

    /// The token as text. Who shows a token is a grep for this name.
    pub fn expose_secret(&self) -> &str {
        std::str::from_utf8(self.0.expose_secret()).expect("a token is ASCII")
    }

    /// The token's bytes, as the engine takes them.
    pub fn as_secret(&self) -> &SecretBytes {
        &self.0
    }
}

/// The digit for six bits. Two of the 64 values give none: folded in, they would make two digits likelier than the others.
fn digit(byte: u8) -> Option<u8> {
    DIGITS.get(usize::from(byte & 63)).copied()
}

const PREFIX: &[u8] = b"hvs.";
const RANDOM_LEN: usize = 28;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use keyring::entropy::SystemEntropy;

    use super::*;

    #[test]
    fn a_generated_token_has_the_shape_that_clients_know() {
        let token = RootToken::generate(&SystemEntropy).unwrap();
        let random = token.expose_secret().strip_prefix("hvs.").unwrap();
        assert_eq!(random.len(), 28);
        assert!(random.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let other = RootToken::generate(&SystemEntropy).unwrap();
        assert_ne!(token.expose_secret(), other.expose_secret());
    }

    #[test]
    fn a_chosen_token_needs_no_quotes_anywhere() {
        let parse = |text: &str| RootToken::parse(SecretBytes::new(text.as_bytes().to_vec()));
        for text in ["root", "hvs.aB3-_"] {
            assert!(parse(text).is_some());
        }
        for text in ["", "a b", "a'b", "$a", "é", "a\n", &"x".repeat(257)] {
            assert!(parse(text).is_none(), "{text:?}");
        }
    }
}
