//! The claims of a JWT (RFC 7519), those that are registered in the types they must have.

use serde_json::{Map, Value};

use super::times::Times;

/// The claims of a verified token. What is decided and what is handed on is read from the same values.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    fields: Value,
    audiences: Vec<String>,
    times: Times,
}

impl Claims {
    /// Checks the types of the registered claims; `None` if one is wrong. A claim of a wrong type never counts as absent.
    pub(in crate::identity::methods) fn read(fields: Map<String, Value>) -> Option<Self> {
        for name in ["iss", "sub", "jti"] {
            if fields.get(name).is_some_and(|value| !value.is_string()) {
                return None;
            }
        }
        let audiences = audiences(fields.get("aud"))?;
        let times = Times {
            issued_at: instant(fields.get("iat"))?,
            not_before: instant(fields.get("nbf"))?,
            expires_at: instant(fields.get("exp"))?,
        };
        Some(Self {
            fields: Value::Object(fields),
            audiences,
            times,
        })
    }

    /// Who issued the token; empty if it does not say.
    pub fn issuer(&self) -> &str {
        self.registered("iss")
    }

    /// Whom it is about; empty if it does not say.
    pub fn subject(&self) -> &str {
        self.registered("sub")
    }

    fn registered(&self, name: &str) -> &str {
        let value = self.fields.get(name).and_then(Value::as_str);
        value.unwrap_or_default()
    }

    /// Whom it is meant for.
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// Since when and until when it is valid.
    pub const fn times(&self) -> Times {
        self.times
    }

    /// A claim by its name; `null` counts as absent.
    pub fn named(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    /// A claim by its name, or by a JSON pointer (RFC 6901) if the name begins with a slash.
    pub fn at(&self, name: &str) -> Option<&Value> {
        if name.starts_with('/') {
            self.fields.pointer(name).filter(|value| !value.is_null())
        } else {
            self.named(name)
        }
    }
}

/// One audience or a list of them (RFC 7519, 4.1.3); `None` if the claim is anything else.
fn audiences(claim: Option<&Value>) -> Option<Vec<String>> {
    match claim {
        None => Some(Vec::new()),
        Some(Value::String(one)) => Some(vec![one.clone()]),
        Some(Value::Array(list)) => {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            list.iter().map(text).collect()
        }
        Some(Value::Bool(_) | Value::Null | Value::Number(_) | Value::Object(_)) => None,
    }
}

/// The last second after the Unix epoch that is read: in the year 9999.
const MAX_SECONDS: i64 = 253_402_300_799;

/// A `NumericDate` in microseconds; the outer `None` if the claim is no such number.
#[expect(
    clippy::option_option,
    reason = "a claim that is not there is not a claim that does not read"
)]
fn instant(claim: Option<&Value>) -> Option<Option<i64>> {
    let Some(claim) = claim else {
        return Some(None);
    };
    let number = match claim {
        Value::Number(number) => number,
        Value::Array(_) | Value::Bool(_) | Value::Null | Value::Object(_) | Value::String(_) => {
            return None;
        }
    };
    let micros = match number.as_i64() {
        Some(seconds @ 0..=MAX_SECONDS) => seconds * 1_000_000,
        Some(_) => return None,
        None => fractional_micros(number.as_f64()?)?,
    };
    Some(Some(micros))
}

/// Microseconds of a number with a fraction, as some libraries write the time.
fn fractional_micros(seconds: f64) -> Option<i64> {
    let span = std::time::Duration::try_from_secs_f64(seconds).ok()?;
    let whole = i64::try_from(span.as_secs()).ok()?;
    if whole > MAX_SECONDS {
        return None;
    }
    i64::try_from(span.as_micros()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(claims: Value) -> Option<Claims> {
        let Value::Object(fields) = claims else {
            panic!("not an object")
        };
        Claims::read(fields)
    }

    #[test]
    fn times_of_a_wrong_type_are_refused_and_never_absent() {
        for name in ["exp", "nbf", "iat"] {
            for wrong in [
                json!("1700000000"),
                json!([1_700_000_000]),
                json!(true),
                json!(null),
                json!({}),
                json!(-1),
                json!(-0.5),
                json!(1e300),
                json!(u64::MAX),
                json!(i64::MAX),
                json!(MAX_SECONDS + 1),
            ] {
                assert_eq!(read(json!({name: wrong})), None, "{name} {wrong}");
            }
            for right in [json!(0), json!(1_700_000_000), json!(1_700_000_000.25)] {
                assert!(read(json!({name: right})).is_some(), "{name} {right}");
            }
        }
        let times = read(json!({"exp": 1.5, "iat": 2})).unwrap().times();
        assert_eq!(times.expires_at, Some(1_500_000));
        assert_eq!(times.issued_at, Some(2_000_000));
        assert_eq!(times.not_before, None);
    }

    #[test]
    fn names_of_a_wrong_type_are_refused() {
        for name in ["iss", "sub", "jti"] {
            for wrong in [json!(1), json!(null), json!(["a"]), json!({"a": 1})] {
                assert_eq!(read(json!({name: wrong})), None, "{name} {wrong}");
            }
        }
    }

    #[test]
    fn an_audience_is_a_string_or_a_list_of_strings() {
        let audiences = |aud: Value| read(json!({"aud": aud})).map(|claims| claims.audiences);
        assert_eq!(audiences(json!("a")), Some(vec!["a".to_owned()]));
        assert_eq!(audiences(json!(["a", "b"])).unwrap().len(), 2);
        assert_eq!(audiences(json!([])), Some(vec![]));
        assert_eq!(read(json!({})).unwrap().audiences(), [""; 0]);
        for wrong in [
            json!(1),
            json!(null),
            json!({"a": "b"}),
            json!([["a"]]),
            json!(["a", 1]),
            json!([null]),
        ] {
            assert_eq!(audiences(wrong), None);
        }
    }

    #[test]
    fn claims_are_found_by_name_or_by_pointer() {
        let claims = read(json!({
            "a": {"b": ["x", "y"], "c/d": 1, "n": null},
            "https://example.com/groups": ["g"],
            "n": null,
        }))
        .unwrap();
        assert_eq!(claims.at("/a/b/1"), Some(&json!("y")));
        assert_eq!(claims.at("/a/c~1d"), Some(&json!(1)));
        assert_eq!(claims.at("https://example.com/groups"), Some(&json!(["g"])));
        for absent in ["/a/x", "/a/b/2", "/a/n", "n", "a/b", "", "/"] {
            assert_eq!(claims.at(absent), None, "{absent}");
        }
        assert_eq!(claims.named("/a/b/1"), None);
    }
}
