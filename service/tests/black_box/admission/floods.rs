//! With one client doing its worst, others are served, and status, logins, revocation and sealing are for everybody.

use serde_json::json;

use super::{busy, encrypt_by, token, user};
use crate::app::TestApp;
use crate::client::Begun;
use crate::eventually;

/// A node with small bounds, a ring, somebody who may log in, and one who uses the ring.
struct Node {
    app: TestApp,
    key: String,
    bystander: String,
}

impl Node {
    fn with(settings: &[(&str, &str)]) -> Self {
        let app = TestApp::fresh(settings);
        let key = app.ring(json!({}));
        let bystander = user(&app);
        let enabled = app.post("sys/auth/userpass", json!({"type": "userpass"}));
        assert_eq!(enabled.status, 204, "{}", enabled.text());
        let user = json!({"password": "right", "token_policies": ["user"]});
        assert_eq!(app.post("auth/userpass/users/ada", user).status, 204);
        Self {
            app,
            key,
            bystander,
        }
    }

    /// Each of these is done at the first try, sealing at the end.
    fn serves_everybody_else(self) {
        let Self {
            app,
            key,
            bystander,
        } = self;
        let health = app.anonymous("GET", "sys/health").send();
        assert_eq!(health.status, 200, "{}", health.text());
        let encrypted = encrypt_by(&app, &bystander, &key, r#"{"plaintext":""}"#).send();
        assert_eq!(encrypted.status, 200, "{}", encrypted.text());
        let login = app
            .anonymous("POST", "auth/userpass/login/ada")
            .body(json!({"password": "right"}))
            .send();
        assert_eq!(login.status, 200, "{}", login.text());
        let fresh = login.json()["auth"]["client_token"].take();
        let revoked = app
            .anonymous("POST", "auth/token/revoke-self")
            .header("X-Vault-Token", fresh.as_str().unwrap())
            .send();
        assert_eq!(revoked.status, 204, "{}", revoked.text());
        let wrong = app
            .anonymous("POST", "sys/unseal")
            .body(json!({"key": "nothing"}))
            .send();
        assert_ne!(wrong.status, 503, "{}", wrong.text());
        assert_eq!(app.request("PUT", "sys/seal").send().status, 204);
    }
}

/// So many requests that wait for the rest of their body, none of which is answered.
fn waiting(count: usize, begin: impl Fn() -> Begun) -> Vec<Begun> {
    let waiting: Vec<Begun> = (0..count).map(|_| begin()).collect();
    assert!(!waiting.iter().any(Begun::is_answered));
    waiting
}

#[test]
fn bodies_that_come_slowly_take_no_place() {
    let node = Node::with(&[("SEALRING_LIMITS__MAX_IN_FLIGHT_REQUESTS", "8")]);
    let attacker = user(&node.app);
    let padded = format!("{{\"plaintext\":\"\"}}{}", " ".repeat(80));
    let slow = encrypt_by(&node.app, &attacker, &node.key, &padded);
    let _slow = waiting(100, || slow.begin(20));
    let metrics = node.app.metrics();
    let places = "sealring_http_admission_held{lane=\"general\",resource=\"requests\"} 0\n";
    assert!(metrics.contains(places), "{metrics}");
    node.serves_everybody_else();
}

#[test]
fn long_bodies_that_never_end_take_one_share_of_the_bytes() {
    let node = Node::with(&[
        ("SEALRING_LIMITS__MAX_BODY_BYTES", "1MiB"),
        ("SEALRING_LIMITS__MAX_IN_FLIGHT_BYTES", "4MiB"),
    ]);
    let attacker = user(&node.app);
    let padded = format!("{{\"plaintext\":\"\"}}{}", " ".repeat((1 << 20) - 16));
    let long = encrypt_by(&node.app, &attacker, &node.key, &padded);
    let mut held: Vec<Begun> = (0..8).map(|_| long.begin((1 << 20) - 12)).collect();
    let refused = eventually("a refusal", || {
        let one = held.iter().position(Begun::is_answered)?;
        Some(held.swap_remove(one).answer_now())
    });
    busy(&refused);
    let half = format!("{{\"plaintext\":\"\"}}{}", " ".repeat(1 << 19));
    let other = encrypt_by(&node.app, &node.bystander, &node.key, &half).send();
    assert_eq!(other.status, 200, "{}", other.text());
    node.serves_everybody_else();
}

#[test]
fn slow_logins_keep_out_no_login_from_the_same_address() {
    let node = Node::with(&[
        ("SEALRING_LIMITS__MAX_IN_FLIGHT_LOGINS", "2"),
        ("SEALRING_LIMITS__RESERVED_REQUESTS", "1"),
        ("SEALRING_LIMITS__RESERVED_BYTES", "64KiB"),
    ]);
    let padded = format!("{{\"password\":\"x\"}}{}", " ".repeat(60_000));
    let mut slow = Vec::new();
    for path in [
        "auth/userpass/login/eve",
        "sys/unseal",
        "sys/wrapping/unwrap",
    ] {
        let request = node.app.anonymous("POST", path).body(padded.as_str());
        slow.extend((0..20).map(|_| request.begin(40_000)));
    }
    // Those that are refused have filled the share; the others are still waiting.
    eventually("refusals", || {
        let refused = slow.iter().filter(|begun| begun.is_answered()).count();
        (refused > 20).then_some(())
    });
    assert!(!slow.iter().all(Begun::is_answered));
    let unwrap = node
        .app
        .anonymous("POST", "sys/wrapping/unwrap")
        .body(json!({"token": "hvs.nothing"}))
        .send();
    assert_eq!(unwrap.status, 403, "{}", unwrap.text());
    node.serves_everybody_else();
}

#[test]
fn slow_readers_take_one_share_and_are_refused_before_their_work_is_done() {
    let node = Node::with(&[
        ("SEALRING_LIMITS__MAX_UNSENT_BYTES", "24MiB"),
        ("SEALRING_LIMITS__SHARE_PERCENT", "50"),
        ("SEALRING_LIMITS__RATE_GRACE", "2s"),
        ("SEALRING_LIMITS__MIN_RATE", "1MiB"),
    ]);
    let attacker = user(&node.app);
    // What sockets hold in between is far less than this.
    let long = json!({"plaintext": "A".repeat(11 << 20)}).to_string();
    let long_by = |token: &str| encrypt_by(&node.app, token, &node.key, &long);
    let reads_nothing = long_by(&attacker).begin(long.len());
    let held = "sealring_http_admission_held{lane=\"general\",resource=\"reply_bytes\"} 0\n";
    eventually("an answer that is not taken", || {
        (reads_nothing.is_answered() && !node.app.metrics().contains(held)).then_some(())
    });
    let items = || {
        let metrics = node.app.metrics();
        let line = "sealring_transit_items_total{operation=\"encrypt\"} ";
        let count = metrics.lines().find_map(|one| one.strip_prefix(line));
        count.map(str::to_owned)
    };
    let before = items();
    busy(&long_by(&attacker).send());
    assert_eq!(items(), before, "nothing was done for it");
    let other = long_by(&node.bystander).send();
    assert_eq!(other.status, 200, "{}", other.status);
    eventually("the slow reader's end", || {
        let given_up = "sealring_http_slow_total{what=\"reader\"} 1\n";
        let metrics = node.app.metrics();
        (metrics.contains(given_up) && metrics.contains(held)).then_some(())
    });
    let taken = reads_nothing.rest().len();
    assert!(taken < long.len(), "it was cut off: {taken}");
    assert_eq!(long_by(&attacker).send().status, 200);
    node.serves_everybody_else();
}

#[test]
fn a_token_without_rights_takes_nothing_at_all() {
    let node = Node::with(&[
        ("SEALRING_LIMITS__MAX_BODY_BYTES", "1MiB"),
        ("SEALRING_LIMITS__MAX_IN_FLIGHT_BYTES", "1MiB"),
        ("SEALRING_LIMITS__MAX_IN_FLIGHT_REQUESTS", "4"),
    ]);
    let attacker = token(&node.app, &["default"]);
    let padded = " ".repeat(1 << 20);
    for _ in 0..20 {
        let mut long = encrypt_by(&node.app, &attacker, &node.key, &padded).begin(1000);
        assert_eq!(long.answer_now().status, 403);
    }
    node.serves_everybody_else();
}
