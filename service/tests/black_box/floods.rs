//! One client that asks for far more than its share, and others who do not notice.

mod rows;
mod rsa_keys;
mod unknown_names;

use serde_json::json;

use crate::app::TestApp;

/// A new token with these policies.
fn token(app: &TestApp, policies: &[&str]) -> String {
    let made = app.post("auth/token/create", json!({"policies": policies}));
    let token = made.json()["auth"]["client_token"].take();
    token.as_str().unwrap().to_owned()
}
