//! What somebody does to the file while it is written: deletes it, moves it, cuts it short.

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::{Told, files_of, records_in, records_of, verify};
use crate::app::TestApp;
use crate::set_up::{Home, Store};
use crate::{eventually, of_full, pause};

struct Scene {
    home: Home,
    app: TestApp,
}

impl Scene {
    fn new() -> Self {
        let home = Home::new();
        let config = home.config(&Store::Sqlite, "");
        let app = config.serve(&config.init());
        app.create("used", "").data();
        app.create("rotated", "").data();
        Self { home, app }
    }

    fn log(&self) -> PathBuf {
        self.home.path().join("audit.log")
    }

    /// Keeps it busy while something is done to its file, until `is_over` after that.
    fn under_traffic(&self, told: &Told, deed: impl FnOnce(), is_over: impl Fn() -> bool) {
        let over = AtomicBool::new(false);
        let goes_on = || !over.load(Ordering::Relaxed);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| told.encrypt_and_decrypt(&self.app, "used", goes_on));
            }
            scope.spawn(|| told.rotate(&self.app, "rotated", goes_on));
            pause(Duration::from_millis(rand::random_range(50..=200)));
            deed();
            let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                eventually("the new file", || is_over().then_some(()));
                let before = told.count();
                eventually("more answers", || {
                    (told.count() > before + 20).then_some(())
                });
            }));
            over.store(true, Ordering::Relaxed);
            seen.unwrap();
        });
    }

    /// What `audit verify` says of the log in the end.
    fn verified(self, log: &Path) -> (i32, String) {
        self.app.stop();
        let config = self.home.path().join("sealring.toml");
        verify(&[Path::new("--config"), &config], &files_of(log))
    }
}

fn is_there(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.len() > 0)
}

#[test]
fn a_deleted_log_costs_no_record_of_an_answer() {
    let scene = Scene::new();
    let log = scene.log();
    let told = Told::default();
    let mut deleted = Vec::new();
    for _ in 0..of_full(30) {
        let mut file = File::open(&log).unwrap();
        scene.under_traffic(&told, || fs::remove_file(&log).unwrap(), || is_there(&log));
        let mut text = Vec::new();
        file.read_to_end(&mut text).unwrap();
        deleted.extend(records_in(&text));
    }
    told.check(&[records_of(&log), deleted].concat());
    let (status, said) = scene.verified(&log);
    assert_eq!(status, 65, "{said}");
    assert!(said.contains("audit.log:1"), "{said}");
}

#[test]
fn a_moved_log_costs_no_record_of_an_answer() {
    let scene = Scene::new();
    let log = scene.log();
    let told = Told::default();
    for round in 0..of_full(30) {
        let aside = scene.home.path().join(format!("audit.log.aside-{round}"));
        scene.under_traffic(
            &told,
            || fs::rename(&log, &aside).unwrap(),
            || is_there(&log),
        );
    }
    told.check(&records_of(&log));
    let (status, said) = scene.verified(&log);
    assert_eq!(status, 0, "{said}");
}

#[test]
fn a_log_that_was_cut_short_is_set_aside_and_no_answer_after_it_lacks_its_record() {
    let scene = Scene::new();
    let log = scene.log();
    for _ in 0..of_full(30) {
        let (told, set_aside) = (Told::default(), files_of(&log).len());
        let deed = || {
            let file = OpenOptions::new().write(true).open(&log).unwrap();
            file.set_len(0).unwrap();
            // What that destroyed, it destroyed.
            told.forget();
        };
        scene.under_traffic(&told, deed, || files_of(&log).len() > set_aside);
        assert!(told.count() > 10);
        told.check(&records_of(&log));
    }
    let (status, said) = scene.verified(&log);
    assert_eq!(status, 65, "{said}");
    assert!(said.contains("audit.log"), "{said}");
}
