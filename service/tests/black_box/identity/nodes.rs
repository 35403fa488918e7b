//! Two nodes on one PostgreSQL: tokens and policies of one are those of the other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use keyring::test_support::postgres::PostgresServer;
use serde_json::{Value, json};

use super::{by, looks_at_itself, made, made_by, policy, write_policy};
use crate::app::TestApp;
use crate::client::multi;
use crate::set_up::{Home, Store};
use crate::{eventually, of_full};

struct Nodes {
    a: TestApp,
    b: TestApp,
    _home: Home,
}

fn nodes() -> Option<Nodes> {
    let url = PostgresServer::shared()?.new_database();
    let home = Home::new();
    let config = home.config(&Store::Postgres(url), "");
    let token = config.init();
    Some(Nodes {
        a: config.serve(&token),
        b: config.serve_beside(&token),
        _home: home,
    })
}

/// Waits for a change on the other node, which must be there within a second; this machine may be busy with something else.
fn soon(what: &str, mut is_there: impl FnMut() -> bool) {
    let began = Instant::now();
    eventually(what, || is_there().then_some(()));
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{what} took {took:?}");
}

#[test]
fn a_token_is_good_on_the_other_node_at_once() {
    let Some(Nodes { a, b, _home }) = nodes() else {
        return;
    };
    for _ in 0..of_full(200) {
        for (here, there) in [(&a, &b), (&b, &a)] {
            for kind in ["service", "batch"] {
                let (token, _) = made(here, &json!({"type": kind, "policies": "default"}));
                assert_eq!(looks_at_itself(there, &token), 200, "{kind}");
                let (child, _) = made_by(there, &here.token, &json!({"policies": "default"}));
                assert_eq!(looks_at_itself(here, &child), 200, "{kind}");
            }
        }
    }
}

#[test]
fn a_revocation_is_soon_obeyed_by_the_other_node_with_all_descendants() {
    let Some(Nodes { a, b, _home }) = nodes() else {
        return;
    };
    write_policy(&a, "makes", &policy("auth/token/create", "update"));
    let body = json!({"policies": ["makes", "default"]});
    for round in 0..of_full(50) {
        let (parent, accessor) = made(&a, &body);
        // A tree with branches of both nodes.
        let mut tree = vec![parent.clone()];
        for (depth, node) in [&a, &b, &a].into_iter().enumerate() {
            let creator = tree[depth].clone();
            tree.push(made_by(node, &creator, &body).0);
        }
        tree.push(made_by(&b, &parent, &body).0);
        let (bystander, _) = made(&b, &body);
        for node in [&a, &b] {
            assert!(tree.iter().all(|token| looks_at_itself(node, token) == 200));
        }
        let answer = match round % 3 {
            0 => a.post("auth/token/revoke", json!({"token": parent})),
            1 => b.post("auth/token/revoke-accessor", json!({"accessor": accessor})),
            _ => by(&b, &parent, "POST", "auth/token/revoke-self", ""),
        };
        assert_eq!(answer.status, 204, "{}", answer.text());
        let node = if round % 3 == 0 { &a } else { &b };
        for token in &tree {
            // At once where it was revoked.
            assert_eq!(looks_at_itself(node, token), 403);
        }
        for node in [&a, &b] {
            soon("the revocation", || {
                tree.iter().all(|token| looks_at_itself(node, token) == 403)
            });
            assert_eq!(looks_at_itself(node, &bystander), 200);
        }
    }
}

#[test]
fn a_policy_change_is_soon_obeyed_by_the_other_node() {
    let Some(Nodes { a, b, _home }) = nodes() else {
        return;
    };
    let key = a.ring(json!({}));
    let path = format!("transit/encrypt/{key}");
    let body = json!({"plaintext": ""});
    let tokens =
        ["service", "batch"].map(|kind| made(&a, &json!({"policies": "changing", "type": kind})).0);
    let is = |node: &TestApp, expected: u16| {
        tokens.iter().all(|token| {
            let answer = by(node, token, "POST", &path, &body);
            if answer.status == 403 {
                assert_eq!(answer.refusal(), (403, multi("permission denied")));
            }
            answer.status == expected
        })
    };
    for (here, there) in [(&a, &b), (&b, &a)].into_iter().cycle().take(of_full(60)) {
        write_policy(here, "changing", &policy(&path, "update"));
        assert!(is(here, 200), "the node that wrote it obeys at once");
        soon("the policy that lets in", || is(there, 200));
        write_policy(here, "changing", &policy(&path, "deny"));
        assert!(is(here, 403));
        soon("the policy that denies", || is(there, 403));
        write_policy(here, "changing", &policy(&path, "update"));
        soon("the policy that lets in again", || is(there, 200));
        let gone = here.request("DELETE", "sys/policies/acl/changing").send();
        assert_eq!(gone.status, 204);
        assert!(is(here, 403));
        soon("the policy gone", || is(there, 403));
    }
}

