//! Fields read one by one as what they are to be, with weak typing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use super::Fields;
use crate::http::json::{self, Value};
use crate::http::text::Text;
use crate::http::weak::{self, DurationFault};

/// A field whose value does not read as its type. Says nothing of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error converting input for field \"{field}\"{}", detail.text())]
pub(in crate::http) struct FieldFault {
    field: &'static str,
    detail: Detail,
}

/// What is wrong with a value, where more is said than that it does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    Blank,
    Negative,
    None,
}

impl Detail {
    const fn text(self) -> &'static str {
        match self {
            Self::Blank => ": nothing but blanks; an empty list lifts the restriction",
            Self::Negative => ": cannot provide negative value",
            Self::None => "",
        }
    }
}

impl FieldFault {
    /// A value that is none of the field's type.
    pub(in crate::http) const fn unreadable(field: &'static str) -> Self {
        Self {
            field,
            detail: Detail::None,
        }
    }
}

impl<'a> Fields<'a> {
    /// The fields of a field that is an object; `null` counts as absent.
    pub(in crate::http) fn object(
        &mut self,
        field: &'static str,
    ) -> Result<Option<Self>, FieldFault> {
        match self.take(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => Self::of_object(value)
                .map(Some)
                .ok_or(FieldFault::unreadable(field)),
        }
    }

    /// A string; numbers and bools are spelled out, `null` is empty.
    pub(in crate::http) fn text(
        &mut self,
        field: &'static str,
    ) -> Result<Option<Text<'a>>, FieldFault> {
        let Some(value) = self.take(field) else {
            return Ok(None);
        };
        let text = text_of(value).ok_or(FieldFault::unreadable(field))?;
        Ok(Some(Text(text)))
    }

    /// A string, where `null` counts as absent: for fields whose empty value asks for something.
    pub(in crate::http) fn text_unless_null(
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
    pub(in crate::http) fn int(&mut self, field: &'static str) -> Result<Option<i64>, FieldFault> {
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

    /// How many names a list is to have at most: all, as clients of the protocol expect, unless they ask for pages.
    pub(in crate::http) fn limit(&mut self) -> Result<u32, FieldFault> {
        let limit = self.int("limit")?.filter(|limit| *limit > 0);
        Ok(limit.map_or(u32::MAX, |limit| u32::try_from(limit).unwrap_or(u32::MAX)))
    }

    /// A number with a fraction, in thousandths; `null` counts as absent, and what is below zero or above all use as zero.
    pub(in crate::http) fn thousandths(
        &mut self,
        field: &'static str,
    ) -> Result<Option<u64>, FieldFault> {
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
    pub(in crate::http) fn objects(
        &mut self,
        field: &'static str,
    ) -> Result<Option<Vec<Self>>, FieldFault> {
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

    /// A bool.
    pub(in crate::http) fn boolean(
        &mut self,
        field: &'static str,
    ) -> Result<Option<bool>, FieldFault> {
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
    pub(in crate::http) fn duration(
        &mut self,
        field: &'static str,
    ) -> Result<Option<Duration>, FieldFault> {
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
            detail: match fault {
                DurationFault::Negative => Detail::Negative,
                DurationFault::Unreadable => Detail::None,
            },
        })
    }

    /// Texts: a list, or one text with commas between them; spaces around them and `null` count for nothing.
    pub(in crate::http) fn comma_list(
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

    /// Texts that restrict something, read as those of a [`comma_list`](Self::comma_list), without blanks. An empty text, an
    /// empty list and `null` restrict nothing. What holds something, but nothing except blanks, was meant to restrict and is
    /// refused.
    pub(in crate::http) fn restriction_list(
        &mut self,
        field: &'static str,
    ) -> Result<Option<Vec<String>>, FieldFault> {
        let texts = match self.take(field) {
            None => return Ok(None),
            Some(Value::Text(text)) if text.is_empty() => return Ok(Some(Vec::new())),
            Some(Value::Text(text)) => text.split(',').map(str::to_owned).collect(),
            Some(value) => texts_of(value).ok_or(FieldFault::unreadable(field))?,
        };
        let trimmed = texts.iter().map(|text| text.trim());
        let kept: Vec<String> = trimmed
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .collect();
        if kept.is_empty() && !texts.is_empty() {
            return Err(FieldFault {
                field,
                detail: Detail::Blank,
            });
        }
        Ok(Some(kept))
    }

    /// Texts in place of which something else counts if none are given: a list with something in it, be it blanks, or one text.
    /// Absent, `null` and empty lists give none.
    pub(in crate::http) fn given_list(
        &mut self,
        field: &'static str,
    ) -> Result<Option<Vec<String>>, FieldFault> {
        let texts = match self.take(field) {
            None | Some(Value::Null) => return Ok(None),
            Some(value) => texts_of(value).ok_or(FieldFault::unreadable(field))?,
        };
        Ok((!texts.is_empty()).then_some(texts))
    }

    /// Texts: a list, or one text, which is one of them whatever is in it.
    pub(in crate::http) fn list(
        &mut self,
        field: &'static str,
    ) -> Result<Option<Vec<String>>, FieldFault> {
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
    pub(in crate::http) fn pairs(
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
}

fn split_commas(text: &str) -> Vec<String> {
    if text.trim().is_empty() {
        return Vec::new();
    }
    text.split(',').map(str::to_owned).collect()
}

/// The texts of a list of scalars, or of one scalar.
fn texts_of(value: Value<'_>) -> Option<Vec<String>> {
    let owned = |value| text_of(value).map(Cow::into_owned);
    match value {
        Value::List(list) => list.into_iter().map(owned).collect(),
        Value::Null => Some(Vec::new()),
        scalar @ (Value::Bool(_) | Value::Integer(_) | Value::Text(_)) => {
            Some(vec![owned(scalar)?])
        }
        Value::Fraction(_) | Value::Object(_) => None,
    }
}

/// A scalar spelled out.
fn text_of(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value {
        Value::Text(text) => Some(text),
        Value::Integer(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(true) => Some(Cow::Borrowed("1")),
        Value::Bool(false) => Some(Cow::Borrowed("0")),
        Value::Null => Some(Cow::Borrowed("")),
        Value::Fraction(_) | Value::List(_) | Value::Object(_) => None,
    }
}

fn scalars_of(entries: Vec<(Cow<'_, str>, Value<'_>)>) -> Option<BTreeMap<String, String>> {
    let pair =
        |(name, value): (Cow<'_, str>, _)| Some((name.into_owned(), text_of(value)?.into_owned()));
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
