//! Decisions against the model's, from the policies' texts on.

use keyring::test_support::engine::rounds;

use super::super::{Asked, Capability, CompiledAcl, Policy};
use super::model::{self, ModelRule};
use super::policy;
use super::random::{ASKED, Random, body, hcl, json};

/// How many requests are asked of one set of policies.
const ASKED_OF_EACH: usize = 10;

#[test]
fn decisions_are_those_of_the_model() {
    let mut random = Random::new(3);
    let mut granted = 0;
    let cases = rounds(100_000, 1_000_000);
    for round in 0..cases / ASKED_OF_EACH {
        let sets: Vec<Vec<ModelRule>> = (0..=random.below(3))
            .map(|_| (0..=random.below(4)).map(|_| random.rule()).collect())
            .collect();
        let spell = if round % 2 == 0 { hcl } else { json };
        let policies: Vec<Policy> = sets.iter().map(|rules| policy(&spell(rules))).collect();
        let acl = CompiledAcl::compile(&policies);
        let rules = sets.concat();
        for _ in 0..ASKED_OF_EACH {
            let near = random.below(rules.len());
            let path = random.path(&rules[near].path);
            let word = random.pick(&ASKED);
            let given = random.given();
            let asked = Asked {
                path: &path,
                parameters: &body(&given),
                wrap_ttl: None,
            };
            let decided = acl.decide(Capability::parse(word).unwrap(), &asked).allowed;
            let expected = model::allows(&rules, word, &path, &given);
            assert_eq!(decided, expected, "{word} {path} {given:?} {rules:#?}");
            granted += usize::from(decided);
        }
    }
    // Else the comparison would say little.
    assert!(granted > cases / 20, "{granted} of {cases}");
    assert!(granted < cases / 2, "{granted} of {cases}");
}
