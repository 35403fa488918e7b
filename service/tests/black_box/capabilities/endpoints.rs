//! Every endpoint with every capability: the right one on the very path lets in, and nothing else does.

use std::thread;

use serde_json::{Map, Value, json};

use super::{assert_denied, send, token_of};
use crate::app::TestApp;

/// An endpoint: methods with the capability that each needs.
struct Endpoint {
    path: &'static str,
    methods: &'static [(&'static str, &'static str)],
    sudo: bool,
}

const fn plain(path: &'static str, methods: &'static [(&'static str, &'static str)]) -> Endpoint {
    Endpoint {
        path,
        methods,
        sudo: false,
    }
}

const fn sudo(path: &'static str, methods: &'static [(&'static str, &'static str)]) -> Endpoint {
    Endpoint {
        path,
        methods,
        sudo: true,
    }
}

type Methods = &'static [(&'static str, &'static str)];

const WRITE: Methods = &[("POST", "update"), ("PUT", "update")];
const READ: Methods = &[("GET", "read"), ("HEAD", "read")];
const LIST: Methods = &[("LIST", "list"), ("GET ?list=true", "list")];
const READ_WRITE: Methods = &[("GET", "read"), ("POST", "update")];
const ENTRY: Methods = &[("GET", "read"), ("POST", "update"), ("DELETE", "delete")];
const WRITE_DELETE: Methods = &[("POST", "update"), ("DELETE", "delete")];

