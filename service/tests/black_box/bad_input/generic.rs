//! What holds for every endpoint and the failures of the keys' own, a row for each: the method, the path and the body that are
//! sent, the status and the text that come back. `KEY` is a ring that is there.

use serde_json::json;

use crate::app::TestApp;
use crate::client::{Answer, multi};

/// A request and its refusal.
type Row<'a> = (&'a str, &'a str, &'a str, u16, String);

fn plain(text: &str) -> String {
    text.to_owned()
}

fn check(app: &TestApp, rows: &[Row<'_>]) {
    let key = app.ring(json!({}));
    for (method, path, body, status, text) in rows {
        let (path, text) = (path.replace("KEY", &key), text.replace("KEY", &key));
        let answer = app.request(method, &path).body(*body).send();
        assert_eq!(answer.refusal(), (*status, text), "{method} {path} {body}");
    }
    assert_eq!(app.latest(&key), 1, "nothing was done");
}

#[test]
fn methods_that_a_path_has_not_and_paths_that_are_none_are_told_apart() {
    let operation = multi("unsupported operation");
    let path = multi("unsupported path");
    let slash = plain("cannot write to a path ending in '/'");
    let relative = plain("relative paths not supported");
    check(
        &TestApp::shared(),
        &[
            ("PATCH", "transit/keys/KEY", "", 405, operation.clone()),
            ("DELETE", "transit/encrypt/KEY", "", 405, operation.clone()),
            ("LIST", "transit/keys/KEY", "", 405, operation.clone()),
            ("GET", "transit/keys", "", 405, operation.clone()),
            ("GET", "transit/keys?list=false", "", 405, operation.clone()),
            ("DELETE", "transit/config/keys", "", 405, operation.clone()),
            ("LIST", "transit/cache-config", "", 405, operation.clone()),
            ("GET", "transit/hash/sha2-256", "", 405, operation.clone()),
            ("GET", "sys/tools/random", "", 405, operation.clone()),
            ("GET", "sys/plugins/reload/backend", "", 405, operation),
            ("SCAN", "transit/keys", "", 405, plain("")),
            ("BREW", "transit/keys/KEY", "", 405, plain("")),
            ("GET", "transit/keys?list=maybe", "", 400, plain("")),
            ("POST", "transit/keys/KEY.", "", 404, path.clone()),
            ("POST", "transit/keys/KEY-", "", 404, path.clone()),
            ("POST", "transit/encrypt", "", 404, path.clone()),
            ("POST", "transit/config", "", 404, path.clone()),
            ("POST", "transit/Hash", "", 404, path.clone()),
            ("POST", "sys/tools", "", 404, path),
            ("POST", "transit/keys/KEY/", "", 400, slash.clone()),
            ("PUT", "transit/cache-config/", "", 400, slash.clone()),
            ("POST", "transit/random/", "", 400, slash),
            ("GET", "transit/../sys/mounts", "", 400, relative.clone()),
            ("POST", "transit/hash/../encrypt/KEY", "", 400, relative),
        ],
    );
}

#[test]
fn fields_that_cannot_be_read_are_named_and_their_values_are_not() {
    let unreadable = |field: &str| {
        format!("Field validation failed: error converting input for field \"{field}\"")
    };
    check(
        &TestApp::shared(),
        &[
            (
                "POST",
                "transit/cache-config",
                r#"{"size":"many"}"#,
                400,
                unreadable("size"),
            ),
            (
                "POST",
                "transit/cache-config",
                r#"{"size":[1]}"#,
                400,
                unreadable("size"),
            ),
            (
                "POST",
                "transit/cache-config",
                r#"{"size":1.5}"#,
                400,
                unreadable("size"),
            ),
            (
                "POST",
                "transit/config/keys",
                r#"{"disable_upsert":"no"}"#,
                400,
                unreadable("disable_upsert"),
            ),
            (
                "POST",
                "transit/config/keys",
                r#"{"disable_upsert":2}"#,
                400,
                unreadable("disable_upsert"),
            ),
            (
                "POST",
                "transit/keys/new",
                r#"{"derived":{}}"#,
                400,
                unreadable("derived"),
            ),
            (
                "POST",
                "transit/keys/new",
                r#"{"auto_rotate_period":"soon"}"#,
                400,
                unreadable("auto_rotate_period"),
            ),
            (
                "POST",
                "transit/keys/KEY/rotate",
                r#"{"if_version":"x"}"#,
                400,
                unreadable("if_version"),
            ),
            (
                "POST",
                "transit/hash",
                r#"{"input":[]}"#,
                400,
                unreadable("input"),
            ),
            (
                "POST",
                "transit/random",
                r#"{"bytes":"x"}"#,
                400,
                unreadable("bytes"),
            ),
            ("LIST", "transit/keys?limit=x", "", 400, unreadable("limit")),
            (
                "POST",
                "transit/encrypt/KEY",
                r#"{"plaintext":"","key_version":"x"}"#,
                400,
                plain("error converting input for field \"key_version\""),
            ),
        ],
    );
}

#[test]
fn base64_is_refused_at_the_byte_where_it_breaks() {
    let at = |byte: usize| {
        format!("unable to decode input as base64: illegal base64 data at input byte {byte}")
    };
    check(
        &TestApp::shared(),
        &[
            ("POST", "transit/hash", r#"{"input":"ab-d"}"#, 400, at(2)),
            ("POST", "transit/hash", r#"{"input":"YWJ"}"#, 400, at(0)),
            ("POST", "transit/hash", r#"{"input":"YWJjZA"}"#, 400, at(4)),
            ("POST", "transit/hash", r#"{"input":"YWJjZA="}"#, 400, at(7)),
            (
                "POST",
                "transit/hash",
                r#"{"input":"YWJjZA==x"}"#,
                400,
                at(8),
            ),
        ],
    );
    let app = TestApp::shared();
    let sum = |input: &str| app.post("transit/hash", json!({"input": input})).data();
    assert_eq!(sum("YWJj\r\nZA==\n"), sum("YWJjZA=="));
}

#[test]
fn the_failures_of_keys_are_the_protocols() {
    let app = TestApp::shared();
    app.enable_mount("generic-empty", json!({"type": "transit"}));
    let missing = plain("encryption key not found");
    let period = plain("auto rotate period must be 0 to disable or at least an hour");
    let convergent = plain("convergent encryption requires derivation to be enabled");
    let not_allowed = plain("error deleting policy KEY: deletion is not allowed for this key");
    let gone = plain("error deleting policy none: could not delete key; not found");
    let size = plain("size must be 0 or a value greater or equal to 10");
    check(
        &app,
        &[
            (
                "POST",
                "transit/keys/new",
                r#"{"auto_rotate_period":3599}"#,
                400,
                period.clone(),
            ),
            (
                "POST",
                "transit/keys/new",
                r#"{"convergent_encryption":true}"#,
                400,
                convergent,
            ),
            (
                "POST",
                "transit/keys/new",
                r#"{"type":"aes512"}"#,
                400,
                plain("unknown key type"),
            ),
            ("GET", "transit/keys/none", "", 404, plain("")),
            ("LIST", "generic-empty/keys", "", 404, plain("")),
            ("GET", "generic-empty/keys/?list=t", "", 404, plain("")),
            ("DELETE", "transit/keys/KEY", "", 400, not_allowed),
            ("DELETE", "transit/keys/none", "", 400, gone),
            (
                "POST",
                "transit/keys/KEY/config",
                r#"{"auto_rotate_period":"59m"}"#,
                400,
                period,
            ),
            (
                "POST",
                "transit/keys/none/config",
                "",
                400,
                plain("no existing key named none could be found"),
            ),
            (
                "POST",
                "transit/keys/none/rotate",
                "",
                400,
                plain("key not found"),
            ),
            (
                "POST",
                "transit/keys/none/trim",
                r#"{"min_available_version":1}"#,
                400,
                plain("invalid key name"),
            ),
            (
                "POST",
                "transit/encrypt/none",
                r#"{"plaintext":""}"#,
                400,
                missing.clone(),
            ),
            ("POST", "transit/datakey/wrapped/none", "", 400, missing),
            (
                "POST",
                "transit/cache-config",
                r#"{"size":9}"#,
                400,
                size.clone(),
            ),
            (
                "POST",
                "transit/cache-config",
                r#"{"size":true}"#,
                400,
                size,
            ),
        ],
    );
    assert_eq!(app.read("new").status, 404, "nothing was created");
}

/// Writes that need no fields.
const BARE_WRITES: [&str; 7] = [
    "generic/keys/bare",
    "generic/keys/bare/rotate",
    "generic/keys/bare/config",
    "generic/datakey/wrapped/bare",
    "generic/random",
    "generic/cache-config",
    "generic/config/keys",
];

#[test]
fn nothing_null_and_an_empty_object_or_form_are_all_no_fields() {
    let app = TestApp::shared();
    app.enable_mount("generic", json!({"type": "transit"}));
    for path in BARE_WRITES {
        for method in ["POST", "PUT"] {
            for body in ["", "null", " null\n", "{}"] {
                let answer = app.request(method, path).body(body).send();
                assert_eq!(answer.status, 200, "{method} {path} {body:?}");
            }
            let form = app.request(method, path);
            let form = form.header("Content-Type", "application/x-www-form-urlencoded");
            for body in ["", "{}", " {}"] {
                assert_eq!(
                    form.clone().body(body).send().status,
                    200,
                    "{path} {body:?}"
                );
            }
        }
    }
}

#[test]
fn fields_come_from_the_body_of_writes_and_from_the_query_of_the_rest() {
    let app = TestApp::shared();
    app.enable_mount("generic-fields", json!({"type": "transit"}));
    for key in ["a", "b", "c"] {
        app.post(&format!("generic-fields/keys/{key}"), "").data();
    }
    let names = |answer: Answer| answer.data()["keys"].clone();
    for (method, query) in [
        ("LIST", "after=a&limit=1"),
        ("LIST", "limit=0x1&after=a"),
        ("GET", "list=true&after=a&limit=1"),
        ("GET", "limit=1&after=%61&list=True"),
    ] {
        let listed = app.request(method, &format!("generic-fields/keys?{query}"));
        // A body says nothing here, not even a broken one.
        assert_eq!(
            names(listed.body("{").send()),
            json!(["b"]),
            "{method} {query}"
        );
    }
    let ignored = app.post("generic-fields/cache-config?size=50", "");
    assert_eq!(ignored.data(), json!({"size": 0}));
    let form = app.request("POST", "generic-fields/cache-config");
    let form = form.header("Content-Type", "application/x-www-form-urlencoded");
    assert_eq!(form.body("size=0x10").send().data(), json!({"size": 16}));
    for (size, expected) in [
        (json!("12"), 12),
        (json!(11), 11),
        (json!(""), 0),
        (json!(null), 0),
        (json!(false), 0),
    ] {
        let answer = app.post("generic-fields/cache-config", json!({"size": size}));
        assert_eq!(answer.data(), json!({"size": expected}), "{size}");
    }
    let deleted = app
        .request("DELETE", "generic-fields/keys/a?deletion_allowed=true")
        .send();
    assert_eq!(deleted.status, 400, "a query allows nothing");
    let head = app.request("HEAD", "generic-fields/cache-config").send();
    assert_eq!((head.status, head.text()), (200, ""));
}

#[test]
fn a_token_counts_in_either_header_wherever_it_is_needed() {
    let app = TestApp::shared();
    let bearer = format!("Bearer {}", app.token);
    for path in [
        "transit/config/keys",
        "transit/cache-config",
        "/v1//transit///cache-config",
    ] {
        let with = |name: &str, value: &str| app.anonymous("GET", path).header(name, value).send();
        assert_eq!(with("Authorization", &bearer).status, 200, "{path}");
        assert_eq!(with("X-Vault-Token", &app.token).status, 200, "{path}");
        let denied = (403, plain("permission denied"));
        assert_eq!(
            with("Authorization", &app.token).refusal(),
            denied,
            "{path}"
        );
    }
}
