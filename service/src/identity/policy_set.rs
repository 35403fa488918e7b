//! The names of the policies a token has: normalised once, here, before anything is compared.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The policy that may do everything; not to be read as text or changed.
pub const ROOT: &str = "root";
/// The policy that tokens get unless they are not to have it.
pub const DEFAULT: &str = "default";

/// Policy names: lower case, without spaces around them, sorted, each once. `root` stands alone. Clones share the names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PolicySet(Arc<[Box<str>]>);

impl PolicySet {
    /// The set of these names; empty ones are passed over.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names: Vec<Box<str>> = names
            .into_iter()
            .map(|name| name.trim().to_lowercase())
            .filter(|name| !name.is_empty())
            .map(String::into_boxed_str)
            .collect();
        if names.iter().any(|name| **name == *ROOT) {
            names = vec![ROOT.into()];
        }
        names.sort_unstable();
        names.dedup();
        Self(names.into())
    }

    /// The set of `root` alone.
    pub fn root() -> Self {
        Self::new([ROOT])
    }

    /// The names in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }

    /// Whether this name, as it is written here, is among them.
    pub fn contains(&self, name: &str) -> bool {
        self.0.binary_search_by(|known| (**known).cmp(name)).is_ok()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it may do everything.
    pub fn is_root(&self) -> bool {
        self.contains(ROOT)
    }

    /// Whether every name here is there too.
    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.iter().all(|name| other.contains(name))
    }

    /// With `default`; `root` stays alone.
    #[must_use]
    pub fn with_default(&self) -> Self {
        Self::new(self.iter().chain([DEFAULT]))
    }

    /// Without `default`.
    #[must_use]
    pub fn without_default(&self) -> Self {
        Self::new(self.iter().filter(|name| *name != DEFAULT))
    }

    /// Bytes of the names, for weighing.
    pub fn bytes(&self) -> usize {
        self.iter().map(|name| name.len() + 16).sum()
    }
}

impl Default for PolicySet {
    fn default() -> Self {
        Self::new([])
    }
}

impl Serialize for PolicySet {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for PolicySet {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(from)?;
        Ok(Self::new(names.iter().map(String::as_str)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(given: &[&str]) -> Vec<String> {
        let set = PolicySet::new(given.iter().copied());
        set.iter().map(str::to_owned).collect()
    }

    #[test]
    fn names_are_lower_case_sorted_and_each_once() {
        assert_eq!(names(&["b", " A ", "a", "", "  "]), ["a", "b"]);
        assert_eq!(names(&[]), [""; 0]);
    }

    #[test]
    fn root_in_any_spelling_is_root_and_stands_alone() {
        for root in ["root", "Root", " ROOT\t", "\u{a0}rOOt\n"] {
            assert_eq!(names(&["a", root, "default"]), ["root"], "{root:?}");
        }
        assert!(PolicySet::root().with_default().is_root());
        assert_eq!(PolicySet::root().with_default().iter().len(), 1);
        assert_eq!(names(&["r\u{f6}ot", "roo t"]), ["roo t", "r\u{f6}ot"]);
    }

    #[test]
    fn default_comes_and_goes() {
        let set = PolicySet::new(["a"]);
        assert!(set.with_default().contains("default"));
        assert_eq!(set.with_default().without_default(), set);
        assert!(set.is_subset_of(&set.with_default()));
        assert!(!set.with_default().is_subset_of(&set));
    }

    #[test]
    fn a_stored_set_is_normalised_again() {
        let read: PolicySet = serde_json::from_str("[\"B\",\"a\",\"b\"]").unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), "[\"a\",\"b\"]");
    }
}
