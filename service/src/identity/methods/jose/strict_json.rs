//! JSON objects from outside, with no key twice and not nested deep: two readers of one must read the same.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// How deep objects and lists may be nested.
const MAX_DEPTH: u8 = 16;

/// Reads an object; `None` if the bytes are not exactly one, a key stands twice in it, or it is nested too deep.
pub(in crate::identity::methods) fn read_object(bytes: &[u8]) -> Option<Map<String, Value>> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = Reader { depth: MAX_DEPTH }.deserialize(&mut json).ok()?;
    json.end().ok()?;
    match value {
        Value::Object(fields) => Some(fields),
        Value::Array(_) | Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {
            None
        }
    }
}

#[derive(Clone, Copy)]
struct Reader {
    depth: u8,
}

impl Reader {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1);
        let depth = depth.ok_or_else(|| E::custom("nested too deep"))?;
        Ok(Self { depth })
    }
}

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut fields = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(inner)?;
            if fields.insert(name, value).is_some() {
                return Err(A::Error::custom("the same key twice in one object"));
            }
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_reads_as_it_stands() {
        let read = read_object(br#"{"a":[1,-2,1.5,true,null,"x"],"b":{"a":1}}"#).unwrap();
        let expected = serde_json::json!({"a":[1,-2,1.5,true,null,"x"],"b":{"a":1}});
        assert_eq!(Value::Object(read), expected);
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for twice in [
            r#"{"a":1,"a":2}"#,
            r#"{"b":{"a":1,"a":1}}"#,
            "{\"a\":1,\"\\u0061\":2}",
            r#"{"b":[{"a":1,"a":2}]}"#,
        ] {
            assert_eq!(read_object(twice.as_bytes()), None, "{twice}");
        }
        for other in [
            "",
            "[]",
            "1",
            "null",
            "{} {}",
            "{",
            "{\"a\":1,}",
            "\u{feff}{}",
        ] {
            assert_eq!(read_object(other.as_bytes()), None, "{other}");
        }
        assert_eq!(read_object(b"{\"a\":\"\xff\"}"), None);
    }

    #[test]
    fn nesting_ends_at_sixteen() {
        let nested = |depth: usize| {
            let inner = depth - 1;
            format!("{{\"a\":{}{}}}", "[".repeat(inner), "]".repeat(inner))
        };
        assert!(read_object(nested(16).as_bytes()).is_some());
        assert_eq!(read_object(nested(17).as_bytes()), None);
        assert_eq!(read_object(nested(100_000).as_bytes()), None);
    }
}
