//! Bodies that are no JSON, or JSON of another shape.

use serde_json::json;

use crate::app::TestApp;

/// Every endpoint that reads a body, on a key that is there and on one that is not.
fn writes(key: &str) -> Vec<String> {
    let of = |key: &str| {
        [
            format!("transit/keys/{key}"),
            format!("transit/keys/{key}/config"),
            format!("transit/keys/{key}/rotate"),
            format!("transit/keys/{key}/trim"),
            format!("transit/encrypt/{key}"),
            format!("transit/decrypt/{key}"),
            format!("transit/rewrap/{key}"),
            format!("transit/datakey/plaintext/{key}"),
            format!("transit/datakey/wrapped/{key}"),
            format!("transit/sign/{key}"),
            format!("transit/verify/{key}/sha2-256"),
            format!("transit/hmac/{key}"),
            format!("transit/keys/{key}/import"),
            format!("transit/keys/{key}/import_version"),
            format!("transit/keys/{key}/csr"),
            format!("transit/keys/{key}/set-certificate"),
            format!("transit/keys/{key}/soft-delete-restore"),
            format!("transit/restore/{key}"),
            format!("transit/derive-key/{key}"),
        ]
    };
    let server = [
        "sys/mounts/never-mounted",
        "sys/mounts/transit/tune",
        "sys/capabilities-self",
        "sys/plugins/reload/backend",
        "sys/tools/hash",
        "transit/cache-config",
        "transit/config/keys",
        "transit/random",
    ];
    let server = server.map(str::to_owned);
    of(key)
        .into_iter()
        .chain(of("never-there"))
        .chain(server)
        .collect()
}

#[test]
fn broken_json_is_refused_everywhere_and_nothing_is_done() {
    let app = TestApp::fresh(&[]);
    let key = app.ring(json!({}));
    let before = (app.read(&key).data(), app.get("sys/mounts").data());
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(33), "]".repeat(33));
    let abyss = "{\"a\":".repeat(100_000);
    let brackets = "[".repeat(1_000_000);
    let open = format!("{{\"plaintext\":\"{}", "A".repeat(70_000));
    let long_list = format!("{{\"a\":[{}0]}}", "0,".repeat(100_000));
    for path in writes(&key) {
        for (body, expected) in [
            (&b"{"[..], "syntax error at line 1 column 1"),
            (b"{\"plaintext\":\"\"", "syntax error"),
            (b"{} {}", "syntax error at line 1 column 4"),
            (b"{'plaintext':''}", "syntax error"),
            (b"{\"plaintext\":}", "syntax error"),
            (b"{\"plaintext\":\"\",}", "syntax error"),
            (b"nul", "syntax error"),
            (b"NaN", "syntax error"),
            (b"\x00", "syntax error"),
            (b"\xff\xfe{\x00}\x00", "syntax error"),
            (b"\xef\xbb\xbf{}", "syntax error"),
            (b"{\"plaintext\":\"\xff\"}", "syntax error"),
            (b"{\"plaintext\":\"\\ud800\"}", "syntax error"),
            (b"{\"plaintext\":\"a\nb\"}", "syntax error"),
            (b"{\"a\":1e999}", "syntax error"),
            (b"[]", "not an object"),
            (b"[{\"plaintext\":\"\"}]", "not an object"),
            (b"\"plaintext\"", "not an object"),
            (b"1", "not an object"),
            (b"true", "not an object"),
            (
                b"{\"plaintext\":\"\",\"plaintext\":\"\"}",
                "the same key twice in one object",
            ),
            (
                b"{\"a\":1,\"\\u0061\":1}",
                "the same key twice in one object",
            ),
            (
                b"{\"batch_input\":[{\"x\":1,\"x\":1}]}",
                "the same key twice in one object",
            ),
            (deep.as_bytes(), "nested more than 32 deep"),
            (abyss.as_bytes(), "nested more than 32 deep"),
            (brackets.as_bytes(), "nested more than 32 deep"),
            (long_list.as_bytes(), "more than 100000 items in a list"),
            (open.as_bytes(), "syntax error"),
        ] {
            let (status, text) = app.post(&path, body).refusal();
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]);
            assert_eq!(status, 400, "{path} {shown}: {text}");
            let prefix = format!("failed to decode JSON input: {expected}");
            assert!(text.starts_with(&prefix), "{path} {shown}: {text}");
        }
    }
    assert_eq!(
        (app.read(&key).data(), app.get("sys/mounts").data()),
        before
    );
    assert_eq!(app.read("never-there").status, 404);
}

#[test]
fn numbers_that_do_not_fit_are_refused_and_never_rounded() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    for number in [
        "1.0",
        "1e0",
        "9223372036854775808",
        "-9223372036854775809",
        "1e400",
        "0.5",
    ] {
        let body = format!("{{\"plaintext\":\"\",\"key_version\":{number}}}");
        assert_eq!(app.encrypt(&key, body).status, 400, "{number}");
        let body = format!("{{\"min_decryption_version\":{number}}}");
        assert_eq!(app.configure(&key, body).status, 400, "{number}");
        let body = format!("{{\"batch_input\":[{{\"plaintext\":\"\",\"key_version\":{number}}}]}}");
        let status = app.encrypt(&key, body).status;
        assert!(
            status == 500 || (status == 400 && number == "1e400"),
            "{number}: {status}"
        );
    }
    for version in ["4294967296", "4294967297", "9223372036854775807"] {
        let body = format!("{{\"min_decryption_version\":{version}}}");
        let expected =
            format!("cannot set min decryption version of {version}, latest key version is 1");
        assert_eq!(app.configure(&key, body).refusal(), (400, expected));
        let body = format!("{{\"plaintext\":\"\",\"key_version\":{version}}}");
        assert_eq!(app.encrypt(&key, body).status, 400);
    }
    // What 64 bits of nanoseconds hold, as clients count them, and a second more.
    let longest = 9_223_372_036_u64;
    let kept = app.configure(&key, json!({"auto_rotate_period": longest}));
    assert_eq!(kept.data()["auto_rotate_period"], json!(longest));
    for never in [
        json!(longest + 1),
        json!("9223372037s"),
        json!("106752d"),
        json!(i64::MAX),
        json!(u64::MAX),
    ] {
        let refused = app.configure(&key, json!({"auto_rotate_period": never}));
        assert_eq!(refused.status, 400, "{never}: {}", refused.text());
        let role = json!({"period": never});
        let refused = app.post("auth/token/roles/never", role);
        assert_eq!(refused.status, 400, "{never}: {}", refused.text());
        let created = app.post("auth/token/create", json!({"ttl": never}));
        assert_eq!(created.status, 400, "{never}: {}", created.text());
    }
    let read = app.read(&key).data();
    assert_eq!(read["auto_rotate_period"], json!(longest));
}

#[test]
fn a_body_where_none_belongs_is_not_looked_at() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    for (method, path) in [
        ("GET", format!("transit/keys/{key}")),
        ("LIST", "transit/keys".to_owned()),
    ] {
        let answer = app.request(method, &path).body("not JSON").send();
        assert_eq!(answer.status, 200, "{method}");
    }
}
