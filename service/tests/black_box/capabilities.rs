//! What policies let tokens do, at every endpoint.

mod endpoints;
mod odd_paths;
mod parameters;

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::{Answer, multi};

/// A token that this policy is all of.
fn token_of(app: &TestApp, paths: &Value) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("capabilities-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let policy = json!({"policy": json!({"path": paths}).to_string()});
    let written = app.post(&format!("sys/policies/acl/{name}"), policy);
    assert_eq!(written.status, 204, "{}", written.text());
    let body = json!({"policies": [name], "no_default_policy": true});
    let made = app.post("auth/token/create", body);
    assert_eq!(made.status, 200, "{}", made.text());
    let token = made.json()["auth"]["client_token"].take();
    token.as_str().unwrap().to_owned()
}

fn send(app: &TestApp, token: &str, method: &str, path: &str, body: &Value) -> Answer {
    let request = app.anonymous(method, path).header("X-Vault-Token", token);
    let takes_body = matches!(method, "POST" | "PUT");
    if takes_body {
        request.body(body).send()
    } else {
        request.send()
    }
}

fn denied() -> (u16, String) {
    (403, multi("permission denied"))
}

fn assert_denied(answer: &Answer, what: &str) {
    assert_eq!(
        answer.status,
        403,
        "{what}: {}",
        String::from_utf8_lossy(&answer.body)
    );
    // A HEAD has no body to say it in.
    if !answer.body.is_empty() {
        assert_eq!(answer.refusal(), denied(), "{what}");
    }
}
