//! Tokens: made, looked at, renewed and revoked over HTTP, and what roles make of them.

use serde_json::{Value, json};

use super::{auth_of, look_up_self, text};
use crate::app::TestApp;
use crate::client::{Answer, IntoBody, multi};

/// A token made by the root token; its `auth`.
fn made(app: &TestApp, body: Value) -> Value {
    auth_of(&app.post("auth/token/create", body))
}

/// A request made with this token.
fn by(app: &TestApp, token: &str, method: &str, path: &str, body: impl IntoBody) -> Answer {
    app.anonymous(method, path)
        .header("X-Vault-Token", token)
        .body(body)
        .send()
}

fn bad(text: &str) -> (u16, String) {
    (400, text.to_owned())
}

fn denied() -> (u16, String) {
    (403, "permission denied".to_owned())
}

#[test]
fn a_token_is_made_and_says_what_it_is() {
    let app = TestApp::shared();
    let body = json!({"policies": ["App", "nowhere"], "ttl": "10m", "meta": {"team": "a"}, "display_name": "my app",
        "explicit_max_ttl": "1h", "num_uses": 0});
    let answer = app.post("auth/token/create", body);
    let auth = auth_of(&answer);
    assert_eq!(auth["policies"], json!(["app", "default", "nowhere"]));
    assert_eq!(auth["token_policies"], auth["policies"]);
    assert_eq!(auth["lease_duration"], 600);
    assert_eq!(auth["metadata"], json!({"team": "a"}));
    assert_eq!(auth["renewable"], true);
    assert_eq!(auth["orphan"], false);
    assert_eq!(auth["token_type"], "service");
    assert_eq!(
        answer.warnings(),
        [
            "Policy \"app\" does not exist",
            "Policy \"nowhere\" does not exist"
        ]
    );
    let token = text(&auth, "client_token");
    assert!(token.starts_with("hvs."));
    let own = look_up_self(&app, &token).data();
    assert_eq!(own["id"], json!(token));
    assert_eq!(own["accessor"], auth["accessor"]);
    assert_eq!(own["display_name"], "token-my-app");
    assert_eq!(own["path"], "auth/token/create");
    assert_eq!(own["creation_ttl"], 600);
    assert_eq!(own["explicit_max_ttl"], 3600);
    assert!(own["ttl"].as_u64().unwrap() <= 600);
    assert!(own["expire_time"].as_str().unwrap().ends_with('Z'));
    let of_other = app
        .post("auth/token/lookup", json!({"token": token}))
        .data();
    assert_eq!(of_other["accessor"], auth["accessor"]);
    let accessor = json!({"accessor": auth["accessor"]});
    let named = app.post("auth/token/lookup-accessor", accessor).data();
    assert_eq!(
        (&named["id"], &named["accessor"]),
        (&json!(""), &auth["accessor"])
    );
    let listed = app.request("LIST", "auth/token/accessors").send().data();
    assert!(
        listed["keys"]
            .as_array()
            .unwrap()
            .contains(&auth["accessor"])
    );
}

#[test]
fn the_root_token_of_init_never_expires_and_is_not_renewed() {
    let app = TestApp::shared();
    let own = app.get("auth/token/lookup-self").data();
    assert_eq!(own["policies"], json!(["root"]));
    assert_eq!(
        (&own["ttl"], &own["expire_time"]),
        (&json!(0), &Value::Null)
    );
    assert!(own.get("renewable").is_none() && own.get("issue_time").is_none());
    let renewed = app.post("auth/token/renew-self", json!({}));
    assert_eq!(renewed.refusal(), bad("lease is not renewable"));
}

#[test]
fn what_is_no_token_is_told_in_the_words_clients_know() {
    let app = TestApp::shared();
    let garbage = json!({"token": "hvs.garbage"});
    for (path, body, expected) in [
        ("lookup", garbage.clone(), (403, "bad token".to_owned())),
        ("renew", garbage.clone(), bad("token not found")),
        ("renew", json!({}), bad("missing token ID")),
        ("revoke", json!({}), bad("missing token ID")),
        (
            "revoke-orphan",
            garbage.clone(),
            bad("token to revoke not found"),
        ),
        ("lookup-accessor", json!({}), bad("missing accessor")),
        (
            "lookup-accessor",
            json!({"accessor": "x"}),
            bad("invalid accessor"),
        ),
        (
            "renew-accessor",
            json!({"accessor": "x"}),
            bad("invalid accessor"),
        ),
        ("create/nobody", json!({}), bad("unknown role nobody")),
        (
            "create",
            json!({"type": "other"}),
            bad("invalid 'token_type' value"),
        ),
        (
            "create",
            json!({"num_uses": -1}),
            bad("number of uses cannot be negative"),
        ),
        (
            "create",
            json!({"type": "batch", "policies": ["a"], "num_uses": 1}),
            bad("batch tokens cannot have \"num_uses\" set"),
        ),
        (
            "create",
            json!({"type": "batch"}),
            bad("batch tokens cannot be root tokens"),
        ),
        (
            "create",
            json!({"id": "hvs.mine"}),
            bad("custom token ID cannot have the 'hvs.' prefix"),
        ),
        (
            "create",
            json!({"id": "mi.ne"}),
            bad("custom token ID cannot have a '.' in the value"),
        ),
    ] {
        let answer = app.post(&format!("auth/token/{path}"), body.clone());
        assert_eq!(answer.refusal(), expected, "{path} {body}");
    }
    assert_eq!(app.post("auth/token/revoke", garbage).status, 204);
    let unknown = app.post("auth/token/revoke-accessor", json!({"accessor": "x"}));
    assert_eq!(unknown.warnings(), ["No token found with this accessor"]);
    for token in [
        "hvs.garbage",
        "hvb.garbage",
        "s.garbage",
        "garbage",
        "e\u{301}",
    ] {
        assert_eq!(look_up_self(&app, token).refusal(), denied(), "{token}");
    }
}

