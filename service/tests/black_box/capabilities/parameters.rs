//! Constraints on parameters and on wrapping: there is no way round them.

use serde_json::{Value, json};

use super::{assert_denied, denied, send, token_of};
use crate::app::TestApp;
use crate::client::Answer;

fn create(app: &TestApp, token: &str, query: &str, body: &Value) -> Answer {
    send(
        app,
        token,
        "POST",
        &format!("transit/keys/new{query}"),
        body,
    )
}

/// Deletes the ring if it is there.
fn clear(app: &TestApp) {
    if app.read("new").status == 200 {
        app.configure("new", json!({"deletion_allowed": true}))
            .data();
        assert_eq!(app.delete("new").status, 204);
    }
}

#[test]
fn denied_parameters_are_denied_in_every_place_and_spelling() {
    let app = TestApp::fresh(&[]);
    let token = token_of(
        &app,
        &json!({"transit/keys/+": {
            "capabilities": ["update"],
            "denied_parameters": {"exportable": [], "type": ["aes*"], "derived": [true]},
        }}),
    );
    for body in [
        json!({"exportable": true}),
        json!({"exportable": false}),
        json!({"exportable": null}),
        json!({"exportable": [true]}),
        json!({"type": "aes256-gcm96"}),
        json!({"derived": true}),
        json!({"derived": "true"}),
        json!({"derived": 1}),
        json!({"derived": "1"}),
        json!({"derived": "T"}),
    ] {
        for query in ["", "?derived=false&type=xchacha20-poly1305", "?exportable="] {
            assert_denied(
                &create(&app, &token, query, &body),
                &format!("{query} {body}"),
            );
            assert_eq!(app.read("new").status, 404, "{body}");
        }
    }
    // In the query of a write nothing is read: it neither harms nor helps.
    for (query, body) in [
        (
            "?exportable=true&type=aes256-gcm96",
            json!({"type": "xchacha20-poly1305"}),
        ),
        (
            "?derived=true",
            json!({"derived": false, "type": "xchacha20-poly1305"}),
        ),
        (
            "",
            json!({"Exportable": true, "EXPORTABLE": true, "exportable ": true, "type": "xchacha20-poly1305"}),
        ),
    ] {
        let answer = create(&app, &token, query, &body);
        if answer.status == 200 {
            let ring = app.read("new").data();
            assert_eq!(
                (&ring["exportable"], &ring["derived"]),
                (&json!(false), &json!(false)),
                "{query} {body}"
            );
            assert_eq!(ring["type"], "xchacha20-poly1305");
        } else {
            assert_denied(&answer, query);
        }
        clear(&app);
    }
}

