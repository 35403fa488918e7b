//! What a rule demands of a request beyond its path: parameters and a wrapping TTL.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::acl::Asked;
use super::capability::Capability;
use super::parameter::{Given, Literal};

/// Values by the name of their parameter, in small letters; no values stand for any value.
pub(super) type ByName = BTreeMap<Box<str>, BTreeSet<Literal>>;

/// The name that stands for every parameter.
const EVERY: &str = "*";

/// What a rule demands. The default demands nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restrictions {
    /// If there are any: no other parameters, and these with no other values.
    pub(super) allowed: ByName,
    /// None of these parameters with these values.
    pub(super) denied: ByName,
    /// All of these parameters.
    pub(super) required: BTreeSet<Box<str>>,
    /// The answer must be wrapped, and not for less.
    pub(super) min_wrapping_ttl: Option<Duration>,
    /// The answer must be wrapped, and not for longer.
    pub(super) max_wrapping_ttl: Option<Duration>,
}

impl Restrictions {
    /// Whether nothing is demanded.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Demands what another rule for the same path demands, too. As in Vault, the sums of what is allowed and of what
    /// is denied count, all that is required, and of several TTLs the shortest.
    pub(super) fn merge(&mut self, other: &Self) {
        merge_values(&mut self.allowed, &other.allowed);
        merge_values(&mut self.denied, &other.denied);
        self.required.extend(other.required.iter().cloned());
        self.min_wrapping_ttl = shorter(self.min_wrapping_ttl, other.min_wrapping_ttl);
        self.max_wrapping_ttl = shorter(self.max_wrapping_ttl, other.max_wrapping_ttl);
    }

    /// Whether a request meets the demands.
    pub(super) fn admit(&self, capability: Capability, asked: &Asked<'_>) -> bool {
        self.admit_wrapping(asked.wrap_ttl) && self.admit_parameters(capability, asked)
    }

    fn admit_wrapping(&self, ttl: Option<Duration>) -> bool {
        let longest = self.max_wrapping_ttl;
        let shortest = self.min_wrapping_ttl;
        // Rules that were merged may leave no TTL that both admit.
        let fits =
            |ttl| longest.is_none_or(|max| ttl <= max) && shortest.is_none_or(|min| ttl >= min);
        (longest.is_none() && shortest.is_none()) || ttl.is_some_and(fits)
    }

    /// As in Vault, parameters of deletes and lists are not looked at.
    fn admit_parameters(&self, capability: Capability, asked: &Asked<'_>) -> bool {
        let looked_at = match capability {
            Capability::Create | Capability::Patch | Capability::Read | Capability::Update => true,
            Capability::Delete | Capability::List | Capability::Scan | Capability::Sudo => false,
        };
        let names_some =
            !(self.allowed.is_empty() && self.denied.is_empty() && self.required.is_empty());
        if !looked_at || !names_some || !asked.parameters.are_known() {
            return true;
        }
        let mut missing: BTreeSet<&str> = self.required.iter().map(|name| &**name).collect();
        let good = asked.parameters.all(&mut |name, given| {
            missing.remove(name);
            !self.denies(name, given) && self.allows(name, given)
        });
        good && missing.is_empty()
    }

    fn denies(&self, name: &str, given: Given<'_>) -> bool {
        let denied = |values: &BTreeSet<Literal>| {
            values.is_empty() || values.iter().any(|value| value.may_be(given))
        };
        self.denied.contains_key(EVERY) || values_of(&self.denied, name).is_some_and(denied)
    }

    fn allows(&self, name: &str, given: Given<'_>) -> bool {
        if self.allowed.is_empty() {
            return true;
        }
        match values_of(&self.allowed, name) {
            Some(values) => {
                let only_every = name == EVERY && self.allowed.len() == 1;
                only_every || values.is_empty() || values.iter().any(|value| value.is(given))
            }
            None => self.allowed.contains_key(EVERY),
        }
    }

    /// About how many bytes these take.
    pub(super) fn bytes(&self) -> usize {
        let of_values = |values: &ByName| -> usize {
            let each = values
                .iter()
                .map(|(name, values)| name.len() + 48 + 48 * values.len());
            each.sum()
        };
        let required: usize = self.required.iter().map(|name| name.len() + 32).sum();
        size_of::<Self>() + of_values(&self.allowed) + of_values(&self.denied) + required
    }
}

fn values_of<'v>(values: &'v ByName, name: &str) -> Option<&'v BTreeSet<Literal>> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        values.get(name.to_ascii_lowercase().as_str())
    } else {
        values.get(name)
    }
}

/// Adds values; any value on either side stays any value.
pub(super) fn merge_values(mine: &mut ByName, theirs: &ByName) {
    for (name, values) in theirs {
        match mine.get_mut(name) {
            None => {
                mine.insert(name.clone(), values.clone());
            }
            Some(known) if known.is_empty() || values.is_empty() => known.clear(),
            Some(known) => known.extend(values.iter().cloned()),
        }
    }
}

