//! Any JSON value, read with bounds: depth, list length, total count, and no key twice in one object.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::text::Text;

/// A JSON value. Integers are exact; other numbers are known apart, so that none is ever rounded to one.
#[derive(Clone, PartialEq)]
pub(super) enum Value<'a> {
    Bool(bool),
    /// A number with a fraction, an exponent or too many digits.
    Fraction(f64),
    Integer(i128),
    List(Vec<Self>),
    Null,
    Object(Vec<(Cow<'a, str>, Self)>),
    Text(Cow<'a, str>),
}

impl Value<'_> {
    /// Whether it says no more than an absent field does.
    pub(super) fn says_nothing(&self) -> bool {
        match self {
            Self::Null | Self::Bool(false) | Self::Integer(0) => true,
            Self::Text(text) => matches!(&**text, "" | "false" | "0"),
            Self::List(items) => items.is_empty(),
            Self::Object(entries) => entries.is_empty(),
            Self::Bool(true) | Self::Fraction(_) | Self::Integer(_) => false,
        }
    }

    /// The word Go prints for the type a value decodes to; part of documented messages.
    pub(super) const fn go_type(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::Fraction(_) | Self::Integer(_) => "json.Number",
            Self::List(_) => "[]interface {}",
            Self::Null => "<nil>",
            Self::Object(_) => "map[string]interface {}",
            Self::Text(_) => "string",
        }
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({})", self.go_type())
    }
}

/// Why bytes are no value this service reads, and where it stopped. Says nothing of what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to decode JSON input: {reason} at line {line} column {column}")]
pub(super) struct JsonFault {
    pub(super) reason: Reason,
    line: usize,
    column: usize,
}

/// What is wrong with JSON input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Reason {
    #[error("the same key twice in one object")]
    DuplicateKey,
    #[error("not an object")]
    NotObject,
    #[error("syntax error")]
    Syntax,
    #[error("nested more than {MAX_DEPTH} deep")]
    TooDeep,
    #[error("more than {MAX_ITEMS} items in a list")]
    TooManyItems,
    #[error("more than {MAX_VALUES} values")]
    TooManyValues,
}

/// How deep objects and lists may be nested.
pub(super) const MAX_DEPTH: usize = 32;
/// How many items a list may have, and so a batch.
pub(super) const MAX_ITEMS: usize = 100_000;
/// How many values a body may have in all: ten for each item of the longest batch. Bounds the memory that
/// a body of many tiny values takes once decoded.
pub(super) const MAX_VALUES: usize = 10 * MAX_ITEMS;

/// The fields of a body: those of an object, or none for nothing and for `null`.
pub(super) fn read_object(body: &[u8]) -> Result<Vec<(Cow<'_, str>, Value<'_>)>, JsonFault> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Vec::new());
    }
    match read(body)? {
        Value::Object(fields) => Ok(fields),
        Value::Null => Ok(Vec::new()),
        Value::Bool(_)
        | Value::Fraction(_)
        | Value::Integer(_)
        | Value::List(_)
        | Value::Text(_) => Err(JsonFault {
            reason: Reason::NotObject,
            line: 1,
            column: 1,
        }),
    }
}

fn read(body: &[u8]) -> Result<Value<'_>, JsonFault> {
    let state = State::default();
    let mut json = serde_json::Deserializer::from_slice(body);
    let reader = Reader {
        depth: 0,
        state: &state,
    };
    let value = reader
        .deserialize(&mut json)
        .and_then(|value| json.end().map(|()| value));
    value.map_err(|error| JsonFault {
        reason: state.reason.get().unwrap_or(Reason::Syntax),
        line: error.line(),
        column: error.column(),
    })
}

#[derive(Default)]
struct State {
    values: Cell<usize>,
    reason: Cell<Option<Reason>>,
}

impl State {
    fn refuse<E: Error>(&self, reason: Reason) -> E {
        self.reason.set(Some(reason));
        E::custom(reason)
    }
}

#[derive(Clone, Copy)]
struct Reader<'s> {
    depth: usize,
    state: &'s State,
}

impl Reader<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(self.state.refuse(Reason::TooDeep));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        let values = self.state.values.get() + 1;
        self.state.values.set(values);
        if values > MAX_VALUES {
            return Err(self.state.refuse(Reason::TooManyValues));
        }
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Value::Fraction(value))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(inner)? {
            if items.len() == MAX_ITEMS {
                return Err(self.state.refuse(Reason::TooManyItems));
            }
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let inner = self.deeper()?;
        let mut fields = Vec::new();
        while let Some(Text(key)) = map.next_key()? {
            fields.push((key, map.next_value_seed(inner)?));
        }
        if has_duplicates(&fields) {
            return Err(self.state.refuse(Reason::DuplicateKey));
        }
        Ok(Value::Object(fields))
    }
}

