//! Clients as their users have them, unmodified, against the real binary: hvac through everything it has a call for, vaultrs,
//! which decodes answers into types, Tink, node-vault, the JDK's own, and those in Go: OpenBao's, SOPS, cosign and Terraform's
//! calls.
//!
//! The tests in other languages are in `service/tests/clients`, those with hvac one file for each area; each file or program
//! runs against a service of its own.

mod go;
mod java;
mod node;
mod python;
mod toolchain;
mod vaultrs;

use std::fs;
use std::path::{Path, PathBuf};

use crate::app::TestApp;
use crate::set_up::{Home, Store};
use go::Go;
use java::Java;
use node::Node;
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
fn hvac_drives_transit_keys() {
    run("transit_keys", 38);
}

#[test]
fn hvac_drives_transit_data() {
    run("transit_data", 53);
}

#[test]
fn hvac_drives_transit_signatures() {
    run("transit_signatures", 30);
}

#[test]
fn hvac_drives_transit_material_out_and_in() {
    run("transit_transfer", 36);
}

#[test]
fn tink_keeps_its_keys_under_ours() {
    let Some(python) = Python::shared() else {
        return;
    };
    // There are wheels of it for some versions of Python only.
    if toolchain::or_skip("the tests with Tink", python.has("tink")).is_some() {
        run("tink_kms", 13);
    }
}

#[test]
fn node_vault_drives_transit() {
    let Some(node) = Node::shared() else {
        return;
    };
    let app = TestApp::fresh(&[]);
    let ran = node.test(
        &node_tests().join("transit.test.js"),
        &address_and_token(&app),
    );
    ran.assert_all_passed("the tests with node-vault", 23, &app.log());
}

#[test]
fn clients_in_go_drive_transit() {
    let Some(go) = Go::build(&clients().join("go")) else {
        return;
    };
    let app = TestApp::fresh(&[]);
    let ran = go.test(&address_and_token(&app));
    ran.assert_all_passed("the tests with clients in Go", 50, &app.log());
}

#[test]
fn the_client_of_the_jdk_loses_no_request() {
    let Some(java) = Java::find() else {
        return;
    };
    let app = TestApp::fresh(&[]);
    let ran = java.test(
        &clients().join("java/Requests.java"),
        &address_and_token(&app),
    );
    ran.assert_all_passed("the requests of the JDK's client", 800, &app.log());
}

/// Runs a file of tests against a service of its own; passes over it, and says so, where there is no Python to run it with.
fn run(module: &str, least: usize) {
    let Some(python) = Python::shared() else {
        return;
    };
    let service = Service::start(python);
    let ran = python.unittest(&tests(), module, &service.environment());
    ran.assert_all_passed(module, least, &service.app.log());
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

    /// What the tests read. Clients themselves read the first two.
    fn environment(&self) -> Vec<(&'static str, String)> {
        let tls = self.app.greeting.split("listening on ");
        let tls = tls.filter_map(|rest| rest.lines().next());
        let tls = tls.filter(|address| address.starts_with("https://"));
        let mut environment = address_and_token(&self.app);
        environment.extend([
            ("SEALRING_UNLOCK_SHARES", self.shares.join(" ")),
            ("SEALRING_UNLOCK_THRESHOLD", Self::THRESHOLD.to_string()),
            ("SEALRING_TLS_ADDRESS", tls.collect()),
            ("SEALRING_TLS_CA", self.tls_ca.display().to_string()),
        ]);
        environment
    }
}

fn address_and_token(app: &TestApp) -> Vec<(&'static str, String)> {
    vec![
        ("VAULT_ADDR", format!("http://{}", app.address)),
        ("VAULT_TOKEN", app.token.clone()),
    ]
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

fn node_tests() -> PathBuf {
    clients().join("node")
}

fn clients() -> PathBuf {
    fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients")).unwrap()
}
