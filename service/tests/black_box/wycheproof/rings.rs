//! A service full of imported keys.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::byok::WrappingKey;
use crate::client::Answer;

/// A service that the suites share, so that a wrapping key is made only once.
#[derive(Debug)]
pub(super) struct Rings {
    pub(super) app: TestApp,
    pub(super) wrapping_key: WrappingKey,
}

impl Rings {
    pub(super) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Rings>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap();
        shared.upgrade().unwrap_or_else(|| {
            let app = TestApp::fresh(&[]);
            let wrapping_key = WrappingKey::of(&app, "transit");
            let fresh = Arc::new(Self { app, wrapping_key });
            *shared = Arc::downgrade(&fresh);
            fresh
        })
    }

    /// A ring of this key, with these settings.
    pub(super) fn import(&self, settings: Value, material: &[u8]) -> String {
        let (name, answer) = self.import_blob(settings, &self.wrapping_key.blob(material));
        assert_eq!(answer.status, 204, "{}", answer.text());
        name
    }

    /// What came of a blob, and the name the ring has if it was taken.
    pub(super) fn import_blob(&self, settings: Value, blob: &str) -> (String, Answer) {
        self.import_fields(settings, "ciphertext", blob)
    }

    /// The same for a public key, in PEM.
    pub(super) fn import_public(&self, settings: Value, pem: &str) -> (String, Answer) {
        self.import_fields(settings, "public_key", pem)
    }

    fn import_fields(&self, mut settings: Value, field: &str, key: &str) -> (String, Answer) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("group-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        settings[field] = json!(key);
        let path = format!("transit/keys/{name}/import");
        let answer = self.app.post(&path, settings);
        (name, answer)
    }
}
