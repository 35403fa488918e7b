//! Wrapped responses: one answer, given out once to whoever brings its token.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{auth_of, enabled, stranger, text};
use crate::app::TestApp;
use crate::client::Answer;

const GONE: &str = "wrapping token is not valid or does not exist";

fn wrapped(app: &TestApp, path: &str, ttl: &str, body: Value) -> Value {
    let request = app.request("POST", path).header("X-Vault-Wrap-TTL", ttl);
    let answer = request.body(body).send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut json = answer.json();
    assert_eq!(json["request_id"], "");
    for empty in ["data", "auth", "warnings"] {
        assert_eq!(json[empty], Value::Null);
    }
    json["wrap_info"].take()
}

fn unwrap(app: &TestApp, token: &str) -> Answer {
    app.anonymous("POST", "sys/wrapping/unwrap")
        .header("X-Vault-Token", token)
        .send()
}

fn gone() -> (u16, String) {
    (400, GONE.to_owned())
}

#[test]
fn a_secret_id_is_wrapped_and_comes_out_once() {
    let app = TestApp::shared();
    let path = enabled(&app, "approle");
    app.post(
        &format!("auth/{path}/role/web"),
        json!({"role_id": "web-id"}),
    );
    let making = format!("auth/{path}/role/web/secret-id");
    let info = wrapped(&app, &making, "5m", json!({}));
    assert_eq!(info["ttl"], 300);
    assert_eq!(info["creation_path"], json!(making));
    for field in ["token", "accessor", "creation_time", "wrapped_accessor"] {
        assert!(!text(&info, field).is_empty(), "{field}");
    }
    let token = text(&info, "token");
    let looked_up = stranger(&app, "sys/wrapping/lookup", json!({"token": token})).data();
    assert_eq!(looked_up["creation_ttl"], 300);
    assert_eq!(looked_up["creation_path"], info["creation_path"]);
    assert_eq!(looked_up["creation_time"], info["creation_time"]);
    let out = unwrap(&app, &token).data();
    assert_eq!(out["secret_id_accessor"], info["wrapped_accessor"]);
    let body = json!({"role_id": "web-id", "secret_id": out["secret_id"]});
    auth_of(&stranger(&app, &format!("auth/{path}/login"), body));
    assert_eq!(unwrap(&app, &token).refusal(), gone());
    let looked_up = stranger(&app, "sys/wrapping/lookup", json!({"token": token}));
    assert_eq!(looked_up.refusal(), gone());
}

#[test]
fn a_login_is_wrapped_too() {
    let app = TestApp::shared();
    let path = enabled(&app, "userpass");
    app.post(
        &format!("auth/{path}/users/ada"),
        json!({"password": "sesame"}),
    );
    let login = format!("auth/{path}/login/ada");
    let request = app
        .anonymous("POST", &login)
        .header("X-Vault-Wrap-TTL", "60");
    let info = request.body(json!({"password": "sesame"})).send().json()["wrap_info"].take();
    let auth = auth_of(&unwrap(&app, &text(&info, "token")));
    assert_eq!(auth["accessor"], info["wrapped_accessor"]);
    let refused = app
        .anonymous("POST", &login)
        .header("X-Vault-Wrap-TTL", "60");
    let refused = refused.body(json!({"password": "guess"})).send();
    assert_eq!(refused.status, 400, "errors are never wrapped");
}

#[test]
fn of_32_parallel_unwraps_exactly_one_gets_the_answer() {
    let app = TestApp::shared();
    for _ in 0..5 {
        let info = wrapped(&app, "sys/wrapping/wrap", "60", json!({"a": 1}));
        let token: Arc<str> = text(&info, "token").into();
        let tries: Vec<_> = (0..32)
            .map(|_| {
                let (app, token) = (Arc::clone(&app), Arc::clone(&token));
                std::thread::spawn(move || unwrap(&app, &token))
            })
            .collect();
        let answers: Vec<_> = tries.into_iter().map(|one| one.join().unwrap()).collect();
        let got = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(got, 1);
        for refused in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!(refused.refusal(), gone());
        }
    }
}

#[test]
fn what_a_caller_sends_is_wrapped_to_the_last_digit() {
    let app = TestApp::shared();
    let sent =
        r#"{"pi": 3.14000, "big": 123456789012345678901234567890, "nested": {"list": [1, null]}}"#;
    let request = app
        .request("POST", "sys/wrapping/wrap")
        .header("X-Vault-Wrap-TTL", "1m");
    let info = request.body(sent).send().json()["wrap_info"].take();
    assert_eq!(info["creation_path"], "sys/wrapping/wrap");
    let out = unwrap(&app, &text(&info, "token"));
    assert!(out.text().contains(sent), "{}", out.text());
    let bare = app.post("sys/wrapping/wrap", json!({"a": 1})).refusal();
    let expected = "endpoint requires response wrapping to be used".to_owned();
    assert_eq!(bare, (400, expected));
    let empty = wrapped(&app, "sys/wrapping/wrap", "60", json!({}));
    assert_eq!(unwrap(&app, &text(&empty, "token")).data(), json!({}));
}