/// All but `sys/seal`, which ends the show, and what needs no token.
const ENDPOINTS: &[Endpoint] = &[
    plain("transit/encrypt/k", WRITE),
    plain(
        "transit/encrypt/absent",
        &[("POST", "create"), ("PUT", "create")],
    ),
    plain("transit/decrypt/k", WRITE),
    plain("transit/rewrap/k", WRITE),
    plain("transit/datakey/plaintext/k", WRITE),
    plain("transit/datakey/wrapped/k", WRITE),
    plain("transit/keys", LIST),
    plain("transit/keys/k", ENTRY),
    plain("transit/keys/absent-too", &[("POST", "update")]),
    plain("transit/keys/k/config", WRITE),
    plain("transit/keys/k/rotate", WRITE),
    plain("transit/keys/k/trim", WRITE),
    plain("transit/keys/k/history", READ),
    plain("transit/keys/k/soft-delete", &[("DELETE", "delete")]),
    plain("transit/keys/k/soft-delete-restore", WRITE),
    plain("transit/keys/absent-three/import", WRITE),
    plain("transit/keys/k/import_version", WRITE),
    plain("transit/keys/k/csr", WRITE),
    plain("transit/keys/k/set-certificate", WRITE),
    plain("transit/sign/k", WRITE),
    plain("transit/sign/k/sha2-256", WRITE),
    plain("transit/verify/k", WRITE),
    plain("transit/verify/k/sha2-256", WRITE),
    plain("transit/hmac/k", WRITE),
    plain("transit/hmac/k/sha2-256", WRITE),
    plain("transit/export/public-key/k", READ),
    plain("transit/export/hmac-key/k/latest", READ),
    plain("transit/byok-export/k/k", READ),
    plain("transit/byok-export/k/k/latest", READ),
    plain("transit/backup/k", READ),
    plain("transit/restore", WRITE),
    plain("transit/restore/absent-four", WRITE),
    plain("transit/wrapping_key", READ),
    plain("transit/derive-key/absent-five", WRITE),
    plain("transit/cache-config", READ_WRITE),
    plain("transit/config/keys", READ_WRITE),
    plain("sys/plugins/reload/backend", WRITE),
    plain("transit/hash", WRITE),
    plain("transit/hash/sha2-256", WRITE),
    plain("transit/random", WRITE),
    plain("transit/random/platform/many", WRITE),
    plain("sys/tools/hash", WRITE),
    plain("sys/tools/hash/sha2-256", WRITE),
    plain("sys/tools/random", WRITE),
    plain("sys/tools/random/seal", WRITE),
    plain("sys/limits", READ),
    plain("sys/metrics", READ),
    plain("sys/internal/ui/mounts/transit", READ),
    plain("sys/mounts", READ),
    plain("sys/mounts/transit/tune", READ_WRITE),
    plain("sys/mounts/team/nested", ENTRY),
    plain("sys/auth", READ),
    sudo("sys/auth/extra", ENTRY),
    sudo("sys/auth/userpass/tune", READ_WRITE),
    plain("sys/wrapping/wrap", WRITE),
    plain("sys/policies/acl", LIST),
    plain("sys/policies/acl/p", ENTRY),
    plain("sys/policy", &[("GET", "read"), ("LIST", "list")]),
    plain("sys/policy/p", ENTRY),
    plain("sys/capabilities", WRITE),
    plain("sys/capabilities-accessor", WRITE),
    plain("sys/capabilities-self", WRITE),
    sudo("sys/audit", READ),
    sudo("sys/audit/file", WRITE_DELETE),
    plain("sys/audit-hash/file", WRITE),
    plain("sys/quotas/config", READ_WRITE),
    plain("sys/quotas/rate-limit", LIST),
    plain("sys/quotas/rate-limit/q", ENTRY),
    sudo("auth/token/accessors", LIST),
    plain("auth/token/create", WRITE),
    plain("auth/token/create-orphan", WRITE),
    plain("auth/token/create/r", WRITE),
    plain("auth/token/lookup", READ_WRITE),
    plain("auth/token/lookup-accessor", WRITE),
    plain("auth/token/lookup-self", READ_WRITE),
    plain("auth/token/renew", WRITE),
    plain("auth/token/renew-accessor", WRITE),
    plain("auth/token/renew-self", WRITE),
    plain("auth/token/revoke", WRITE),
    plain("auth/token/revoke-accessor", WRITE),
    sudo("auth/token/revoke-orphan", WRITE),
    plain("auth/token/revoke-self", &[("POST", "update")]),
    plain("auth/token/roles", LIST),
    plain("auth/token/roles/r", ENTRY),
    plain("auth/token/tidy", WRITE),
    plain("auth/approle/role", LIST),
    plain("auth/approle/role/r", ENTRY),
    plain("auth/approle/role/r/bind-secret-id", ENTRY),
    plain("auth/approle/role/r/bound-cidr-list", ENTRY),
    plain("auth/approle/role/r/custom-secret-id", WRITE),
    plain("auth/approle/role/r/local-secret-ids", READ),
    plain("auth/approle/role/r/period", ENTRY),
    plain("auth/approle/role/r/policies", ENTRY),
    plain("auth/approle/role/r/role-id", READ_WRITE),
    plain(
        "auth/approle/role/r/secret-id",
        &[("LIST", "list"), ("POST", "update")],
    ),
    plain(
        "auth/approle/role/r/secret-id-accessor/destroy",
        WRITE_DELETE,
    ),
    plain("auth/approle/role/r/secret-id-accessor/lookup", WRITE),
    plain("auth/approle/role/r/secret-id-bound-cidrs", ENTRY),
    plain("auth/approle/role/r/secret-id-num-uses", ENTRY),
    plain("auth/approle/role/r/secret-id-ttl", ENTRY),
    plain("auth/approle/role/r/secret-id/destroy", WRITE_DELETE),
    plain("auth/approle/role/r/secret-id/lookup", WRITE),
    plain("auth/approle/role/r/token-bound-cidrs", ENTRY),
    plain("auth/approle/role/r/token-max-ttl", ENTRY),
    plain("auth/approle/role/r/token-num-uses", ENTRY),
    plain("auth/approle/role/r/token-ttl", ENTRY),
    plain("auth/approle/tidy/secret-id", WRITE),
    plain("auth/userpass/users", LIST),
    plain("auth/userpass/users/u", ENTRY),
    plain("auth/userpass/users/u/password", WRITE),
    plain("auth/userpass/users/u/policies", WRITE),
    plain("auth/jwt/config", READ_WRITE),
    plain("auth/jwt/role", LIST),
    plain("auth/jwt/role/r", ENTRY),
    plain("auth/jwt/oidc/auth_url", WRITE),
    plain("auth/jwt/oidc/callback", READ_WRITE),
    plain("auth/kubernetes/config", READ_WRITE),
    plain("auth/kubernetes/role", LIST),
    plain("auth/kubernetes/role/r", ENTRY),
    plain("auth/cert/certs", LIST),
    plain("auth/cert/certs/c", ENTRY),
    plain("auth/cert/config", READ_WRITE),
];

