//! What the service tells of itself, and what it must not tell.

use std::fs;

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::set_up::{Home, Store};

/// The value of a sample, by its name with its labels.
fn sample(metrics: &str, name: &str) -> f64 {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

const FAMILIES: [&str; 15] = [
    "sealring_build_info",
    "sealring_http_requests_in_flight",
    "sealring_http_requests_rejected_total",
    "sealring_kek_call_seconds",
    "sealring_kek_calls_total",
    "process_resident_memory_bytes",
    "sealring_ring_cache_bytes",
    "sealring_ring_cache_loads_total",
    "sealring_ring_cache_rings",
    "sealring_ring_changes_total",
    "sealring_rotation_overdue_rings",
    "sealring_store_polls_total",
    "sealring_transit_items_total",
    "sealring_transit_operation_seconds",
    "sealring_transit_operations_total",
];

#[test]
fn every_metric_is_there_and_none_names_a_key_or_a_path() {
    let app = TestApp::fresh(&[]);
    app.enable_mount("secret-mount", json!({"type": "transit"}));
    for path in [
        "secret-mount/keys/secret-key",
        "secret-mount/encrypt/secret-key",
        "secret-mount/secret-path",
    ] {
        app.post(path, json!({"plaintext": ""}));
        app.get(path);
    }
    app.rotate("absent", "");
    app.create("present", "").data();
    let metrics = app.metrics();
    for family in FAMILIES {
        assert!(metrics.contains(&format!("# TYPE {family} ")), "{family}");
        assert!(metrics.contains(&format!("# HELP {family} ")), "{family}");
    }
    for told in ["secret", "present", "/", "sealring-data", &app.token] {
        let sample = metrics
            .lines()
            .find(|line| !line.starts_with('#') && line.contains(told));
        assert_eq!(sample, None, "{told}");
    }
}

#[test]
fn metrics_count_what_happens() {
    let app = TestApp::fresh(&[]);
    let key = app.ring(json!({}));
    let before = app.metrics();
    let items = vec![json!({"plaintext": ""}); 25];
    app.encrypt(&key, json!({"batch_input": items})).items();
    app.seal(&key, "");
    app.encrypt(&key, json!({"plaintext": "!"}));
    app.encrypt(&key, json!({"batch_input": 1}));
    app.rotate(&key, "").data();
    app.get("nowhere/at/all");
    let after = app.metrics();
    for (name, grown) in [
        (
            "sealring_transit_operations_total{operation=\"encrypt\",outcome=\"done\"}",
            2.0,
        ),
        (
            "sealring_transit_operations_total{operation=\"encrypt\",outcome=\"refused\"}",
            1.0,
        ),
        (
            "sealring_transit_operations_total{operation=\"encrypt\",outcome=\"failed\"}",
            1.0,
        ),
        ("sealring_transit_items_total{operation=\"encrypt\"}", 26.0),
        (
            "sealring_transit_operation_seconds_count{operation=\"encrypt\"}",
            4.0,
        ),
        (
            "sealring_transit_operations_total{operation=\"key_rotate\",outcome=\"done\"}",
            1.0,
        ),
        (
            "sealring_transit_operations_total{operation=\"none\",outcome=\"refused\"}",
            1.0,
        ),
        (
            "sealring_kek_calls_total{operation=\"wrap\",outcome=\"done\"}",
            1.0,
        ),
        (
            "sealring_kek_calls_total{operation=\"wrap\",outcome=\"failed\"}",
            0.0,
        ),
    ] {
        let growth = sample(&after, name) - sample(&before, name);
        assert!((growth - grown).abs() < 0.1, "{name} grew by {growth}");
    }
    assert!(
        (sample(
            &after,
            "sealring_ring_changes_total{action=\"rotate\",cause=\"manual\"}"
        ) - 1.0)
            .abs()
            < 0.1
    );
    assert!(sample(&after, "sealring_store_polls_total{outcome=\"done\"}") > 0.0);
    assert!(
        sample(
            &after,
            "sealring_transit_operation_seconds_bucket{operation=\"encrypt\",le=\"+Inf\"}"
        ) >= 4.0
    );
}

/// What must be nowhere but in the caller's hands, with the forms in which it could be written down.
fn canaries(app: &TestApp) -> Vec<String> {
    let key = app.ring(json!({"derived": true}));
    let plaintext = "UGxhaW50ZXh0Q2FuYXJ5"; // PlaintextCanary
    let context = "Q29udGV4dENhbmFyeQ=="; // ContextCanary
    let data = "QXNzb2NpYXRlZENhbmFyeQ=="; // AssociatedCanary
    let body = json!({"plaintext": plaintext, "context": context, "associated_data": data});
    let sealed = app.encrypt(&key, &body).data();
    let ciphertext = sealed["ciphertext"].as_str().unwrap().to_owned();
    let open = json!({"ciphertext": ciphertext, "context": context, "associated_data": data});
    app.decrypt(&key, &open).data();
    let moved = app.rewrap(&key, &open).data()["ciphertext"].clone();
    let items = vec![body; 2000];
    let batch = app.encrypt(&key, json!({"batch_input": items})).items();
    let made = app
        .data_key("plaintext", &key, json!({"context": context}))
        .data();
    app.decrypt(&key, json!({"ciphertext": ciphertext, "context": data}));
    app.decrypt(
        &key,
        json!({"ciphertext": ciphertext.replace("v1", "v7"), "context": context}),
    );
    app.encrypt(&key, format!("{{\"plaintext\":\"{plaintext}\""));
    let payload = |value: &Value| {
        value
            .as_str()
            .unwrap()
            .trim_start_matches("vault:v1:")
            .to_owned()
    };
    vec![
        plaintext.to_owned(),
        "PlaintextCanary".to_owned(),
        context.to_owned(),
        "ContextCanary".to_owned(),
        data.to_owned(),
        "AssociatedCanary".to_owned(),
        payload(&sealed["ciphertext"]),
        payload(&moved),
        payload(&batch[1999]["ciphertext"]),
        payload(&made["plaintext"]),
        payload(&made["ciphertext"]),
        app.token.clone(),
    ]
}

#[test]
fn neither_log_nor_store_holds_what_belongs_to_callers() {
    let home = Home::new();
    let config = home.config(&Store::Sqlite, "[telemetry]\nlog_filter = \"trace\"");
    let token = config.init();
    let app = config.serve(&token);
    let canaries = canaries(&app);
    // While it runs, so that the write-ahead log is there too.
    let mut seen = 0;
    for file in fs::read_dir(home.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        seen += bytes.len();
        for canary in &canaries {
            let found = bytes
                .windows(canary.len())
                .any(|window| window == canary.as_bytes());
            assert!(!found, "{canary} is in {}", path.display());
        }
    }
    assert!(seen > 4096, "there is a store");
    let log = app.stop();
    for canary in &canaries {
        assert!(!log.contains(canary), "{canary} is in the log");
    }
    assert!(log.lines().count() > 10);
    for line in log.lines() {
        let event: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(event.is_object(), "{line}");
        assert!(
            event["timestamp"].is_string() && event["level"].is_string(),
            "{line}"
        );
    }
}

#[test]
fn a_hostile_value_in_a_name_or_header_makes_no_line_of_its_own() {
    let home = Home::new();
    let config = home.config(&Store::Sqlite, "[telemetry]\nlog_filter = \"trace\"");
    let app = config.serve(&config.init());
    let key = app.ring(json!({}));
    let request = app.request("POST", &format!("transit/keys/{key}/rotate"));
    request
        .header("X-Sealring-Reason", "\"}{\\u000a\\n\u{1b}[2J")
        .send();
    app.get("transit/keys/a%0a%7b%22level%22:%22forged%22%7d");
    let log = app.stop();
    for line in log.lines() {
        let event: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_ne!(event["level"], "forged");
    }
}