fn shorter(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(values: &[(&str, &[&str])]) -> ByName {
        let text = |text: &&str| Literal::Text((*text).into());
        let each = values.iter();
        each.map(|(name, list)| ((*name).into(), list.iter().map(text).collect()))
            .collect()
    }

    fn admits(restrictions: &Restrictions, body: &serde_json::Value) -> bool {
        let asked = Asked {
            path: "",
            parameters: body.as_object().unwrap(),
            wrap_ttl: None,
        };
        restrictions.admit(Capability::Update, &asked)
    }

    #[test]
    fn only_what_is_allowed_may_be_given() {
        let restrictions = Restrictions {
            allowed: values(&[("type", &["aes*", "x"]), ("any", &[])]),
            ..Restrictions::default()
        };
        for body in [
            json!({}),
            json!({"type": "aes128"}),
            json!({"any": [1], "type": "x"}),
            json!({"TYPE": "x"}),
        ] {
            assert!(admits(&restrictions, &body), "{body}");
        }
        for body in [
            json!({"type": "y"}),
            json!({"other": "x"}),
            json!({"type": ["x"]}),
            json!({"type": "x", "TYPE": "y"}),
        ] {
            assert!(!admits(&restrictions, &body), "{body}");
        }
    }

    #[test]
    fn a_star_allows_the_rest_and_denies_all() {
        let mut restrictions = Restrictions {
            allowed: values(&[("type", &["x"]), ("*", &[])]),
            ..Restrictions::default()
        };
        assert!(admits(&restrictions, &json!({"type": "x", "other": 1})));
        assert!(!admits(&restrictions, &json!({"type": "y", "other": 1})));
        restrictions.denied = values(&[("*", &[])]);
        assert!(!admits(&restrictions, &json!({"type": "x"})));
        assert!(admits(&restrictions, &json!({})));
    }

    #[test]
    fn what_is_denied_may_not_be_given_and_what_is_required_must() {
        let restrictions = Restrictions {
            denied: values(&[("type", &["rsa*"]), ("exportable", &[])]),
            required: [Box::from("name")].into(),
            ..Restrictions::default()
        };
        assert!(admits(&restrictions, &json!({"name": null, "type": "aes"})));
        for body in [
            json!({}),
            json!({"NAME": 1}),
            json!({"name": 1, "type": "rsa-2048"}),
            json!({"name": 1, "Type": "rsa-2048"}),
            json!({"name": 1, "exportable": false}),
        ] {
            assert!(!admits(&restrictions, &body), "{body}");
        }
    }

    #[test]
    fn unreadable_parameters_admit_nothing() {
        struct Broken;
        impl super::super::parameter::Parameters for Broken {
            fn all(&self, _: &mut dyn FnMut(&str, Given<'_>) -> bool) -> bool {
                false
            }
        }
        let asked = Asked {
            path: "",
            parameters: &Broken,
            wrap_ttl: None,
        };
        let restrictions = Restrictions {
            required: [Box::from("name")].into(),
            ..Restrictions::default()
        };
        assert!(!restrictions.admit(Capability::Create, &asked));
        assert!(restrictions.admit(Capability::Delete, &asked));
        assert!(Restrictions::default().admit(Capability::Create, &asked));
    }

    #[test]
    fn wrapping_ttls_bound_what_must_be_asked_for() {
        let secs = |secs| Some(Duration::from_secs(secs));
        let of = |min, max| Restrictions {
            min_wrapping_ttl: min,
            max_wrapping_ttl: max,
            ..Restrictions::default()
        };
        for (restrictions, ttl, expected) in [
            (of(None, None), None, true),
            (of(secs(10), None), None, false),
            (of(secs(10), None), secs(9), false),
            (of(secs(10), None), secs(10), true),
            (of(None, secs(20)), None, false),
            (of(None, secs(20)), secs(20), true),
            (of(None, secs(20)), secs(21), false),
            (of(secs(20), secs(10)), secs(15), false),
        ] {
            assert_eq!(
                restrictions.admit_wrapping(ttl),
                expected,
                "{restrictions:?} {ttl:?}"
            );
        }
        let mut merged = of(secs(10), secs(60));
        merged.merge(&of(secs(5), None));
        merged.merge(&of(None, secs(90)));
        assert_eq!(merged, of(secs(5), secs(60)));
    }

    #[test]
    fn merged_values_add_up_and_any_value_stays_any() {
        let mut mine = values(&[("a", &["1"]), ("b", &[]), ("c", &["1"])]);
        merge_values(
            &mut mine,
            &values(&[("a", &["2"]), ("b", &["1"]), ("c", &[]), ("d", &["1"])]),
        );
        let expected = values(&[("a", &["1", "2"]), ("b", &[]), ("c", &[]), ("d", &["1"])]);
        assert_eq!(mine, expected);
    }
}
