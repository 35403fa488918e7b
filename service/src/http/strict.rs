//! Items of a batch: typed more strictly than the fields around them, all problems named at once.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::errors::Problem;
use super::json::{MAX_ITEMS, Value};
use super::text::Text;

/// Reads the items of `batch_input` with `item`; `None` if there is no batch.
pub(super) fn items<'a, T>(
    batch: Option<Value<'a>>,
    mut item: impl FnMut(&mut Item<'_, 'a>) -> T,
) -> Result<Option<Vec<T>>, Problem> {
    let list = match batch {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::List(list)) => list,
        Some(other) => {
            return Err(unparsed(&format!(
                "source data must be an array or slice, got: {}",
                other.go_type()
            )));
        }
    };
    let mut problems = Vec::new();
    let mut read = Vec::with_capacity(list.len());
    for (index, value) in list.into_iter().enumerate() {
        let Value::Object(fields) = value else {
            let kind = value.go_type();
            return Err(unparsed(&format!("[{index}] expected a map, got '{kind}'")));
        };
        read.push(item(&mut Item {
            index,
            fields,
            problems: &mut problems,
        }));
    }
    if problems.is_empty() {
        Ok(Some(read))
    } else {
        Err(unparsed(&problems.join("\n")))
    }
}

fn unparsed(what: &str) -> Problem {
    Problem::multi(format!("failed to parse batch input: {what}"))
}

/// One item, whose fields are taken out as they are read. Unknown ones are passed over.
#[derive(Debug)]
pub(super) struct Item<'p, 'a> {
    index: usize,
    fields: Vec<(Cow<'a, str>, Value<'a>)>,
    problems: &'p mut Vec<String>,
}

impl<'a> Item<'_, 'a> {
    /// How many problems an answer lists.
    const MAX_PROBLEMS: usize = 20;

    /// A string; absent or `null` is empty.
    pub(super) fn text(&mut self, field: &'static str) -> Text<'a> {
        self.optional_text(field).unwrap_or_default()
    }

    /// A string, or none if it is absent or `null`.
    pub(super) fn optional_text(&mut self, field: &'static str) -> Option<Text<'a>> {
        let value = self.take(field)?;
        (value != Value::Null).then(|| self.string(field, value))
    }

    /// A string that must be there and not `null`.
    pub(super) fn required_text(&mut self, field: &'static str, missing: &str) -> Text<'a> {
        if let Some(value) = self.take(field) {
            return self.string(field, value);
        }
        self.report(field, missing);
        Text::default()
    }

    /// A string that must be there; `null` is empty.
    pub(super) fn present_text(&mut self, field: &'static str, missing: &str) -> Text<'a> {
        if self.fields.iter().any(|(name, _)| name == field) {
            return self.text(field);
        }
        self.report(field, missing);
        Text::default()
    }

    /// A number; absent or `null` is 0.
    pub(super) fn int(&mut self, field: &'static str) -> i64 {
        let value = match self.take(field) {
            None | Some(Value::Null) => return 0,
            Some(value) => value,
        };
        if let Value::Integer(number) = value
            && let Ok(number) = i64::try_from(number)
        {
            return number;
        }
        self.report_type(field, "int", &value);
        0
    }

    fn take(&mut self, field: &str) -> Option<Value<'a>> {
        let at = self.fields.iter().position(|(name, _)| name == field)?;
        Some(self.fields.swap_remove(at).1)
    }

    fn string(&mut self, field: &'static str, value: Value<'a>) -> Text<'a> {
        if let Value::Text(text) = value {
            return Text(text);
        }
        self.report_type(field, "string", &value);
        Text::default()
    }

    fn report_type(&mut self, field: &str, expected: &str, got: &Value<'_>) {
        let got = got.go_type();
        self.report(
            field,
            &format!("expected type '{expected}', got unconvertible type '{got}'"),
        );
    }

    fn report(&mut self, field: &str, problem: &str) {
        if self.problems.len() < Self::MAX_PROBLEMS {
            let index = self.index;
            self.problems.push(format!("'[{index}].{field}' {problem}"));
        }
    }
}

/// Reads a list of objects on the fast path: not longer than a batch may be.
pub(super) fn bounded<'de, D, T>(from: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    from.deserialize_seq(ListVisitor(PhantomData)).map(Some)
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Object(item)) = list.next_element()? {
            if items.len() == MAX_ITEMS {
                return Err(A::Error::custom("too many items"));
            }
            items.push(item);
        }
        Ok(items)
    }
}

/// Reads a struct from an object only. Derived impls would also take a list of the values in order.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}
