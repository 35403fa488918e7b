//! Identity on several nodes and over kills: what one node says holds everywhere, and what was acknowledged stays.

mod kills;
mod nodes;

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::{Answer, IntoBody};

fn by(app: &TestApp, token: &str, method: &str, path: &str, body: impl IntoBody) -> Answer {
    let request = app.anonymous(method, path).header("X-Vault-Token", token);
    request.body(body).send()
}

/// A policy of one path and one capability.
fn policy(path: &str, capability: &str) -> Value {
    let text = json!({"path": {path: {"capabilities": [capability]}}}).to_string();
    json!({"policy": text})
}

fn write_policy(app: &TestApp, name: &str, policy: &Value) {
    let written = app.post(&format!("sys/policies/acl/{name}"), policy);
    assert_eq!(written.status, 204, "{}", written.text());
}

/// A token made by this one: its text and its accessor.
fn made_by(app: &TestApp, creator: &str, body: &Value) -> (String, String) {
    let made = by(app, creator, "POST", "auth/token/create", body);
    assert_eq!(made.status, 200, "{}", made.text());
    let auth = made.json()["auth"].take();
    let text = |field: &str| auth[field].as_str().unwrap().to_owned();
    (text("client_token"), text("accessor"))
}

fn made(app: &TestApp, body: &Value) -> (String, String) {
    made_by(app, &app.token, body)
}

/// How a request to look at oneself is answered.
fn looks_at_itself(app: &TestApp, token: &str) -> u16 {
    by(app, token, "GET", "auth/token/lookup-self", "").status
}