#[test]
fn a_token_is_renewed_by_itself_by_text_and_by_accessor() {
    let app = TestApp::shared();
    let auth = made(
        &app,
        json!({"policies": ["a"], "ttl": "10m", "explicit_max_ttl": "30m"}),
    );
    let token = text(&auth, "client_token");
    let own = by(
        &app,
        &token,
        "POST",
        "auth/token/renew-self",
        json!({"increment": "20m"}),
    );
    let own = auth_of(&own);
    assert_eq!(
        (&own["client_token"], &own["lease_duration"]),
        (&json!(token), &json!(1200))
    );
    let body = json!({"token": token, "increment": 3600});
    let answer = app.post("auth/token/renew", body);
    assert!(auth_of(&answer)["lease_duration"].as_u64().unwrap() <= 1800);
    let warnings = answer.warnings();
    assert!(
        warnings[0].starts_with("TTL of \"1h\" exceeded the effective max_ttl of"),
        "{warnings:?}"
    );
    let body = json!({"accessor": auth["accessor"]});
    let named = auth_of(&app.post("auth/token/renew-accessor", body));
    assert_eq!(named["client_token"], "");
    let own = look_up_self(&app, &token).data();
    assert!(own["last_renewal_time"].is_u64() && own["last_renewal"].is_string());
    let fixed = made(&app, json!({"policies": ["a"], "renewable": false}));
    assert_eq!(fixed["renewable"], false);
    let refused = app.post("auth/token/renew", json!({"token": fixed["client_token"]}));
    assert_eq!(refused.refusal(), bad("lease is not renewable"));
}

#[test]
fn a_revoked_token_is_refused_at_once_and_so_are_its_children() {
    let app = TestApp::shared();
    let parent = made(&app, json!({}));
    let parent_token = text(&parent, "client_token");
    let create = |path: &str| {
        let child = by(
            &app,
            &parent_token,
            "POST",
            path,
            json!({"policies": ["a"]}),
        );
        text(&auth_of(&child), "client_token")
    };
    let child = create("auth/token/create");
    let orphan = create("auth/token/create-orphan");
    for token in [&parent_token, &child, &orphan] {
        assert_eq!(look_up_self(&app, token).status, 200);
    }
    let accessor = json!({"accessor": parent["accessor"]});
    assert_eq!(app.post("auth/token/revoke-accessor", accessor).status, 204);
    assert_eq!(look_up_self(&app, &parent_token).refusal(), denied());
    assert_eq!(look_up_self(&app, &child).refusal(), denied());
    assert_eq!(look_up_self(&app, &orphan).data()["orphan"], true);
    let own = by(&app, &orphan, "POST", "auth/token/revoke-self", json!({}));
    assert_eq!(own.status, 204);
    assert_eq!(look_up_self(&app, &orphan).refusal(), denied());
}

#[test]
fn revoking_a_token_alone_makes_orphans() {
    let app = TestApp::shared();
    let parent = text(&made(&app, json!({})), "client_token");
    let child = by(
        &app,
        &parent,
        "POST",
        "auth/token/create",
        json!({"policies": ["a"]}),
    );
    let child = text(&auth_of(&child), "client_token");
    let revoked = app.post("auth/token/revoke-orphan", json!({"token": parent}));
    assert_eq!(revoked.status, 204);
    assert_eq!(look_up_self(&app, &parent).refusal(), denied());
    assert_eq!(look_up_self(&app, &child).data()["orphan"], true);
}

