//! Who changed a key, what, when and why.

use serde_json::{Value, json};

use crate::app::TestApp;

#[test]
fn every_change_is_told_with_its_author_and_reason() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let rotate = app.request("POST", &format!("transit/keys/{key}/rotate"));
    let rotated = rotate
        .header("X-Sealring-Reason", " yearly drill #7 ")
        .send();
    app.configure(
        &key,
        json!({"min_decryption_version": 2, "min_encryption_version": 2}),
    )
    .data();
    app.trim(&key, json!({"min_available_version": 2})).data();
    let events = app.events(&key);
    let accessor = app.get("auth/token/lookup-self").data()["accessor"].clone();
    let mut sequence = 0;
    for (event, (action, from, to)) in events.iter().zip([
        ("create", Value::Null, json!(1)),
        ("rotate", json!(1), json!(2)),
        ("configure", json!(2), json!(2)),
        ("trim", json!(1), json!(2)),
    ]) {
        assert_eq!(event["action"], action);
        assert_eq!(
            (&event["from_version"], &event["to_version"]),
            (&from, &to),
            "{action}"
        );
        assert_eq!(
            (&event["actor"], &event["cause"]),
            (&json!("root"), &json!("manual"))
        );
        assert_eq!(event["accessor"], accessor);
        assert!(event["time"].as_str().unwrap().ends_with('Z'));
        assert!(event["sequence"].as_u64().unwrap() > sequence);
        sequence = event["sequence"].as_u64().unwrap();
    }
    assert_eq!(events.len(), 4);
    assert_eq!(events[1]["reason"], "yearly drill #7");
    assert_eq!(events[1]["request_id"], rotated.json()["request_id"]);
    assert_eq!(events[0]["reason"], Value::Null);
    let settings = json!([
        {"setting": "min_decryption_version", "from": "1", "to": "2"},
        {"setting": "min_encryption_version", "from": "0", "to": "2"},
    ]);
    assert_eq!(events[2]["settings"], settings);
}

#[test]
fn a_history_is_read_page_by_page() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    for _ in 0..4 {
        app.rotate(&key, "").data();
    }
    let mut after = Value::from(0);
    let mut versions = Vec::new();
    while !after.is_null() {
        let page = app.history(&key, &format!("?limit=2&after={after}")).data();
        let events = page["events"].as_array().unwrap().clone();
        assert!(events.len() <= 2);
        versions.extend(
            events
                .iter()
                .map(|event| event["to_version"].as_u64().unwrap()),
        );
        after = page["next_after"].clone();
    }
    assert_eq!(versions, [1, 2, 3, 4, 5]);
    assert_eq!(app.history(&key, "?after=-1").status, 400);
    assert_eq!(app.history(&key, "?after=x").status, 400);
}

#[test]
fn a_reason_that_cannot_be_kept_is_refused_and_nothing_is_done() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    for reason in [
        "x".repeat(513),
        "tab\there".to_owned(),
        "line%0Abreak".to_owned(),
        "%FF".to_owned(),
        "\u{202e}backwards".to_owned(),
    ] {
        let rotate = app.request("POST", &format!("transit/keys/{key}/rotate"));
        let answer = rotate.header("X-Sealring-Reason", &reason).send();
        let expected =
            "X-Sealring-Reason must be at most 512 bytes of UTF-8 without control characters";
        assert_eq!(answer.refusal(), (400, expected.to_owned()));
    }
    assert_eq!(app.latest(&key), 1);
}

#[test]
fn a_reason_is_kept_in_any_language_as_it_is_or_percent_encoded() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    for reason in ["Schl\u{fc}sselwechsel", "Schl%C3%BCsselwechsel"] {
        let rotate = app.request("POST", &format!("transit/keys/{key}/rotate"));
        let answer = rotate.header("X-Sealring-Reason", reason).send();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let reasons: Vec<_> = app
        .events(&key)
        .into_iter()
        .map(|event| event["reason"].clone())
        .collect();
    let kept = json!("Schl\u{fc}sselwechsel");
    assert_eq!(reasons.iter().filter(|reason| **reason == kept).count(), 2);
}