#[test]
fn a_third_party_unwraps_by_the_body_if_it_is_somebody() {
    let app = TestApp::shared();
    let wrap = || {
        text(
            &wrapped(&app, "sys/wrapping/wrap", "60", json!({"a": 1})),
            "token",
        )
    };
    // As hvac does it.
    let token = wrap();
    let out = app
        .post("sys/wrapping/unwrap", json!({"token": token}))
        .data();
    assert_eq!(out, json!({"a": 1}));
    let token = wrap();
    let nobody = stranger(&app, "sys/wrapping/unwrap", json!({"token": token}));
    assert_eq!(nobody.status, 403);
    assert_eq!(unwrap(&app, &token).status, 200, "it is still there");
    for garbage in ["x", "hvs.x", &app.token] {
        assert_eq!(unwrap(&app, garbage).refusal(), gone(), "{garbage}");
        let body = json!({"token": garbage});
        assert_eq!(app.post("sys/wrapping/unwrap", body).refusal(), gone());
    }
    assert_eq!(stranger(&app, "sys/wrapping/unwrap", "").refusal(), gone());
}

#[test]
fn a_rewrapped_answer_is_under_the_new_token_alone() {
    let app = TestApp::shared();
    let first = text(
        &wrapped(&app, "sys/wrapping/wrap", "90", json!({"a": 1})),
        "token",
    );
    let answer = app.post("sys/wrapping/rewrap", json!({"token": first}));
    let info = answer.json()["wrap_info"].take();
    assert_eq!(
        (&info["ttl"], &info["creation_path"]),
        (&json!(90), &json!("sys/wrapping/wrap"))
    );
    assert_eq!(unwrap(&app, &first).refusal(), gone());
    let again = app.post("sys/wrapping/rewrap", json!({"token": first}));
    assert_eq!(again.refusal(), gone());
    assert_eq!(unwrap(&app, &text(&info, "token")).data(), json!({"a": 1}));
}

#[test]
fn a_bad_ttl_is_refused_before_anything_is_done() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    for (ttl, expected) in [
        ("x", "not a duration"),
        ("-1", "requested wrap ttl cannot be negative"),
        ("769h", "longer than 768h"),
    ] {
        let path = format!("transit/keys/{key}/rotate");
        let refused = app.request("POST", &path).header("X-Vault-Wrap-TTL", ttl);
        let expected = format!("error parsing X-Vault-Wrap-TTL header: {expected}");
        assert_eq!(refused.send().refusal(), (400, expected), "{ttl}");
    }
    assert_eq!(app.latest(&key), 1);
    for none in ["", "0", "0s"] {
        let path = format!("transit/keys/{key}");
        let plain = app
            .request("GET", &path)
            .header("X-Vault-Wrap-TTL", none)
            .send();
        assert_eq!(plain.data()["name"], json!(key));
    }
}

#[test]
fn any_answer_with_something_to_say_is_wrapped_and_others_are_not() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let info = wrapped(
        &app,
        &format!("transit/datakey/plaintext/{key}"),
        "60",
        json!({}),
    );
    assert_eq!(info["wrapped_accessor"], "");
    let out = unwrap(&app, &text(&info, "token")).data();
    assert!(!text(&out, "plaintext").is_empty());
    let nothing = app
        .request("DELETE", "sys/auth/nowhere")
        .header("X-Vault-Wrap-TTL", "60");
    assert_eq!(nothing.send().status, 204);
    let health = app
        .request("GET", "sys/health")
        .header("X-Vault-Wrap-TTL", "60");
    assert_eq!(health.send().json()["initialized"], true);
}

/// Sends a body by a caller who must have the answer wrapped, and wants it to be.
fn must_wrap(app: &TestApp, token: &str, path: &str, body: Value) -> Answer {
    app.anonymous("POST", path)
        .header("X-Vault-Token", token)
        .header("X-Vault-Wrap-TTL", "60")
        .body(body)
        .send()
}

