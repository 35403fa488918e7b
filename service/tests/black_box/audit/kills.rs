//! Killed under load again and again: every answer has its record, and every change in the end its outcome.

use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::{Told, files_of, records_of, requests, verify};
use crate::app::TestApp;
use crate::set_up::{Home, Store};
use crate::{of_full, pause};

/// Loads a service and kills it.
fn kill_under_load(app: &TestApp, told: &Told) {
    let always = || true;
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| told.encrypt_and_decrypt(app, "used", always));
        }
        scope.spawn(|| told.rotate(app, "rotated", always));
        scope.spawn(|| told.rotate(app, "rotated", always));
        scope.spawn(|| told.make_tokens(app, always));
        pause(Duration::from_millis(rand::random_range(20..=400)));
        app.signal(Signal::KILL);
    });
}

/// The outcomes that a later start found out agree with the history of the key.
fn check_recovered(app: &TestApp, records: &[Value]) -> usize {
    let mut history = Vec::new();
    let mut after = Value::from(0);
    while !after.is_null() {
        let page = app.history("rotated", &format!("?limit=1000&after={after}"));
        let page = page.data();
        history.extend(page["events"].as_array().unwrap().clone());
        after = page["next_after"].clone();
    }
    let recovered = records.iter().filter(|record| record["recovered"] == true);
    let mut count = 0;
    for record in recovered {
        assert_eq!(record["kind"], "outcome");
        let made = history
            .iter()
            .find(|event| event["request_id"] == record["request"]);
        let expected = match (record["operation"].as_str().unwrap(), made) {
            ("key_rotate", Some(_)) => "done",
            ("key_rotate", None) => "failed",
            // The history knows rings only.
            _ => "unknown",
        };
        assert_eq!(record["outcome"], expected, "{record}");
        count += 1;
    }
    count
}

/// Each intent has one outcome, and none has two.
fn check_outcomes(records: &[Value]) {
    let mut outcomes: Vec<_> = records
        .iter()
        .filter(|record| record["kind"] == "outcome")
        .map(|record| record["request"].as_str().unwrap())
        .collect();
    let all = outcomes.len();
    outcomes.sort_unstable();
    outcomes.dedup();
    assert_eq!(outcomes.len(), all, "an outcome stands twice");
    let open: Vec<_> = requests(records, "intent")
        .difference(&requests(records, "outcome"))
        .cloned()
        .collect();
    assert!(open.is_empty(), "no outcome of {open:?}");
}

#[test]
fn every_answer_before_a_kill_has_its_record_and_every_change_its_outcome() {
    let home = Home::new();
    let config = home.config(&Store::Sqlite, "");
    let token = config.init();
    let app = config.serve(&token);
    app.create("used", "").data();
    app.create("rotated", "").data();
    app.stop();
    let log = home.path().join("audit.log");
    let told = Told::default();
    for _ in 0..of_full(100) {
        let app = config.serve(&token);
        kill_under_load(&app, &told);
        told.check(&records_of(&log));
    }
    // This one writes what is still open.
    let app = config.serve(&token);
    let records = records_of(&log);
    assert!(
        told.count() > of_full(100) * 10,
        "hardly anything was answered"
    );
    told.check(&records);
    check_outcomes(&records);
    let recovered = check_recovered(&app, &records);
    assert!(recovered > 0, "no kill came in the middle of a change");
    app.stop();
    let file = home.path().join("sealring.toml");
    let (status, said) = verify(&[Path::new("--config"), &file], &files_of(&log));
    assert_eq!(status, 0, "{said}");
}
