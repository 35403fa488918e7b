//! The path of a rule.

use super::MAX_PATH_LEN;
use super::fault::Mistake;

/// Which paths a rule is about: one, all that begin alike (`*` at the end), or all that look alike (`+` for a segment).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RulePath(Box<str>);

/// What a rule's path means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape<'p> {
    /// This path and no other.
    Exact(&'p str),
    /// All paths that begin so.
    Prefix(&'p str),
    /// All paths with these segments, where a segment `+` stands for any one.
    Segments {
        /// What comes before the first `+`.
        head: &'p str,
        /// The rest, without a star at its end.
        tail: &'p str,
        /// Whether there was a star at the end: the last segment may then go on, and others may follow.
        open: bool,
    },
}

impl RulePath {
    /// The path a rule is written for; a slash in front is dropped, as Vault does.
    pub(super) fn parse(text: &str) -> Result<Self, Mistake> {
        let text = text.strip_prefix('/').unwrap_or(text);
        if text.len() > MAX_PATH_LEN {
            return Err(Mistake::TooLongPath);
        }
        if text.contains("{{") || text.contains("}}") {
            return Err(Mistake::Template);
        }
        if text.contains("+*") {
            return Err(Mistake::PlusStar);
        }
        let printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if !printable || !has_sound_segments(text) {
            return Err(Mistake::Path);
        }
        Ok(Self(text.into()))
    }

    /// The path as written, without a slash in front.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it means. There are segments, as Vault has it, if the first segment is `+` or another one begins with `+`;
    /// only a whole segment `+` then stands for any one.
    pub(super) fn shape(&self) -> Shape<'_> {
        let path = &*self.0;
        let star = path.strip_suffix('*');
        let segments = path == "+" || path.starts_with("+/") || path.contains("/+");
        match (segments.then(|| path.find('+')).flatten(), star) {
            (None, None) => Shape::Exact(path),
            (None, Some(prefix)) => Shape::Prefix(prefix),
            (Some(plus), star) => {
                let (head, tail) = star.unwrap_or(path).split_at(plus);
                Shape::Segments {
                    head,
                    tail,
                    open: star.is_some(),
                }
            }
        }
    }
}

/// Whether some request might have such a path. Only the last segment may be empty: lists end in a slash.
fn has_sound_segments(path: &str) -> bool {
    let (all_but_last, last) = path.rsplit_once('/').unwrap_or(("", path));
    let is_sound = |segment: &str| !matches!(segment, "" | "." | "..");
    let is_alone = all_but_last.is_empty() && !path.starts_with('/');
    let front_is_sound = is_alone || all_but_last.split('/').all(is_sound);
    front_is_sound && !matches!(last, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_of_three_shapes() {
        let segments = |head, tail, open| Shape::Segments { head, tail, open };
        for (text, expected) in [
            ("", Shape::Exact("")),
            ("a/b", Shape::Exact("a/b")),
            ("/a/b/", Shape::Exact("a/b/")),
            ("a/*/b", Shape::Exact("a/*/b")),
            ("a+/b", Shape::Exact("a+/b")),
            ("a/b+", Shape::Exact("a/b+")),
            ("*", Shape::Prefix("")),
            ("a/b*", Shape::Prefix("a/b")),
            ("a/b+c*", Shape::Prefix("a/b+c")),
            ("+", segments("", "+", false)),
            ("+/*", segments("", "+/", true)),
            ("a/+/c", segments("a/", "+/c", false)),
            ("a/+/c*", segments("a/", "+/c", true)),
            ("a/+b", segments("a/", "+b", false)),
            ("a+/+/c", segments("a", "+/+/c", false)),
        ] {
            let path = RulePath::parse(text).unwrap();
            assert_eq!(path.shape(), expected, "{text}");
        }
    }

    #[test]
    fn paths_that_no_request_has_are_refused() {
        for text in [
            "//a", "a//b", "a//", "a/../b", "..", "a/..", "./a", "a/.", ".", "a\0", "a\nb",
            "\u{e9}", "a\u{7f}",
        ] {
            assert_eq!(RulePath::parse(text), Err(Mistake::Path), "{text:?}");
        }
        for text in ["a+*", "a/+*", "+*"] {
            assert_eq!(RulePath::parse(text), Err(Mistake::PlusStar), "{text}");
        }
        for text in ["a/{{identity.entity.id}}", "{{", "a}}"] {
            assert_eq!(RulePath::parse(text), Err(Mistake::Template), "{text}");
        }
        let long = "x".repeat(MAX_PATH_LEN);
        assert!(RulePath::parse(&long).is_ok());
        assert_eq!(RulePath::parse(&(long + "x")), Err(Mistake::TooLongPath));
    }
}
