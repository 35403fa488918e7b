//! The audit log of a running service: nothing is answered without a record, and nobody edits one unnoticed.

mod files;
mod full;
mod kills;
mod operations;
mod stuck;
mod timer;
mod verify;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::Answer;
use crate::set_up::sealring;

/// The files of a log, those it was moved to included.
fn files_of(log: &Path) -> Vec<PathBuf> {
    let name = log.file_name().unwrap().to_str().unwrap();
    let entries = fs::read_dir(log.parent().unwrap()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_of = |path: &PathBuf| {
        let other = path.file_name().unwrap().to_str().unwrap();
        other.starts_with(name)
    };
    paths.filter(is_of).collect()
}

/// The records of a log, whatever a kill left of its last line.
fn records_in(text: &[u8]) -> Vec<Value> {
    let lines = text.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter(|line| line["n"].is_u64())
        .collect()
}

fn records_of(log: &Path) -> Vec<Value> {
    let files = files_of(log).into_iter();
    files
        .flat_map(|file| records_in(&fs::read(file).unwrap()))
        .collect()
}

/// The requests that have a record of this kind.
fn requests(records: &[Value], kind: &str) -> BTreeSet<String> {
    let of_kind = records.iter().filter(|record| record["kind"] == kind);
    of_kind
        .map(|record| record["request"].as_str().unwrap().to_owned())
        .collect()
}

/// What `sealring audit verify` says: its exit status and what it prints.
fn verify(options: &[&Path], files: &[PathBuf]) -> (i32, String) {
    let mut command = sealring(&["audit", "verify"]);
    let out = command.args(options).args(files).output().unwrap();
    let printed = String::from_utf8(out.stdout).unwrap();
    (out.status.code().unwrap(), printed)
}

/// Whether it says that nothing can be recorded, as it may for a moment while a file is replaced. What was written of that
/// does not matter.
fn is_away(answer: &Answer) -> bool {
    answer.status == 503 && answer.text().contains("audit log")
}

/// What clients were told: the ids of requests that were answered.
#[derive(Debug, Default)]
struct Told {
    /// Requests that changed nothing.
    plain: Mutex<BTreeSet<String>>,
    /// Changes.
    changes: Mutex<BTreeSet<String>>,
    /// How often it was told to forget.
    forgotten: AtomicUsize,
}

impl Told {
    /// Notes an answer, unless its request began before everything was forgotten.
    fn note(&self, ids: &Mutex<BTreeSet<String>>, began: usize, answer: &Answer) {
        let id = answer.json()["request_id"].as_str().unwrap().to_owned();
        let mut ids = ids.lock().unwrap();
        if began == self.forgotten.load(Ordering::SeqCst) {
            assert!(ids.insert(id), "an id was given twice");
        }
    }

    /// A request begins now.
    fn begin(&self) -> usize {
        self.forgotten.load(Ordering::SeqCst)
    }

    /// From here on only requests count that begin later.
    fn forget(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        for ids in [&self.plain, &self.changes] {
            ids.lock().unwrap().clear();
        }
    }

    /// Encrypts and decrypts until the service is gone, or for as long as the caller wants.
    fn encrypt_and_decrypt(&self, app: &TestApp, key: &str, goes_on: impl Fn() -> bool) {
        while goes_on() {
            let began = self.begin();
            let encrypt = app.request("POST", &format!("transit/encrypt/{key}"));
            let Ok(sealed) = encrypt.body(json!({"plaintext": "aGVsbG8="})).try_send() else {
                return;
            };
            if is_away(&sealed) {
                continue;
            }
            let body = json!({"ciphertext": sealed.data()["ciphertext"]});
            self.note(&self.plain, began, &sealed);
            let decrypt = app.request("POST", &format!("transit/decrypt/{key}"));
            let Ok(opened) = decrypt.body(body).try_send() else {
                return;
            };
            if is_away(&opened) {
                continue;
            }
            assert_eq!(opened.data()["plaintext"], "aGVsbG8=");
            self.note(&self.plain, began, &opened);
        }
    }

    /// Makes changes that are answered with an id, until the service is gone.
    fn rotate(&self, app: &TestApp, key: &str, goes_on: impl Fn() -> bool) {
        let rotate = app.request("POST", &format!("transit/keys/{key}/rotate"));
        while goes_on() {
            let began = self.begin();
            let Ok(answer) = rotate.try_send() else {
                return;
            };
            if is_away(&answer) {
                continue;
            }
            assert_eq!(answer.status, 200, "{}", answer.text());
            self.note(&self.changes, began, &answer);
        }
    }

    /// Makes tokens, until the service is gone.
    fn make_tokens(&self, app: &TestApp, goes_on: impl Fn() -> bool) {
        while goes_on() {
            let began = self.begin();
            let create = app.request("POST", "auth/token/create");
            let Ok(answer) = create.body(json!({"policies": "default"})).try_send() else {
                return;
            };
            if is_away(&answer) {
                continue;
            }
            assert_eq!(answer.status, 200, "{}", answer.text());
            self.note(&self.changes, began, &answer);
        }
    }

    /// Everything that was answered is recorded, changes twice.
    fn check(&self, records: &[Value]) {
        let plain = requests(records, "request");
        let lost: Vec<_> = self
            .plain
            .lock()
            .unwrap()
            .difference(&plain)
            .cloned()
            .collect();
        assert!(lost.is_empty(), "no record of {lost:?}");
        for kind in ["intent", "outcome"] {
            let recorded = requests(records, kind);
            let changes = self.changes.lock().unwrap();
            let lost: Vec<_> = changes.difference(&recorded).collect();
            assert!(lost.is_empty(), "no {kind} of {lost:?}");
        }
    }

    fn count(&self) -> usize {
        self.plain.lock().unwrap().len() + self.changes.lock().unwrap().len()
    }
}
