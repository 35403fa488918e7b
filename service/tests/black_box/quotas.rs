//! Rate limits and budgets, over the wire.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::Answer;

fn write(app: &TestApp, name: &str, body: Value) -> Answer {
    app.post(&format!("sys/quotas/rate-limit/{name}"), body)
}

/// How many of 30 reads of a ring pass.
fn passes(app: &TestApp, ring: &str) -> usize {
    (0..30).filter(|_| app.read(ring).status == 200).count()
}

#[test]
fn a_rate_limit_refuses_with_vaults_text_and_a_time_to_come_back() {
    let app = TestApp::fresh(&[]);
    app.create("limited", "{}").data();
    let limit = json!({"path": "transit/keys/*", "rate": 5, "interval": "24h"});
    assert_eq!(write(&app, "reads", limit.clone()).status, 204);
    assert_eq!(passes(&app, "limited"), 5);
    let refused = app.read("limited");
    let text = "request path \"transit/keys/limited\": rate limit quota exceeded";
    assert_eq!(refused.refusal(), (429, text.to_owned()));
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=17_280).contains(&wait), "{wait}");
    // Nothing else is meant, and writing the same again gives nothing back.
    assert_eq!(app.encrypt("limited", json!({"plaintext": ""})).status, 200);
    assert_eq!(write(&app, "reads", limit.clone()).status, 204);
    assert_eq!(passes(&app, "limited"), 0);
    let other = write(&app, "again", limit).refusal();
    let text = "quota rule with similar properties exists under the name \"reads\"";
    assert_eq!(other, (400, text.to_owned()));

    let read = app.get("sys/quotas/rate-limit/reads").data();
    assert_eq!(
        (&read["rate"], &read["interval"]),
        (&json!(5), &json!(86_400))
    );
    let list = app.request("LIST", "sys/quotas/rate-limit").send().data();
    assert_eq!(list, json!({"keys": ["reads"]}));
    let exempt = json!({"rate_limit_exempt_paths": ["transit/keys"]});
    assert_eq!(app.post("sys/quotas/config", exempt).status, 204);
    assert_eq!(passes(&app, "limited"), 30);
    let none = json!({"rate_limit_exempt_paths": []});
    assert_eq!(app.post("sys/quotas/config", none).status, 204);
    assert_eq!(passes(&app, "limited"), 0);
    let gone = app.request("DELETE", "sys/quotas/rate-limit/reads").send();
    assert_eq!(gone.status, 204);
    assert_eq!(app.get("sys/quotas/rate-limit/reads").status, 404);
    assert_eq!(passes(&app, "limited"), 30);
}

#[test]
fn a_decrypt_budget_counts_items_and_refuses_what_never_fits() {
    let app = TestApp::fresh(&[]);
    let ring = app.ring(json!({}));
    let sealed = app.seal(&ring, "aGVsbG8=");
    let budget = json!({
        "path": "transit", "operations": ["decrypt"], "per": ["identity", "key"],
        "windows": [{"items": 100, "interval": "24h"}, {"requests": 20, "interval": "24h"}],
    });
    assert_eq!(write(&app, "pii", budget).status, 204);
    let batch = |items: usize| {
        let item = json!({"ciphertext": sealed});
        json!({"batch_input": vec![item; items]})
    };
    assert_eq!(app.decrypt(&ring, batch(101)).status, 400);
    assert_eq!(app.decrypt(&ring, batch(60)).status, 200);
    assert_eq!(app.decrypt(&ring, batch(41)).status, 429);
    assert_eq!(app.decrypt(&ring, batch(40)).status, 200);
    let one = json!({"ciphertext": sealed});
    assert_eq!(app.decrypt(&ring, &one).status, 429);
    assert_eq!(app.encrypt(&ring, json!({"plaintext": ""})).status, 200);
    let other = app.ring(json!({}));
    let elsewhere = app.seal(&other, "aGVsbG8=");
    assert_eq!(app.open(&other, &elsewhere), "aGVsbG8=");
}

#[test]
fn limits_outlive_the_process() {
    let home = crate::set_up::Home::new();
    let app = TestApp::dev(&home, &[]);
    app.create("kept", "{}").data();
    let limit = json!({"path": "transit/keys/kept", "rate": 3, "interval": "24h"});
    assert_eq!(write(&app, "reads", limit).status, 204);
    app.stop();
    let app = TestApp::dev(&home, &[]);
    assert_eq!(passes(&app, "kept"), 3);
}