#[test]
fn a_token_with_two_uses_serves_two_requests() {
    let app = TestApp::shared();
    let auth = made(&app, json!({"policies": ["default"], "num_uses": 2}));
    assert_eq!(auth["num_uses"], 2);
    let token = text(&auth, "client_token");
    assert_eq!(look_up_self(&app, &token).data()["num_uses"], 1);
    let body = json!({"path": "a"});
    let last = by(&app, &token, "POST", "sys/capabilities-self", body);
    assert_eq!(last.status, 200);
    assert_eq!(look_up_self(&app, &token).refusal(), denied());
}

#[test]
fn a_batch_token_has_no_accessor_and_dies_with_its_parent() {
    let app = TestApp::shared();
    let parent = text(&made(&app, json!({})), "client_token");
    let body = json!({"type": "batch", "policies": ["default"], "ttl": "10m"});
    let batch = auth_of(&by(&app, &parent, "POST", "auth/token/create", body));
    assert_eq!(
        (&batch["accessor"], &batch["renewable"]),
        (&json!(""), &json!(false))
    );
    let token = text(&batch, "client_token");
    assert!(token.starts_with("hvb."));
    assert_eq!(look_up_self(&app, &token).data()["type"], "batch");
    for (path, expected) in [
        ("renew", "batch tokens cannot be renewed"),
        ("revoke", "batch tokens cannot be revoked"),
    ] {
        let answer = app.post(&format!("auth/token/{path}"), json!({"token": token}));
        assert_eq!(answer.refusal(), bad(expected));
    }
    assert_eq!(
        app.post("auth/token/revoke", json!({"token": parent}))
            .status,
        204
    );
    assert_eq!(look_up_self(&app, &token).refusal(), denied());
}

#[test]
fn a_token_role_is_written_read_listed_used_and_deleted() {
    let app = TestApp::shared();
    let body = json!({"allowed_policies": "app,ops", "orphan": "true", "period": "1h", "renewable": true,
        "path_suffix": "v1a", "allowed_policies_glob": ["team-*"], "token_num_uses": 5});
    assert_eq!(app.post("auth/token/roles/ci", body).status, 204);
    let role = app.get("auth/token/roles/ci").data();
    assert_eq!(role["allowed_policies"], json!(["app", "ops"]));
    assert_eq!(
        (&role["period"], &role["token_period"]),
        (&json!(3600), &json!(3600))
    );
    assert_eq!(
        (&role["orphan"], &role["token_type"]),
        (&json!(true), &json!("default-service"))
    );
    assert_eq!(
        app.post("auth/token/roles/ci", json!({"orphan": false}))
            .status,
        204
    );
    let role = app.get("auth/token/roles/ci").data();
    assert_eq!(
        (&role["orphan"], &role["path_suffix"]),
        (&json!(false), &json!("v1a"))
    );
    let auth = auth_of(&app.post("auth/token/create/ci", json!({"policies": ["team-1"]})));
    assert_eq!(auth["policies"], json!(["default", "team-1"]));
    assert_eq!(
        (&auth["lease_duration"], &auth["num_uses"]),
        (&json!(3600), &json!(5))
    );
    let own = look_up_self(&app, &text(&auth, "client_token")).data();
    assert_eq!(
        (&own["path"], &own["role"]),
        (&json!("auth/token/create/ci/v1a"), &json!("ci"))
    );
    let listed = app.request("LIST", "auth/token/roles").send().data();
    assert!(listed["keys"].as_array().unwrap().contains(&json!("ci")));
}

#[test]
fn a_role_that_cannot_be_is_refused_and_one_that_is_gone_renews_nothing() {
    let app = TestApp::shared();
    for (body, expected) in [
        (
            json!({"token_type": "batch"}),
            "'token_type' cannot be 'batch' when role is set to generate non-orphan tokens",
        ),
        (json!({"token_type": "x"}), "invalid 'token_type' value"),
    ] {
        let answer = app.post("auth/token/roles/bad", body);
        assert_eq!(answer.refusal(), bad(expected));
    }
    assert_eq!(
        app.get("auth/token/roles/bad").refusal(),
        (404, String::new())
    );
    assert_eq!(app.post("auth/token/roles/gone", json!({})).status, 204);
    let body = json!({"policies": ["a"], "no_default_policy": true});
    let auth = auth_of(&app.post("auth/token/create/gone", body));
    let deleted = app.request("DELETE", "auth/token/roles/gone").send();
    assert_eq!(deleted.status, 204);
    let renewed = app.post("auth/token/renew", json!({"token": auth["client_token"]}));
    let text = "original token role \"gone\" could not be found, not renewing";
    assert_eq!(renewed.refusal(), (500, multi(text)));
}

#[test]
fn tidying_is_accepted_and_takes_nobody_away() {
    let app = TestApp::shared();
    let token = text(
        &made(&app, json!({"policies": ["default"]})),
        "client_token",
    );
    let answer = app.post("auth/token/tidy", json!({}));
    assert_eq!((answer.status, answer.warnings().len()), (202, 1));
    assert_eq!(look_up_self(&app, &token).status, 200);
}
