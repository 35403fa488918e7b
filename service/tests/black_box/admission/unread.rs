//! What can be decided without the body is decided before it is there.

use serde_json::json;

use super::{encrypt_by, token};
use crate::app::TestApp;
use crate::client::Wire;

fn denied() -> (u16, String) {
    let text = "1 error occurred:\n\t* permission denied\n\n";
    (403, text.to_owned())
}

#[test]
fn a_caller_without_the_right_is_refused_without_its_body() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let token = token(&app, &["default"]);
    for more in ["", "Expect: 100-continue\r\n"] {
        for length in [1, 1_000_000, 1_u64 << 40] {
            let head = format!(
                "POST /v1/transit/encrypt/{key} HTTP/1.1\r\nHost: x\r\nX-Vault-Token: {token}\r\n{more}Content-Length: {length}\r\n\r\n"
            );
            let mut wire = Wire::connect(&app.address).unwrap();
            wire.send(head.as_bytes()).unwrap();
            let answer = wire.answer(false).unwrap();
            assert_eq!(answer.refusal(), denied(), "{more}{length}");
            assert_eq!(answer.header("connection"), Some("close"));
        }
    }
}

#[test]
fn parameters_are_decided_on_when_they_are_there() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let rule = json!({"path": {(format!("transit/encrypt/{key}")): {
        "capabilities": ["update"],
        "denied_parameters": {"context": []},
        "required_parameters": ["plaintext"],
    }}});
    let policy = json!({"policy": rule.to_string()});
    assert_eq!(app.post("sys/policies/acl/narrow", policy).status, 204);
    let token = token(&app, &["narrow"]);
    for (body, expected) in [
        (r#"{"plaintext":"" }"#, 200),
        (r#"{"plaintext":"","context":""}"#, 403),
        (r#"{"key_version": 1}"#, 403),
    ] {
        for part in [0, 5, body.len()] {
            let begun = encrypt_by(&app, &token, &key, body).begin(part);
            assert_eq!(begun.finish().status, expected, "{body} {part}");
        }
    }
}

#[test]
fn a_refusal_takes_a_use_and_an_allowed_request_takes_one() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    for (policies, status) in [(json!(["default"]), 403), (json!(["root"]), 200)] {
        let made = json!({"policies": policies, "num_uses": 2});
        let made = app.post("auth/token/create", made);
        let token = made.json()["auth"]["client_token"].take();
        let token = token.as_str().unwrap();
        for expected in [status, status, 403] {
            let begun = encrypt_by(&app, token, &key, r#"{"plaintext":""}"#).begin(3);
            assert_eq!(begun.finish().status, expected, "{policies}");
        }
        let left = app.post("auth/token/lookup", json!({"token": token}));
        assert_eq!(left.status, 403, "{}", left.text());
    }
}
