//! Laws of the whole log: through real files, pipes and sockets.

mod edits;
mod files;
mod flow;
mod measure;
mod records;
mod sinks;
mod spools;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keyring::audit_keys::AuditKeys;
use keyring::clock::{Clock as _, SystemClock};
use keyring::entropy::SystemEntropy;
use keyring::secret::Dek;
use keyring::store::audit::AuditHead;
use tempfile::TempDir;
use uuid::Uuid;

use super::verify::{Chains, Report, Verifier};
use super::*;
use crate::config::audit::{Audit, Correlate, FileSink, Sink, SinkKind};

fn keys() -> Arc<AuditKeys> {
    let dek = |byte| Dek::from_slice(&[byte; 32]).unwrap();
    Arc::new(AuditKeys::new(&dek(7), &dek(8)))
}

fn basis() -> Basis {
    Basis {
        keys: keys(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        observer: Arc::new(Unobserved),
        workers: 2,
    }
}

/// A directory with a file sink's settings.
struct Room {
    directory: TempDir,
    settings: Audit,
}

impl Room {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let sinks = vec![Sink {
            name: "file".to_owned(),
            kind: SinkKind::File(FileSink {
                path: directory.path().join("audit.log"),
                rotate_bytes: 1 << 40,
                rotate_after: Duration::ZERO,
            }),
        }];
        let settings = Audit {
            node: Some("node-1".to_owned()),
            strict: false,
            correlate: Correlate::default(),
            sinks,
        };
        Self {
            directory,
            settings,
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("audit.log")
    }

    fn start(&self) -> (AuditLog, Vec<OpenIntent>) {
        AuditLog::start(&self.settings, &basis()).unwrap()
    }

    fn log(&self) -> Vec<u8> {
        std::fs::read(self.path()).unwrap()
    }

    /// The file and those set aside, oldest first.
    fn files(&self) -> Vec<Vec<u8>> {
        let mut files = sink::open::set_aside_files(&self.path()).unwrap();
        files.push(self.path());
        files
            .iter()
            .map(|file| std::fs::read(file).unwrap())
            .collect()
    }
}

fn record(kind: Kind, request: Uuid) -> Record<'static> {
    Record {
        at: SystemClock.now(),
        kind,
        request,
        who: None,
        source: Source {
            address: Some([127, 0, 0, 1].into()),
            listener: "main",
            tls: None,
        },
        operation: "encrypt",
        mount: Some("transit"),
        key: Some("orders"),
        versions: None,
        amount: Amount {
            items: 1,
            failed: 0,
            bytes_in: 40,
            bytes_out: 80,
        },
        answer: (kind != Kind::Intent).then_some(Answer {
            outcome: Outcome::Done,
            status: Some(200),
            took: Duration::from_micros(31),
        }),
        cause: None,
        reason: None,
        recovered: false,
        made: None,
    }
}

fn request() -> Record<'static> {
    record(Kind::Request, Uuid::new_v4())
}

async fn put(log: &AuditLog, record: &Record<'_>) -> Result<(), NotRecorded> {
    log.submit(record)?.await
}

fn close(log: &AuditLog) {
    assert!(log.close(Duration::from_secs(20)), "a sink did not end");
}

/// Waits for something that another thread does.
async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what} did not come");
}

fn state(log: &AuditLog, name: &str) -> SinkState {
    let states = log.state();
    states.into_iter().find(|(sink, _)| sink == name).unwrap().1
}

fn verify(files: &[impl AsRef<[u8]>], heads: &[AuditHead]) -> Report {
    let chains = match heads {
        [] => Chains::default(),
        _ => Chains::new(heads.iter().cloned()),
    };
    let mut verifier = Verifier::new(Some(keys().public_key()), chains);
    for (index, file) in files.iter().enumerate() {
        let name = format!("file-{index}");
        verifier.read(&name, file.as_ref(), false, |_| {}).unwrap();
    }
    verifier.finish().0
}

/// The log is what was written, so many records long.
#[track_caller]
fn assert_good(files: &[impl AsRef<[u8]>], records: u64) -> Report {
    let report = verify(files, &[]);
    assert_eq!(report.findings, []);
    assert_eq!(report.records, records);
    report
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn remove(path: &Path) {
    std::fs::remove_file(path).unwrap();
}
