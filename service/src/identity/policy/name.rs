//! A policy's name, normalised once: whoever holds one can compare it without a second thought.

use std::fmt;
use std::sync::Arc;

use crate::identity::policy_set;

/// A policy's name: lower case, without spaces around it. Letters, digits and `-_.:@+=~` in segments divided by `/`.
/// Names of any other shape are refused rather than changed, so that no second spelling of `root`, be it of case,
/// space or script, is taken for another name first and for `root` later (CVE-2025-5999).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyName(Arc<str>);

/// Why a text is no policy's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyNameFault {
    /// There is nothing but spaces.
    #[error("policy name missing")]
    Empty,
    /// A character that names do not have, or an empty segment, or one of `.` and `..`.
    #[error(
        "a policy name is made of ASCII letters, digits and any of -_.:@+=~, in segments divided by single slashes"
    )]
    Shape,
    /// It is longer than [`PolicyName::MAX_LEN`].
    #[error("a policy name has at most {} characters", PolicyName::MAX_LEN)]
    TooLong,
}

impl PolicyName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 255;

    /// The name a text spells: ASCII spaces around it are dropped and letters are made small, as Vault does.
    pub fn parse(text: &str) -> Result<Self, PolicyNameFault> {
        let text = text.trim_ascii();
        if text.is_empty() {
            return Err(PolicyNameFault::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(PolicyNameFault::TooLong);
        }
        if !text.split('/').all(is_segment) {
            return Err(PolicyNameFault::Shape);
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// The name of the policy that may do everything.
    pub fn root() -> Self {
        Self(policy_set::ROOT.into())
    }

    /// The name of the policy that tokens get unless they are not to have it.
    pub fn default_policy() -> Self {
        Self(policy_set::DEFAULT.into())
    }

    /// Whether this is the policy that may do everything. It cannot be written, read as text or deleted.
    pub fn is_root(&self) -> bool {
        &*self.0 == policy_set::ROOT
    }

    /// Whether this is the policy that tokens get unless they are not to have it. It cannot be deleted.
    pub fn is_default(&self) -> bool {
        &*self.0 == policy_set::DEFAULT
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_segment(segment: &str) -> bool {
    let is_taken = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:@+=~".contains(&byte);
    !matches!(segment, "" | "." | "..") && segment.bytes().all(is_taken)
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_small_and_trimmed() {
        for (text, expected) in [
            ("a", "a"),
            ("App-RO", "app-ro"),
            (" team/payments:rw\t\n", "team/payments:rw"),
            ("svc@prod+1=~x.y_z", "svc@prod+1=~x.y_z"),
        ] {
            let name = PolicyName::parse(text).unwrap();
            assert_eq!(name.as_str(), expected, "{text:?}");
            assert_eq!(PolicyName::parse(name.as_str()), Ok(name));
        }
    }

    #[test]
    fn every_spelling_of_root_is_root_or_no_name() {
        for text in ["root", "Root", "ROOT", " root", "rOOt\t", "\r\nroot\n"] {
            assert_eq!(PolicyName::parse(text), Ok(PolicyName::root()), "{text:?}");
        }
        for text in [
            "root\u{a0}",
            "\u{200b}root",
            "r\u{43e}ot",
            "\u{ff52}oot",
            "roo\u{74}\u{301}",
            "ro\u{ad}ot",
            "root\0",
            "ro ot",
            "root,default",
            "/root",
            "root/",
            "./root",
            "a/../root",
            "a//root",
            "%72oot",
            "root%00",
            "\"root\"",
        ] {
            assert_eq!(
                PolicyName::parse(text),
                Err(PolicyNameFault::Shape),
                "{text:?}"
            );
        }
    }

    #[test]
    fn nothing_and_too_much_are_no_names() {
        assert_eq!(PolicyName::parse(" \t"), Err(PolicyNameFault::Empty));
        let long = "x".repeat(PolicyName::MAX_LEN);
        assert!(PolicyName::parse(&long).is_ok());
        let longer = PolicyName::parse(&(long + "x"));
        assert_eq!(longer, Err(PolicyNameFault::TooLong));
    }
}
