//! Auth methods: list, enable, tune, disable.

use serde_json::{Value, json};

use super::{auth_of, enabled, look_up_self, stranger, text};
use crate::app::TestApp;
use crate::client::multi;

#[test]
fn the_built_in_method_is_listed_twice_over_and_stays() {
    let app = TestApp::shared();
    let answer = app.get("sys/auth");
    let token = &answer.data()["token/"];
    assert_eq!(token["type"], "token");
    assert_eq!(&answer.json()["token/"], token, "old clients look there");
    for (method, path, expected) in [
        (
            "DELETE",
            "sys/auth/token",
            "token credential backend cannot be disabled",
        ),
        ("POST", "sys/auth/token", "path is already in use at token/"),
        (
            "POST",
            "sys/auth/token/x",
            "path is already in use at token/",
        ),
    ] {
        let body = json!({"type": "approle"});
        let refused = app.request(method, path).body(body).send().refusal();
        assert_eq!(refused, (400, expected.to_owned()), "{method} {path}");
    }
    let second = app.post("sys/auth/tokens", json!({"type": "token"}));
    let expected = "token credential backend cannot be instantiated".to_owned();
    assert_eq!(second.refusal(), (400, expected));
}

#[test]
fn a_method_is_enabled_as_hvac_and_the_cli_ask_for_it() {
    let app = TestApp::shared();
    let config = json!({"default_lease_ttl": "1h", "max_lease_ttl": 7200, "listing_visibility": "unauth",
        "token_type": "default-service", "force_no_cache": false, "options": null});
    let body = json!({"type": "approle", "description": "ours", "config": config, "local": false,
        "seal_wrap": false, "plugin_name": "", "options": null});
    assert_eq!(app.post("sys/auth/team/machines", &body).status, 204);
    let mount = app.get("sys/auth").data()["team/machines/"].take();
    assert_eq!(app.get("sys/auth/team/machines").data(), mount);
    let accessor = text(&mount, "accessor");
    assert!(accessor.starts_with("auth_approle_"), "{accessor}");
    assert_eq!(
        (&mount["description"], &mount["config"]["default_lease_ttl"]),
        (&json!("ours"), &json!(3600))
    );
    for taken in ["team/machines", "team", "team/machines/eu"] {
        let refused = app.post(&format!("sys/auth/{taken}"), &body).refusal();
        let expected = "path is already in use at team/machines/".to_owned();
        assert_eq!(refused, (400, expected), "{taken}");
    }
    let seen = app.get("sys/internal/ui/mounts").data();
    assert_eq!(seen["auth"]["team/machines/"], mount);
    let by_strangers = app.anonymous("GET", "sys/internal/ui/mounts").send().data();
    let brief = json!({"type": "approle", "description": "ours", "options": null});
    assert_eq!(by_strangers["auth"]["team/machines/"], brief);
    assert_eq!(by_strangers["auth"]["token/"], Value::Null);
    assert_eq!(by_strangers["secret"], json!({}));
}

#[test]
fn what_is_not_offered_is_refused_and_named() {
    let app = TestApp::shared();
    for (body, expected) in [
        (json!({}), "backend type must be specified as a string"),
        (json!({"type": "github"}), "plugin not found in the catalog"),
        (
            json!({"type": "oidc"}),
            "a method of type jwt takes the tokens",
        ),
        (
            json!({"type": "approle", "config": {"token_type": "default"}}),
            "invalid value for 'token_type'",
        ),
        (
            json!({"type": "approle", "config": {"default_lease_ttl": "2h", "max_lease_ttl": "1h"}}),
            "given default lease TTL greater than given max lease TTL",
        ),
        (
            json!({"type": "approle", "config": {"listing_visibility": "canary"}}),
            "invalid listing_visibility",
        ),
    ] {
        let (status, sentence) = app.post("sys/auth/other", &body).refusal();
        assert_eq!(status, 400, "{body}");
        assert!(sentence.contains(expected), "{sentence}");
        assert!(!sentence.contains("canary"), "{sentence}");
    }
    let absent = (400, "No auth engine at other/".to_owned());
    assert_eq!(app.get("sys/auth/other").refusal(), absent);
}

