//! Values of parameters: those in a policy, those in a request, and when one meets the other.

use std::time::Duration;

use crate::http::weak;

/// A parameter's value in a request, as a policy sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given<'a> {
    /// A bool.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// JSON's `null`.
    Null,
    /// A list, an object, or a number with a fraction. No policy names one.
    Other,
    /// A text.
    Text(&'a str),
}

/// The top-level fields of a request's body, or of its query where it has none. Only asked for if a rule restricts
/// them, so that an implementation may read the body no sooner.
pub trait Parameters {
    /// Shows `each` one field after another, by its name in the request, until it answers false. Answers whether it
    /// never did. An implementation that cannot read its fields answers false; then nothing is granted.
    fn all(&self, each: &mut dyn FnMut(&str, Given<'_>) -> bool) -> bool;

    /// Whether the fields are there to be shown. While they are still to come, what restricts them refuses nothing; it is decided
    /// again once they are.
    fn are_known(&self) -> bool {
        true
    }
}

/// No fields.
#[derive(Clone, Copy, Debug)]
pub struct NoParameters;

impl Parameters for NoParameters {
    fn all(&self, _: &mut dyn FnMut(&str, Given<'_>) -> bool) -> bool {
        true
    }
}

impl Parameters for serde_json::Map<String, serde_json::Value> {
    fn all(&self, each: &mut dyn FnMut(&str, Given<'_>) -> bool) -> bool {
        self.iter().all(|(name, value)| each(name, given(value)))
    }
}

fn given(value: &serde_json::Value) -> Given<'_> {
    use serde_json::Value;
    match value {
        Value::Null => Given::Null,
        Value::Bool(value) => Given::Bool(*value),
        Value::Number(number) => number.as_i128().map_or(Given::Other, Given::Integer),
        Value::String(text) => Given::Text(text),
        Value::Array(_) | Value::Object(_) => Given::Other,
    }
}

/// A parameter's value in a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Literal {
    /// A bool.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A text; a `*` at either end stands for anything.
    Text(Box<str>),
}

impl Literal {
    /// Whether a request gives just this value, and in this type: for lists of what is allowed.
    pub(super) fn is(&self, given: Given<'_>) -> bool {
        match (self, given) {
            (Self::Bool(value), Given::Bool(given)) => *value == given,
            (Self::Integer(value), Given::Integer(given)) => i128::from(*value) == given,
            (Self::Text(pattern), Given::Text(given)) => glob(pattern, given),
            (Self::Bool(_) | Self::Integer(_) | Self::Text(_), _) => false,
        }
    }

    /// Whether a request may give this value in any spelling that a field's weak typing would read as it, or gives
    /// what cannot be compared: for lists of what is denied. 1, "1", "0x1", true and "t" are one value to some field.
    pub(super) fn may_be(&self, given: Given<'_>) -> bool {
        let mine = match self {
            Self::Bool(value) => Given::Bool(*value),
            Self::Integer(value) => Given::Integer((*value).into()),
            Self::Text(text) => Given::Text(text),
        };
        let spelled = |pattern: &str| match given {
            Given::Bool(value) => {
                let words = if value { ["1", "true"] } else { ["0", "false"] };
                words.iter().any(|word| glob(pattern, word))
            }
            Given::Integer(number) => glob(pattern, &number.to_string()),
            Given::Null => glob(pattern, ""),
            Given::Other => true,
            Given::Text(text) => glob(pattern, text),
        };
        given == Given::Other
            || matches!(mine, Given::Text(pattern) if spelled(pattern))
            || both(integer(mine), integer(given))
            || both(boolean(mine), boolean(given))
            || both(duration(mine), duration(given))
    }
}

fn both<T: Copy + PartialEq>(one: Option<T>, other: Option<T>) -> bool {
    one.is_some() && one == other
}

/// What an int field reads.
fn integer(given: Given<'_>) -> Option<i128> {
    match given {
        Given::Bool(value) => Some(value.into()),
        Given::Integer(number) => Some(number),
        Given::Null | Given::Text("") => Some(0),
        Given::Text(text) => weak::go_int(text).map(i128::from),
        Given::Other => None,
    }
}

/// What a bool field reads.
fn boolean(given: Given<'_>) -> Option<bool> {
    match given {
        Given::Bool(value) => Some(value),
        Given::Integer(number) => Some(number != 0),
        Given::Null | Given::Text("") => Some(false),
        Given::Text(text) => weak::go_bool(text),
        Given::Other => None,
    }
}

/// What a duration field reads.
fn duration(given: Given<'_>) -> Option<Duration> {
    match given {
        Given::Integer(number) => weak::seconds(number).ok(),
        Given::Text(text) => weak::go_duration(text).ok(),
        Given::Bool(_) | Given::Null | Given::Other => None,
    }
}

/// A text against a pattern with a `*` at its beginning, its end, or both. A single `*` is only itself.
fn glob(pattern: &str, text: &str) -> bool {
    if pattern.len() < 2 {
        return pattern == text;
    }
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(rest), Some(_)) => text.contains(rest.strip_suffix('*').unwrap_or(rest)),
        (Some(suffix), None) => text.ends_with(suffix),
        (None, Some(prefix)) => text.starts_with(prefix),
        (None, None) => pattern == text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Literal {
        Literal::Text(text.into())
    }

    #[test]
    fn stars_at_the_ends_stand_for_anything() {
        for (pattern, matching, other) in [
            ("abc", "abc", "abcd"),
            ("abc*", "abcd", "xabc"),
            ("*abc", "xabc", "abcd"),
            ("*abc*", "xabcx", "ab"),
            (
                "**",
                "anything",
                "anything else, but nothing does not match",
            ),
            ("a*c", "a*c", "abc"),
            ("*", "*", "a"),
            ("", "", "a"),
        ] {
            assert!(glob(pattern, matching), "{pattern}");
            assert!(!glob(pattern, other) || pattern == "**", "{pattern}");
        }
    }

    #[test]
    fn what_is_allowed_is_allowed_in_its_type_alone() {
        assert!(text("1").is(Given::Text("1")));
        assert!(Literal::Integer(1).is(Given::Integer(1)));
        assert!(Literal::Bool(true).is(Given::Bool(true)));
        for (literal, given) in [
            (text("1"), Given::Integer(1)),
            (Literal::Integer(1), Given::Text("1")),
            (Literal::Integer(1), Given::Bool(true)),
            (Literal::Bool(true), Given::Text("true")),
            (Literal::Bool(false), Given::Null),
            (text("**"), Given::Other),
            (text(""), Given::Null),
        ] {
            assert!(!literal.is(given), "{literal:?} {given:?}");
        }
    }

    #[test]
    fn what_is_denied_is_denied_in_every_spelling() {
        let one = [text("1"), Literal::Integer(1), Literal::Bool(true)];
        for literal in &one {
            for given in [
                Given::Integer(1),
                Given::Bool(true),
                Given::Text("1"),
                Given::Other,
            ] {
                assert!(literal.may_be(given), "{literal:?} {given:?}");
            }
            for given in [Given::Integer(0), Given::Bool(false), Given::Text("f")] {
                assert!(!literal.may_be(given), "{literal:?} {given:?}");
            }
        }
        for given in [Given::Text("0x10"), Given::Text("020"), Given::Text("16s")] {
            assert!(Literal::Integer(16).may_be(given), "{given:?}");
        }
        assert!(text("1h").may_be(Given::Integer(3600)));
        assert!(text("aes*").may_be(Given::Text("aes256-gcm96")));
        assert!(!text("aes*").may_be(Given::Text("chacha20-poly1305")));
        for literal in [text(""), Literal::Integer(0), Literal::Bool(false)] {
            assert!(literal.may_be(Given::Null), "{literal:?}");
        }
    }
}