#[test]
fn what_some_items_of_a_batch_come_to_is_wrapped_whatever_the_status() {
    let app = TestApp::fresh(&[]);
    app.create("k", "").data();
    app.create("s", json!({"type": "ed25519"})).data();
    let wrapping_only = json!({"capabilities": ["update"], "min_wrapping_ttl": "1m"});
    let policy = json!({"path": {"transit/+/k": wrapping_only, "transit/+/s": wrapping_only}});
    let policy = app.post(
        "sys/policies/acl/wrapping",
        json!({"policy": policy.to_string()}),
    );
    assert_eq!(policy.status, 204, "{}", policy.text());
    let auth = auth_of(&app.post("auth/token/create", json!({"policies": ["wrapping"]})));
    let token = text(&auth, "client_token");
    let secret = "c2VjcmV0IGNhbmFyeQ==";
    let sealed = app
        .post("transit/encrypt/k", json!({"plaintext": secret}))
        .data();
    let (good, bad) = (
        json!({"ciphertext": sealed["ciphertext"]}),
        json!({"ciphertext": "vault:v1:AAAA"}),
    );
    let plain = json!({"plaintext": secret});
    let odd = json!({"plaintext": "!"});
    let signed = json!({"input": secret});
    let unsigned = json!({"input": "!"});
    for (path, items, shown) in [
        ("transit/decrypt/k", json!([good, bad]), "plaintext"),
        ("transit/rewrap/k", json!([good, bad]), "ciphertext"),
        ("transit/encrypt/k", json!([plain, odd]), "ciphertext"),
        ("transit/sign/s", json!([signed, unsigned]), "signature"),
        ("transit/hmac/k", json!([signed, unsigned]), "hmac"),
    ] {
        for partial in [None, Some(207), Some(418), Some(500), Some(1)] {
            let body = json!({"batch_input": items, "partial_failure_response_code": partial});
            let answer = must_wrap(&app, &token, path, body);
            assert_eq!(answer.status, 200, "{path} {partial:?} {}", answer.text());
            let json = answer.json();
            assert_eq!(json["data"], Value::Null, "{path} {partial:?}");
            assert!(!answer.text().contains(secret), "{path} {partial:?}");
            let out = unwrap(&app, &text(&json["wrap_info"], "token")).data();
            assert!(
                !text(&out["batch_results"][0], shown).is_empty(),
                "{path} {out}"
            );
            assert!(out["batch_results"][1]["error"].is_string(), "{path} {out}");
        }
    }
    let all_bad = must_wrap(
        &app,
        &token,
        "transit/decrypt/k",
        json!({"batch_input": [bad]}),
    );
    assert_eq!(all_bad.json()["data"], Value::Null);
    let single = must_wrap(&app, &token, "transit/decrypt/k", bad);
    assert_eq!(
        (single.status, &single.json()["data"]),
        (400, &Value::Null),
        "an error is told"
    );
}

#[test]
fn an_answer_that_was_unwrapped_is_wrapped_again_for_who_asks() {
    let app = TestApp::shared();
    let info = wrapped(&app, "sys/wrapping/wrap", "60", json!({"a": "canary"}));
    let again = app
        .anonymous("POST", "sys/wrapping/unwrap")
        .header("X-Vault-Token", &text(&info, "token"))
        .header("X-Vault-Wrap-TTL", "60")
        .send();
    assert!(!again.text().contains("canary"), "{}", again.text());
    let info = again.json()["wrap_info"].take();
    assert_eq!(info["creation_path"], "sys/wrapping/unwrap");
    assert_eq!(
        unwrap(&app, &text(&info, "token")).data(),
        json!({"a": "canary"})
    );
}

#[test]
fn an_encrypt_that_may_create_its_ring_is_wrapped_too() {
    let app = TestApp::fresh(&[]);
    let settings = app.post("transit/config/keys", json!({"disable_upsert": false}));
    assert_eq!(settings.status / 100, 2, "{}", settings.text());
    for (ring, items) in [
        ("new", json!([{"plaintext": "AAAA"}, {"plaintext": "!"}])),
        ("never", json!([{"plaintext": "!"}])),
    ] {
        let request = app.request("POST", &format!("transit/encrypt/{ring}"));
        let request = request.header("X-Vault-Wrap-TTL", "60");
        let answer = request.body(json!({"batch_input": items})).send();
        assert_eq!(
            answer.json()["data"],
            Value::Null,
            "{ring} {}",
            answer.text()
        );
    }
}

#[test]
fn what_cannot_be_wrapped_is_refused_to_who_asks_for_that() {
    let app = TestApp::shared();
    let metrics = app
        .request("GET", "sys/metrics?format=prometheus")
        .header("X-Vault-Wrap-TTL", "60");
    let expected = (400, "this answer cannot be wrapped".to_owned());
    assert_eq!(metrics.send().refusal(), expected);
    let short = app
        .request("GET", "sys/mounts")
        .header("X-Vault-Wrap-TTL", "999ms");
    let expected = "error parsing X-Vault-Wrap-TTL header: shorter than a second".to_owned();
    assert_eq!(short.send().refusal(), (400, expected));
}