fn has_duplicates(fields: &[(Cow<'_, str>, Value<'_>)]) -> bool {
    let mut keys: Vec<&str> = fields.iter().map(|(key, _)| key.as_ref()).collect();
    keys.sort_unstable();
    keys.windows(2)
        .any(|pair| matches!(pair, [one, next] if one == next))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reason(body: &str) -> Option<Reason> {
        read_object(body.as_bytes()).err().map(|fault| fault.reason)
    }

    #[test]
    fn nothing_and_null_are_objects_without_fields() {
        for body in ["", " \r\n\t", "null", " null ", "{}", " { } "] {
            assert_eq!(read_object(body.as_bytes()), Ok(Vec::new()), "{body:?}");
        }
    }

    #[test]
    fn other_values_and_broken_texts_are_told_apart() {
        for body in ["[]", "1", "\"x\"", "true", "[{}]"] {
            assert_eq!(reason(body), Some(Reason::NotObject), "{body}");
        }
        for body in [
            "{",
            "}",
            "{\"a\":}",
            "{\"a\":1,}",
            "nul",
            "{} {}",
            "{\"a\":01}",
            "{\"a\":\"\u{1}\"}",
            "{a:1}",
            "{'a':1}",
        ] {
            assert_eq!(reason(body), Some(Reason::Syntax), "{body}");
        }
        assert_eq!(
            read_object(b"{\"a\":\"\xff\"}").map_err(|fault| fault.reason),
            Err(Reason::Syntax)
        );
    }

    #[test]
    fn a_key_may_stand_once_in_each_object() {
        assert_eq!(reason(r#"{"a":1,"b":{"a":1}}"#), None);
        for body in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":[{"a":1,"b":2,"a":3}]}"#,
        ] {
            assert_eq!(reason(body), Some(Reason::DuplicateKey), "{body}");
        }
    }

    #[test]
    fn depth_and_length_are_bounded_while_reading() {
        let nested =
            |depth: usize| format!("{{\"a\":{}{}", "[".repeat(depth), "]".repeat(depth)) + "}";
        assert_eq!(reason(&nested(MAX_DEPTH - 1)), None);
        assert_eq!(reason(&nested(MAX_DEPTH)), Some(Reason::TooDeep));
        assert_eq!(reason(&"{\"a\":[".repeat(50_000)), Some(Reason::TooDeep));

        let list = |items: usize| format!("{{\"a\":[{}0]}}", "0,".repeat(items - 1));
        assert_eq!(reason(&list(MAX_ITEMS)), None);
        assert_eq!(reason(&list(MAX_ITEMS + 1)), Some(Reason::TooManyItems));
        let lists = format!(
            "{{\"a\":[{}0]}}",
            format!("[{}0],", "0,".repeat(999)).repeat(1000)
        );
        assert_eq!(reason(&lists), Some(Reason::TooManyValues));
    }

    #[test]
    fn integers_are_exact_and_other_numbers_are_not_rounded() {
        let body = br#"{"a":18446744073709551615,"b":-9223372036854775808,"c":1e3,"d":0.0,"e":18446744073709551616}"#;
        let values: Vec<_> = read_object(body)
            .unwrap()
            .into_iter()
            .map(|(_, v)| v)
            .collect();
        let expected = [
            Value::Integer(u64::MAX.into()),
            Value::Integer(i64::MIN.into()),
            Value::Fraction(1e3),
            Value::Fraction(0.0),
            Value::Fraction(18_446_744_073_709_551_616.0),
        ];
        assert_eq!(values, expected);
    }

    #[test]
    fn a_fault_says_where_and_never_what() {
        let fault = read_object(b"{\"plaintext\":\n \"c2VjcmV0\" c2VjcmV0}").unwrap_err();
        let text = fault.to_string();
        assert!(
            text.starts_with("failed to decode JSON input: syntax error at line 2"),
            "{text}"
        );
        assert!(!text.contains("c2V"), "{text}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_object(&body);
        }

        #[test]
        fn what_serde_prints_reads_back(text in "\\PC*", number in any::<i64>()) {
            let body = serde_json::json!({"t": text, "n": number}).to_string();
            let expected = vec![
                (Cow::Borrowed("n"), Value::Integer(number.into())),
                (Cow::Borrowed("t"), Value::Text(text.into())),
            ];
            prop_assert_eq!(read_object(body.as_bytes()), Ok(expected));
        }
    }
}