const SEAL: Endpoint = sudo("sys/seal", WRITE);

const CAPABILITIES: [&str; 7] = [
    "create", "read", "update", "delete", "list", "sudo", "patch",
];

/// A service on which every path of the table means something.
fn furnished() -> TestApp {
    let app = TestApp::fresh(&[]);
    app.create("k", "").data();
    for kind in ["approle", "userpass", "jwt", "kubernetes", "cert"] {
        let enabled = app.post(&format!("sys/auth/{kind}"), json!({"type": kind}));
        assert_eq!(enabled.status, 204, "{}", enabled.text());
    }
    app
}

/// The method and the path of a row as they are sent.
fn spelled(endpoint: &Endpoint, method: &'static str) -> (&'static str, String) {
    match method.split_once(' ') {
        Some((method, query)) => (method, format!("{}{query}", endpoint.path)),
        None => (method, endpoint.path.to_owned()),
    }
}

/// Every path of the table.
pub(crate) fn paths() -> impl Iterator<Item = &'static str> {
    ENDPOINTS.iter().map(|endpoint| endpoint.path)
}

fn each_method() -> Vec<(&'static Endpoint, &'static str, &'static str)> {
    let all = ENDPOINTS.iter().chain([&SEAL]);
    all.flat_map(|endpoint| {
        let methods = endpoint.methods.iter();
        methods.map(move |(method, capability)| (endpoint, *method, *capability))
    })
    .collect()
}

/// Runs this on each method of each endpoint, several at a time.
fn in_parts<T: Sync>(rows: &[T], work: impl Fn(&T) + Sync) {
    thread::scope(|scope| {
        for part in rows.chunks(rows.len().div_ceil(4)) {
            scope.spawn(|| part.iter().for_each(&work));
        }
    });
}

/// A policy that grants this on every path of the table.
fn everywhere(capabilities: &[&str]) -> Value {
    let paths: Map<String, Value> = ENDPOINTS
        .iter()
        .chain([&SEAL])
        .map(|endpoint| {
            (
                endpoint.path.to_owned(),
                json!({"capabilities": capabilities}),
            )
        })
        .collect();
    Value::Object(paths)
}

#[test]
fn a_wrong_capability_on_the_right_path_lets_nobody_in() {
    let app = furnished();
    let mut tokens: Vec<(String, String)> = CAPABILITIES
        .iter()
        .map(|one| ((*one).to_owned(), token_of(&app, &everywhere(&[one]))))
        .collect();
    // All capabilities but one, and all with `deny`.
    for missing in ["create", "read", "update", "delete", "list", "sudo"] {
        let others: Vec<_> = CAPABILITIES
            .into_iter()
            .filter(|one| *one != missing)
            .collect();
        tokens.push((
            format!("not {missing}"),
            token_of(&app, &everywhere(&others)),
        ));
    }
    let all = ["create", "read", "update", "delete", "list", "sudo", "deny"];
    tokens.push(("deny".to_owned(), token_of(&app, &everywhere(&all))));
    tokens.push(("nothing".to_owned(), token_of(&app, &json!({}))));
    in_parts(&each_method(), |(endpoint, method, needed)| {
        let (verb, path) = spelled(endpoint, method);
        for (name, token) in &tokens {
            let lets_in = match name.strip_prefix("not ") {
                Some(missing) => missing != *needed && !(endpoint.sudo && missing == "sudo"),
                None => name == needed && !endpoint.sudo,
            };
            if !lets_in {
                let answer = send(&app, token, verb, &path, &json!({}));
                assert_denied(&answer, &format!("{method} {path} with {name}"));
            }
        }
        let nobody = app.anonymous(verb, &path).send();
        assert_eq!(nobody.status, 403, "{method} {path}");
    });
    assert_eq!(app.read("k").status, 200, "nothing was done");
}

