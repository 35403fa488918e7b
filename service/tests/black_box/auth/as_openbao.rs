//! Small things that clients see and OpenBao does so.

use serde_json::{Value, json};

use super::{auth_of, look_up_self, text};
use crate::app::TestApp;

#[test]
fn a_method_is_read_and_tuned_as_a_mount_too() {
    let app = TestApp::shared();
    let path = "sys/mounts/auth/tuned/as-mount";
    let enabled = app.post("sys/auth/tuned/as-mount", json!({"type": "userpass"}));
    assert_eq!(enabled.status, 204, "{}", enabled.text());
    let tuned = app.post(
        &format!("{path}/tune"),
        json!({"max_lease_ttl": "2h", "description": "x"}),
    );
    assert_eq!(tuned.status, 204, "{}", tuned.text());
    let settings = app.get(&format!("{path}/tune")).data();
    assert_eq!(settings["max_lease_ttl"], json!(7200));
    assert_eq!(settings, app.get("sys/auth/tuned/as-mount/tune").data());
    assert_eq!(
        app.get(path).data(),
        app.get("sys/auth/tuned/as-mount").data()
    );
    assert_eq!(app.request("DELETE", path).send().status, 204);
    assert_eq!(app.get("sys/auth/tuned/as-mount").status, 400);
}

#[test]
fn tuning_as_a_mount_takes_no_sudo_and_enabling_does() {
    let app = TestApp::shared();
    let rules =
        r#"path "sys/mounts/auth/*" { capabilities = ["create", "read", "update", "delete"] }"#;
    let policy = app.post("sys/policies/acl/tunes-methods", json!({"policy": rules}));
    assert_eq!(policy.status, 204);
    let enabled = app.post("sys/auth/no-sudo", json!({"type": "approle"}));
    assert_eq!(enabled.status, 204);
    let token = auth_of(&app.post("auth/token/create", json!({"policies": ["tunes-methods"]})));
    let token = text(&token, "client_token");
    let ask = |method: &str, path: &str, body: Value| {
        let request = app.anonymous(method, path).header("X-Vault-Token", &token);
        request.body(body).send().status
    };
    let tune = "sys/mounts/auth/no-sudo/tune";
    assert_eq!(ask("POST", tune, json!({"default_lease_ttl": "1h"})), 204);
    assert_eq!(ask("GET", tune, Value::Null), 200);
    let path = "sys/mounts/auth/no-sudo";
    assert_eq!(ask("DELETE", path, Value::Null), 403);
    let other = "sys/mounts/auth/no-sudo-other";
    assert_eq!(ask("POST", other, json!({"type": "approle"})), 403);
    assert_eq!(ask("POST", "sys/auth/no-sudo/tune", json!({})), 403);
}

#[test]
fn tuning_keeps_what_is_not_said_and_warns_of_what_is_not_known() {
    let app = TestApp::shared();
    for (path, kind) in [("sys/mounts/kept", "transit"), ("sys/auth/kept", "approle")] {
        let config = json!({"default_lease_ttl": "1h", "max_lease_ttl": "2h"});
        let enabled = app.post(path, json!({"type": kind, "config": config}));
        assert_eq!(enabled.status, 204, "{}", enabled.text());
        let tune = format!("{path}/tune");
        for silent in [
            json!({}),
            json!({"default_lease_ttl": "", "max_lease_ttl": ""}),
            json!({"default_lease_ttl": null, "max_lease_ttl": null}),
            json!({"description": "d", "force_no_cache": false, "audit_non_hmac_request_keys": []}),
        ] {
            let tuned = app.post(&tune, &silent);
            assert_eq!(tuned.status, 204, "{path} {silent}: {}", tuned.text());
            let settings = app.get(&tune).data();
            assert_eq!(
                settings["default_lease_ttl"],
                json!(3600),
                "{path} {silent}"
            );
            assert_eq!(settings["max_lease_ttl"], json!(7200), "{path} {silent}");
        }
        let unknown = app.post(&tune, json!({"max_lease_tll": "3h", "seal_wrap": true}));
        let expected = "Endpoint ignored these unrecognized parameters: [max_lease_tll seal_wrap]";
        assert_eq!(unknown.warnings(), [expected], "{path}");
        let config = json!({"max_lease_tll": "3h"});
        let enabled = app.post(
            &format!("{path}-too"),
            json!({"type": kind, "config": config, "typ": 1}),
        );
        let expected = "Endpoint ignored these unrecognized parameters: [max_lease_tll typ]";
        assert_eq!(enabled.warnings(), [expected], "{path}");
        for ttl in ["system", "0"] {
            let tuned = app.post(
                &tune,
                json!({"max_lease_ttl": ttl, "default_lease_ttl": ttl}),
            );
            assert_eq!(tuned.status, 204, "{}", tuned.text());
        }
        assert_ne!(
            app.get(&tune).data()["max_lease_ttl"],
            json!(7200),
            "{path}"
        );
    }
}

