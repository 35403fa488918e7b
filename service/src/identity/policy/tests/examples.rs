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

#[test]
fn the_policies_of_the_page_do_what_it_says() {
    let [_, _, application, rewrap, auditor, operator] = blocks("hcl")[..] else {
        panic!("the page has other examples now");
    };
    for (text, granted, denied) in [
        (
            application,
            &[("update", "transit/encrypt/orders")][..],
            &[
                ("create", "transit/encrypt/orders"),
                ("update", "transit/encrypt/other"),
                ("update", "transit/decrypt/orders"),
                ("read", "transit/keys/orders"),
            ][..],
        ),
        (
            rewrap,
            &[
                ("update", "transit/rewrap/orders"),
                ("read", "transit/keys/orders"),
            ],
            &[
                ("update", "transit/decrypt/orders"),
                ("update", "transit/keys/orders/rotate"),
            ],
        ),
        (
            auditor,
            &[
                ("list", "transit/keys"),
                ("read", "transit/keys/orders/history"),
            ],
            &[
                ("read", "transit/keys/orders"),
                ("update", "transit/keys/orders/config"),
            ],
        ),
        (
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
        ),
    ] {
        for (word, path) in granted {
            assert!(grants(text, word, path), "{word} {path}");
        }
        for (word, path) in denied {
            assert!(!grants(text, word, path), "{word} {path}");
        }
    }
}

#[test]
fn the_first_policy_is_the_same_in_both_languages() {
    assert_eq!(policy(blocks("hcl")[0]), policy(blocks("json")[0]));
}
