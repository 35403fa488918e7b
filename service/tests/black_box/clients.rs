//! Clients as their users have them: an unmodified hvac drives the real binary through everything it has a call for, and
//! vaultrs, which decodes answers into types, through the calls that applications make.
//!
//! The tests with hvac are in `service/tests/clients/hvac`, one file for each area; each runs against a service of its own.

mod python;
mod vaultrs;

use std::fs;
use std::path::{Path, PathBuf};

use crate::app::TestApp;
use crate::set_up::{Home, Store};
use python::Python;

#[test]
fn hvac_drives_tokens() {
    run("tokens", 34);
}

#[test]
fn hvac_drives_policies_and_capabilities() {
    run("policies", 25);
}

#[test]
fn hvac_drives_app_roles() {
    run("approle", 22);
}

#[test]
fn hvac_drives_users_and_passwords() {
    run("userpass", 10);
}

#[test]
fn hvac_drives_json_web_tokens() {
    run("json_web_tokens", 26);
}

#[test]
fn hvac_drives_kubernetes_logins() {
    run("kubernetes", 17);
}

#[test]
fn hvac_drives_client_certificates() {
    run("certificates", 15);
}

#[test]
fn hvac_drives_wrapping() {
    run("wrapping", 16);
}

#[test]
fn hvac_drives_the_system() {
    run("system", 29);
}

#[test]
fn hvac_drives_keys_and_data() {
    run("transit_smoke", 11);
}

/// Runs a file of tests against a service of its own; passes over it, and says so, where there is no Python to run it with.
/// Fewer tests than this many means that some were not found, not that all is well.
fn run(module: &str, least: usize) {
    let Some(python) = Python::shared() else {
        return;
    };
    let service = Service::start(python);
    let ran = python.unittest(&tests(), module, &service.environment());
    let log = service.app.log();
    assert!(
        ran.passed,
        "{module} failed:\n{}\nThe service logged:\n{log}",
        ran.output
    );
    assert!(
        ran.tests >= least && ran.skipped == 0,
        "of at least {least} tests in {module}, {} ran and {} were skipped:\n{}",
        ran.tests,
        ran.skipped,
        ran.output
    );
}

/// A service with a TLS listener beside the plain one, and all that its clients must know.
struct Service {
    app: TestApp,
    shares: Vec<String>,
    tls_ca: PathBuf,
    /// Goes away after the service.
    _home: Home,
}

impl Service {
    /// As many shares as hvac's own tests have.
    const THRESHOLD: usize = 3;

    fn start(python: &Python) -> Self {
        let home = Home::new();
        let pki = home.path().join("pki");
        python.script(&tests().join("pki.py"), &pki);
        let config = home.config(&Store::Sqlite, &tls_listener(&pki));
        let printed = config.command(&["init"]).output().unwrap();
        let printed = String::from_utf8(printed.stdout).unwrap();
        let after = |label: &str| {
            let lines = printed.lines();
            let found = lines.filter_map(|line| line.strip_prefix(label)?.split_once(": "));
            found.map(|(_, value)| value.to_owned()).collect::<Vec<_>>()
        };
        let token = after("root token").concat();
        let app = TestApp::start_on(2, &mut config.command(&["server"]), &token);
        Self {
            app,
            shares: after("unlock share"),
            tls_ca: pki.join("server-ca.pem"),
            _home: home,
        }
    }

    /// What the tests read. hvac itself reads the first two.
    fn environment(&self) -> Vec<(&'static str, String)> {
        let tls = self.app.greeting.split("listening on ");
        let tls = tls.filter_map(|rest| rest.lines().next());
        let tls = tls.filter(|address| address.starts_with("https://"));
        vec![
            ("VAULT_ADDR", format!("http://{}", self.app.address)),
            ("VAULT_TOKEN", self.app.token.clone()),
            ("SEALRING_UNLOCK_SHARES", self.shares.join(" ")),
            ("SEALRING_UNLOCK_THRESHOLD", Self::THRESHOLD.to_string()),
            ("SEALRING_TLS_ADDRESS", tls.collect()),
            ("SEALRING_TLS_CA", self.tls_ca.display().to_string()),
        ]
    }
}

fn tls_listener(pki: &Path) -> String {
    let pki = pki.display();
    format!(
        "[listener.certificates]\n\
         address = \"127.0.0.1:0\"\n\
         tls_cert_file = \"{pki}/server.pem\"\n\
         tls_key_file = \"{pki}/server.key\"\n\
         tls_client_auth = \"request\""
    )
}

fn tests() -> PathBuf {
    clients().join("hvac")
}

fn clients() -> PathBuf {
    fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients")).unwrap()
}
