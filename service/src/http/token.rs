//! What a caller may ask about its own token.

use serde_json::{Map, Value, json};

use super::dispatch::Request;
use super::errors::Problem;
use super::json::Value as Field;
use super::reply::{Answer, Reply};
use crate::caller;

/// `GET auth/token/lookup-self`
pub(super) fn lookup_self(request: &Request<'_>) -> Answer {
    let caller = request.known_caller()?;
    let data = json!({
        "accessor": &*caller.accessor,
        "creation_time": caller.token_created_at.seconds(),
        "creation_ttl": 0,
        "display_name": caller.display_name,
        "entity_id": "",
        "expire_time": null,
        "explicit_max_ttl": 0,
        // Clients that log in with a token read it back from here.
        "id": caller::presented_token(request.headers),
        "meta": null,
        "num_uses": 0,
        "orphan": true,
        "path": "auth/token/root",
        "policies": ["root"],
        "ttl": 0,
        "type": "service",
    });
    Ok(Reply::data(request.id, &data, &[]))
}

/// `POST sys/capabilities-self`
pub(super) fn capabilities_self(request: &Request<'_>) -> Answer {
    let mut fields = request.body.fields()?;
    let paths = paths(fields.take("paths")).or_else(|| paths(fields.take("path")));
    let paths = paths.ok_or_else(|| Problem::bad("paths must be supplied"))?;
    Ok(Reply::data_twice(request.id, &root_capabilities(&paths)))
}

/// Paths as a list or as a text with commas; `None` if there is none.
fn paths(field: Option<Field<'_>>) -> Option<Vec<String>> {
    let paths: Vec<String> = match field? {
        Field::Text(text) => text.split(',').map(|path| path.trim().to_owned()).collect(),
        Field::List(list) => list
            .into_iter()
            .map(|item| match item {
                Field::Text(text) => Some(text.into_owned()),
                Field::Bool(_)
                | Field::Fraction(_)
                | Field::Integer(_)
                | Field::List(_)
                | Field::Null
                | Field::Object(_) => None,
            })
            .collect::<Option<_>>()?,
        Field::Bool(_)
        | Field::Fraction(_)
        | Field::Integer(_)
        | Field::Null
        | Field::Object(_) => {
            return None;
        }
    };
    let paths: Vec<_> = paths.into_iter().filter(|path| !path.is_empty()).collect();
    (!paths.is_empty()).then_some(paths)
}

// Every caller there is holds the root token, which may do everything.
fn root_capabilities(paths: &[String]) -> Value {
    let root = || json!(["root"]);
    let mut data: Map<_, _> = paths.iter().map(|path| (path.clone(), root())).collect();
    if paths.len() == 1 {
        data.insert("capabilities".to_owned(), root());
    }
    Value::Object(data)
}

#[cfg(test)]
mod tests {
    use super::super::fields::Fields;
    use super::*;

    fn read(body: &'static str) -> Option<Vec<String>> {
        paths(Fields::from_json(body.as_bytes()).unwrap().take("paths"))
    }

    #[test]
    fn paths_come_as_a_list_or_a_text() {
        let two = Some(vec!["a".to_owned(), "b/c".to_owned()]);
        assert_eq!(read(r#"{"paths":["a","b/c"]}"#), two);
        assert_eq!(read(r#"{"paths":"a, b/c"}"#), two);
        for body in [
            "{}",
            r#"{"paths":[]}"#,
            r#"{"paths":""}"#,
            r#"{"paths":[1]}"#,
            r#"{"paths":{}}"#,
        ] {
            assert_eq!(read(body), None, "{body}");
        }
    }

    #[test]
    fn one_path_is_also_answered_by_itself() {
        let one = root_capabilities(&["a".to_owned()]);
        assert_eq!(one, json!({"a": ["root"], "capabilities": ["root"]}));
        let two = root_capabilities(&["a".to_owned(), "b".to_owned()]);
        assert_eq!(two, json!({"a": ["root"], "b": ["root"]}));
    }
}
