//! The fields of a request, whatever they came as: JSON, a form or a query.

mod typed;

use std::borrow::Cow;

pub(super) use self::typed::FieldFault;
use super::json::{self, JsonFault, Value};
use super::query;
use crate::identity::policy::Given;

/// Fields by name. Each is taken out as it is read; what nobody takes is reported as a warning.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    entries: Vec<(Cow<'a, str>, Value<'a>)>,
    replaced: Vec<&'static str>,
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

    /// Takes those of these fields that say nothing.
    pub(super) fn ignore_unset(&mut self, names: &[&str]) {
        self.entries
            .retain(|(name, value)| !(names.contains(&&**name) && value.says_nothing()));
    }

    /// Adds what was not read of an object in one of the fields.
    pub(super) fn leave(&mut self, unread: Self) {
        self.entries.extend(unread.entries);
    }

    /// Takes a field that the path has captured, and remembers to say so.
    pub(super) fn captured(&mut self, name: &'static str) {
        if self.take(name).is_some() {
            self.replaced.push(name);
        }
    }

    /// The fields of an object.
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
mod tests;