#[test]
fn a_body_that_names_a_parameter_twice_or_in_another_form_gets_round_nothing() {
    let app = TestApp::fresh(&[]);
    let token = token_of(
        &app,
        &json!({"transit/keys/+": {
            "capabilities": ["update"], "denied_parameters": {"exportable": [true]},
        }}),
    );
    let send_raw = |kind: &str, body: &str| {
        let request = app
            .anonymous("POST", "transit/keys/new")
            .header("X-Vault-Token", &token);
        request.header("Content-Type", kind).body(body).send()
    };
    for (kind, body) in [
        (
            "application/json",
            r#"{"exportable":false,"exportable":true}"#,
        ),
        (
            "application/json",
            r#"{"exportable":true,"exportable":false}"#,
        ),
        ("application/json", r#"{"\u0065xportable":true}"#),
        ("application/json", r#" {"exportable" : true} "#),
        ("application/x-www-form-urlencoded", "exportable=true"),
        (
            "application/x-www-form-urlencoded",
            r#"{"exportable":true}"#,
        ),
        ("text/plain", r#"{"exportable":true}"#),
        (
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"exportable\"\r\n\r\ntrue\r\n--x--\r\n",
        ),
    ] {
        let answer = send_raw(kind, body);
        assert!(
            answer.status >= 400 || app.read("new").data()["exportable"] == false,
            "{kind} {body}"
        );
        clear(&app);
    }
}

#[test]
fn only_what_is_allowed_and_all_that_is_required_must_be_in_the_body() {
    let app = TestApp::fresh(&[]);
    let token = token_of(
        &app,
        &json!({"transit/keys/+": {
            "capabilities": ["update"],
            "required_parameters": ["type"],
            "allowed_parameters": {"type": ["xchacha20-poly1305"], "auto_rotate_period": []},
        }}),
    );
    let good = json!({"type": "xchacha20-poly1305"});
    for (query, body) in [
        ("", json!({})),
        ("?type=xchacha20-poly1305", json!({})),
        ("?type=xchacha20-poly1305", json!({"auto_rotate_period": 0})),
        ("", json!({"type": "aes256-gcm96"})),
        ("?type=xchacha20-poly1305", json!({"type": "aes256-gcm96"})),
        (
            "",
            json!({"type": "xchacha20-poly1305", "exportable": false}),
        ),
        ("", json!({"type": "xchacha20-poly1305", "unheard_of": 1})),
        ("", json!({"type": ["xchacha20-poly1305"]})),
    ] {
        assert_denied(
            &create(&app, &token, query, &body),
            &format!("{query} {body}"),
        );
    }
    assert_eq!(create(&app, &token, "?exportable=true", &good).status, 200);
    assert_eq!(app.read("new").data()["exportable"], false);
}

#[test]
fn a_get_is_constrained_by_its_query_whatever_its_body_says() {
    let app = TestApp::fresh(&[]);
    let other = token_of(&app, &json!({}));
    let token = token_of(
        &app,
        &json!({"auth/token/lookup": {
            "capabilities": ["read", "update"], "denied_parameters": {"token": []},
        }}),
    );
    let get = |query: &str, body: &Value| {
        let path = format!("auth/token/lookup{query}");
        let request = app.anonymous("GET", &path).header("X-Vault-Token", &token);
        request.body(body).send()
    };
    let none = json!({});
    for query in [
        format!("?token={other}"),
        "?token=".to_owned(),
        format!("?x=1&token={other}"),
        format!("?%74oken={other}"),
    ] {
        assert_eq!(get(&query, &none).refusal(), denied(), "{query}");
    }
    // A body of a GET is nobody's: the answer is about the caller.
    let own = get("", &json!({"token": other}));
    assert_eq!(own.data()["id"], json!(token));
    let posted = send(
        &app,
        &token,
        "POST",
        "auth/token/lookup",
        &json!({"token": other}),
    );
    assert_denied(&posted, "a body");
    let posted = send(
        &app,
        &token,
        "POST",
        &format!("auth/token/lookup?token={other}"),
        &none,
    );
    assert_eq!(
        posted.data()["id"],
        json!(token),
        "the query of a POST is nobody's"
    );

    let needs = token_of(
        &app,
        &json!({"auth/token/lookup": {
            "capabilities": ["read"], "required_parameters": ["token"],
        }}),
    );
    let request = app
        .anonymous("GET", "auth/token/lookup")
        .header("X-Vault-Token", &needs);
    let answer = request.body(json!({"token": other})).send();
    assert_denied(&answer, "a required parameter in the body of a GET");
    let answer = send(
        &app,
        &needs,
        "GET",
        &format!("auth/token/lookup?token={other}"),
        &none,
    );
    assert_eq!(answer.data()["id"], json!(other));
}

#[test]
fn an_answer_must_be_wrapped_as_long_as_the_policy_says() {
    let app = TestApp::fresh(&[]);
    app.create("k", "").data();
    let token = token_of(
        &app,
        &json!({"transit/datakey/plaintext/k": {
            "capabilities": ["update"], "min_wrapping_ttl": "1m", "max_wrapping_ttl": "5m",
        }}),
    );
    let ask = |ttl: Option<&str>| {
        let request = app
            .anonymous("POST", "transit/datakey/plaintext/k")
            .header("X-Vault-Token", &token);
        let request = ttl.map_or_else(
            || request.clone(),
            |ttl| request.clone().header("X-Vault-Wrap-TTL", ttl),
        );
        request.send()
    };
    for refused in [
        None,
        Some(""),
        Some("0"),
        Some("59"),
        Some("59999ms"),
        Some("301"),
        Some("301s"),
        Some("6m"),
        Some("1h"),
    ] {
        assert_denied(&ask(refused), &format!("{refused:?}"));
    }
    for taken in ["60", "1m", "60s", "300", "5m", "4m59s"] {
        let answer = ask(Some(taken));
        assert_eq!(answer.status, 200, "{taken}: {}", answer.text());
        assert!(answer.json()["wrap_info"]["token"].is_string());
        assert_eq!(answer.json()["data"], Value::Null);
    }
}
