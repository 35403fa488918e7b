//! A mount of rings, and tables of what it refuses: a row for each request, with the status and the text that come back.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::{Answer, IntoBody, Request, Wire, multi};
use crate::eventually;

/// The method and the path below the mount, the body, the status, and the text: that of a 500 without what Go's multierror
/// puts around it.
pub(crate) type Row<'r> = (&'r str, Value, u16, &'r str);

/// What is said of a base64 text that begins with something else.
pub(crate) const NOT_BASE64: &str = "illegal base64 data at input byte 0";
/// What is said where keys are derived and there is no context.
pub(crate) const NO_CONTEXT: &str = "missing 'context' for key derivation; the key was created using a derived key, \
                                     which means additional, per-request information must be included in order to \
                                     perform operations with the key";
/// What is said of rings that are set aside.
pub(crate) const ASIDE: &str = "refusing to use soft-deleted key";
/// What is said of a batch without items.
pub(crate) const BATCH_EMPTY: &str = "missing batch input to process";
/// What is said of versions that may no longer be used.
pub(crate) const TOO_OLD: &str =
    "ciphertext or signature version is disallowed by policy (too old)";

/// A mount on the shared service that one test has for itself.
pub(crate) struct Mount {
    app: Arc<TestApp>,
    path: &'static str,
}

impl Mount {
    pub(crate) fn new(path: &'static str) -> Self {
        let app = TestApp::shared();
        let enabled = app.enable_mount(path, json!({"type": "transit"}));
        assert_eq!(enabled.status, 204, "{}", enabled.text());
        Self { app, path }
    }

    /// A request for what is given as `METHOD path`.
    pub(crate) fn request(&self, what: &str) -> Request {
        let (method, path) = what.split_once(' ').unwrap();
        self.app.request(method, &format!("{}/{path}", self.path))
    }

    pub(crate) fn send(&self, what: &str, body: impl IntoBody) -> Answer {
        let request = self.request(what).body(body);
        patiently(|| request.send())
    }

    /// What was wrapped, by its token alone.
    pub(crate) fn unwrap(&self, token: &str) -> Answer {
        let request = self.app.anonymous("POST", "sys/wrapping/unwrap");
        request.header("X-Vault-Token", token).send()
    }

    /// A connection of its own.
    pub(crate) fn wire(&self) -> Wire {
        Wire::connect(&self.app.address).unwrap()
    }

    /// The `data` of what must succeed, if it says anything.
    pub(crate) fn done(&self, what: &str, body: impl IntoBody) -> Value {
        let answer = self.send(what, body);
        assert!(
            matches!(answer.status, 200 | 204),
            "{what}: {} {}",
            answer.status,
            answer.text()
        );
        if answer.status == 204 {
            Value::Null
        } else {
            answer.data()
        }
    }

    /// Creates rings.
    pub(crate) fn rings(&self, rings: &[(&str, Value)]) {
        for (name, body) in rings {
            self.done(&format!("POST keys/{name}"), body);
        }
    }

    /// Adds versions to a ring.
    pub(crate) fn rotate(&self, name: &str, times: usize) {
        for _ in 0..times {
            self.done(&format!("POST keys/{name}/rotate"), "");
        }
    }

    /// Imports the public half of another ring, and nothing else.
    pub(crate) fn import_public(&self, name: &str, kind: &str, of: &str) {
        let exported = self.done(&format!("GET export/public-key/{of}/latest?format=pem"), "");
        let (_, pem) = exported["keys"].as_object().unwrap().iter().next().unwrap();
        let body = json!({"type": kind, "public_key": pem});
        self.done(&format!("POST keys/{name}/import"), body);
    }

    /// Every row is refused as it says, and nothing changes.
    pub(crate) fn refuses(&self, rows: &[Row<'_>]) {
        let before = self.state();
        for (what, body, status, text) in rows {
            let expected = if *status == 500 {
                multi(text)
            } else {
                (*text).to_owned()
            };
            let answer = self.send(what, body);
            assert!(
                answer.body.starts_with(b"{\"errors\""),
                "{what} {body}: {} {}",
                answer.status,
                answer.text()
            );
            assert_eq!(answer.refusal(), (*status, expected), "{what} {body}");
        }
        assert_eq!(self.state(), before, "nothing was changed");
    }

    /// All rings as they are shown, but for how often they were used.
    pub(crate) fn state(&self) -> Value {
        let names = self.send("LIST keys", "").json()["data"]["keys"].take();
        let names: Vec<String> = serde_json::from_value(names).unwrap_or_default();
        let shown = names.into_iter().map(|name| {
            let mut ring = self.done(&format!("GET keys/{name}"), "");
            ring["usage"].take();
            (name, ring)
        });
        Value::Object(shown.collect())
    }
}

/// What is answered once the disk has taken the record of it: a busy machine may take longer over that than a service waits.
pub(crate) fn patiently(mut send: impl FnMut() -> Answer) -> Answer {
    eventually("an answer", || {
        let answer = send();
        let is_unrecorded = answer.status == 503 && answer.text().contains("the audit log");
        (!is_unrecorded).then_some(answer)
    })
}
