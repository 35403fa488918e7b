//! Secrets through every endpoint and every error path: none of them is in the audit log, the service's own log, the
//! metrics, an error, or the database.

mod scanner;
mod visits;

use std::fs;
use std::path::Path;

use serde_json::json;

use self::scanner::Secrets;
use self::visits::Visit;
use crate::app::TestApp;
use crate::eventually;
use crate::set_up::{Home, Store};

/// Scans all files of a service but its configuration and its KEK, which have no business with secrets of callers.
fn scan_files(secrets: &Secrets, home: &Path) -> Vec<String> {
    let mut scanned = Vec::new();
    for entry in fs::read_dir(home).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_file() {
            secrets.assert_none_in(&name, &fs::read(&path).unwrap());
            scanned.push(name);
        }
    }
    scanned
}

#[test]
fn no_secret_is_anywhere_it_should_not_be() {
    let home = Home::new();
    let config = home.config(&Store::Sqlite, "");
    let (token, shares) = config.init_with_shares("3", "2");
    let mut command = config.command(&["server"]);
    let app = TestApp::start(
        command.env("SEALRING_TELEMETRY__LOG_FILTER", "trace"),
        &token,
    );
    let mut visit = Visit::new(&app);
    visit.secrets.token("the root token", &token);
    for share in &shares {
        let (_, text) = share.split_once(':').unwrap();
        visit.secrets.add("an unlock share", text.as_bytes());
    }
    visit.rings();
    visit.signatures();
    visit.transfer();
    visit.tokens();
    visit.approle();
    visit.userpass();
    visit.signed_tokens();
    visit.policies();
    visit.wrapping();
    visit.everything();
    visit.sealing(&shares);
    let Visit {
        secrets, errors, ..
    } = visit;

    assert!(errors.len() > 200, "only {} errors", errors.len());
    for (path, body) in &errors {
        secrets.assert_none_in(&format!("an error of {path}"), body);
    }
    eventually("the service open again", || {
        (app.encrypt("canary-plain", json!({"plaintext": ""})).status == 200).then_some(())
    });
    secrets.assert_none_in("the metrics", app.metrics().as_bytes());
    let while_open = scan_files(&secrets, home.path());
    let log = app.stop();
    secrets.assert_none_in("the log", log.as_bytes());
    let scanned = scan_files(&secrets, home.path());
    for file in ["audit.log", "sealring.db"] {
        assert!(
            scanned.iter().any(|name| name == file),
            "{file} was not scanned"
        );
    }
    assert!(while_open.iter().any(|name| name == "sealring.db-wal"));
    let audit = fs::read_to_string(home.path().join("audit.log")).unwrap();
    assert!(audit.contains("canary-key") && audit.contains("\"none\""));
}

#[test]
fn the_scanner_finds_what_is_there_in_every_form() {
    let mut secrets = Secrets::default();
    let text = secrets.made("a text");
    let bytes = text.as_bytes();
    let wide = |before: &str| format!("{before}{text}, and more");
    for hidden in [
        wide(""),
        data_encoding::HEXLOWER.encode(bytes),
        data_encoding::HEXUPPER.encode(bytes),
        data_encoding::BASE64.encode(wide("").as_bytes()),
        data_encoding::BASE64.encode(wide("x").as_bytes()),
        data_encoding::BASE64.encode(wide("xy").as_bytes()),
        data_encoding::BASE64URL_NOPAD.encode(wide("xyz").as_bytes()),
    ] {
        let hay = format!("something before {hidden} something behind");
        assert_eq!(secrets.found_in(hay.as_bytes()), Some("a text"), "{hay}");
    }
    assert_eq!(secrets.found_in(&bytes[1..]), None);
}
