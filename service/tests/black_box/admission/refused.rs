//! Refused requests beyond a rate are told to come back, and recorded together.

use std::fs;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::{encrypt_by, token};
use crate::app::TestApp;
use crate::client::{Answer, Request};
use crate::eventually;
use crate::set_up::Home;

const RATE: [(&str, &str); 2] = [
    ("SEALRING_LIMITS__REFUSED_BURST", "5"),
    ("SEALRING_LIMITS__REFUSED_RATE", "1"),
];

/// The audit's records with this operation.
fn records(home: &Home, operation: &str) -> Vec<Value> {
    let text = fs::read_to_string(home.data().join("audit.log")).unwrap();
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let records = lines.filter(|line: &Value| line["operation"] == operation);
    records.collect()
}

fn together(answer: &Answer) {
    let expected = "too many refused requests from this address".to_owned();
    assert_eq!(answer.refusal(), (429, expected));
    assert!(answer.header("retry-after").is_some());
}

#[test]
fn beyond_a_rate_refusals_are_one_record_with_their_count() {
    let home = Home::new();
    let app = TestApp::dev(&home, &RATE);
    let key = app.ring(json!({}));
    let rightless = token(&app, &["default"]);
    let body = r#"{"plaintext":""}"#;
    let wrong = |token: &str| encrypt_by(&app, token, &key, body).send();
    let before = records(&home, "encrypt").len();
    let (mut denied, mut counted) = (0, 0);
    for round in 0..60 {
        let answer = wrong(if round % 2 == 0 { "wrong" } else { &rightless });
        if answer.status == 403 {
            denied += 1;
        } else {
            together(&answer);
            counted += 1;
        }
    }
    assert!(denied >= 5 && counted > 0, "{denied} {counted}");
    assert_eq!(records(&home, "encrypt").len() - before, denied);
    eventually("their records", || {
        let records = records(&home, "refused_requests");
        let items = records.iter().map(|record| record["items"].as_u64());
        (items.map(Option::unwrap).sum::<u64>() == counted).then_some(())
    });
    for record in records(&home, "refused_requests") {
        assert_eq!(record["source"], "127.0.0.1", "{record}");
        assert_eq!(record["status"], 429, "{record}");
    }
    // Whoever has the right is served from the same address, and others are refused from another one.
    app.seal(&key, "");
    let elsewhere: IpAddr = "127.0.0.2".parse().unwrap();
    let other = encrypt_by(&app, "wrong", &key, body).send_from(elsewhere);
    assert_eq!(other.status, 403);
    let metrics = app.metrics();
    let count = format!("sealring_http_refused_unrecorded_total {counted}\n");
    assert!(metrics.contains(&count), "{metrics}");
}

#[test]
fn logins_and_paths_that_lead_nowhere_count_and_status_does_not() {
    let app = TestApp::fresh(&RATE);
    let until_refused = |request: &Request| {
        eventually("429", || {
            let answer = request.send();
            (answer.status == 429).then_some(answer)
        })
    };
    together(&until_refused(&app.anonymous("GET", "nowhere/at/all")));
    let login = app
        .anonymous("POST", "sys/wrapping/unwrap")
        .body(json!({"token": "hvs.wrong"}));
    together(&until_refused(&login));
    for _ in 0..20 {
        assert_eq!(app.anonymous("GET", "sys/health").send().status, 200);
        let sealed = app.anonymous("GET", "sys/seal-status").send();
        assert_eq!(sealed.status, 200);
    }
}

#[test]
fn a_rate_limit_refuses_a_wrong_token_before_it_is_looked_at_and_counts_it() {
    let app = TestApp::fresh(&[]);
    let key = app.ring(json!({}));
    let limit = json!({"path": "transit", "rate": 3, "interval": "24h"});
    let written = app.post("sys/quotas/rate-limit/few", limit);
    assert_eq!(written.status, 204, "{}", written.text());
    let body = r#"{"plaintext":""}"#;
    let statuses: Vec<u16> = (0..5)
        .map(|_| encrypt_by(&app, "wrong", &key, body).send().status)
        .collect();
    assert_eq!(statuses, [403, 403, 403, 429, 429]);
    assert_eq!(
        app.encrypt(&key, body).status,
        429,
        "it has the same address"
    );
}
