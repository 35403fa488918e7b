//! Auth methods and wrapped responses over HTTP.

mod approle;
mod as_openbao;
mod auth_mounts;
mod blanks;
mod cert;
pub(crate) mod issuer;
mod jwt;
mod kubernetes;
mod loopback;
mod mounted;
mod policies;
mod tokens;
mod userpass;
mod wrapping;

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::{Answer, IntoBody};

/// Enables a method at a path that nobody else uses.
fn enabled(app: &TestApp, kind: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let path = format!("{kind}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let answer = app.post(&format!("sys/auth/{path}"), json!({"type": kind}));
    assert_eq!(answer.status, 204, "{}", answer.text());
    path
}

/// A request without a token, as logins are.
fn stranger(app: &TestApp, path: &str, body: impl IntoBody) -> Answer {
    app.anonymous("POST", path).body(body).send()
}

/// The `auth` of an answer that must be a success.
fn auth_of(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["auth"].take()
}

/// A field that must be a text.
fn text(value: &Value, field: &str) -> String {
    let text = value[field].as_str();
    text.unwrap_or_else(|| panic!("no {field} in {value}"))
        .to_owned()
}

/// What this token is told of itself.
fn look_up_self(app: &TestApp, token: &str) -> Answer {
    app.anonymous("GET", "auth/token/lookup-self")
        .header("X-Vault-Token", token)
        .send()
}