#[test]
fn a_wrapping_token_is_looked_up_like_any_other() {
    let app = TestApp::shared();
    let wrapped = app
        .request("GET", "sys/mounts")
        .header("X-Vault-Wrap-TTL", "90")
        .send()
        .json();
    let token = text(&wrapped["wrap_info"], "token");
    let found = app
        .post("auth/token/lookup", json!({"token": format!(" {token}\n")}))
        .data();
    assert_eq!(found["accessor"], wrapped["wrap_info"]["accessor"]);
    assert_eq!(found["policies"], json!(["response-wrapping"]));
    assert_eq!(found["path"], json!("sys/mounts"));
    assert_eq!(
        (&found["num_uses"], &found["creation_ttl"]),
        (&json!(1), &json!(90))
    );
    let unwrapped = app.post("sys/wrapping/unwrap", json!({"token": token}));
    assert_eq!(unwrapped.status, 200, "looking up takes nothing");
    let gone = app.post("auth/token/lookup", json!({"token": token}));
    assert_eq!(gone.status, 403);
}

#[test]
fn what_cannot_be_there_is_gone_as_it_was_to_be() {
    let app = TestApp::shared();
    for name in ["a/b", "%01", &"n".repeat(600), "-x", " "] {
        for at in ["sys/policies/acl", "sys/policy"] {
            let name = name.replace(' ', "%20");
            let deleted = app.request("DELETE", &format!("{at}/{name}")).send();
            assert_eq!(deleted.status, 204, "{name}: {}", deleted.text());
            assert_eq!(app.get(&format!("{at}/{name}")).status, 404, "{name}");
        }
    }
    for mount in ["sys", "identity", "cubbyhole"] {
        let refused = app.disable_mount(mount).refusal();
        assert_eq!(refused, (400, format!("cannot unmount \"{mount}/\"")));
    }
    assert_eq!(app.disable_mount("sys/x").status, 204);
}

#[test]
fn a_quota_shows_whether_it_is_inheritable() {
    let app = TestApp::fresh(&[]);
    let at = "sys/quotas/rate-limit/inherited";
    assert_eq!(app.post(at, json!({"rate": 1e6})).status, 204);
    assert_eq!(app.get(at).data()["inheritable"], json!(true));
    assert_eq!(
        app.post(at, json!({"rate": 1e6, "inheritable": false}))
            .status,
        204
    );
    assert_eq!(app.get(at).data()["inheritable"], json!(false));
}

#[test]
fn a_renewal_that_asks_for_nothing_gives_what_was_given_last() {
    let app = TestApp::shared();
    let made = auth_of(&app.post("auth/token/create", json!({"ttl": "2h"})));
    let token = text(&made, "client_token");
    for (increment, expected) in [
        (json!(0), 7200),
        (json!(""), 7200),
        (json!("30m"), 1800),
        (json!(0), 1800),
        (json!(""), 1800),
    ] {
        let body = json!({"token": token, "increment": increment});
        let renewed = auth_of(&app.post("auth/token/renew", &body));
        assert_eq!(renewed["lease_duration"], json!(expected), "{increment}");
    }
    let role = json!({"allowed_policies": "default"});
    assert_eq!(app.post("auth/token/roles/plain", role).status, 204);
    let body = json!({"ttl": "1h", "policies": ["default"]});
    let made = auth_of(&app.post("auth/token/create/plain", body));
    let body = json!({"token": text(&made, "client_token")});
    let renewed = auth_of(&app.post("auth/token/renew", body));
    assert_eq!(renewed["lease_duration"], json!(3600));
}

#[test]
fn a_counted_token_loses_a_use_on_paths_that_are_not_there() {
    let app = TestApp::shared();
    let made = auth_of(&app.post("auth/token/create", json!({"num_uses": 4})));
    let token = text(&made, "client_token");
    for (method, path) in [
        ("GET", "no/such/path"),
        ("GET", "transit/nothing/there"),
        ("PUT", "sys/health"),
    ] {
        let request = app.anonymous(method, path).header("X-Vault-Token", &token);
        assert!(request.send().status >= 403, "{path}");
    }
    assert_eq!(look_up_self(&app, &token).status, 200, "the last use");
    assert_eq!(look_up_self(&app, &token).status, 403);
}

#[test]
fn a_period_is_longer_than_other_lifetimes_and_renews_for_ever() {
    let app = TestApp::shared();
    let made = auth_of(&app.post("auth/token/create", json!({"period": "1000h"})));
    assert_eq!(made["lease_duration"], json!(3_600_000));
    let body = json!({"token": text(&made, "client_token")});
    let renewed = auth_of(&app.post("auth/token/renew", &body));
    assert_eq!(renewed["lease_duration"], json!(3_600_000));
    let role = json!({"token_period": "800h"});
    assert_eq!(app.post("auth/token/roles/long", role).status, 204);
    let made = auth_of(&app.post("auth/token/create/long", json!({})));
    assert_eq!(made["lease_duration"], json!(800 * 3600));
}

#[test]
fn white_space_around_a_credential_counts_for_nothing() {
    let app = TestApp::shared();
    let made = auth_of(&app.post("auth/token/create", json!({"ttl": "1h"})));
    let around = |field: &str| format!("\n {}\t\n", text(&made, field));
    for (path, body) in [
        (
            "auth/token/lookup",
            json!({"token": around("client_token")}),
        ),
        (
            "auth/token/lookup-accessor",
            json!({"accessor": around("accessor")}),
        ),
        ("auth/token/renew", json!({"token": around("client_token")})),
        (
            "sys/capabilities",
            json!({"token": around("client_token"), "path": "x"}),
        ),
    ] {
        assert_eq!(app.post(path, body).status, 200, "{path}");
    }
    let body = json!({"token": around("client_token")});
    assert_eq!(app.post("auth/token/revoke", body).status, 204);
    assert_eq!(look_up_self(&app, &text(&made, "client_token")).status, 403);
}
