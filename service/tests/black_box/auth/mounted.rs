//! An auth method that a test has for itself.

use std::sync::Arc;

use serde_json::Value;

use super::enabled;
use crate::app::TestApp;
use crate::client::Answer;

/// One that is mounted where nobody else looks.
pub(super) struct Mounted {
    pub(super) app: Arc<TestApp>,
    pub(super) path: String,
}

impl Mounted {
    /// A method of this kind.
    pub(super) fn new(kind: &str) -> Self {
        let app = TestApp::shared();
        let path = enabled(&app, kind);
        Self { app, path }
    }

    /// A path below it.
    pub(super) fn at(&self, rest: &str) -> String {
        format!("auth/{}/{rest}", self.path)
    }

    /// A GET by root.
    pub(super) fn get(&self, rest: &str) -> Answer {
        self.app.get(&self.at(rest))
    }

    /// A POST by root.
    pub(super) fn post(&self, rest: &str, body: Value) -> Answer {
        self.app.post(&self.at(rest), body)
    }

    /// A POST by root that must be a success with nothing to say.
    pub(super) fn wrote(&self, rest: &str, body: Value) {
        let answer = self.post(rest, body);
        assert_eq!(answer.status, 204, "{}", answer.text());
    }

    /// A request by root without a body.
    pub(super) fn send(&self, method: &str, rest: &str) -> Answer {
        self.app.request(method, &self.at(rest)).send()
    }
}
