//! Batches: order, references, errors by item, and the status of the whole.

use serde_json::{Value, json};

use super::data::NO_CONTEXT;
use crate::app::TestApp;
use crate::client::{Answer, multi};

const BAD_BASE64: &str = "illegal base64 data at input byte 0";
const NO_PREFIX: &str = "invalid ciphertext: no prefix";

fn unparsed(answer: &Answer, expected: &str) {
    let expected = multi(&format!("failed to parse batch input: {expected}"));
    assert_eq!(answer.refusal(), (500, expected));
}

#[test]
fn a_batch_keeps_order_and_references_through_encrypt_rewrap_and_decrypt() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let plain =
        |n: usize| json!({"plaintext": format!("{n:04}"), "reference": format!("r{n}\"<é")});
    let input: Vec<_> = (0..50).map(plain).collect();
    let sealed = app.encrypt(&key, json!({"batch_input": input, "plaintext": null}));
    assert_eq!(sealed.status, 200);
    app.rotate(&key, "").data();
    let next = |items: &[Value]| {
        let item = |item: &Value| json!({"ciphertext": item["ciphertext"], "reference": item["reference"]});
        json!({"batch_input": items.iter().map(item).collect::<Vec<_>>()})
    };
    let moved = app.rewrap(&key, next(&sealed.items()));
    let opened = app.decrypt(&key, next(&moved.items()));
    assert_eq!(opened.items(), input);
    for (before, after) in sealed.items().iter().zip(moved.items()) {
        assert_eq!(
            (&before["key_version"], &after["key_version"]),
            (&json!(1), &json!(2))
        );
    }
}

#[test]
fn an_item_that_fails_leaves_the_others_alone() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let good = app.seal(&key, "aGVsbG8=");
    let above = "requested version for encryption is higher than the latest key version";
    let input = json!({"batch_input": [
        {"plaintext": "aGVsbG8=", "reference": "a"},
        {"plaintext": "!", "reference": "b"},
        {"plaintext": "", "key_version": 7},
        {"plaintext": ""},
    ]});
    let answer = app.encrypt(&key, input);
    assert_eq!(answer.status, 400);
    let items = answer.items();
    assert_eq!(
        app.open(&key, items[0]["ciphertext"].as_str().unwrap()),
        "aGVsbG8="
    );
    assert_eq!(items[0]["reference"], "a");
    assert_eq!(items[1], json!({"error": BAD_BASE64, "reference": "b"}));
    assert_eq!(items[2], json!({"error": above, "reference": ""}));
    assert_eq!(items[3]["reference"], "");
    assert_eq!(answer.json()["errors"], Value::Null);
    let input = json!({"batch_input": [
        {"ciphertext": good, "reference": "a"},
        {"ciphertext": "x"},
        {"ciphertext": ""},
    ]});
    let answer = app.decrypt(&key, &input);
    assert_eq!(answer.status, 400);
    let expected = json!([
        {"plaintext": "aGVsbG8=", "reference": "a"},
        {"plaintext": "", "error": NO_PREFIX, "reference": ""},
        {"plaintext": "", "error": "missing ciphertext to decrypt", "reference": ""},
    ]);
    assert_eq!(json!(answer.items()), expected);
    let answer = app.rewrap(&key, &input);
    assert_eq!(answer.status, 200, "rewrap leaves it to the items");
    assert_eq!(
        answer.items()[1],
        json!({"error": NO_PREFIX, "reference": ""})
    );
    assert!(answer.items()[0]["ciphertext"].is_string());
}

