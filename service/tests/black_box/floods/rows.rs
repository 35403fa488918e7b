//! What a caller leaves in the store is bounded for each caller, and nothing is stored beyond that.

use serde_json::{Value, json};

use super::token;
use crate::app::TestApp;
use crate::client::Answer;

fn wrap(app: &TestApp, token: &str, ttl: &str, body: &Value) -> Answer {
    let wrap = app.anonymous("POST", "sys/wrapping/wrap");
    let wrap = wrap.header("X-Vault-Token", token);
    wrap.header("X-Vault-Wrap-TTL", ttl).body(body).send()
}

fn unwrap(app: &TestApp, wrapped: &Answer) -> Answer {
    let token = wrapped.json()["wrap_info"]["token"].take();
    let unwrap = app.anonymous("POST", "sys/wrapping/unwrap");
    unwrap
        .header("X-Vault-Token", token.as_str().unwrap())
        .send()
}

#[test]
fn wrapped_responses_beyond_a_callers_share_are_refused_and_another_caller_goes_on() {
    let app = TestApp::fresh(&[
        ("SEALRING_LIMITS__WRAPS_PER_CALLER", "3"),
        ("SEALRING_LIMITS__WRAP_BYTES_PER_CALLER", "2KiB"),
    ]);
    let (weak, other) = (token(&app, &["default"]), token(&app, &["default"]));
    let small = json!({"a": 1});
    let kept: Vec<_> = (0..3).map(|_| wrap(&app, &weak, "5m", &small)).collect();
    assert!(kept.iter().all(|answer| answer.status == 200));
    let refused = wrap(&app, &weak, "5m", &small);
    let text = "too many wrapped responses are kept for this caller, or too long ones; unwrap some, or wait until they \
                expire";
    assert_eq!(refused.refusal(), (429, text.to_owned()));
    assert_eq!(refused.header("retry-after"), Some("1"));
    let counted = "sealring_bounds_refused_total{bound=\"wraps\",reason=\"share\"} 1\n";
    assert!(app.metrics().contains(counted));
    assert_eq!(wrap(&app, &other, "5m", &small).status, 200);
    assert_eq!(unwrap(&app, &kept[0]).status, 200);
    assert_eq!(
        wrap(&app, &weak, "5m", &small).status,
        200,
        "there is room again"
    );
    let long = json!({"a": "x".repeat(2000)});
    assert_eq!(
        wrap(&app, &other, "5m", &long).status,
        429,
        "too many bytes"
    );
}

#[test]
fn a_change_whose_answer_could_not_be_kept_is_not_made() {
    let app = TestApp::fresh(&[("SEALRING_LIMITS__WRAPS_PER_CALLER", "1")]);
    let create = |name: &str| {
        let create = app.request("POST", &format!("transit/keys/{name}"));
        create
            .header("X-Vault-Wrap-TTL", "5m")
            .body(json!({}))
            .send()
    };
    let first = create("first");
    assert_eq!(first.status, 200, "{}", first.text());
    assert_eq!(create("second").status, 429);
    assert_eq!(app.read("second").status, 404);
    assert_eq!(unwrap(&app, &first).data()["name"], "first");
    assert_eq!(create("second").status, 200);
}

#[test]
fn what_callers_send_to_be_wrapped_is_neither_long_nor_kept_for_long() {
    let app = TestApp::fresh(&[
        ("SEALRING_LIMITS__WRAP_MAX_TTL", "10m"),
        ("SEALRING_LIMITS__WRAP_MAX_BYTES", "1KiB"),
    ]);
    let weak = token(&app, &["default"]);
    let small = json!({"a": 1});
    let too_long = wrap(&app, &weak, "601", &small).refusal();
    assert_eq!(
        too_long,
        (
            400,
            "what is sent to be wrapped is kept for at most 600 s".to_owned()
        )
    );
    let too_much = wrap(&app, &weak, "600", &json!({"a": "x".repeat(1024)})).refusal();
    assert_eq!(
        too_much,
        (
            400,
            "what is sent to be wrapped has at most 1024 bytes".to_owned()
        )
    );
    assert_eq!(wrap(&app, &weak, "600", &small).status, 200);
    // Other answers are as long as they are.
    let mounts = app
        .request("GET", "sys/mounts")
        .header("X-Vault-Wrap-TTL", "768h")
        .send();
    assert_eq!(mounts.status, 200, "{}", mounts.text());
}

#[test]
fn tokens_of_a_token_and_secret_ids_of_a_role_are_bounded() {
    let app = TestApp::fresh(&[
        ("SEALRING_LIMITS__TOKENS_PER_TOKEN", "2"),
        ("SEALRING_LIMITS__SECRET_IDS_PER_ROLE", "2"),
    ]);
    let rules = r#"path "auth/token/create" { capabilities = ["update"] }"#;
    app.post("sys/policies/acl/parent", json!({"policy": rules}));
    let parent = token(&app, &["parent"]);
    let child = || {
        let create = app.anonymous("POST", "auth/token/create");
        create
            .header("X-Vault-Token", &parent)
            .body(json!({}))
            .send()
    };
    let first = child();
    assert_eq!((first.status, child().status), (200, 200));
    let text = "this token has made too many tokens that have not ended yet";
    assert_eq!(child().refusal(), (429, text.to_owned()));
    let accessor = first.json()["auth"]["accessor"].take();
    app.post("auth/token/revoke-accessor", json!({"accessor": accessor}));
    assert_eq!(child().status, 200, "there is room again");
    app.post("sys/auth/approle", json!({"type": "approle"}));
    app.post("auth/approle/role/web", json!({}));
    let secret_id = || app.post("auth/approle/role/web/secret-id", json!({}));
    let first = secret_id();
    assert_eq!((first.status, secret_id().status), (200, 200));
    let text = "the role has too many secret ids that have not ended yet";
    assert_eq!(secret_id().refusal(), (429, text.to_owned()));
    let id = first.data()["secret_id"].take();
    app.post(
        "auth/approle/role/web/secret-id/destroy",
        json!({"secret_id": id}),
    );
    assert_eq!(secret_id().status, 200);
}
