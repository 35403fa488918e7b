//! The fields of a request, whatever they came as: JSON, a form or a query; read one by one with weak typing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use super::json::{self, JsonFault, Value};
use super::query;
use super::text::Text;
use super::weak::{self, DurationFault};
use crate::identity::policy::Given;

/// Fields by name. Each is taken out as it is read; what nobody takes is reported as a warning.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    entries: Vec<(Cow<'a, str>, Value<'a>)>,
    replaced: Vec<&'static str>,
}

/// A field whose value does not read as its type. Says nothing of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error converting input for field \"{field}\"{}", detail(*.negative))]
pub(super) struct FieldFault {
    field: &'static str,
    negative: bool,
}

const fn detail(negative: bool) -> &'static str {
    if negative {
        ": cannot provide negative value"
    } else {
        ""
    }
}

impl<'a> Fields<'a> {
    /// The fields of a JSON body.
    pub(super) fn from_json(body: &'a [u8]) -> Result<Self, JsonFault> {
        Ok(Self {
            entries: json::read_object(body)?,
            replaced: Vec::new(),
        })
    }

    /// The fields of a form. `None` if an escape is broken or there are too many pairs: a field that was passed over
    /// might have been the associated data.
    pub(super) fn from_form(text: &str) -> Option<Self> {
        let pairs = query::decoded(text).take(Self::MAX_PAIRS + 1);
        let pairs: Vec<_> = pairs.collect::<Option<_>>()?;
        (pairs.len() <= Self::MAX_PAIRS).then(|| Self::joined(pairs))
    }

    /// The fields of a query. Pairs with broken escapes are passed over, as everybody does.
    pub(super) fn from_query(text: &str) -> Self {
        Self::joined(query::pairs(text).take(Self::MAX_PAIRS))
    }

    /// Texts by name; those of the same name are joined by commas.
    fn joined(decoded: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut pairs: Vec<(Cow<'a, str>, String)> = Vec::new();
        for (name, value) in decoded {
            if let Some((_, joined)) = pairs.iter_mut().find(|(known, _)| *known == name) {
                joined.push(',');
                joined.push_str(&value);
            } else {
                pairs.push((Cow::Owned(name), value));
            }
        }
        let text = |(name, value)| (name, Value::Text(Cow::Owned(value)));
        Self {
            entries: pairs.into_iter().map(text).collect(),
            replaced: Vec::new(),
        }
    }

    /// How many pairs a form or a query may have.
    const MAX_PAIRS: usize = 256;

    /// Takes a field as it is.
    pub(super) fn take(&mut self, name: &str) -> Option<Value<'a>> {
        let at = self.entries.iter().position(|(known, _)| known == name)?;
        Some(self.entries.swap_remove(at).1)
    }

    /// A field that is a text, left where it is for whoever takes it.
    pub(super) fn peek(&self, name: &str) -> Option<String> {
        let (_, value) = self.entries.iter().find(|(known, _)| known == name)?;
        match value {
            Value::Text(text) => Some(text.to_string()),
            Value::Bool(_)
            | Value::Fraction(_)
            | Value::Integer(_)
            | Value::List(_)
            | Value::Null
            | Value::Object(_) => None,
        }
    }