#[test]
fn the_status_of_a_batch_that_failed_in_part_can_be_chosen() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let good = json!({"plaintext": ""});
    let bad = json!({"plaintext": "!"});
    let worse = json!({"plaintext": "", "associated_data": "!"});
    let send = |items: &[&Value], wanted: Option<Value>| {
        let mut body = json!({"batch_input": items});
        if let Some(wanted) = wanted {
            body["partial_failure_response_code"] = wanted;
        }
        app.encrypt(&key, body)
    };
    for (items, wanted, status) in [
        (vec![&good, &good], None, 200),
        (vec![&good, &good], Some(json!(207)), 200),
        (vec![&good, &bad, &good], None, 400),
        (vec![&good, &bad, &good], Some(json!(207)), 207),
        (vec![&good, &bad, &good], Some(json!("200")), 200),
        (vec![&good, &bad], Some(json!(599)), 599),
        (vec![&bad, &bad], Some(json!(207)), 400),
        (vec![&good, &worse], None, 500),
        (vec![&good, &worse, &bad], None, 400),
        (vec![&good, &worse], Some(json!(202)), 202),
    ] {
        let answer = send(&items, wanted.clone());
        assert_eq!(answer.status, status, "{wanted:?} {}", answer.text());
        assert_eq!(answer.items().len(), items.len());
        assert_eq!(answer.json()["warnings"], Value::Null);
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    for wanted in [0, -1, 1, 99, 199, 204, 304, 600, 1_i64 << 40] {
        let answer = send(&[&good, &bad], Some(json!(wanted)));
        assert_eq!(answer.status, 400, "{wanted}");
        let warning = "invalid HTTP response code override from partial_failure_response_code, reverting to 400";
        assert_eq!(answer.warnings(), [warning], "{wanted}");
        assert_eq!(answer.items().len(), 2);
    }
    let fault = send(&[&good], Some(json!("x"))).refusal();
    assert_eq!(fault.0, 400);
}

#[test]
fn a_batch_that_cannot_be_read_is_refused_as_a_whole() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let number = "got unconvertible type 'json.Number'";
    for (items, expected) in [
        (
            json!([{"plaintext": ""}, {}]),
            "'[1].plaintext' missing plaintext to encrypt",
        ),
        (
            json!([{"plaintext": null}]),
            "'[0].plaintext' expected type 'string', got unconvertible type '<nil>'",
        ),
        (
            json!([{"plaintext": "", "key_version": "0"}]),
            "'[0].key_version' expected type 'int', got unconvertible type 'string'",
        ),
        (
            json!([{"plaintext": 1}, {"plaintext": "", "reference": 2}]),
            &format!(
                "'[0].plaintext' expected type 'string', {number}\n'[1].reference' expected type 'string', {number}"
            ),
        ),
        (json!([[]]), "[0] expected a map, got '[]interface {}'"),
        (
            json!({}),
            "source data must be an array or slice, got: map[string]interface {}",
        ),
        (
            json!("x"),
            "source data must be an array or slice, got: string",
        ),
    ] {
        unparsed(&app.encrypt(&key, json!({"batch_input": items})), expected);
    }
    let missing = json!({"batch_input": [{"reference": "a"}]});
    unparsed(
        &app.decrypt(&key, &missing),
        "'[0].ciphertext' missing ciphertext to decrypt",
    );
    let answer = app.rewrap(&key, &missing);
    let expected = json!({"error": "missing ciphertext to decrypt", "reference": "a"});
    assert_eq!((answer.status, &answer.items()[0]), (200, &expected));
    let version = json!({"batch_input": [{"ciphertext": "x", "key_version": "1"}]});
    unparsed(
        &app.rewrap(&key, version),
        "'[0].key_version' expected type 'int', got unconvertible type 'string'",
    );
}

#[test]
fn an_empty_batch_and_mixed_contexts_are_refused() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let empty = json!({"batch_input": []});
    let mixed = |field: &str| json!({"batch_input": [{field: "", "context": "AAAA"}, {field: ""}, {field: "", "context": ""}]});
    let all_or_none = "context should be set either in all the request blocks or in none";
    for (answer, expected) in [
        (app.encrypt(&key, &empty), "missing batch input to process"),
        (app.decrypt(&key, &empty), "missing batch input to process"),
        (app.rewrap(&key, &empty), "missing batch input to process"),
        (app.encrypt(&key, mixed("plaintext")), all_or_none),
        (app.decrypt(&key, mixed("ciphertext")), all_or_none),
    ] {
        assert_eq!(answer.refusal(), (400, expected.to_owned()));
    }
}