#[test]
fn a_limit_of_a_role_counts_its_logins_and_a_budget_is_the_same_for_all_tokens_of_a_login() {
    let app = TestApp::fresh(&[]);
    let ring = app.ring(json!({}));
    let may = json!({"policy": "path \"transit/*\" { capabilities = [\"update\"] }"});
    assert_eq!(app.post("sys/policies/acl/app", may).status, 204);
    assert_eq!(
        app.post("sys/auth/approle", json!({"type": "approle"}))
            .status,
        204
    );
    let secret_ids = ["web", "job"].map(|role| {
        let path = format!("auth/approle/role/{role}");
        let made = app.post(&path, json!({"token_policies": "app", "token_ttl": "1h"}));
        assert_eq!(made.status, 204);
        let role_id = app.get(&format!("{path}/role-id")).data()["role_id"].clone();
        let secret_id = app.post(&format!("{path}/secret-id"), "").data()["secret_id"].clone();
        json!({"role_id": role_id, "secret_id": secret_id})
    });
    let log_in = |who: &Value| {
        let login = app.anonymous("POST", "auth/approle/login");
        login.body(who).send()
    };
    let token = |answer: &Answer| {
        answer.json()["auth"]["client_token"]
            .as_str()
            .unwrap()
            .to_owned()
    };

    let budget = json!({"path": "transit", "per": "identity", "windows": [{"requests": 2, "interval": "24h"}]});
    assert_eq!(write(&app, "each", budget).status, 204);
    for expected in [200, 200, 429] {
        let token = token(&log_in(&secret_ids[1]));
        let seal = app.anonymous("POST", &format!("transit/encrypt/{ring}"));
        let seal = seal.header("X-Vault-Token", &token);
        assert_eq!(seal.body(json!({"plaintext": ""})).send().status, expected);
    }

    let limit = json!({"path": "auth/approle", "role": "web", "rate": 2, "interval": "24h"});
    assert_eq!(write(&app, "logins", limit).status, 204);
    let statuses: Vec<u16> = (0..3).map(|_| log_in(&secret_ids[0]).status).collect();
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(
        log_in(&secret_ids[1]).status,
        200,
        "the other role is not meant"
    );
}

#[test]
fn nobody_spends_the_budget_of_somebody_who_is_called_the_same() {
    let app = TestApp::fresh(&[]);
    let ring = app.ring(json!({}));
    let may = json!({"policy": "path \"transit/*\" { capabilities = [\"update\"] }"});
    assert_eq!(app.post("sys/policies/acl/app", may).status, 204);
    let budget = json!({"path": "transit", "per": "identity", "windows": [{"requests": 2, "interval": "24h"}]});
    assert_eq!(write(&app, "each", budget).status, 204);
    let token_of = |answer: &Answer| {
        let token = answer.json()["auth"]["client_token"].take();
        token
            .as_str()
            .unwrap_or_else(|| panic!("{}", answer.text()))
            .to_owned()
    };
    let spends = |token: &str| {
        let seal = || {
            let seal = app.anonymous("POST", &format!("transit/encrypt/{ring}"));
            seal.header("X-Vault-Token", token)
                .body(json!({"plaintext": ""}))
                .send()
                .status
        };
        [seal(), seal(), seal()]
    };
    let mut called = Vec::new();
    for (mount, user) in [("a", "b-c"), ("a-b", "c"), ("x/a", "b-c"), ("x-a", "b-c")] {
        let enabled = app.post(&format!("sys/auth/{mount}"), json!({"type": "userpass"}));
        assert_eq!(enabled.status, 204, "{mount}");
        let who = json!({"password": "sesame", "token_policies": "app"});
        assert_eq!(
            app.post(&format!("auth/{mount}/users/{user}"), who).status,
            204
        );
        let login = app.anonymous("POST", &format!("auth/{mount}/login/{user}"));
        let token = token_of(&login.body(json!({"password": "sesame"})).send());
        let own = app.anonymous("GET", "auth/token/lookup-self");
        let own = own.header("X-Vault-Token", &token).send().data();
        called.push(own["display_name"].as_str().unwrap().to_owned());
        assert_eq!(spends(&token), [200, 200, 429], "{mount} {user}");
    }
    assert_eq!(called, ["a-b-c", "a-b-c", "x-a-b-c", "x-a-b-c"]);
    for kind in ["service", "batch", "batch"] {
        let body = json!({"policies": ["app"], "type": kind});
        let token = token_of(&app.post("auth/token/create", body));
        assert_eq!(spends(&token), [200, 200, 429], "{kind}");
    }
}

#[test]
fn each_role_of_a_mount_has_a_budget_of_its_own() {
    let app = TestApp::fresh(&[]);
    let ring = app.ring(json!({}));
    let may = json!({"policy": "path \"transit/*\" { capabilities = [\"update\"] }"});
    assert_eq!(app.post("sys/policies/acl/app", may).status, 204);
    assert_eq!(
        app.post("sys/auth/approle", json!({"type": "approle"}))
            .status,
        204
    );
    let budget = json!({"path": "transit", "per": "identity", "windows": [{"requests": 1, "interval": "24h"}]});
    assert_eq!(write(&app, "each", budget).status, 204);
    for role in ["web", "job"] {
        let path = format!("auth/approle/role/{role}");
        let body = json!({"token_policies": "app", "bind_secret_id": false, "secret_id_bound_cidrs": "127.0.0.0/8"});
        assert_eq!(app.post(&path, body).status, 204);
        let role_id = app.get(&format!("{path}/role-id")).data()["role_id"].clone();
        let login = app.anonymous("POST", "auth/approle/login");
        let auth = login.body(json!({"role_id": role_id})).send().json()["auth"].take();
        let token = auth["client_token"].as_str().unwrap();
        for expected in [200, 429] {
            let seal = app.anonymous("POST", &format!("transit/encrypt/{ring}"));
            let seal = seal.header("X-Vault-Token", token);
            let answer = seal.body(json!({"plaintext": ""})).send();
            assert_eq!(answer.status, expected, "{role}");
        }
    }
}
