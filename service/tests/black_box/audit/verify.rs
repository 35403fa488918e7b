//! `sealring audit verify` and `search` on what a service wrote.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{records_in, verify};
use crate::of_full;
use crate::set_up::{Home, Store, printed, sealring};

/// The log of a service that was used for a while and stopped, twice.
struct Written {
    home: Home,
    lines: Vec<String>,
}

impl Written {
    fn new() -> Self {
        let home = Home::new();
        let config = home.config(&Store::Sqlite, "");
        let token = config.init();
        for start in 0..2 {
            let app = config.serve(&token);
            let key = format!("orders-{start}");
            app.create(&key, "").data();
            for _ in 0..60 {
                let sealed = app.seal(&key, "aGVsbG8=");
                app.open(&key, &sealed);
            }
            app.rotate(&key, "").data();
            let body = json!({"policies": "default", "display_name": format!("app {start}")});
            let auth = app.post("auth/token/create", body).json()["auth"].take();
            let own = app.anonymous("GET", "auth/token/lookup-self");
            let token = auth["client_token"].as_str().unwrap();
            own.header("X-Vault-Token", token).send().data();
            app.stop();
        }
        let text = fs::read_to_string(home.path().join("audit.log")).unwrap();
        let lines = text.split_inclusive('\n').map(str::to_owned).collect();
        Self { home, lines }
    }

    /// What is found in these lines, by the store's heads and key.
    fn found(&self, lines: &[String]) -> (i32, String) {
        let config = self.home.path().join("sealring.toml");
        verify(&[Path::new("--config"), &config], &[self.changed(lines)])
    }

    fn changed(&self, lines: &[String]) -> PathBuf {
        let file = self.home.path().join("changed.log");
        fs::write(&file, lines.concat()).unwrap();
        file
    }

    /// A line that is a record, by its index.
    fn any_record(&self) -> usize {
        loop {
            let at = rand::random_range(0..self.lines.len());
            if self.lines[at].starts_with("{\"n\":") {
                return at;
            }
        }
    }

    /// These lines are not what was written, and the first place that is named lies where it was changed.
    fn assert_found(&self, what: &str, lines: &[String], at: usize) {
        let (status, said) = self.found(lines);
        assert_eq!(status, 65, "{what} of line {}: {said}", at + 1);
        let first = said.lines().next().unwrap();
        let places = first
            .strip_prefix("WRONG ")
            .and_then(|text| text.split_once("changed.log:"));
        let (_, place) = places.unwrap_or_else(|| panic!("{what} of line {}: {said}", at + 1));
        let numbers = place.split_once([' ', ':']).unwrap().0;
        let (from, to) = numbers.split_once('-').unwrap_or((numbers, numbers));
        let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
        // A group is the least that is checked, and it ends with its own line.
        let group = |line: &String| line.starts_with("{\"group\":");
        let begin = self.lines[..at]
            .iter()
            .rposition(group)
            .map_or(0, |before| before + 1);
        let end = at + self.lines[at..].iter().position(group).unwrap_or(0) + 1;
        assert!(
            from <= at + 1 && begin < from + 1 && to + 2 >= at + 1 && from <= end,
            "{what} of line {} (group {} to {end}): {said}",
            at + 1,
            begin + 1
        );
    }
}

#[test]
fn every_change_of_a_log_is_found_where_it_was_made() {
    let written = Written::new();
    let (status, said) = written.found(&written.lines);
    assert_eq!(status, 0, "{said}");
    for _ in 0..of_full(200) {
        let at = written.any_record();
        let mut lines = written.lines.clone();
        let edited = match rand::random_range(0..3) {
            0 => lines[at].replacen("\"status\":200", "\"status\":403", 1),
            1 => lines[at].replacen("\"micros\":", "\"micros\":1", 1),
            _ => lines[at].replacen("transit", "transit2", 1).replacen(
                "\"source\":\"",
                "\"source\":\"2",
                1,
            ),
        };
        if edited != lines[at] {
            lines[at] = edited;
            written.assert_found("an edit", &lines, at);
        }

        let mut lines = written.lines.clone();
        lines.remove(at);
        written.assert_found("the deletion", &lines, at);

        let mut lines = written.lines.clone();
        let other = written.any_record();
        lines.swap(at, other);
        if other != at {
            written.assert_found("a swap", &lines, at.min(other));
        }
    }
}

#[test]
fn every_truncation_is_found_by_the_store() {
    let written = Written::new();
    for _ in 0..of_full(100) {
        let kept = rand::random_range(1..written.lines.len());
        let lines = &written.lines[..kept];
        let (status, said) = written.found(lines);
        assert_eq!(status, 65, "{kept} lines: {said}");
        assert!(said.contains("WRONG"), "{said}");
        let (_, alone) = verify(&[], &[written.changed(lines)]);
        assert!(alone.contains("NO HEAD"), "{alone}");
    }
    let half = written.lines.concat();
    let file = written.home.path().join("changed.log");
    fs::write(&file, &half[..half.len() - 20]).unwrap();
    let config = written.home.path().join("sealring.toml");
    assert_eq!(verify(&[Path::new("--config"), &config], &[file]).0, 65);
}

#[test]
fn a_whole_log_of_somebody_else_is_found_by_the_key() {
    let (written, other) = (Written::new(), Written::new());
    let (status, said) = written.found(&other.lines);
    assert_eq!(status, 65, "{said}");
    let (status, said) = verify(&[], &[written.changed(&other.lines)]);
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("NOT PINNED"), "{said}");
}

#[test]
fn records_are_found_by_key_identity_operation_and_time() {
    let written = Written::new();
    let log = written.home.path().join("audit.log");
    let all = records_in(written.lines.concat().as_bytes());
    let search = |options: &[&str]| {
        let mut command = sealring(&["audit", "search"]);
        let text = printed(command.args(options).arg(&log));
        records_in(text.as_bytes())
    };
    let those = |is_wanted: &dyn Fn(&Value) -> bool| {
        let found: Vec<Value> = all
            .iter()
            .filter(|record| is_wanted(record))
            .cloned()
            .collect();
        assert!(!found.is_empty());
        found
    };
    assert_eq!(search(&[]), all);
    let of_key = those(&|record| record["key"] == "orders-1");
    assert_eq!(search(&["--key", "orders-1"]), of_key);
    let of_operation = those(&|record| record["operation"] == "decrypt");
    assert_eq!(search(&["--operation", "decrypt"]), of_operation);
    let both = those(&|record| record["operation"] == "decrypt" && record["key"] == "orders-0");
    assert_eq!(both.len(), 60);
    let options = ["--operation", "decrypt", "--key", "orders-0"];
    assert_eq!(search(&options), both);
    let of_name = those(&|record| record["display_name"] == "token-app-1");
    assert_eq!(search(&["--identity", "token-app-1"]), of_name);
    let accessor = of_name[0]["accessor"].as_str().unwrap();
    assert_eq!(search(&["--identity", accessor]), of_name);
    let middle = all[all.len() / 2]["time"].as_str().unwrap();
    // Times of one length compare as texts.
    let later = those(&|record| record["time"].as_str().unwrap() >= middle);
    assert_eq!(search(&["--since", middle]), later);
    let earlier = those(&|record| record["time"].as_str().unwrap() <= middle);
    assert_eq!(search(&["--until", middle]), earlier);
    let request = all[7]["request"].as_str().unwrap();
    let of_request = those(&|record| record["request"] == request);
    assert_eq!(search(&["--request", request]), of_request);
    assert_eq!(search(&["--key", "nothing"]), Vec::<Value>::new());
}
