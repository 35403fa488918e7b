//! Hashes and random bytes, under a mount and under `sys/tools`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::app::TestApp;

/// FIPS 180-4 and FIPS 202, of "the quick brown fox".
const SUMS: [(&str, &str); 8] = [
    (
        "sha2-224",
        "ea074a96cabc5a61f8298a2c470f019074642631a49e1c5e2f560865",
    ),
    (
        "sha2-256",
        "9ecb36561341d18eb65484e833efea61edc74b84cf5e6ae1b81c63533e25fc8f",
    ),
    (
        "sha2-384",
        "15af9ec8be783f25c583626e9491dbf129dd6dd620466fdf05b3a1d0bb8381d30f4d3ec29f923ff1e09a0f6b337365a6",
    ),
    (
        "sha2-512",
        "d9d380f29b97ad6a1d92e987d83fa5a02653301e1006dd2bcd51afa59a9147e9caedaf89521abc0f0b682adcd47fb512b8343c834a32f326fe9bef00542ce887",
    ),
    (
        "sha3-224",
        "ced91e69d89c837e87cff960bd64fd9b9f92325fb9add8988d33d007",
    ),
    (
        "sha3-256",
        "e4bd866ec3fa52df3b7842aa97b448bc859a7606cefcdad1715847f4b82a6c93",
    ),
    (
        "sha3-384",
        "715cd38cbf8d0bab426b6a084d649760be555dd64b34de6db148a3fbf2cd2aa5d8b03eb6eda73a3e9a8769c00b4c2113",
    ),
    (
        "sha3-512",
        "f7cac5ad830422a5408b36a60a60620687be180765a3e2895bc3bdbd857c9e08246c83064d4e3612f0cb927f3ead208413ab98624bf7b0617af0f03f62080976",
    ),
];

const FOX: &str = "dGhlIHF1aWNrIGJyb3duIGZveA==";

#[test]
fn sums_are_those_of_the_standards_in_both_places() {
    let app = TestApp::shared();
    for place in ["transit", "sys/tools"] {
        for (name, sum) in SUMS {
            let in_body = app.post(
                &format!("{place}/hash"),
                json!({"input": FOX, "algorithm": name}),
            );
            assert_eq!(in_body.data(), json!({"sum": sum}), "{place} {name}");
            let in_path = app.post(
                &format!("{place}/hash/{name}"),
                json!({"input": FOX, "algorithm": "sha1"}),
            );
            assert_eq!(in_path.data(), json!({"sum": sum}), "{place} {name}");
        }
        let in_base64 = app.post(
            &format!("{place}/hash"),
            json!({"input": FOX, "format": "base64"}),
        );
        assert_eq!(
            in_base64.data()["sum"],
            "nss2VhNB0Y62VIToM+/qYe3HS4TPXmrhuBxjUz4l/I8="
        );
    }
}

#[test]
fn a_long_input_is_hashed_by_the_workers_to_the_same_sum() {
    let app = TestApp::shared();
    let zeroes = "A".repeat(400_000);
    let sum = app.post("transit/hash", json!({"input": zeroes})).data();
    assert_eq!(
        sum["sum"],
        "886715e4051e827f4fe215df3053af3f85ad0d352db2c829c7487af6d78efe30"
    );
    let longest = "A".repeat(20 << 20);
    let answer = app.post("sys/tools/hash/sha2-512", json!({"input": longest}));
    assert_eq!(answer.data()["sum"].as_str().unwrap().len(), 128);
}

#[test]
fn random_bytes_are_as_many_as_asked_for_and_never_the_same() {
    let app = TestApp::shared();
    let mut seen = BTreeSet::new();
    for place in ["transit", "sys/tools"] {
        for (below, body, text_length) in [
            ("", json!({}), 44),
            ("", json!({"bytes": 16, "format": "hex"}), 32),
            ("/16", json!({"bytes": 1, "format": "hex"}), 32),
            ("/platform", json!({"bytes": "16", "format": "hex"}), 32),
            ("/seal/16", json!({"format": "hex"}), 32),
            ("/all/131072", json!({"format": "hex"}), 262_144),
        ] {
            let answer = app.post(&format!("{place}/random{below}"), body);
            let text = answer.data()["random_bytes"].as_str().unwrap().to_owned();
            assert_eq!(text.len(), text_length, "{place}{below}");
            assert_eq!(answer.warnings().is_empty(), !below.contains("seal"));
            assert!(seen.insert(text), "{place}{below} came twice");
        }
    }
}

#[test]
fn tokens_may_hash_below_sys_and_below_mounts_only_if_a_policy_says_so() {
    let app = TestApp::shared();
    let body = json!({"policies": ["default"]});
    let made = app.post("auth/token/create", body).json();
    let token = made["auth"]["client_token"].as_str().unwrap();
    let status = |path: &str| {
        let request = app
            .anonymous("POST", path)
            .header("X-Vault-Token", token)
            .body(json!({"input": FOX}));
        request.send().status
    };
    assert_eq!(status("sys/tools/hash"), 200);
    assert_eq!(status("sys/tools/hash/sha3-512"), 200);
    for path in ["sys/tools/random", "transit/hash", "transit/random/5"] {
        assert_eq!(status(path), 403, "{path}");
    }
    let nobody = app.anonymous("POST", "sys/tools/hash").send();
    assert_eq!(nobody.refusal(), (403, "permission denied".to_owned()));
}

#[test]
fn fields_that_the_path_replaces_are_warned_of() {
    let app = TestApp::shared();
    let answer = app.post("transit/random/8", json!({"source": "nowhere", "odd": 1}));
    let expected = [
        "Endpoint ignored these unrecognized parameters: [odd]",
        "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [source]",
    ];
    assert_eq!(answer.warnings(), expected);
    assert_ne!(answer.data()["random_bytes"], Value::Null);
}
