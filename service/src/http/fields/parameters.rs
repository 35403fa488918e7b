//! The fields of a request as policies see them, before anybody has taken one.

use super::super::json::Value;
use super::Fields;
use crate::identity::policy::{Given, Parameters};

impl Parameters for Fields<'_> {
    fn all(&self, each: &mut dyn FnMut(&str, Given<'_>) -> bool) -> bool {
        self.entries
            .iter()
            .all(|(name, value)| each(name, given(value)))
    }
}

fn given<'v>(value: &'v Value<'_>) -> Given<'v> {
    match value {
        Value::Bool(value) => Given::Bool(*value),
        Value::Integer(number) => Given::Integer(*number),
        Value::Null => Given::Null,
        Value::Text(text) => Given::Text(text),
        Value::Fraction | Value::List(_) | Value::Object(_) => Given::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_shown_by_its_name_until_one_is_refused() {
        let body = br#"{"a":"x","b":1,"c":true,"d":null,"e":[1],"f":1.5}"#;
        let fields = Fields::from_json(body).unwrap();
        let mut shown = Vec::new();
        assert!(fields.all(&mut |name, given| {
            shown.push(format!("{name} {given:?}"));
            true
        }));
        let expected = [
            "a Text(\"x\")",
            "b Integer(1)",
            "c Bool(true)",
            "d Null",
            "e Other",
            "f Other",
        ];
        assert_eq!(shown, expected);
        assert!(!fields.all(&mut |name, _| name != "c"));
        let query = Fields::from_query("a=1&a=2&list=true");
        assert!(query.all(
            &mut |name, given| (name, given) == ("list", Given::Text("true"))
                || (name, given) == ("a", Given::Text("1,2"))
        ));
    }
}
