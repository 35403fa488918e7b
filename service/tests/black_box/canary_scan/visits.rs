//! Who goes everywhere with secrets, and is right and wrong in every way.

mod everything;
mod methods;
mod policies;
mod rings;
mod tokens;
mod transfer;

use data_encoding::BASE64;
use serde_json::Value;

use super::scanner::Secrets;
use crate::app::TestApp;
use crate::client::{Answer, IntoBody};

pub(super) struct Visit<'a> {
    app: &'a TestApp,
    pub(super) secrets: Secrets,
    /// Paths with what they said when they refused.
    pub(super) errors: Vec<(String, Vec<u8>)>,
}

impl<'a> Visit<'a> {
    pub(super) fn new(app: &'a TestApp) -> Self {
        Self {
            app,
            secrets: Secrets::default(),
            errors: Vec::new(),
        }
    }

    fn by(&mut self, token: Option<&str>, method: &str, path: &str, body: impl IntoBody) -> Answer {
        let mut request = self.app.anonymous(method, path);
        if let Some(token) = token {
            request = request.header("X-Vault-Token", token);
        }
        let answer = request.body(body).send();
        // A batch that failed in part answers what did not.
        if answer.body.starts_with(b"{\"errors\"") {
            self.errors.push((path.to_owned(), answer.body.clone()));
        }
        answer
    }

    fn send(&mut self, method: &str, path: &str, body: impl IntoBody) -> Answer {
        let token = self.app.token.clone();
        self.by(Some(&token), method, path, body)
    }

    fn post(&mut self, path: &str, body: impl IntoBody) -> Answer {
        self.send("POST", path, body)
    }

    /// What must succeed.
    fn done(&mut self, path: &str, body: impl IntoBody) -> Value {
        let answer = self.post(path, body);
        assert!(
            answer.status < 300,
            "{path}: {} {}",
            answer.status,
            answer.text()
        );
        if answer.body.is_empty() {
            Value::Null
        } else {
            answer.json()
        }
    }

    /// What must be refused, with a token and without.
    fn refused(&mut self, path: &str, body: &Value) {
        let answer = self.post(path, body);
        assert!(answer.status >= 400, "{path}: {}", answer.text());
        self.by(None, "POST", path, body);
    }

    fn made(&mut self, what: &'static str) -> String {
        self.secrets.made(what)
    }

    /// A secret in base64, as transit takes it.
    fn coded(&mut self, what: &'static str) -> String {
        BASE64.encode(self.secrets.made(what).as_bytes())
    }

    fn token_in(&mut self, what: &'static str, answer: &Value) -> String {
        let token = answer["auth"]["client_token"].as_str().unwrap().to_owned();
        self.secrets.token(what, &token);
        token
    }
}