/// Paths beside one, under which it does not fall. A list is looked for with a slash at its end, behind which `+` stands for
/// nothing, as it does for Vault.
fn siblings(path: &str, is_list: bool) -> Vec<String> {
    let (parent, last) = path.rsplit_once('/').unwrap();
    let mut siblings = vec![
        format!("{path}-sibling"),
        format!("{path}/below"),
        format!("{path}-*"),
        format!("{parent}/"),
        format!("{parent}/{}", last.to_uppercase()),
        format!("+/{path}"),
        format!("{path}/+/+"),
        format!("v1/{path}"),
        format!("{}*", path.to_uppercase()),
    ];
    if let Some((grandparent, _)) = parent.rsplit_once('/') {
        siblings.push(format!("{grandparent}/+"));
    }
    siblings.push(parent.to_owned());
    if !is_list {
        siblings.extend([format!("{path}/"), format!("{path}/+"), format!("{path}/*")]);
    }
    siblings
}

#[test]
fn the_right_capability_lets_in_on_the_very_path_and_not_beside_it() {
    let app = furnished();
    let rows = each_method();
    let (seal, rows): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .partition(|(endpoint, _, _)| endpoint.path == SEAL.path);
    let check_beside = |(endpoint, method, needed): &(&Endpoint, &'static str, &str)| {
        let (verb, path) = spelled(endpoint, method);
        let capabilities = json!({"capabilities": [needed, "sudo"]});
        let beside: Map<String, Value> = siblings(endpoint.path, *needed == "list")
            .into_iter()
            .map(|path| (path, capabilities.clone()))
            .collect();
        let token = token_of(&app, &Value::Object(beside));
        let answer = send(&app, &token, verb, &path, &json!({}));
        assert_denied(&answer, &format!("{method} {path} beside"));
    };
    let check_in = |(endpoint, method, needed): &(&Endpoint, &'static str, &str)| {
        let (verb, path) = spelled(endpoint, method);
        let mut capabilities = vec![*needed];
        if endpoint.sudo {
            capabilities.push("sudo");
        }
        let token = token_of(
            &app,
            &json!({endpoint.path: {"capabilities": capabilities}}),
        );
        let answer = send(&app, &token, verb, &path, &json!({}));
        let shown = String::from_utf8_lossy(&answer.body);
        // Two of Vault's answers to what is not there are 500s with a text of their own.
        let is_answered = matches!(answer.status, 200..=299 | 400 | 404)
            || (answer.status == 500 && (verb == "HEAD" || shown.contains("1 error occurred")));
        assert!(is_answered, "{method} {path}: {} {shown}", answer.status);
    };
    in_parts(&rows, check_beside);
    in_parts(&seal, check_beside);
    in_parts(&rows, check_in);
    check_in(&seal[0]);
    assert_eq!(app.read("k").status, 503, "it is sealed");
}

#[test]
fn creating_and_updating_by_encrypt_are_told_apart_by_what_is_there() {
    let app = TestApp::fresh(&[]);
    app.create("there", "").data();
    let create = token_of(
        &app,
        &json!({"transit/encrypt/*": {"capabilities": ["create"]}}),
    );
    let update = token_of(
        &app,
        &json!({"transit/encrypt/*": {"capabilities": ["update"]}}),
    );
    let body = json!({"plaintext": ""});
    let encrypt = |token: &str, key: &str| {
        send(
            &app,
            token,
            "POST",
            &format!("transit/encrypt/{key}"),
            &body,
        )
    };
    assert_denied(&encrypt(&create, "there"), "create where it is");
    assert_denied(&encrypt(&update, "new"), "update where it is not");
    assert_eq!(encrypt(&update, "there").status, 200);
    // It is let in, and told that nothing is created by encrypting on this mount.
    let answer = encrypt(&create, "new").refusal();
    assert_eq!(answer, (400, "encryption key not found".to_owned()));
    app.create("new", "").data();
    assert_denied(&encrypt(&create, "new"), "create once it is there");
    assert_eq!(encrypt(&update, "new").status, 200);
    app.configure("new", json!({"deletion_allowed": true}))
        .data();
    assert_eq!(app.delete("new").status, 204);
    assert_denied(&encrypt(&update, "new"), "update once it is gone");
}
