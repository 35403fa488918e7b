//! What a node takes on at once is bounded; beyond it callers are asked to come back, and can.

mod floods;
mod refused;
mod slow;
mod unread;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;

use crate::app::TestApp;
use crate::client::{Answer, Begun, Request};
use crate::eventually;

fn busy(answer: &Answer) {
    let expected = "too many requests are in flight; try again".to_owned();
    assert_eq!(answer.refusal(), (503, expected));
    assert_eq!(answer.header("retry-after"), Some("1"));
}

/// Begins to encrypt with a body of this length, of which this much is sent.
fn begin(app: &TestApp, key: &str, length: usize, part: usize) -> Begun {
    let body = r#"{"plaintext":"aGVsbG8="}"#;
    let padded = format!("{body}{}", " ".repeat(length - body.len()));
    app.request("POST", &format!("transit/encrypt/{key}"))
        .body(padded)
        .begin(part)
}

/// Fills a node: as many requests that wait for the rest of their body as it takes, until this probe is refused.
fn fill(
    count: usize,
    begin: impl Fn() -> Begun,
    probe: impl Fn() -> Answer,
) -> (Vec<Begun>, Answer) {
    let mut held: Vec<Begun> = (0..count).map(|_| begin()).collect();
    let refused = eventually("a refusal", || {
        // A probe may have come first and taken the place of one of these.
        for begun in held.iter_mut().filter(|begun| begun.is_answered()) {
            *begun = begin();
        }
        let answer = probe();
        let whole = !held.iter().any(Begun::is_answered);
        (answer.status != 200 && whole).then_some(answer)
    });
    (held, refused)
}

/// A new token with these policies, which exist.
fn token(app: &TestApp, policies: &[&str]) -> String {
    let answer = app.post("auth/token/create", json!({"policies": policies}));
    let auth = &answer.json()["auth"];
    assert_eq!(answer.status, 200, "{}", answer.text());
    auth["client_token"].as_str().unwrap().to_owned()
}

/// A new token that may do everything below `transit/`.
fn user(app: &TestApp) -> String {
    let rule = r#"path "transit/*" { capabilities = ["create", "update", "read"] }"#;
    let written = app.post("sys/policies/acl/user", json!({"policy": rule}));
    assert_eq!(written.status, 204, "{}", written.text());
    token(app, &["user"])
}

/// An encrypt with somebody's token.
fn encrypt_by(app: &TestApp, token: &str, key: &str, body: &str) -> Request {
    app.anonymous("POST", &format!("transit/encrypt/{key}"))
        .header("X-Vault-Token", token)
        .body(body)
}

#[test]
fn requests_beyond_a_share_are_refused_until_others_end_and_those_of_others_are_not() {
    let app = TestApp::fresh(&[("SEALRING_LIMITS__MAX_IN_FLIGHT_REQUESTS", "2")]);
    let key = app.ring(json!({}));
    let other = user(&app);
    let is_over = AtomicBool::new(false);
    let refused = thread::scope(|scope| {
        // A pair of RSA keys takes long to make, and its request keeps a place as long.
        let making = scope.spawn(|| {
            let mut names = (0..).map(|n| format!("pair-{n}"));
            while !is_over.load(Ordering::Relaxed) {
                let made = app.create(&names.next().unwrap(), json!({"type": "rsa-4096"}));
                assert!([200, 503].contains(&made.status), "{}", made.text());
            }
        });
        let refused = eventually("a refusal", || {
            let answer = app.encrypt(&key, json!({"plaintext": ""}));
            (answer.status != 200).then_some(answer)
        });
        let body = r#"{"plaintext":""}"#;
        let served = encrypt_by(&app, &other, &key, body).send();
        let health = app.get("sys/health");
        is_over.store(true, Ordering::Relaxed);
        assert_eq!((served.status, health.status), (200, 200));
        making.join().unwrap();
        refused
    });
    busy(&refused);
    app.seal(&key, "");
    let metrics = app.metrics();
    assert!(
        !metrics.contains("sealring_http_requests_rejected_total 0\n"),
        "refusals are counted"
    );
    assert!(
        metrics.contains("sealring_http_requests_in_flight 1\n"),
        "{metrics}"
    );
}

#[test]
fn bytes_beyond_the_limit_are_refused_until_others_end() {
    let limits = [
        ("SEALRING_LIMITS__MAX_BODY_BYTES", "64KiB"),
        ("SEALRING_LIMITS__MAX_IN_FLIGHT_BYTES", "64KiB"),
    ];
    let app = TestApp::fresh(&limits);
    let key = app.ring(json!({}));
    let large = json!({"plaintext": "A".repeat(16_000)});
    let (held, refused) = fill(
        1,
        || begin(&app, &key, 60_000, 59_999),
        || app.encrypt(&key, &large),
    );
    busy(&refused);
    app.seal(&key, "");
    for begun in held {
        assert_eq!(begun.finish().status, 200);
    }
    eventually("room again", || {
        (app.encrypt(&key, &large).status == 200).then_some(())
    });
    for _ in 0..50 {
        assert_eq!(
            app.encrypt(&key, &large).status,
            200,
            "nothing is kept of what is done"
        );
    }
}

#[test]
fn large_jobs_beyond_the_queue_are_refused_and_small_ones_go_on() {
    let limits = [
        ("SEALRING_LIMITS__WORKER_THREADS", "1"),
        ("SEALRING_LIMITS__WORKER_QUEUE", "1"),
        ("SEALRING_LIMITS__SHARE_PERCENT", "100"),
    ];
    let app = TestApp::fresh(&limits);
    let key = app.ring(json!({}));
    let items = vec![json!({"plaintext": "A".repeat(400)}); 20_000];
    let body = json!({"batch_input": items}).to_string();
    let mut refusals = 0;
    for _ in 0..20 {
        let answers: Vec<Answer> = thread::scope(|scope| {
            let encrypt = || app.encrypt(&key, body.as_str());
            let sent: Vec<_> = (0..8).map(|_| scope.spawn(encrypt)).collect();
            app.seal(&key, "");
            sent.into_iter().map(|one| one.join().unwrap()).collect()
        });
        for answer in &answers {
            if answer.status == 503 {
                let expected = "too much work is waiting; try again".to_owned();
                assert_eq!(answer.refusal(), (503, expected));
                assert_eq!(answer.header("retry-after"), Some("1"));
                refusals += 1;
            } else {
                assert_eq!(answer.items().len(), 20_000);
            }
        }
        assert!(
            answers.iter().any(|answer| answer.status == 200),
            "somebody is always served"
        );
        if refusals > 0 {
            break;
        }
    }
    assert!(refusals > 0, "the queue has no end");
    assert_eq!(app.encrypt(&key, body.as_str()).status, 200);
}

#[test]
fn many_connections_that_do_nothing_hold_nobody_up() {
    let app = TestApp::fresh(&[("SEALRING_LIMITS__MAX_IN_FLIGHT_REQUESTS", "4")]);
    let key = app.ring(json!({}));
    let _idle: Vec<_> = (0..500)
        .map(|_| crate::client::Wire::connect(&app.address).unwrap())
        .collect();
    for _ in 0..20 {
        app.seal(&key, "");
    }
}
