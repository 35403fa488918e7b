//! What a policy can grant.

use std::ops::{BitOr, BitOrAssign};

/// One thing that may be done at a path. `deny` is not among them: it is the absence of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// Write what is not there yet.
    Create,
    /// Delete.
    Delete,
    /// List.
    List,
    /// Change a part. No path has it; policies may still name it.
    Patch,
    /// Read.
    Read,
    /// List with everything below, in OpenBao. No path has it; policies may still name it.
    Scan,
    /// Use the paths that need it, besides what else they need.
    Sudo,
    /// Write what is there, and every write where nobody asks whether it is.
    Update,
}

impl Capability {
    /// All of them, by their words.
    pub const ALL: [Self; 8] = [
        Self::Create,
        Self::Delete,
        Self::List,
        Self::Patch,
        Self::Read,
        Self::Scan,
        Self::Sudo,
        Self::Update,
    ];

    /// Its word in policies and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Patch => "patch",
            Self::Read => "read",
            Self::Scan => "scan",
            Self::Sudo => "sudo",
            Self::Update => "update",
        }
    }

    /// The capability of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|capability| capability.word() == word)
    }

    const fn bit(self) -> u16 {
        match self {
            Self::Create => 1,
            Self::Delete => 1 << 1,
            Self::List => 1 << 2,
            Self::Patch => 1 << 3,
            Self::Read => 1 << 4,
            Self::Scan => 1 << 5,
            Self::Sudo => 1 << 6,
            Self::Update => 1 << 7,
        }
    }
}

/// What a rule grants: any capabilities, or none, or, explicitly and against all others, nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Capabilities(u16);

impl Capabilities {
    /// No capability. A rule that has none still stands before less specific rules.
    pub const NONE: Self = Self(0);
    /// Explicitly none, whatever other policies say of the same path.
    pub const DENY: Self = Self(1 << 8);

    /// Whether it holds this one.
    pub const fn contains(self, capability: Capability) -> bool {
        self.0 & capability.bit() != 0
    }

    /// Whether it is explicitly nothing.
    pub const fn is_deny(self) -> bool {
        self.0 == Self::DENY.0
    }

    /// The capabilities in it, by their words.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL
            .into_iter()
            .filter(move |capability| self.contains(*capability))
    }
}

/// Both together; deny wins.
impl BitOr for Capabilities {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        if self.is_deny() || other.is_deny() {
            Self::DENY
        } else {
            Self(self.0 | other.0)
        }
    }
}

impl BitOrAssign for Capabilities {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

impl From<Capability> for Capabilities {
    fn from(capability: Capability) -> Self {
        Self(capability.bit())
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        let all = capabilities.into_iter().map(Self::from);
        all.fold(Self::NONE, Self::bitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted_and_read_back() {
        assert!(Capability::ALL.iter().is_sorted_by_key(|one| one.word()));
        for capability in Capability::ALL {
            assert_eq!(Capability::parse(capability.word()), Some(capability));
        }
        for word in ["", "Read", "read ", "deny", "root", "write", "*"] {
            assert_eq!(Capability::parse(word), None, "{word:?}");
        }
    }

    #[test]
    fn a_set_holds_what_was_put_in_and_deny_empties_it() {
        let set: Capabilities = [Capability::Read, Capability::List].into_iter().collect();
        assert!(set.iter().eq([Capability::List, Capability::Read]));
        assert!(!set.contains(Capability::Sudo));
        for denied in [set | Capabilities::DENY, Capabilities::DENY | set] {
            assert!(denied.is_deny());
            assert_eq!(denied.iter().count(), 0);
        }
        assert!(!Capabilities::NONE.is_deny());
    }
}
