//! Policies and capabilities over HTTP.

use serde_json::{Value, json};

use super::{auth_of, text};
use crate::app::TestApp;
use crate::client::Answer;

fn bad(text: &str) -> (u16, String) {
    (400, text.to_owned())
}

fn delete(app: &TestApp, path: &str) -> Answer {
    app.request("DELETE", path).send()
}

const HCL: &str = r#"path "transit/encrypt/*" { capabilities = ["update"] }"#;

#[test]
fn a_policy_is_written_read_listed_and_deleted_by_both_paths() {
    let app = TestApp::shared();
    let encoded = "cGF0aCAiYSIgeyBjYXBhYmlsaXRpZXMgPSBbInJlYWQiXSB9";
    let decoded = r#"path "a" { capabilities = ["read"] }"#;
    let written = app.post("sys/policies/acl/p-one", json!({"policy": HCL}));
    assert_eq!(written.status, 204, "{}", written.text());
    let coded = app.post("sys/policies/acl/p-two", json!({"policy": encoded}));
    assert_eq!(coded.status, 204, "{}", coded.text());
    let old = app.post("sys/policy/P-Three", json!({"rules": HCL}));
    assert_eq!(
        old.warnings(),
        [
            "policy name was converted to p-three",
            "'rules' is deprecated, please use 'policy' instead"
        ]
    );
    let read = app.get("sys/policies/acl/p-one").data();
    assert_eq!(
        (&read["name"], &read["policy"]),
        (&json!("p-one"), &json!(HCL))
    );
    assert_eq!(app.get("sys/policy/p-two").data()["rules"], json!(decoded));
    let keys = app.request("LIST", "sys/policies/acl").send().data()["keys"].take();
    let keys: Vec<String> = serde_json::from_value(keys).unwrap();
    assert_eq!(keys.last().map(String::as_str), Some("root"));
    for name in ["default", "p-one", "p-three", "p-two"] {
        assert!(keys.iter().any(|key| key == name), "{name}");
    }
    let old = app.get("sys/policy");
    assert_eq!(old.json()["policies"], old.data()["keys"]);
    assert_eq!(delete(&app, "sys/policies/acl/p-one").status, 204);
    assert_eq!(delete(&app, "sys/policy/p-one").status, 204);
    assert_eq!(
        app.get("sys/policies/acl/p-one").refusal(),
        (404, String::new())
    );
}

#[test]
fn root_and_default_are_protected_and_nonsense_is_refused() {
    let app = TestApp::shared();
    let policy = json!({"policy": HCL});
    for name in ["root", "Root", "ROOT"] {
        let answer = app.post(&format!("sys/policies/acl/{name}"), policy.clone());
        assert_eq!(
            answer.refusal(),
            bad("cannot update \"root\" policy"),
            "{name}"
        );
    }
    let refused = delete(&app, "sys/policies/acl/default").refusal();
    assert_eq!(refused, bad("cannot delete default policy"));
    let refused = delete(&app, "sys/policy/root").refusal();
    assert_eq!(refused, bad("cannot delete \"root\" policy"));
    let empty = app.post("sys/policies/acl/p", json!({}));
    assert_eq!(
        empty.refusal(),
        bad("'policy' parameter not supplied or empty")
    );
    let (status, text) = app
        .post(
            "sys/policies/acl/p",
            json!({"policy": "path \"a\" {\n  canary"}),
        )
        .refusal();
    assert_eq!(status, 400);
    assert!(text.contains("line 2") && text.contains("column"), "{text}");
    assert!(!text.contains("canary"), "{text}");
    assert!(app.get("sys/policies/acl/default").data()["policy"].is_string());
}

#[test]
fn capabilities_are_told_of_any_token() {
    let app = TestApp::shared();
    let policy = json!({"policy": HCL});
    assert_eq!(app.post("sys/policies/acl/p-cap", policy).status, 204);
    let body = json!({"policies": ["p-cap"], "no_default_policy": true});
    let auth = auth_of(&app.post("auth/token/create", body));
    let expected = json!({"transit/encrypt/k": ["update"], "transit/decrypt/k": ["deny"]});
    let paths = ["transit/encrypt/k", "transit/decrypt/k"];
    let body = json!({"token": auth["client_token"], "paths": paths});
    assert_eq!(app.post("sys/capabilities", body).data(), expected);
    let body = json!({"accessor": auth["accessor"], "paths": paths.join(",")});
    assert_eq!(app.post("sys/capabilities-accessor", body).data(), expected);
    let own = app.post("sys/capabilities-self", json!({"path": "a"}));
    assert_eq!(own.data(), json!({"a": ["root"], "capabilities": ["root"]}));
    assert_eq!(
        own.json()["capabilities"],
        json!(["root"]),
        "old clients look beside the data"
    );
    assert_eq!(
        app.post("sys/capabilities-self", json!({})).refusal(),
        bad("paths must be supplied")
    );
    let unknown = json!({"token": "hvs.garbage", "path": "a"});
    assert_eq!(
        app.post("sys/capabilities", unknown).refusal(),
        bad("invalid token")
    );
    let deleted = delete(&app, "sys/policies/acl/p-cap");
    assert_eq!(deleted.status, 204);
    let body = json!({"token": text(&auth, "client_token"), "path": "transit/encrypt/k"});
    let left: Value = app.post("sys/capabilities", body).data()["capabilities"].take();
    assert_eq!(left, json!(["deny"]));
}
