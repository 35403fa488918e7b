//! A token that does not answer.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use keyring::kek::pkcs11::Pkcs11Settings;
use keyring::test_support::softhsm::{SoftHsm, isolated};
use rustix::fs::{FileType, Mode};

use crate::fixtures::{create_and_wrap, settings, with_token};
use crate::outcomes::{assert_recovers, unavailable};
use crate::samples::unwrapped_by;
use crate::tokens::kek_file;

#[test]
fn a_token_that_hangs_costs_a_caller_the_deadline_and_a_full_queue_nothing() {
    isolated(|hsm| {
        with_token(hsm, async {
            let call_deadline = Duration::from_millis(300);
            let (kek, wrapped) = create_and_wrap(Pkcs11Settings {
                call_deadline,
                ..settings(hsm)
            })
            .await;
            let stuck = Stuck::start(hsm, kek_file(hsm));
            let start = Instant::now();
            let calls = (0..400).map(async |_| {
                let why = unavailable(unwrapped_by(&kek, &wrapped).await);
                (why, start.elapsed())
            });
            let (full, late): (Vec<_>, Vec<_>) = join_all(calls)
                .await
                .into_iter()
                .partition(|(why, _)| why.contains("queue"));
            assert!(
                full.len() > 100,
                "{} calls found the queue full",
                full.len()
            );
            assert!(full.iter().all(|(_, waited)| *waited < call_deadline));
            assert!(late.len() > 200, "{} calls waited", late.len());
            for (why, waited) in late {
                assert!(why.contains("did not answer within 300 ms"), "{why}");
                assert!(waited < call_deadline * 4, "{waited:?}");
            }
            stuck.end();
            assert_recovers(&kek, &wrapped).await;
        });
    });
}

/// A pipe in place of the KEK's file: whoever opens it to read waits until somebody writes.
struct Stuck {
    object: PathBuf,
    kept: PathBuf,
    pipe: PathBuf,
}

impl Stuck {
    fn start(hsm: &SoftHsm, object: PathBuf) -> Self {
        let (kept, pipe) = (hsm.path().join("kept"), hsm.path().join("pipe"));
        let (kind, mode) = (FileType::Fifo, Mode::RUSR | Mode::WUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0).unwrap();
        fs::copy(&object, &kept).unwrap();
        fs::rename(&pipe, &object).unwrap();
        Self { object, kept, pipe }
    }

    fn end(&self) {
        fs::rename(&self.object, &self.pipe).unwrap();
        fs::rename(&self.kept, &self.object).unwrap();
        // Opened for both, a pipe waits for nobody; closed again, it ends whoever read.
        fs::File::options()
            .read(true)
            .write(true)
            .open(&self.pipe)
            .unwrap();
    }
}
