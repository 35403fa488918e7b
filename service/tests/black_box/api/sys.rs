//! What the server says of itself and of the caller's token.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::multi;

#[test]
fn health_is_told_to_everybody_with_the_status_the_query_asks_for() {
    let app = TestApp::shared();
    let answer = app.anonymous("GET", "sys/health").send();
    assert_eq!(answer.status, 200);
    let json = answer.json();
    for (field, expected) in [
        ("initialized", json!(true)),
        ("sealed", json!(false)),
        ("standby", json!(false)),
        ("performance_standby", json!(false)),
        ("cluster_name", json!("sealring")),
    ] {
        assert_eq!(json[field], expected, "{field}");
    }
    let version = json["version"].as_str().unwrap();
    assert_eq!(version.split('.').count(), 3, "{version}");
    assert!(json["server_time_utc"].as_i64().unwrap() > 1_700_000_000);
    for (query, status) in [
        ("?activecode=299", 299),
        ("?sealedcode=299&standbycode=299&standbyok=true", 200),
        ("?activecode=x", 400),
        ("?activecode=99", 400),
    ] {
        let answer = app.anonymous("HEAD", &format!("sys/health{query}")).send();
        assert_eq!(answer.status, status, "{query}");
    }
}

#[test]
fn what_clients_ask_before_they_have_a_token_is_answered() {
    let app = TestApp::shared();
    let ask = |path: &str| {
        let answer = app.anonymous("GET", path).send();
        assert_eq!(answer.status, 200, "{path}");
        answer.json()
    };
    assert_eq!(ask("sys/init"), json!({"initialized": true}));
    let seal = ask("sys/seal-status");
    for (field, expected) in [
        ("type", json!("shamir")),
        ("sealed", json!(false)),
        ("initialized", json!(true)),
        ("t", json!(1)),
        ("n", json!(1)),
        ("progress", json!(0)),
        ("storage_type", json!("sqlite")),
    ] {
        assert_eq!(seal[field], expected, "{field}");
    }
    assert_eq!(seal["cluster_id"], ask("sys/health")["cluster_id"]);
    let leader = ask("sys/leader");
    assert_eq!(
        (&leader["ha_enabled"], &leader["is_self"]),
        (&json!(false), &json!(false))
    );
    let mounts = ask("sys/internal/ui/mounts");
    assert_eq!(mounts["data"], json!({"secret": {}, "auth": {}}));
    let again = app.post(
        "sys/init",
        json!({"secret_shares": 1, "secret_threshold": 1}),
    );
    assert_eq!(
        again.refusal(),
        (400, "Vault is already initialized".to_owned())
    );
}

#[test]
fn a_token_can_look_itself_up() {
    let app = TestApp::shared();
    for method in ["GET", "POST"] {
        let data = app.request(method, "auth/token/lookup-self").send().data();
        for (field, expected) in [
            ("id", json!(app.token)),
            ("policies", json!(["root"])),
            ("display_name", json!("root")),
            ("ttl", json!(0)),
            ("orphan", json!(true)),
            ("expire_time", Value::Null),
            ("path", json!("auth/token/root")),
        ] {
            assert_eq!(data[field], expected, "{field}");
        }
    }
}

#[test]
fn the_root_token_may_do_everything() {
    let app = TestApp::shared();
    let ask = |body: Value| app.post("sys/capabilities-self", body);
    let two = ask(json!({"paths": ["transit/keys/a", "sys/mounts"]}));
    let expected = json!({"transit/keys/a": ["root"], "sys/mounts": ["root"]});
    assert_eq!(two.data(), expected);
    assert_eq!(
        two.json()["sys/mounts"],
        json!(["root"]),
        "also beside the data"
    );
    let one = ask(json!({"path": "transit/keys/a"})).data();
    assert_eq!(one["capabilities"], json!(["root"]));
    let weak = ask(json!({"paths": [1]})).data();
    assert_eq!(weak["1"], json!(["root"]), "a number reads as a text");
    for body in [json!({}), json!({"paths": []}), json!({"paths": ""})] {
        assert_eq!(
            ask(body.clone()).refusal(),
            (400, "paths must be supplied".to_owned()),
            "{body}"
        );
    }
}

#[test]
fn limits_are_published() {
    let app = TestApp::shared();
    let data = app.get("sys/limits").data();
    assert_eq!(data["batch_items"], 100_000);
    assert_eq!(data["body_bytes"], 32 << 20);
    assert_eq!(data["plain_body_bytes"], 1 << 20);
    assert_eq!(data["json_depth"], 32);
}

#[test]
fn metrics_need_their_format_and_a_token() {
    let app = TestApp::shared();
    let answer = app.get("sys/metrics");
    let expected = "metrics are offered with format=prometheus only".to_owned();
    assert_eq!(answer.refusal(), (400, expected));
    let path = "sys/metrics?format=prometheus";
    assert_eq!(app.anonymous("GET", path).send().status, 403);
    let answer = app.get(path);
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("text/plain")
    );
    let open = TestApp::fresh(&[("SEALRING_TELEMETRY__UNAUTHENTICATED_METRICS", "true")]);
    assert_eq!(open.anonymous("GET", path).send().status, 200);
}

#[test]
fn unknown_paths_of_the_server_are_unsupported() {
    let app = TestApp::shared();
    for (method, path, expected) in [
        ("GET", "sys/nothing", (404, "unsupported path")),
        ("GET", "sys", (404, "unsupported path")),
        ("POST", "sys/health", (405, "unsupported operation")),
        ("DELETE", "sys/mounts", (405, "unsupported operation")),
        (
            "DELETE",
            "auth/token/lookup-self",
            (405, "unsupported operation"),
        ),
    ] {
        let answer = app.request(method, path).send();
        assert_eq!(
            answer.refusal(),
            (expected.0, multi(expected.1)),
            "{method} {path}"
        );
    }
    let login = app.post("auth/approle/login", json!({}));
    let expected = "no handler for route \"auth/approle/login\". route entry not found.";
    assert_eq!(login.refusal(), (404, expected.to_owned()));
}

#[test]
fn plugins_are_reloaded_in_word_only() {
    let app = TestApp::shared();
    let reload = |body: Value| app.post("sys/plugins/reload/backend", body);
    for body in [
        json!({"mounts": ["transit"]}),
        json!({"plugin": "transit", "scope": "global"}),
    ] {
        let answer = reload(body);
        assert_eq!(answer.data()["reload_id"], answer.json()["request_id"]);
    }
    for (body, expected) in [
        (json!({}), "plugin or mounts must be provided"),
        (
            json!({"plugin": "transit", "mounts": "transit"}),
            "plugin and mounts cannot be set together",
        ),
    ] {
        assert_eq!(reload(body).refusal(), (400, expected.to_owned()));
    }
}
