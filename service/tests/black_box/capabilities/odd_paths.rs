//! Paths that are spelled oddly grant nothing that the plain spelling does not.

use rand::RngExt as _;
use rand::rngs::ThreadRng;
use serde_json::json;

use super::{assert_denied, send, token_of};
use crate::app::TestApp;
use crate::client::multi;
use crate::of_full;

const PLAIN: &str = "transit/decrypt/secret";
const OPENED: &str = "c2VjcmV0IG9mIG9kZCBwYXRocw==";

/// Another spelling of a path, which some program might take for the same.
fn oddly(random: &mut ThreadRng) -> String {
    let mut path = PLAIN.to_owned();
    for _ in 0..random.random_range(1..=3) {
        path = once(&path, random);
    }
    path
}

fn once(path: &str, random: &mut ThreadRng) -> String {
    let slashes: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
    // One may have been replaced, but not both by three steps that begin here.
    let slash = slashes.get(random.random_range(0..2)).or(slashes.first());
    let slash = slash.copied().unwrap_or(path.len() - 1);
    let (before, after) = (&path[..slash], &path[slash + 1..]);
    let at = random.random_range(0..path.len());
    let character = path.as_bytes()[at];
    let with = |text: &str| format!("{}{text}{}", &path[..at], &path[at + 1..]);
    match random.random_range(0..16) {
        0 => format!("{before}//{after}"),
        1 => format!("{before}%2F{after}"),
        2 => format!("{before}%2f%2f{after}"),
        3 => format!("{before}/./{after}"),
        4 => format!("{before}/%2e/{after}"),
        5 => format!("{before}/x/../{after}"),
        6 => format!("{before}/x/%2e%2E/{after}"),
        7 => format!("{before}\\{after}"),
        8 => format!("{before}/;/{after}"),
        9 if character != b'%' => with(&format!("%{character:02X}")),
        10 if character != b'%' => with(&format!("%25{character:02x}")),
        11 => with(&char::from(character).to_ascii_uppercase().to_string()),
        12 => format!("{path}/"),
        13 => format!("{path}%00"),
        14 => format!("/{path}"),
        _ => format!(
            "{path}{}",
            ["%20", "%09", "%0a", ".", "?", "%3F", "#", ";x"][random.random_range(0..8)]
        ),
    }
}

#[test]
fn what_is_denied_is_denied_in_every_spelling() {
    let app = TestApp::fresh(&[]);
    app.create("secret", "").data();
    let ciphertext = app.seal("secret", OPENED);
    let all = json!(["create", "read", "update", "delete", "list", "sudo"]);
    // One may do everything but this, another is told of other paths that look like it.
    let denied = token_of(
        &app,
        &json!({
            "*": {"capabilities": all}, "transit/*": {"capabilities": all}, "transit/decrypt/*": {"capabilities": all},
            PLAIN: {"capabilities": ["deny"]},
        }),
    );
    let beside = token_of(
        &app,
        &json!({
            "transit/encrypt/*": {"capabilities": all}, "transit/keys/*": {"capabilities": all},
            "transit/decrypt/+/+": {"capabilities": all}, "transit/decrypt/secret-*": {"capabilities": all},
            "transit/decrypt/SECRET": {"capabilities": all}, "TRANSIT/*": {"capabilities": all},
            "transit/x/*": {"capabilities": all},
        }),
    );
    let body = json!({"ciphertext": ciphertext});
    let (mut opened, mut random) = (0, rand::rng());
    for _ in 0..of_full(2000) {
        let path = oddly(&mut random);
        let by_root = app.request("POST", &path).body(&body).send();
        opened += usize::from(by_root.status == 200);
        for (name, token) in [("denied", &denied), ("beside", &beside)] {
            let answer = send(&app, token, "POST", &path, &body);
            let shown = String::from_utf8_lossy(&answer.body);
            assert!(!shown.contains(OPENED), "{path} opens for {name}");
            assert!(
                (400..405).contains(&answer.status),
                "{path} for {name}: {} {shown}",
                answer.status
            );
            if by_root.status == 200 {
                // So it is a spelling of the path, and it must be denied as the path is.
                assert_eq!(
                    answer.refusal(),
                    (403, multi("permission denied")),
                    "{path}"
                );
            }
        }
    }
    assert!(
        opened > of_full(2000) / 100,
        "no spelling meant the path at all"
    );
    assert_denied(
        &send(&app, &denied, "POST", PLAIN, &body),
        "the plain spelling",
    );
}

#[test]
fn paths_that_climb_grant_nothing_of_where_they_lead() {
    let app = TestApp::fresh(&[]);
    app.create("secret", "").data();
    let body = json!({"ciphertext": app.seal("secret", OPENED)});
    let token = token_of(
        &app,
        &json!({"transit/encrypt/*": {"capabilities": ["create", "update", "read", "sudo"]}}),
    );
    for path in [
        "transit/encrypt/../decrypt/secret",
        "transit/encrypt/%2e%2e/decrypt/secret",
        "transit/encrypt/..%2fdecrypt/secret",
        "transit/encrypt/k/../../decrypt/secret",
        "transit/encrypt/%252e%252e/decrypt/secret",
        "transit/encrypt/..;/decrypt/secret",
        "transit/encrypt/\\..\\decrypt/secret",
        "transit/encrypt/%2e%2e%2f%2e%2e%2fsys/seal",
        "transit/encrypt/../../sys/policies/acl/default",
        "transit/encrypt/../../auth/token/create",
        "transit/encrypt/..%00/decrypt/secret",
        "transit/encrypt/%c0%ae%c0%ae/decrypt/secret",
    ] {
        for method in ["POST", "GET", "PUT", "DELETE", "LIST", "PATCH"] {
            let answer = send(&app, &token, method, path, &body);
            assert!(
                matches!(answer.status, 400 | 403 | 404),
                "{method} {path}: {answer:?}"
            );
            assert!(
                !String::from_utf8_lossy(&answer.body).contains(OPENED),
                "{method} {path}"
            );
        }
    }
    assert_eq!(
        app.open("secret", body["ciphertext"].as_str().unwrap()),
        OPENED
    );
}
