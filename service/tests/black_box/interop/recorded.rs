//! What an OpenBao made, beside the backups of its rings: `keyring/tests/vectors/openbao`, where `record.py` says how.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use crate::app::TestApp;

/// A ring of OpenBao and what it answered.
#[derive(Debug, Deserialize)]
pub(super) struct Recorded {
    /// Absent if it is a file of its own.
    #[serde(default)]
    backup: String,
    pub(super) calls: Vec<Call>,
}

/// A request to be repeated here, and the data that must come back.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Call {
    pub(super) version: u32,
    /// Whether it is about an HMAC key beside the key proper, which only backups take along.
    #[serde(default)]
    pub(super) needs_hmac_key: bool,
    pub(super) path: String,
    pub(super) body: Value,
    data: Value,
}

impl Recorded {
    /// All of them, by their names, with their backups.
    pub(super) fn all() -> BTreeMap<String, Self> {
        let text = fs::read_to_string(vectors().join("outputs.json")).unwrap();
        let mut rings: BTreeMap<String, Self> = serde_json::from_str(&text).unwrap();
        for (name, ring) in &mut rings {
            if ring.backup.is_empty() {
                let file = vectors().join("backups").join(format!("{name}.txt"));
                ring.backup = fs::read_to_string(file).unwrap();
            }
        }
        rings
    }

    pub(super) fn backup(&self) -> &str {
        self.backup.trim_end()
    }
}

impl Call {
    /// Repeats it with the ring of this name.
    pub(super) fn repeat(&self, app: &TestApp, ring: &str) {
        let answer = app.post(&format!("transit/{}/{ring}", self.path), self.body.clone());
        assert_eq!(answer.status, 200, "{ring} {self:?}: {}", answer.text());
        assert_eq!(answer.data(), self.data, "{ring} {self:?}");
    }
}

/// What OpenBao exports of each ring in `backups`: by name, kind, format and version.
pub(super) fn exports() -> Exports {
    let text = fs::read_to_string(vectors().join("exports.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

pub(super) type Exports =
    BTreeMap<String, BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>>;

fn vectors() -> PathBuf {
    let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    package.join("../keyring/tests/vectors/openbao")
}
