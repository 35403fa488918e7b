use actix_web::http::header::{HeaderName, HeaderValue};

use super::*;
use crate::http::errors::Message;

fn asked(values: &[&str]) -> Result<Option<u64>, String> {
    let mut headers = HeaderMap::new();
    for value in values {
        let value = HeaderValue::from_str(value).unwrap();
        headers.append(HeaderName::from_static("x-vault-wrap-ttl"), value);
    }
    match asked_ttl(&headers) {
        Ok(ttl) => Ok(ttl.map(|ttl| ttl.as_secs())),
        Err(problem) => match problem.message {
            Message::Plain(text) => Err(text.into_owned()),
            Message::Empty | Message::Multi(_) | Message::WithRequestId(_) => Err(String::new()),
        },
    }
}

#[test]
fn the_header_says_seconds_or_a_go_duration_or_nothing() {
    for (value, expected) in [
        ("", None),
        ("0", None),
        ("0s", None),
        ("60", Some(60)),
        ("5m", Some(300)),
        ("1h30m", Some(5400)),
        ("768h", Some(768 * 3600)),
    ] {
        assert_eq!(asked(&[value]), Ok(expected), "{value}");
    }
    assert_eq!(asked(&[]), Ok(None));
}

#[test]
fn what_cannot_be_honoured_is_refused_and_not_repeated() {
    let refused: [&[&str]; 6] = [
        &["canary"],
        &["-5"],
        &["769h"],
        &["60", "60"],
        &["500ms"],
        &["1ns"],
    ];
    for values in refused {
        let text = asked(values).unwrap_err();
        assert!(
            text.starts_with("error parsing X-Vault-Wrap-TTL header: "),
            "{text}"
        );
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn the_accessor_is_that_of_a_token_or_of_what_app_role_made() {
    let of = |path: &str, response: &str| {
        wrapped_accessor(&SecretBytes::new(response.as_bytes().to_vec()), path)
    };
    let token = r#"{"data":null,"auth":{"accessor":"acc","client_token":"x"}}"#;
    let secret_id = r#"{"data":{"secret_id_accessor":"sec"},"auth":null}"#;
    let making = "auth/a/b/role/web/secret-id";
    assert_eq!(of("auth/token/create", token).as_deref(), Some("acc"));
    assert_eq!(of(making, secret_id).as_deref(), Some("sec"));
    assert_eq!(of("sys/wrapping/wrap", secret_id), None);
    assert_eq!(of("auth/a/role/web", secret_id), None);
    assert_eq!(of(making, r#"{"data":{"keys":[]},"auth":null}"#), None);
}