    /// Shows each field as policies see it, until one is not to their liking; whether none was.
    pub(super) fn each(&self, each: &mut dyn FnMut(&str, Given<'_>) -> bool) -> bool {
        self.entries.iter().all(|(name, value)| {
            let given = match value {
                Value::Bool(value) => Given::Bool(*value),
                Value::Integer(value) => Given::Integer(*value),
                Value::Null => Given::Null,
                Value::Text(text) => Given::Text(text),
                Value::Fraction(_) | Value::List(_) | Value::Object(_) => Given::Other,
            };
            each(name, given)
        })
    }

    /// One field with this value.
    pub(super) fn of(name: &'static str, value: Value<'a>) -> Self {
        Self {
            entries: vec![(Cow::Borrowed(name), value)],
            replaced: Vec::new(),
        }
    }

    /// The fields of a field that is an object; `null` counts as absent.
    pub(super) fn object(&mut self, field: &'static str) -> Result<Option<Self>, FieldFault> {
        match self.take(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => Self::of_object(value)
                .map(Some)
                .ok_or(FieldFault::unreadable(field)),
        }
    }

    /// Drops all fields but these; whether any of these is there.
    pub(super) fn keep(&mut self, names: &[&str]) -> bool {
        self.entries.retain(|(name, _)| names.contains(&&**name));
        !self.entries.is_empty()
    }

    /// All fields that are texts, as those of a form are.
    pub(super) fn texts(self) -> serde_json::Value {
        let texts = self
            .entries
            .into_iter()
            .filter_map(|(name, value)| match value {
                Value::Text(text) => Some((name.into_owned(), text.into_owned().into())),
                Value::Bool(_)
                | Value::Fraction(_)
                | Value::Integer(_)
                | Value::List(_)
                | Value::Null
                | Value::Object(_) => None,
            });
        serde_json::Value::Object(texts.collect())
    }

    /// Takes fields that are known and mean nothing here.
    pub(super) fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.take(name);
        }
    }

    /// Takes a field that the path has captured, and remembers to say so.
    pub(super) fn captured(&mut self, name: &'static str) {
        if self.take(name).is_some() {
            self.replaced.push(name);
        }
    }

    /// A string; numbers and bools are spelled out, `null` is empty.
    pub(super) fn text(&mut self, field: &'static str) -> Result<Option<Text<'a>>, FieldFault> {
        let text = match self.take(field) {
            None => return Ok(None),
            Some(Value::Text(text)) => text,
            Some(Value::Null) => Cow::Borrowed(""),
            Some(Value::Integer(number)) => Cow::Owned(number.to_string()),
            Some(Value::Bool(true)) => Cow::Borrowed("1"),
            Some(Value::Bool(false)) => Cow::Borrowed("0"),
            Some(Value::Fraction(_) | Value::List(_) | Value::Object(_)) => {
                return Err(FieldFault::unreadable(field));
            }
        };
        Ok(Some(Text(text)))
    }

    /// A string, where `null` counts as absent: for fields whose empty value asks for something.
    pub(super) fn text_unless_null(
        &mut self,
        field: &'static str,
    ) -> Result<Option<Text<'a>>, FieldFault> {
        let is_null = |(name, value): &(Cow<'a, str>, Value<'a>)| {
            name == field && matches!(value, Value::Null)
        };
        if self.entries.iter().any(is_null) {
            self.take(field);
            return Ok(None);
        }
        self.text(field)
    }

    /// An integer.
    pub(super) fn int(&mut self, field: &'static str) -> Result<Option<i64>, FieldFault> {
        let number = match self.take(field) {
            None => return Ok(None),
            Some(Value::Null) => Some(0),
            Some(Value::Integer(number)) => i64::try_from(number).ok(),
            Some(Value::Bool(value)) => Some(value.into()),
            Some(Value::Text(text)) if text.is_empty() => Some(0),
            Some(Value::Text(text)) => weak::go_int(&text),
            Some(Value::Fraction(_) | Value::List(_) | Value::Object(_)) => None,
        };
        number.map(Some).ok_or(FieldFault::unreadable(field))
    }

    /// A number with a fraction, in thousandths; `null` counts as absent, and what is below zero or above all use as zero.
    pub(super) fn thousandths(&mut self, field: &'static str) -> Result<Option<u64>, FieldFault> {
        let thousandths = |number: f64| {
            // A duration in seconds, for it knows whole thousandths.
            let scaled = Duration::try_from_secs_f64(number).unwrap_or_default();
            u64::try_from(scaled.as_millis()).unwrap_or_default()
        };
        let number = match self.take(field) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Fraction(number)) => Some(thousandths(number)),
            Some(Value::Integer(number)) => {
                let number = u64::try_from(number).unwrap_or_default();
                Some(number.checked_mul(1000).unwrap_or_default())
            }
            Some(Value::Text(text)) => text.parse().ok().map(thousandths),
            Some(Value::Bool(_) | Value::List(_) | Value::Object(_)) => None,
        };
        number.map(Some).ok_or(FieldFault::unreadable(field))
    }

    /// The fields of each object in a list; `null` counts as absent.
    pub(super) fn objects(&mut self, field: &'static str) -> Result<Option<Vec<Self>>, FieldFault> {
        let objects = match self.take(field) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::List(list)) => list.into_iter().map(Self::of_object).collect(),
            Some(
                Value::Bool(_)
                | Value::Fraction(_)
                | Value::Integer(_)
                | Value::Object(_)
                | Value::Text(_),
            ) => None,
        };
        objects.map(Some).ok_or(FieldFault::unreadable(field))
    }

    fn of_object(value: Value<'a>) -> Option<Self> {
        match value {
            Value::Object(entries) => Some(Self {
                entries,
                replaced: Vec::new(),
            }),
            Value::Bool(_)
            | Value::Fraction(_)
            | Value::Integer(_)
            | Value::List(_)
            | Value::Null
            | Value::Text(_) => None,
        }
    }

    /// Whether every field was read.
    pub(super) fn are_read(&self) -> bool {
        self.entries.is_empty()
    }

    /// A bool.
    pub(super) fn boolean(&mut self, field: &'static str) -> Result<Option<bool>, FieldFault> {
        let value = match self.take(field) {
            None => return Ok(None),
            Some(Value::Null | Value::Integer(0)) => Some(false),
            Some(Value::Bool(value)) => Some(value),
            Some(Value::Integer(1)) => Some(true),
            Some(Value::Text(text)) if text.is_empty() => Some(false),
            Some(Value::Text(text)) => weak::go_bool(&text),
            Some(Value::Fraction(_) | Value::Integer(_) | Value::List(_) | Value::Object(_)) => {
                None
            }
        };
        value.map(Some).ok_or(FieldFault::unreadable(field))
    }

    /// A duration in whole seconds; `null` counts as absent.
    pub(super) fn duration(&mut self, field: &'static str) -> Result<Option<Duration>, FieldFault> {
        let read = match self.take(field) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Integer(number)) => weak::seconds(number),
            Some(Value::Text(text)) => weak::go_duration(&text),
            Some(Value::Bool(_) | Value::Fraction(_) | Value::List(_) | Value::Object(_)) => {
                Err(DurationFault::Unreadable)
            }
        };
        read.map(Some).map_err(|fault| FieldFault {
            field,
            negative: fault == DurationFault::Negative,
        })
    }

    /// Texts: a list, or one text with commas between them; spaces around them and `null` count for nothing.
    pub(super) fn comma_list(
        &mut self,
        field: &'static str,
    ) -> Result<Option<Vec<String>>, FieldFault> {
        let texts = match self.take(field) {
            None => return Ok(None),
            Some(Value::Text(text)) => split_commas(&text),
            Some(value) => texts_of(value).ok_or(FieldFault::unreadable(field))?,
        };
        let texts = texts.iter().map(|text| text.trim().to_owned());
        Ok(Some(texts.collect()))
    }

    /// Texts: a list, or one text, which is one of them whatever is in it.
    pub(super) fn list(&mut self, field: &'static str) -> Result<Option<Vec<String>>, FieldFault> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Text(text)) if text.is_empty() => Ok(Some(Vec::new())),
            Some(Value::Text(text)) => Ok(Some(vec![text.into_owned()])),
            Some(value) => texts_of(value)
                .map(Some)
                .ok_or(FieldFault::unreadable(field)),
        }
    }

    /// Texts by name: an object of scalars, one as a text of JSON, or `name=value` once or in a list; `null` counts as absent.
    pub(super) fn pairs(
        &mut self,
        field: &'static str,
    ) -> Result<Option<BTreeMap<String, String>>, FieldFault> {
        let pairs = match self.take(field) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Object(entries)) => scalars_of(entries),
            Some(Value::Text(text)) if text.trim_start().starts_with('{') => json_pairs(&text),
            Some(Value::Text(text)) => pairs_of(&split_commas(&text)),
            Some(value @ Value::List(_)) => texts_of(value).and_then(|texts| pairs_of(&texts)),
            Some(Value::Bool(_) | Value::Fraction(_) | Value::Integer(_)) => None,
        };
        pairs.map(Some).ok_or(FieldFault::unreadable(field))
    }

    /// What is to be said about fields that were not read, and about those the path replaced.
    pub(super) fn warnings(self) -> Vec<String> {
        let mut unknown: Vec<&str> = self.entries.iter().map(|(name, _)| shown(name)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        unknown.truncate(Self::MAX_SHOWN);
        let mut warnings = Vec::new();
        if !unknown.is_empty() {
            let names = unknown.join(" ");
            warnings.push(format!(
                "Endpoint ignored these unrecognized parameters: [{names}]"
            ));
        }
        if !self.replaced.is_empty() {
            let names = self.replaced.join(" ");
            warnings.push(format!(
                "Endpoint replaced the value of these parameters with the values captured from the endpoint's \
                 path: [{names}]"
            ));
        }
        warnings
    }

    /// How many unknown names a warning lists.
    const MAX_SHOWN: usize = 32;
}

