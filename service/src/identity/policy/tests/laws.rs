//! What holds for all policies.

use proptest::prelude::*;

use super::super::{Asked, Capability, CompiledAcl, NoParameters, Policy};
use super::model::ModelRule;
use super::policy;
use super::random::{Random, body, hcl, json};

/// Policies and a request.
struct Scene {
    sets: Vec<Vec<ModelRule>>,
    /// Near one of the paths.
    path: String,
    given: Vec<(&'static str, &'static str)>,
}

/// A scene from one seed.
fn some(seed: u64) -> Scene {
    let mut random = Random::new(seed);
    let sets: Vec<Vec<ModelRule>> = (0..3)
        .map(|_| (0..=random.below(4)).map(|_| random.rule()).collect())
        .collect();
    let near = random.pick(&[0, 1, 2]);
    let path = random.path(&sets[near][0].path);
    let given = random.given();
    Scene { sets, path, given }
}

fn policies(sets: &[Vec<ModelRule>]) -> Vec<Policy> {
    sets.iter().map(|rules| policy(&hcl(rules))).collect()
}

/// All decisions about a path.
fn decisions(acl: &CompiledAcl, path: &str, given: &[(&str, &str)]) -> Vec<bool> {
    let asked = Asked {
        path,
        parameters: &body(given),
        wrap_ttl: None,
    };
    let decide = |capability| acl.decide(capability, &asked).allowed;
    Capability::ALL.map(decide).to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn both_spellings_make_the_same_policy(seed: u64) {
        for rules in some(seed).sets {
            prop_assert_eq!(policy(&hcl(&rules)), policy(&json(&rules)));
        }
    }

    #[test]
    fn the_order_of_policies_does_not_matter(seed: u64) {
        let Scene { sets, path, given } = some(seed);
        let mut policies = policies(&sets);
        let forward = decisions(&CompiledAcl::compile(&policies), &path, &given);
        policies.reverse();
        prop_assert_eq!(&decisions(&CompiledAcl::compile(&policies), &path, &given), &forward);
        policies.rotate_left(1);
        prop_assert_eq!(&decisions(&CompiledAcl::compile(&policies), &path, &given), &forward);
    }

    #[test]
    fn a_policy_twice_is_a_policy_once(seed: u64) {
        let Scene { sets, path, given } = some(seed);
        let policies = policies(&sets);
        let once = decisions(&CompiledAcl::compile(&policies), &path, &given);
        let twice = CompiledAcl::compile(policies.iter().chain(&policies));
        prop_assert_eq!(decisions(&twice, &path, &given), once);
    }

    #[test]
    fn denying_what_was_granted_grants_nothing(seed: u64) {
        let Scene { sets, path, given } = some(seed);
        let mut policies = policies(&sets);
        let before = decisions(&CompiledAcl::compile(&policies), &path, &given);
        let mut denying = sets.concat();
        for rule in &mut denying {
            rule.words = vec!["deny"];
        }
        policies.push(policy(&hcl(&denying)));
        let acl = CompiledAcl::compile(&policies);
        prop_assert!(!decisions(&acl, &path, &given).contains(&true));
        // Also a single deny: whatever it is for, it adds nothing.
        policies.pop();
        policies.push(policy(&hcl(&denying[..1])));
        let after = decisions(&CompiledAcl::compile(&policies), &path, &given);
        for (before, after) in before.into_iter().zip(after) {
            prop_assert!(before || !after);
        }
    }

    #[test]
    fn capabilities_are_what_would_be_granted(seed: u64) {
        let Scene { mut sets, path, .. } = some(seed);
        for rule in sets.iter_mut().flatten() {
            (rule.allowed, rule.denied, rule.required) = (Vec::new(), Vec::new(), Vec::new());
        }
        let acl = CompiledAcl::compile(&policies(&sets));
        let slashed = format!("{path}/");
        for capability in Capability::ALL {
            let is_list = matches!(capability, Capability::List | Capability::Scan);
            let told = acl.capabilities(if is_list { &slashed } else { &path });
            let asked = Asked { path: &path, parameters: &NoParameters, wrap_ttl: None };
            prop_assert!(told.is_sorted());
            prop_assert_eq!(told.contains(&capability.word()), acl.decide(capability, &asked).allowed);
        }
    }
}
