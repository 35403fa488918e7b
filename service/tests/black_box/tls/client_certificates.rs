//! Certificates of clients: required by CA, or only asked for.

use std::fs;

use rustix::process::Signal;
use rustls::version::{TLS12, TLS13};
use serde_json::json;

use super::authority::{Authority, Identity};
use super::encrypted::{Client, Encrypted};
use crate::client::Answer;
use crate::eventually;

fn service(auth: &str) -> (Encrypted, Authority) {
    let (servers, agents) = (Authority::new("servers"), Authority::new("agents"));
    let home = crate::set_up::Home::new();
    servers.issue().write_to(home.path());
    fs::write(home.path().join("ca"), &agents.pem).unwrap();
    let listener = format!(
        "[listener.agents]\naddress = \"127.0.0.1:0\"\ntls_cert_file = \"DIR/cert\"\n\
         tls_key_file = \"DIR/key\"\n{auth}\n"
    );
    (Encrypted::start_in(home, servers, &listener), agents)
}

const REQUIRE: &str = "tls_client_auth = \"require\"\ntls_client_ca_file = \"DIR/ca\"";
const REQUEST: &str = "tls_client_auth = \"request\"";

/// Clients of either version that show this certificate and sign with that key.
fn clients(shown: &Identity, owned: &Identity) -> [Client; 2] {
    [&TLS12, &TLS13].map(|version| Client {
        version: Some(version),
        shows: Some((shown.clone(), owned.clone())),
        ..Client::default()
    })
}

#[test]
fn a_required_certificate_leads_to_a_ca_of_the_listener() {
    let (service, agents) = service(REQUIRE);
    let agent = agents.issue();
    let stranger = Authority::new("strangers").issue();
    for client in clients(&agent, &agent) {
        assert_eq!(service.ask(&client).unwrap().status, 200);
    }
    for client in clients(&stranger, &stranger) {
        assert!(service.ask(&client).is_err());
    }
    for client in clients(&agent, &stranger) {
        assert!(service.ask(&client).is_err(), "without its key");
    }
    assert!(service.ask(&Client::default()).is_err());
}

#[test]
fn a_new_client_ca_is_for_new_connections_and_open_ones_go_on() {
    let (service, old) = service(REQUIRE);
    let old_agent = Client::showing(&old.issue());
    let mut open = service.connect(&old_agent).unwrap();
    assert_eq!(service.health().send_over(&mut open).unwrap().status, 200);
    let new = Authority::new("new agents");
    let new_agent = Client::showing(&new.issue());
    assert!(service.ask(&new_agent).is_err());
    fs::write(service.path("ca"), &new.pem).unwrap();
    service.app.signal(Signal::HUP);
    eventually("the new CA", || service.ask(&new_agent).ok());
    assert!(service.ask(&old_agent).is_err());
    assert_eq!(service.health().send_over(&mut open).unwrap().status, 200);
}

#[test]
fn a_requested_certificate_may_be_of_anybody_who_owns_its_key() {
    let (service, agents) = service(REQUEST);
    let (agent, other) = (agents.issue(), agents.issue());
    assert_eq!(service.ask(&Client::default()).unwrap().status, 200);
    for client in clients(&agent, &agent) {
        assert_eq!(service.ask(&client).unwrap().status, 200);
    }
    for client in clients(&agent, &other) {
        assert!(service.ask(&client).is_err(), "without its key");
    }
}

#[test]
fn a_requested_certificate_of_any_kind_proves_its_key() {
    let (service, agents) = service(REQUEST);
    for odd in [
        Identity::of_version_1(),
        Identity::with_unknown_extension(None),
        Identity::with_unknown_extension(Some(&agents)),
        Identity::self_signed_authority(),
    ] {
        for client in clients(&odd, &odd) {
            assert_eq!(service.ask(&client).unwrap().status, 200);
        }
        for client in clients(&odd, &agents.issue()) {
            assert!(service.ask(&client).is_err(), "without its key");
        }
    }
}

#[test]
fn a_required_certificate_is_of_a_kind_that_can_be_verified() {
    let (service, agents) = service(REQUIRE);
    let odd = Identity::with_unknown_extension(Some(&agents));
    for client in clients(&odd, &odd) {
        assert!(service.ask(&client).is_err());
    }
}

/// The answer to a login over a connection that shows this.
fn log_in(service: &Encrypted, shown: &Identity, role: &str) -> Answer {
    let mut wire = service.connect(&Client::showing(shown)).unwrap();
    let request = service.app.anonymous("POST", "auth/cert/login");
    request
        .body(json!({"name": role}))
        .send_over(&mut wire)
        .unwrap()
}

#[test]
fn a_certificate_that_is_its_own_role_logs_in_whatever_its_kind() {
    let (service, agents) = service(REQUEST);
    let app = &service.app;
    assert_eq!(
        app.post("sys/auth/cert", json!({"type": "cert"})).status,
        204
    );
    let of_agents = json!({"certificate": agents.pem});
    assert_eq!(app.post("auth/cert/certs/agents", of_agents).status, 204);
    let all = [
        Identity::of_version_1(),
        Identity::with_unknown_extension(None),
        Identity::self_signed_authority(),
    ];
    for (number, own) in all.iter().enumerate() {
        let role = format!("own{number}");
        let written = app.post(
            &format!("auth/cert/certs/{role}"),
            json!({"certificate": own.certificate}),
        );
        assert_eq!(written.status, 204, "{}", written.text());
        let logged_in = log_in(&service, own, &role);
        assert_eq!(logged_in.status, 200, "{role}: {}", logged_in.text());
        for (shown, role) in [
            (own, "agents"),
            (&agents.issue(), role.as_str()),
            (&Identity::self_signed_authority(), role.as_str()),
        ] {
            assert_eq!(log_in(&service, shown, role).status, 400, "{role}");
        }
    }
    let odd = Identity::with_unknown_extension(Some(&agents));
    assert_eq!(log_in(&service, &odd, "agents").status, 400);
}