impl FieldFault {
    pub(super) const fn unreadable(field: &'static str) -> Self {
        Self {
            field,
            negative: false,
        }
    }
}

fn split_commas(text: &str) -> Vec<String> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    text.split(',').map(str::to_owned).collect()
}

/// The texts of a list of scalars, or of one scalar.
fn texts_of(value: Value<'_>) -> Option<Vec<String>> {
    match value {
        Value::List(list) => list.into_iter().map(text_of).collect(),
        Value::Null => Some(Vec::new()),
        scalar @ (Value::Bool(_) | Value::Integer(_) | Value::Text(_)) => {
            Some(vec![text_of(scalar)?])
        }
        Value::Fraction(_) | Value::Object(_) => None,
    }
}

/// A scalar spelled out.
fn text_of(value: Value<'_>) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.into_owned()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Bool(value) => Some(if value { "1" } else { "0" }.to_owned()),
        Value::Null => Some(String::new()),
        Value::Fraction(_) | Value::List(_) | Value::Object(_) => None,
    }
}

fn scalars_of(entries: Vec<(Cow<'_, str>, Value<'_>)>) -> Option<BTreeMap<String, String>> {
    let pair = |(name, value): (Cow<'_, str>, _)| Some((name.into_owned(), text_of(value)?));
    entries.into_iter().map(pair).collect()
}

fn json_pairs(text: &str) -> Option<BTreeMap<String, String>> {
    scalars_of(json::read_object(text.as_bytes()).ok()?)
}

fn pairs_of(texts: &[String]) -> Option<BTreeMap<String, String>> {
    texts
        .iter()
        .map(|text| {
            let (name, value) = text.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        })
        .collect()
}

// Who mixes up keys and values should not find a value in an answer: only what looks like a name is repeated.
fn shown(name: &str) -> &str {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if name.len() <= 64 && !name.is_empty() && name.bytes().all(is_name) {
        name
    } else {
        "?"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(body: &str) -> Fields<'_> {
        Fields::from_json(body.as_bytes()).unwrap()
    }

    #[test]
    fn strings_take_numbers_and_bools() {
        for (json, expected) in [
            ("\"a\"", "a"),
            ("12", "12"),
            ("-1", "-1"),
            ("true", "1"),
            ("false", "0"),
            ("null", ""),
        ] {
            let text = fields(&format!("{{\"x\":{json}}}"))
                .text("x")
                .map(|text| text.map(|t| t.0.into_owned()));
            assert_eq!(text, Ok(Some(expected.to_owned())), "{json}");
        }
        for json in ["[]", "{}", "1.5", "[\"a\"]"] {
            assert!(
                fields(&format!("{{\"x\":{json}}}")).text("x").is_err(),
                "{json}"
            );
        }
    }

    #[test]
    fn thousandths_are_exact_and_what_is_no_amount_is_zero() {
        for (json, expected) in [
            ("897.3", 897_300),
            ("1000.0", 1_000_000),
            ("5", 5000),
            ("\"0.5\"", 500),
            ("-1", 0),
            ("-0.5", 0),
            ("1e300", 0),
            ("99999999999999999999", 0),
            ("18446744073709551615", 0),
        ] {
            let read = fields(&format!("{{\"x\":{json}}}")).thousandths("x");
            assert_eq!(read, Ok(Some(expected)), "{json}");
        }
        for json in ["\"many\"", "true", "[]", "{}"] {
            assert!(
                fields(&format!("{{\"x\":{json}}}"))
                    .thousandths("x")
                    .is_err()
            );
        }
        assert_eq!(fields("{\"x\":null}").thousandths("x"), Ok(None));
    }

    #[test]
    fn ints_take_texts_of_any_base_and_bools() {
        for (json, expected) in [
            ("3", 3),
            ("\"3\"", 3),
            ("\"0x10\"", 16),
            ("\"\"", 0),
            ("true", 1),
            ("null", 0),
        ] {
            assert_eq!(
                fields(&format!("{{\"x\":{json}}}")).int("x"),
                Ok(Some(expected)),
                "{json}"
            );
        }
        for json in ["\"a\"", "1.0", "[]", "9223372036854775808"] {
            assert!(
                fields(&format!("{{\"x\":{json}}}")).int("x").is_err(),
                "{json}"
            );
        }
        assert_eq!(fields("{}").int("x"), Ok(None));
    }

    #[test]
    fn bools_take_go_texts_and_numbers() {
        for (json, expected) in [
            ("true", true),
            ("\"T\"", true),
            ("\"\"", false),
            ("1", true),
            ("0", false),
            ("null", false),
        ] {
            assert_eq!(
                fields(&format!("{{\"x\":{json}}}")).boolean("x"),
                Ok(Some(expected)),
                "{json}"
            );
        }
        for json in ["\"yes\"", "2", "-1", "1.0", "0.0", "[]"] {
            let read = fields(&format!("{{\"x\":{json}}}")).boolean("x");
            assert!(read.is_err(), "{json}");
        }
    }

    #[test]
    fn durations_take_seconds_days_and_units_and_null_is_absent() {
        for (json, expected) in [
            ("3600", 3600),
            ("\"1h\"", 3600),
            ("\"30d\"", 2_592_000),
            ("\"\"", 0),
        ] {
            let read = fields(&format!("{{\"x\":{json}}}")).duration("x");
            assert_eq!(read, Ok(Some(Duration::from_secs(expected))), "{json}");
        }
        assert_eq!(fields(r#"{"x":null}"#).duration("x"), Ok(None));
        let fault = fields(r#"{"x":-5}"#).duration("x").unwrap_err();
        assert_eq!(
            fault.to_string(),
            "error converting input for field \"x\": cannot provide negative value"
        );
    }

    #[test]
    fn what_nobody_takes_is_named_in_order_if_it_looks_like_a_name() {
        let mut fields =
            fields(r#"{"b":1,"name":"x","a":2,"known":3,"aGVsbG8gd29ybGQ=":1,"c d":2}"#);
        fields.captured("name");
        fields.ignore(&["known", "absent"]);
        assert_eq!(
            fields.warnings(),
            [
                "Endpoint ignored these unrecognized parameters: [? a b]",
                "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: \
                 [name]",
            ]
        );
        assert!(Fields::default().warnings().is_empty());
    }

    #[test]
    fn lists_come_as_lists_or_texts() {
        for (json, commas, plain) in [
            (r#"["a"," b"]"#, vec!["a", "b"], vec!["a", " b"]),
            (r#""a, b""#, vec!["a", "b"], vec!["a, b"]),
            (
                r#"["a,b",1,true]"#,
                vec!["a,b", "1", "1"],
                vec!["a,b", "1", "1"],
            ),
            (r#""""#, vec![], vec![]),
            ("[]", vec![], vec![]),
            ("null", vec![], vec![]),
            ("7", vec!["7"], vec!["7"]),
        ] {
            let body = format!("{{\"x\":{json}}}");
            let read = fields(&body).comma_list("x").unwrap().unwrap();
            assert_eq!(read, commas, "{json}");
            let read = fields(&body).list("x").unwrap().unwrap();
            assert_eq!(read, plain, "{json}");
        }
        for json in ["{}", "1.5", "[[]]", "[{}]"] {
            let body = format!("{{\"x\":{json}}}");
            assert!(fields(&body).comma_list("x").is_err(), "{json}");
            assert!(fields(&body).list("x").is_err(), "{json}");
        }
        assert_eq!(fields("{}").comma_list("x"), Ok(None));
        assert_eq!(fields("{}").list("x"), Ok(None));
    }

    #[test]
    fn pairs_come_as_an_object_or_with_equal_signs() {
        let expected = [("a", "1"), ("b", "x=y")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        for json in [
            r#"{"a":1,"b":"x=y"}"#,
            r#"["a=1","b=x=y"]"#,
            r#""a=1,b=x=y""#,
        ] {
            let body = format!("{{\"x\":{json}}}");
            let read = fields(&body).pairs("x").unwrap().unwrap();
            assert_eq!(read, expected, "{json}");
        }
        for json in ["1", "true", r#""a""#, r#"["a"]"#, r#"{"a":{}}"#] {
            let body = format!("{{\"x\":{json}}}");
            assert!(fields(&body).pairs("x").is_err(), "{json}");
        }
        assert_eq!(fields(r#"{"x":null}"#).pairs("x"), Ok(None));
    }

    #[test]
    fn no_field_of_a_form_is_passed_over() {
        let fine = |form: &str| Fields::from_form(form).is_some();
        assert!(fine(&"x=&".repeat(Fields::MAX_PAIRS)));
        assert!(!fine(&"x=&".repeat(Fields::MAX_PAIRS + 1)));
        for broken in ["plaintext=&associated_data=%zz", "%f=1", "a=%ff"] {
            assert!(!fine(broken), "{broken}");
        }
        assert!(Fields::from_query("a=%zz&b=1").take("b").is_some());
    }

    #[test]
    fn form_values_are_strings_joined_by_commas() {
        let mut form =
            Fields::from_form("plaintext=aGk%3D&key_version=0x2&path=a&path=b+c&flag").unwrap();
        assert_eq!(form.text("plaintext").unwrap().unwrap().as_str(), "aGk=");
        assert_eq!(form.int("key_version"), Ok(Some(2)));
        assert_eq!(form.text("path").unwrap().unwrap().as_str(), "a,b c");
        assert_eq!(form.boolean("flag"), Ok(Some(false)));
    }
}
