//! Names that may appear in a path: ring names and mount paths, each with one canonical form.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// A ring's name: ASCII letters, digits and `_`, inside also `-` and `.`, at most 255 bytes.
/// Upper and lower case differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(Arc<str>);

impl KeyName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 255;

    /// The name this text spells; `None` if it breaks the grammar.
    pub fn parse(text: &str) -> Option<Self> {
        is_segment(text, Self::MAX_LEN).then(|| Self(text.into()))
    }

    /// The name of the ring that holds a mount's wrapping key. No caller can spell it: [`parse`](Self::parse) refuses it.
    pub fn wrapping_key() -> Self {
        Self(WRAPPING_KEY.into())
    }

    /// Whether it is a name that the engine keeps for itself.
    pub fn is_reserved(&self) -> bool {
        &*self.0 == WRAPPING_KEY
    }

    /// The name a row holds: one that [`parse`](Self::parse) accepts, or a reserved one.
    pub(crate) fn of_row(text: &str) -> Option<Self> {
        Self::parse(text).or_else(|| (text == WRAPPING_KEY).then(Self::wrapping_key))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Vault's name for it.
const WRAPPING_KEY: &str = "import/wrapping-key";

impl Borrow<str> for KeyName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a mount answers, without slashes at either end: `transit`, `team/payments`.
/// Each segment has the grammar of a [`KeyName`]; 512 bytes at most in all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MountPath(Arc<str>);

impl MountPath {
    /// The longest path, in bytes.
    pub const MAX_LEN: usize = 512;

    /// The path this text spells, with one slash at either end forgiven; `None` if it breaks the grammar.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('/').unwrap_or(text);
        let text = text.strip_suffix('/').unwrap_or(text);
        let fits = text.len() <= Self::MAX_LEN
            && text.split('/').all(|part| is_segment(part, Self::MAX_LEN));
        fits.then(|| Self(text.into()))
    }

    /// The path as text, without slashes at either end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MountPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_segment(text: &str, max_len: usize) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let bytes = text.as_bytes();
    bytes.len() <= max_len
        && bytes.first().is_some_and(is_word)
        && bytes.last().is_some_and(is_word)
        && bytes
            .iter()
            .all(|byte| is_word(byte) || matches!(byte, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_grammar_are_taken_as_they_are() {
        for name in [
            "a",
            "A",
            "_",
            "9",
            "orders",
            "team.pii-v2",
            "a--b",
            "a..b",
            &"x".repeat(255),
        ] {
            assert_eq!(
                KeyName::parse(name).as_ref().map(KeyName::as_str),
                Some(name)
            );
        }
    }

    #[test]
    fn names_outside_the_grammar_are_refused() {
        for name in [
            "",
            "-a",
            "a-",
            ".a",
            "a.",
            "..",
            "a/b",
            "a b",
            "a\0",
            "é",
            "a%2f",
            &"x".repeat(256),
        ] {
            assert_eq!(KeyName::parse(name), None, "{name:?}");
        }
    }

    #[test]
    fn a_mount_path_has_one_form_with_and_without_slashes() {
        for text in [
            "team/payments",
            "/team/payments",
            "team/payments/",
            "/team/payments/",
        ] {
            assert_eq!(
                MountPath::parse(text).as_ref().map(MountPath::as_str),
                Some("team/payments")
            );
        }
        for text in ["", "/", "//", "a//b", "a/../b", "a/./b", "a/", "a/-b"]
            .iter()
            .filter(|t| **t != "a/")
        {
            assert_eq!(MountPath::parse(text), None, "{text:?}");
        }
    }
}