/// How many of eight requests pass; the others are refused as those of strangers.
fn use_up(node: &TestApp, token: &str, path: &str, body: &Value) -> usize {
    let answers = (0..8).map(|_| by(node, token, "POST", path, body));
    answers
        .filter(|answer| {
            assert!(matches!(answer.status, 200 | 403), "{}", answer.text());
            answer.status == 200
        })
        .count()
}

#[test]
fn uses_that_are_counted_are_counted_over_both_nodes() {
    let Some(Nodes { a, b, _home }) = nodes() else {
        return;
    };
    let key = a.ring(json!({}));
    let path = format!("transit/encrypt/{key}");
    write_policy(&a, "counted", &policy(&path, "update"));
    let body = json!({"plaintext": ""});
    b.seal(&key, "");
    soon("the policy", || {
        b.get("sys/policies/acl/counted").status == 200
    });
    for uses in [1, 2, 7, 20].into_iter().cycle().take(of_full(100)) {
        let (token, accessor) = made(&a, &json!({"policies": "counted", "num_uses": uses}));
        let passed = AtomicUsize::new(0);
        thread::scope(|scope| {
            for node in [&a, &b, &a, &b, &a, &b] {
                let (token, path, body, passed) = (&token, &path, &body, &passed);
                scope.spawn(move || {
                    let used = use_up(node, token, path, body);
                    passed.fetch_add(used, Ordering::Relaxed);
                });
            }
        });
        assert_eq!(passed.into_inner(), uses);
        let left = a.post("auth/token/lookup-accessor", json!({"accessor": accessor}));
        assert!(matches!(left.status, 400 | 403 | 404), "{}", left.text());
    }
}

#[test]
fn logins_and_wrapped_answers_of_one_node_are_those_of_the_other() {
    let Some(Nodes { a, b, _home }) = nodes() else {
        return;
    };
    assert_eq!(
        a.post("sys/auth/approle", json!({"type": "approle"}))
            .status,
        204
    );
    soon("the method", || b.get("sys/auth/approle").status == 200);
    let role = json!({"role_id": "the-role", "token_policies": "default"});
    assert_eq!(a.post("auth/approle/role/r", role).status, 204);
    for _ in 0..of_full(50) {
        let made = a.post("auth/approle/role/r/secret-id", json!({"num_uses": 1}));
        let body = json!({"role_id": "the-role", "secret_id": made.data()["secret_id"]});
        let logins: usize = thread::scope(|scope| {
            let tries = [&a, &b, &a, &b].map(|node| {
                let body = &body;
                scope.spawn(move || {
                    let login = node
                        .anonymous("POST", "auth/approle/login")
                        .body(body)
                        .send();
                    usize::from(login.status == 200)
                })
            });
            tries.into_iter().map(|one| one.join().unwrap()).sum()
        });
        assert_eq!(logins, 1);
        let wrap = a
            .request("POST", "sys/wrapping/wrap")
            .header("X-Vault-Wrap-TTL", "60");
        let token = wrap.body(json!({"a": 1})).send().json()["wrap_info"]["token"].take();
        let token = token.as_str().unwrap();
        let got: usize = thread::scope(|scope| {
            let tries = [&a, &b, &a, &b].map(|node| {
                scope.spawn(move || {
                    let answer = by(node, token, "POST", "sys/wrapping/unwrap", "");
                    usize::from(answer.status == 200)
                })
            });
            tries.into_iter().map(|one| one.join().unwrap()).sum()
        });
        assert_eq!(got, 1);
    }
    let made = b.post("auth/approle/role/r/secret-id", json!({}));
    let gone = a.request("DELETE", "auth/approle/role/r").send();
    assert_eq!(gone.status, 204);
    let body = json!({"role_id": "the-role", "secret_id": made.data()["secret_id"]});
    soon("the role gone", || {
        b.anonymous("POST", "auth/approle/login")
            .body(&body)
            .send()
            .status
            == 400
    });
}
