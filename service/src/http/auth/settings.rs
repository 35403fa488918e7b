//! Fields that roles and configurations of methods are made of: texts within bounds, PEM, and what is not offered.

use crate::http::errors::Problem;
use crate::http::fields::Fields;

/// The texts of a list, without blanks; a list of nothing but blanks is refused, for most lists restrict who may log in.
pub(super) fn texts(
    fields: &mut Fields<'_>,
    field: &'static str,
    into: &mut Vec<String>,
) -> Result<(), Problem> {
    let Some(texts) = fields.restriction_list(field)? else {
        return Ok(());
    };
    if texts.len() > MAX_TEXTS || texts.iter().any(|text| text.len() > MAX_TEXT) {
        return Err(Problem::bad(format!(
            "'{field}' must be a list of at most {MAX_TEXTS} texts of at most {MAX_TEXT} bytes"
        )));
    }
    *into = texts;
    Ok(())
}

/// A text that is absent or not too long.
pub(super) fn text(
    fields: &mut Fields<'_>,
    field: &'static str,
    into: &mut String,
) -> Result<(), Problem> {
    up_to(MAX_TEXT, fields, field, into)
}

const MAX_TEXTS: usize = 256;
const MAX_TEXT: usize = 2048;

/// A text of certificates or keys in PEM, which may be longer than others.
pub(super) fn pem(
    fields: &mut Fields<'_>,
    field: &'static str,
    into: &mut String,
) -> Result<(), Problem> {
    up_to(MAX_PEM, fields, field, into)
}

fn up_to(
    most: usize,
    fields: &mut Fields<'_>,
    field: &'static str,
    into: &mut String,
) -> Result<(), Problem> {
    let Some(text) = fields.text(field)? else {
        return Ok(());
    };
    check_length(field, text.as_str().len(), most)?;
    text.as_str().clone_into(into);
    Ok(())
}

fn check_length(field: &'static str, length: usize, most: usize) -> Result<(), Problem> {
    if length > most {
        return Err(Problem::bad(format!(
            "'{field}' must be at most {most} bytes long"
        )));
    }
    Ok(())
}

const MAX_PEM: usize = 512 * 1024;

/// Keys in PEM: a list, or one text, in which several may stand one after the other, with commas between them or not.
pub(super) fn keys(fields: &mut Fields<'_>, field: &'static str) -> Result<Vec<String>, Problem> {
    let texts = fields.list(field)?.unwrap_or_default();
    let length: usize = texts.iter().map(String::len).sum();
    check_length(field, length, MAX_PEM)?;
    Ok(texts.iter().flat_map(|text| each_pem(text)).collect())
}

fn each_pem(text: &str) -> Vec<String> {
    let separator = |c: char| c.is_whitespace() || c == ',';
    let mut pieces = text.split(BEGIN_OF_PEM);
    // What stands before the first is no key, and is going to be refused as none.
    let before = pieces.next().unwrap_or_default().trim_matches(separator);
    let before = (!before.is_empty()).then(|| before.to_owned());
    let keys = pieces.map(|piece| format!("{BEGIN_OF_PEM}{}\n", piece.trim_matches(separator)));
    before.into_iter().chain(keys).collect()
}

const BEGIN_OF_PEM: &str = "-----BEGIN ";

/// Refuses a field that is offered elsewhere and not here, unless it says nothing.
pub(super) fn refuse(
    fields: &mut Fields<'_>,
    names: &[&'static str],
    why: &'static str,
) -> Result<(), Problem> {
    for name in names {
        if fields.take(name).is_some_and(|value| !value.says_nothing()) {
            return Err(Problem::bad(format!("{name} is not offered: {why}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(json: &Value) -> Vec<String> {
        let body = json!({"k": json}).to_string();
        keys(&mut Fields::from_json(body.as_bytes()).unwrap(), "k").unwrap()
    }

    #[test]
    fn keys_may_stand_in_a_list_or_one_after_the_other() {
        let (a, b) = (
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            "-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n",
        );
        let both = vec![a.to_owned(), b.to_owned()];
        assert_eq!(read(&json!([a, b])), both);
        assert_eq!(read(&json!(format!("{a}{b}"))), both);
        assert_eq!(read(&json!(format!("{},{}", a.trim(), b.trim()))), both);
        assert_eq!(read(&json!([format!("{a}\n{b}")])), both);
        assert_eq!(read(&json!("")), [""; 0]);
        assert_eq!(read(&json!([" "])), [""; 0]);
        assert_eq!(read(&json!(format!("x{a}"))), ["x", a]);
    }

    #[test]
    fn what_is_not_offered_is_refused_unless_it_says_nothing() {
        for (json, refused) in [
            ("{}", false),
            (r#"{"f":null}"#, false),
            (r#"{"f":""}"#, false),
            (r#"{"f":false}"#, false),
            (r#"{"f":[]}"#, false),
            (r#"{"f":{}}"#, false),
            (r#"{"f":0}"#, false),
            (r#"{"f":"x"}"#, true),
            (r#"{"f":true}"#, true),
            (r#"{"f":["x"]}"#, true),
            (r#"{"f":1.5}"#, true),
        ] {
            let mut fields = Fields::from_json(json.as_bytes()).unwrap();
            assert_eq!(
                refuse(&mut fields, &["f"], "why").is_err(),
                refused,
                "{json}"
            );
        }
    }
}