#[test]
fn items_of_a_derived_key_fail_one_by_one() {
    let app = TestApp::shared();
    let key = app.ring(json!({"derived": true}));
    let answer = app.encrypt(
        &key,
        json!({"batch_input": [{"plaintext": ""}, {"plaintext": ""}]}),
    );
    let expected = json!({"error": NO_CONTEXT, "reference": ""});
    assert_eq!(
        (answer.status, answer.items()),
        (400, vec![expected.clone(), expected])
    );
    let bad = json!({"batch_input": [{"plaintext": "", "context": "!"}, {"plaintext": "", "context": "AAAA"}]});
    let answer = app.encrypt(&key, bad);
    assert_eq!(answer.status, 400);
    assert_eq!(answer.items()[0]["error"], BAD_BASE64);
    assert_eq!(answer.items()[1]["key_version"], 1);
}

#[test]
fn what_stands_beside_a_batch_is_not_looked_at_and_unknown_fields_are_told() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let body = json!({
        "batch_input": [{"plaintext": "", "unknown": [1], "nonce": "x"}], "plaintext": "!", "nonce": "",
    });
    let answer = app.encrypt(&key, body);
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.warnings(),
        ["Endpoint ignored these unrecognized parameters: [nonce]"]
    );
    let single = app.decrypt(
        &key,
        json!({"batch_input": null, "ciphertext": app.seal(&key, "")}),
    );
    assert_eq!(single.data(), json!({"plaintext": ""}));
}

#[test]
fn a_hundred_thousand_items_are_a_batch_and_one_more_is_not() {
    let app = TestApp::shared();
    let key = app.ring(json!({}));
    let body = |items: usize| {
        format!(
            r#"{{"batch_input":[{}{{"plaintext":""}}]}}"#,
            r#"{"plaintext":""},"#.repeat(items - 1)
        )
    };
    assert_eq!(app.encrypt(&key, body(100_000)).items().len(), 100_000);
    let (status, text) = app.encrypt(&key, body(100_001)).refusal();
    assert_eq!(status, 400);
    assert!(
        text.starts_with("failed to decode JSON input: more than 100000 items in a list"),
        "{text}"
    );
}

#[test]
fn a_ring_that_serves_nobody_says_so_of_each_item() {
    let app = TestApp::shared();
    let aside = app.ring(json!({}));
    let sealed = app.seal(&aside, "aGk=");
    let set_aside = app.request("DELETE", &format!("transit/keys/{aside}/soft-delete"));
    assert_eq!(set_aside.send().status, 200);
    let signs = app.ring(json!({"type": "ed25519"}));
    let two = |field: &str, text: &str| json!({"batch_input": [{field: text, "reference": "a"}, {field: text}]});
    let plain = two("plaintext", "aGk=");
    for (answer, status) in [
        (app.encrypt(&aside, &plain), 400),
        (app.encrypt(&signs, &plain), 400),
        (app.decrypt(&aside, two("ciphertext", &sealed)), 400),
        (app.rewrap(&aside, two("ciphertext", &sealed)), 200),
    ] {
        assert_eq!(answer.status, status, "{}", answer.text());
        let items = answer.items();
        assert_eq!(items.len(), 2);
        assert_eq!(
            (&items[0]["reference"], &items[1]["reference"]),
            (&json!("a"), &json!(""))
        );
        for item in items {
            let error = item["error"].as_str().unwrap();
            let expected = [
                "refusing to use soft-deleted key",
                "message encryption not supported",
            ];
            assert!(
                expected.iter().any(|text| error.starts_with(text)),
                "{error}"
            );
        }
    }
    let single = app.encrypt(&aside, json!({"plaintext": "aGk="}));
    assert_eq!(single.refusal().0, 400);
}