#[test]
fn tuning_changes_what_it_names_and_holds_for_the_next_login() {
    let app = TestApp::shared();
    let path = enabled(&app, "approle");
    let tune = format!("sys/auth/{path}/tune");
    let before = app.get(&tune).data();
    assert_eq!(before["max_lease_ttl"], 768 * 3600);
    assert_eq!(before["token_type"], "default-service");
    let body =
        json!({"description": "tuned", "max_lease_ttl": 12_345_678, "default_lease_ttl": "60s"});
    // As hvac's own test has it.
    assert_eq!(app.post(&tune, body).status, 204);
    let body = json!({"max_lease_ttl": "10m", "user_lockout_config": {"lockout_threshold": "3"}});
    assert_eq!(app.post(&tune, body).status, 204);
    let after = app.get(&tune).data();
    assert_eq!(
        (
            &after["description"],
            &after["max_lease_ttl"],
            &after["default_lease_ttl"]
        ),
        (&json!("tuned"), &json!(600), &json!(60))
    );
    assert_eq!(after["user_lockout_threshold"], 3);
    app.post(
        &format!("auth/{path}/role/web"),
        json!({"role_id": "web-id"}),
    );
    let made = app
        .post(&format!("auth/{path}/role/web/secret-id"), "")
        .data();
    let body = json!({"role_id": "web-id", "secret_id": made["secret_id"]});
    let auth = auth_of(&stranger(&app, &format!("auth/{path}/login"), body));
    assert_eq!(auth["lease_duration"], 60);
    let absent = (400, "no mount entry found at auth/nowhere/".to_owned());
    let tuned = app.post("sys/auth/nowhere/tune", json!({"description": "x"}));
    assert_eq!(tuned.refusal(), absent);
}

#[test]
fn a_disabled_method_takes_its_roles_secret_ids_and_tokens_along() {
    let app = TestApp::shared();
    let path = enabled(&app, "approle");
    let (role, login) = (
        format!("auth/{path}/role/web"),
        format!("auth/{path}/login"),
    );
    app.post(&role, json!({"role_id": "web-id"}));
    let made = app.post(&format!("{role}/secret-id"), "").data();
    let body = json!({"role_id": "web-id", "secret_id": made["secret_id"]});
    let token = text(&auth_of(&stranger(&app, &login, &body)), "client_token");
    assert_eq!(look_up_self(&app, &token).status, 200);
    for _ in 0..2 {
        let disabled = app.request("DELETE", &format!("sys/auth/{path}")).send();
        assert_eq!(disabled.status, 204);
    }
    assert_eq!(look_up_self(&app, &token).status, 403);
    let gone = format!("no handler for route \"{role}\". route entry not found.");
    assert_eq!(app.get(&role).refusal(), (404, gone));
    assert_eq!(stranger(&app, &login, &body).status, 403);
    app.post(&format!("sys/auth/{path}"), json!({"type": "approle"}));
    assert_eq!(app.get(&role).status, 404);
    app.post(&role, json!({"role_id": "web-id"}));
    let old = stranger(&app, &login, &body).refusal();
    assert_eq!(old, (400, "invalid role or secret ID".to_owned()));
    assert_eq!(look_up_self(&app, &token).status, 403);
}

#[test]
fn strangers_reach_logins_and_nothing_else() {
    let app = TestApp::shared();
    let path = enabled(&app, "approle");
    for (method, rest) in [
        ("GET", "role/web"),
        ("POST", "role/web"),
        ("LIST", "role"),
        ("POST", "role/web/secret-id"),
        ("GET", "login"),
        ("POST", "login/web"),
        ("POST", "nowhere"),
    ] {
        let answer = app.anonymous(method, &format!("auth/{path}/{rest}")).send();
        let denied = (403, "permission denied".to_owned());
        assert_eq!(answer.refusal(), denied, "{method} {rest}");
    }
    let unknown = app.post(&format!("auth/{path}/nowhere"), "").refusal();
    assert_eq!(unknown, (404, multi("unsupported path")));
    let verb = app.request("DELETE", &format!("auth/{path}/login")).send();
    assert_eq!(verb.refusal(), (405, multi("unsupported operation")));
}
