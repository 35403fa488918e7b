//! Userpass: users, passwords, logins.

use serde_json::json;

use super::mounted::Mounted;
use super::{auth_of, look_up_self, stranger, text};
use crate::client::{Answer, multi};

fn log_in(mounted: &Mounted, user: &str, password: &str) -> Answer {
    let body = json!({"password": password});
    stranger(&mounted.app, &mounted.at(&format!("login/{user}")), body)
}

const INVALID: &str = "invalid username or password";

#[test]
fn a_user_logs_in_by_name_and_password() {
    let mounted = Mounted::new("userpass");
    let body = json!({"password": "sesame", "policies": "team", "token_ttl": "10m"});
    assert_eq!(mounted.post("users/Ada", body).status, 204);
    let auth = auth_of(&log_in(&mounted, "ADA", "sesame"));
    assert_eq!(auth["policies"], json!(["default", "team"]));
    assert_eq!(auth["metadata"], json!({"username": "ada"}));
    assert_eq!(auth["lease_duration"], 600);
    let own = look_up_self(&mounted.app, &text(&auth, "client_token")).data();
    assert_eq!(own["display_name"], json!(format!("{}-ada", mounted.path)));
    assert_eq!(own["path"], json!(mounted.at("login/ada")));
    assert_eq!(mounted.send("LIST", "users").data()["keys"], json!(["ada"]));
    let read = mounted.send("GET", "users/ada");
    assert_eq!(read.data()["token_policies"], json!(["team"]));
    assert!(!read.text().contains("argon2"), "{}", read.text());
}

#[test]
fn nobody_and_a_wrong_password_get_the_same_bytes() {
    let mounted = Mounted::new("userpass");
    mounted.post("users/ada", json!({"password": "sesame"}));
    let wrong = log_in(&mounted, "ada", "guess");
    let nobody = log_in(&mounted, "bob", "guess");
    assert_eq!(wrong.refusal(), (400, INVALID.to_owned()));
    assert_eq!(wrong.body, nobody.body);
    assert_eq!(wrong.status, nobody.status);
    let none = stranger(&mounted.app, &mounted.at("login/ada"), json!({}));
    assert_eq!(none.refusal(), (500, multi("missing password")));
}

#[test]
fn five_guesses_lock_a_name_out_whether_or_not_it_is_somebodys() {
    let mounted = Mounted::new("userpass");
    mounted.post("users/ada", json!({"password": "sesame"}));
    for name in ["ada", "nobody"] {
        for spelled in [name, &name.to_uppercase(), name, name, name] {
            let refused = log_in(&mounted, spelled, "guess").refusal();
            assert_eq!(refused, (400, INVALID.to_owned()), "{spelled}");
        }
        for spelled in [name, &name.to_uppercase()] {
            let locked = log_in(&mounted, spelled, "sesame").refusal();
            assert_eq!(locked, (403, "permission denied".to_owned()), "{spelled}");
        }
    }
    let tune = format!("sys/auth/{}/tune", mounted.path);
    let off = json!({"user_lockout_config": {"lockout_disable": true}});
    assert_eq!(mounted.app.post(&tune, off).status, 204);
    auth_of(&log_in(&mounted, "ada", "sesame"));
}

#[test]
fn password_and_policies_change_by_paths_of_their_own() {
    let mounted = Mounted::new("userpass");
    mounted.post(
        "users/ada",
        json!({"password": "old", "token_policies": ["a"]}),
    );
    assert_eq!(
        mounted
            .post("users/ada/password", json!({"password": "new"}))
            .status,
        204
    );
    assert_eq!(log_in(&mounted, "ada", "old").status, 400);
    assert_eq!(
        mounted
            .post("users/ada/policies", json!({"policies": "b"}))
            .status,
        204
    );
    let auth = auth_of(&log_in(&mounted, "ada", "new"));
    assert_eq!(auth["policies"], json!(["b", "default"]));
    // Without a password the old one stays.
    assert_eq!(
        mounted.post("users/ada", json!({"token_ttl": 60})).status,
        204
    );
    auth_of(&log_in(&mounted, "ada", "new"));
    for rest in ["users/bob/password", "users/bob/policies"] {
        let refused = mounted
            .post(rest, json!({"password": "x", "policies": "x"}))
            .refusal();
        assert_eq!(refused, (500, multi("username does not exist")), "{rest}");
    }
    let without = mounted
        .post("users/bob", json!({"policies": "x"}))
        .refusal();
    assert_eq!(without, (400, "missing password".to_owned()));
    let hashed = mounted
        .post("users/bob", json!({"password_hash": "$2a$10$canary"}))
        .refusal();
    assert!(
        hashed.0 == 400 && !hashed.1.contains("canary"),
        "{hashed:?}"
    );
    assert_eq!(mounted.send("DELETE", "users/ada").status, 204);
    assert_eq!(
        mounted.send("GET", "users/ada").refusal(),
        (404, String::new())
    );
    assert_eq!(
        mounted.send("LIST", "users").refusal(),
        (404, String::new())
    );
}

#[test]
fn from_a_forbidden_address_a_right_password_is_a_wrong_one_and_is_counted() {
    let mounted = Mounted::new("userpass");
    let away = json!({"password": "sesame", "token_bound_cidrs": ["192.0.2.0/24"]});
    assert_eq!(mounted.post("users/ada", away).status, 204);
    for password in ["guess", "guess", "guess", "sesame", "sesame"] {
        let refused = log_in(&mounted, "ada", password).refusal();
        assert_eq!(refused, (400, INVALID.to_owned()), "{password}");
    }
    for password in ["guess", "sesame"] {
        let locked = log_in(&mounted, "ada", password).refusal();
        assert_eq!(locked, (403, "permission denied".to_owned()), "{password}");
    }
}
