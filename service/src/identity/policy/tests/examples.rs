//! The operators' page: its policies are policies, and do what it says of them.

use super::super::{Asked, Capability, CompiledAcl, NoParameters};
use super::policy;

const PAGE: &str = include_str!("../../../../../docs/policies.md");

/// The blocks of the page in this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    let after = PAGE.split(&*fence).skip(1);
    after.filter_map(|text| text.split("```").next()).collect()
}

fn grants(text: &str, word: &str, path: &str) -> bool {
    let asked = Asked {
        path,
        parameters: &NoParameters,
        wrap_ttl: None,
    };
    let acl = CompiledAcl::compile([&policy(text)]);
    acl.decide(Capability::parse(word).unwrap(), &asked).allowed
}

/// The example policies of the page: how it begins, the language's own, and then one for each kind of caller.
fn examples() -> [&'static str; 9] {
    blocks("hcl")
        .try_into()
        .expect("the page has other examples now")
}

fn check(text: &str, granted: &[(&str, &str)], denied: &[(&str, &str)]) {
    for (word, path) in granted {
        assert!(grants(text, word, path), "{word} {path}");
    }
    for (word, path) in denied {
        assert!(!grants(text, word, path), "{word} {path}");
    }
}

#[test]
fn the_policies_for_those_who_use_keys_do_what_the_page_says() {
    let [_, _, application, rewrap, signer, verifier, ..] = examples();
    check(
        application,
        &[("update", "transit/encrypt/orders")],
        &[
            ("create", "transit/encrypt/orders"),
            ("update", "transit/encrypt/other"),
            ("update", "transit/decrypt/orders"),
            ("read", "transit/keys/orders"),
        ],
    );
    check(
        rewrap,
        &[
            ("update", "transit/rewrap/orders"),
            ("read", "transit/keys/orders"),
        ],
        &[
            ("update", "transit/decrypt/orders"),
            ("update", "transit/keys/orders/rotate"),
        ],
    );
    check(
        signer,
        &[
            ("update", "transit/sign/releases"),
            ("read", "transit/keys/releases"),
        ],
        &[
            ("update", "transit/sign/releases/sha2-512"),
            ("update", "transit/hmac/releases"),
            ("read", "transit/export/signing-key/releases"),
        ],
    );
    check(
        verifier,
        &[
            ("update", "transit/verify/releases"),
            ("read", "transit/export/public-key/releases"),
        ],
        &[
            ("update", "transit/sign/releases"),
            ("update", "transit/hmac/releases"),
            ("read", "transit/export/signing-key/releases"),
        ],
    );
}

#[test]
fn the_policies_for_those_who_look_after_keys_do_what_the_page_says() {
    let [.., keeper, auditor, operator] = examples();
    check(
        keeper,
        &[
            ("update", "transit/keys/orders"),
            ("delete", "transit/keys/orders"),
            ("update", "transit/keys/orders/rotate"),
        ],
        &[
            ("read", "transit/export/encryption-key/orders"),
            ("read", "transit/byok-export/there/orders"),
            ("read", "transit/backup/orders"),
            ("update", "transit/restore/orders"),
            ("update", "transit/keys/orders/import"),
        ],
    );
    check(
        auditor,
        &[
            ("list", "transit/keys"),
            ("read", "transit/keys/orders/history"),
        ],
        &[
            ("read", "transit/keys/orders"),
            ("update", "transit/keys/orders/config"),
        ],
    );
    check(
        operator,
        &[
            ("list", "transit/keys"),
            ("update", "transit/keys/orders"),
            ("update", "transit/keys/orders/rotate"),
            ("list", "sys/policies/acl"),
        ],
        &[
            ("update", "transit/keys/orders/trim"),
            ("delete", "transit/keys/orders"),
            ("update", "transit/decrypt/orders"),
            ("update", "sys/policies/acl/root"),
        ],
    );
}

#[test]
fn the_first_policy_is_the_same_in_both_languages() {
    assert_eq!(policy(blocks("hcl")[0]), policy(blocks("json")[0]));
}
