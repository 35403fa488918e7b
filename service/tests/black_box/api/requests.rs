//! What holds for every request: methods, bodies, tokens, headers, envelopes, paths.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::client::Answer;

#[test]
fn put_is_post_and_an_unknown_method_is_not_allowed() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let path = format!("transit/encrypt/{key}");
    for method in ["PUT", "POST"] {
        let answer = app
            .request(method, &path)
            .body(json!({"plaintext": ""}))
            .send();
        assert_eq!(answer.data()["key_version"], 1);
    }
    for method in ["FOO", "TRACE", "OPTIONS", "get", "SCAN"] {
        let answer = app.request(method, &path).send();
        assert_eq!(answer.refusal(), (405, String::new()), "{method}");
    }
}

#[test]
fn head_has_the_status_and_headers_of_get_and_no_body() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    for (path, status) in [
        (format!("transit/keys/{key}"), 200),
        ("transit/keys/absent-for-head".to_owned(), 404),
        ("sys/health".to_owned(), 200),
        ("sys/seal-status".to_owned(), 200),
    ] {
        let answer = app.request("HEAD", &path).send();
        assert_eq!((answer.status, answer.text()), (status, ""), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}

#[test]
fn a_token_is_read_from_either_header_and_anything_else_is_denied() {
    let app = TestApp::shared();
    let denied = (403, "permission denied".to_owned());
    let get = |headers: &[(&str, &str)]| -> Answer {
        let request = app.anonymous("GET", "auth/token/lookup-self");
        let add = |request: crate::client::Request, (name, value): &(&str, &str)| {
            request.header(name, value)
        };
        headers.iter().fold(request, add).send()
    };
    let bearer = format!("Bearer {}", app.token);
    assert_eq!(get(&[("X-Vault-Token", &app.token)]).status, 200);
    assert_eq!(get(&[("Authorization", &bearer)]).status, 200);
    assert_eq!(
        get(&[("authorization", &bearer.replace("Bearer", "bearer"))]).status,
        200
    );
    assert_eq!(
        get(&[("X-Vault-Token", ""), ("Authorization", &bearer)]).status,
        200
    );
    for headers in [
        vec![],
        vec![("X-Vault-Token", "wrong")],
        vec![
            ("X-Vault-Token", "wrong"),
            ("Authorization", bearer.as_str()),
        ],
        vec![("Authorization", app.token.as_str())],
        vec![("Authorization", "Basic cm9vdDpyb290")],
        vec![("Cookie", app.token.as_str())],
    ] {
        assert_eq!(get(&headers).refusal(), denied, "{headers:?}");
    }
    for path in [
        "transit/nothing",
        "nowhere/keys/a",
        "transit/keys/a",
        "sys/mounts",
    ] {
        let answer = app.anonymous("GET", path).send();
        assert_eq!(answer.refusal(), denied, "{path}: strangers learn nothing");
    }
}

#[test]
fn an_envelope_has_its_eight_keys_and_its_headers() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let answer = app.read(&key);
    let json = answer.json();
    let keys: Vec<_> = json
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut expected = [
        "request_id",
        "lease_id",
        "renewable",
        "lease_duration",
        "data",
        "wrap_info",
        "warnings",
        "auth",
    ];
    expected.sort_unstable();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    for (field, value) in [
        ("lease_id", json!("")),
        ("renewable", json!(false)),
        ("lease_duration", json!(0)),
        ("wrap_info", Value::Null),
        ("warnings", Value::Null),
        ("auth", Value::Null),
    ] {
        assert_eq!(json[field], value, "{field}");
    }
    assert_eq!(json["request_id"].as_str().unwrap().len(), 36);
    assert_ne!(app.read(&key).json()["request_id"], json["request_id"]);
    assert!(answer.text().ends_with("}\n"));
    for (header, value) in [
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
        (
            "strict-transport-security",
            "max-age=31536000; includeSubDomains",
        ),
    ] {
        assert_eq!(answer.header(header), Some(value));
        assert_eq!(app.read("absent").header(header), Some(value));
    }
}

#[test]
fn the_content_type_of_a_request_matters_only_for_forms() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let form = "application/x-www-form-urlencoded";
    let send = |kind: &str, body: &str| {
        let request = app.request("POST", &format!("transit/encrypt/{key}"));
        request.header("Content-Type", kind).body(body).send()
    };
    for (kind, body) in [
        (form, "plaintext=aGVsbG8%3D"),
        (
            form,
            "plaintext=aGVsbG8%3D&key_version=0x1&associated_data=",
        ),
        (form, "  {\"plaintext\":\"aGVsbG8=\"}"),
        (
            "application/x-www-form-urlencoded; charset=utf-8",
            "plaintext=aGVsbG8%3D",
        ),
        ("text/plain", "{\"plaintext\":\"aGVsbG8=\"}"),
        ("", "{\"plaintext\":\"aGVsbG8=\"}"),
    ] {
        let data = send(kind, body).data();
        assert_eq!(
            app.open(&key, data["ciphertext"].as_str().unwrap()),
            "aGVsbG8=",
            "{kind} {body}"
        );
    }
    assert_eq!(
        send(form, "").refusal(),
        (400, "missing plaintext to encrypt".to_owned())
    );
    assert_eq!(send("text/plain", "plaintext=aGVsbG8%3D").status, 400);
    let many = "a=b&".repeat(257) + "plaintext=";
    for broken in [
        "plaintext=&associated_data=%zz",
        "plaintext=%ff",
        "%f=1",
        many.as_str(),
    ] {
        let refusal = send(form, broken).refusal();
        assert_eq!(
            refusal,
            (400, "failed to decode form input".to_owned()),
            "{broken}"
        );
    }
    let created = app
        .request("POST", "transit/keys/from-a-form")
        .header("Content-Type", form);
    let data = created
        .body("type=aes128-gcm96&exportable=true&auto_rotate_period=1h")
        .send()
        .data();
    assert_eq!(
        (&data["type"], &data["exportable"]),
        (&json!("aes128-gcm96"), &json!(true))
    );
    assert_eq!(data["auto_rotate_period"], 3600);
}

#[test]
fn a_query_is_no_body_of_a_write() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let answer = app.post(&format!("transit/encrypt/{key}?plaintext=aGVsbG8%3D"), "");
    assert_eq!(
        answer.refusal(),
        (400, "missing plaintext to encrypt".to_owned())
    );
}

#[test]
fn single_fields_are_typed_weakly() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let sealed = |plaintext: Value| {
        let data = app.encrypt(&key, json!({"plaintext": plaintext})).data();
        app.open(&key, data["ciphertext"].as_str().unwrap())
    };
    assert_eq!(sealed(json!(1234)), "1234");
    assert_eq!(sealed(json!("1234")), "1234");
    for (plaintext, field) in [
        (json!(1.5), "plaintext"),
        (json!(["a"]), "plaintext"),
        (json!({"a": "b"}), "plaintext"),
    ] {
        let expected = format!("error converting input for field \"{field}\"");
        let answer = app.encrypt(&key, json!({"plaintext": plaintext}));
        assert_eq!(answer.refusal(), (400, expected));
    }
    let answer = app.decrypt(&key, json!({"ciphertext": []}));
    let expected = "Field validation failed: error converting input for field \"ciphertext\"";
    assert_eq!(answer.refusal(), (400, expected.to_owned()));
}

#[test]
fn paths_have_one_meaning_however_they_are_spelled() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    for path in [
        format!("/v1/transit/keys/{key}"),
        format!("//v1//transit///keys/{key}"),
        format!("/v1/transit/keys%2F{key}"),
        format!("/v1/%74ransit/keys/{key}"),
    ] {
        assert_eq!(app.get(&path).data()["name"], key, "{path}");
    }
    let relative = "relative paths not supported".to_owned();
    for path in [
        "/v1/transit/../sys/health",
        "/v1/transit/keys/../keys/a",
        "/v1/transit/%2e%2e/sys/health",
        "/v1/./transit/keys/a",
    ] {
        assert_eq!(app.get(path).refusal(), (400, relative.clone()), "{path}");
    }
    for path in [
        "/v1/transit/keys/%zz",
        "/v1/transit/keys/%ff",
        "/v1/transit/keys/a%2",
    ] {
        assert_eq!(
            app.get(path).refusal(),
            (400, "invalid URL escape".to_owned()),
            "{path}"
        );
    }
    for path in [
        "/",
        "/v2/transit/keys/a",
        "/ui",
        "/v1x/sys/health",
        "/metrics",
    ] {
        assert_eq!(app.get(path).refusal(), (404, String::new()), "{path}");
    }
    let nowhere = "no handler for route \"nowhere/keys/a\". route entry not found.";
    assert_eq!(
        app.get("nowhere/keys/a").refusal(),
        (404, nowhere.to_owned())
    );
    let odd = "no handler for route. route entry not found.";
    assert_eq!(
        app.get("no%20where/keys/a").refusal(),
        (404, odd.to_owned())
    );
}

#[test]
fn names_keep_to_their_grammar() {
    let app = TestApp::shared();
    let longest = "n".repeat(255);
    for name in ["a", "_", "0", "A.b-c", "a..b", longest.as_str()] {
        assert_eq!(app.create(name, "").data()["name"], *name);
    }
    let too_long = "n".repeat(256);
    for name in [
        "-a",
        "a-",
        ".a",
        "a.",
        "a%20b",
        "a%00",
        "a%0a",
        "%c3%a9",
        "a:b",
        "a*",
        "a%25",
        "a%5cb",
        too_long.as_str(),
    ] {
        let answer = app.create(name, "");
        let expected = crate::client::multi("unsupported path");
        assert_eq!(answer.refusal(), (404, expected), "{name}");
    }
    app.create("case", json!({"type": "aes128-gcm96"})).data();
    app.create("Case", json!({"type": "aes256-gcm96"})).data();
    assert_eq!(app.read("case").data()["type"], "aes128-gcm96");
    assert_eq!(app.read("Case").data()["type"], "aes256-gcm96");
}

#[test]
fn headers_that_change_the_meaning_are_honoured_or_refused() {
    let app = TestApp::shared();
    let with = |name: &str, value: &str| {
        app.request("GET", "transit/keys/absent")
            .header(name, value)
            .send()
    };
    let absent = (404, String::new());
    for (name, value) in [
        ("X-Vault-Namespace", ""),
        ("X-Vault-Namespace", "root"),
        ("X-Vault-Request", "true"),
        ("X-Vault-Wrap-TTL", "0"),
        ("X-Vault-Index", "v1:abc"),
        ("X-Vault-No-Request-Forwarding", "true"),
    ] {
        assert_eq!(with(name, value).refusal(), absent, "{name}: {value}");
    }
    let namespace = (404, "namespace not found".to_owned());
    assert_eq!(with("X-Vault-Namespace", "team").refusal(), namespace);
    for value in ["60", "1h"] {
        assert_eq!(
            with("X-Vault-Wrap-TTL", value).refusal(),
            absent,
            "errors are not wrapped"
        );
    }
    let (status, text) = with("X-Vault-Wrap-TTL", "x").refusal();
    assert!(
        status == 400 && text.starts_with("error parsing X-Vault-Wrap-TTL header: "),
        "{text}"
    );
}
