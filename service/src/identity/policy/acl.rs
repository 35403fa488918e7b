//! Policies compiled for decisions: one rule is found for a path, and that rule alone decides.
//!
//! Which rule: the one for exactly this path; else the one whose first `+` or final `*` comes latest; among those one
//! without a `*` at its end, with fewer `+`, then the longer one. A list is looked for with a slash at its end and
//! without. What several policies say of the same path is merged when they are compiled.

mod compile;
mod index;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::index::Index;
use super::Policy;
use super::capability::{Capabilities, Capability};
use super::parameter::Parameters;
use super::restrictions::Restrictions;

/// The rules of all policies of a token. Never changes; share it by `Arc` among the tokens with the same policies.
#[derive(Clone, Debug, Default)]
pub struct CompiledAcl {
    root: bool,
    index: Index,
}

/// What a request asks, apart from the capability it needs.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Where: the path below `/v1/` in its canonical form, segments divided by single slashes, none at either end.
    pub path: &'a str,
    /// With what. Only asked for if a rule restricts it.
    pub parameters: &'a dyn Parameters,
    /// For how long the answer is to be wrapped, if it is.
    pub wrap_ttl: Option<Duration>,
}

impl fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut asked = f.debug_struct("Asked");
        asked.field("path", &self.path);
        asked.field("wrap_ttl", &self.wrap_ttl);
        asked.finish_non_exhaustive()
    }
}

/// Whether a request may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may.
    pub allowed: bool,
    /// Whether paths that need `sudo` may be used; such a path needs `allowed`, too.
    pub sudo: bool,
    /// Whether this is so because of the policy `root`.
    pub root: bool,
}

/// Whether a write may be answered where it makes a difference if what is written exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writes {
    /// If it does not exist.
    pub create: Decision,
    /// If it does.
    pub update: Decision,
}

impl Writes {
    /// Whether nobody needs to look if what is written exists.
    pub const fn agree(self) -> bool {
        self.create.allowed == self.update.allowed
    }
}

impl Decision {
    const DENIED: Self = Self {
        allowed: false,
        sudo: false,
        root: false,
    };
    const ROOT: Self = Self {
        allowed: true,
        sudo: true,
        root: true,
    };
}

/// What the rules for one path come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Grant {
    capabilities: Capabilities,
    restrictions: Option<Arc<Restrictions>>,
}

impl Grant {
    fn decide(&self, capability: Capability, asked: &Asked<'_>) -> Decision {
        let admits = |restrictions: &Arc<Restrictions>| restrictions.admit(capability, asked);
        Decision {
            allowed: self.capabilities.contains(capability)
                && self.restrictions.as_ref().is_none_or(admits),
            sudo: self.capabilities.contains(Capability::Sudo),
            root: false,
        }
    }
}

impl CompiledAcl {
    /// The rules of these policies together. `root` may do everything only if it is the only one; beside others it
    /// counts for nothing.
    pub fn compile<'p>(policies: impl IntoIterator<Item = &'p Policy>) -> Self {
        let policies: Vec<&Policy> = policies.into_iter().collect();
        if let [only] = *policies
            && only.name().is_root()
        {
            return Self::root();
        }
        let others = policies.iter().filter(|policy| !policy.name().is_root());
        Self {
            root: false,
            index: compile::index(others.flat_map(|policy| policy.rules())),
        }
    }

    /// Everything may be done.
    pub fn root() -> Self {
        Self {
            root: true,
            index: Index::default(),
        }
    }

    /// Whether everything may be done.
    pub const fn is_root(&self) -> bool {
        self.root
    }

    /// Whether what is asked may be done.
    pub fn decide(&self, capability: Capability, asked: &Asked<'_>) -> Decision {
        if self.root {
            return Decision::ROOT;
        }
        let path = asked.path.trim_start_matches('/');
        let grant = match capability {
            Capability::List | Capability::Scan => {
                let bare = path.trim_end_matches('/');
                let slash = if bare.is_empty() { "" } else { "/" };
                self.find_list(&format!("{bare}{slash}"), bare)
            }
            Capability::Create
            | Capability::Delete
            | Capability::Patch
            | Capability::Read
            | Capability::Sudo
            | Capability::Update => self.index.find(path),
        };
        grant.map_or(Decision::DENIED, |grant| grant.decide(capability, asked))
    }

    /// Whether a write may be done, in either case of what is written being there or not: for `encrypt`, whose caller
    /// need not look the ring up if both cases agree.
    pub fn decide_write(&self, asked: &Asked<'_>) -> Writes {
        let both = |create, update| Writes { create, update };
        if self.root {
            return both(Decision::ROOT, Decision::ROOT);
        }
        match self.index.find(asked.path.trim_start_matches('/')) {
            None => both(Decision::DENIED, Decision::DENIED),
            Some(grant) => both(
                grant.decide(Capability::Create, asked),
                grant.decide(Capability::Update, asked),
            ),
        }
    }

    /// The words of what may be done at a path, sorted, as `sys/capabilities` answers them: `root` alone, `deny` alone,
    /// or capabilities. The path is canonical, but for a slash that may stand at its end.
    pub fn capabilities(&self, path: &str) -> Vec<&'static str> {
        if self.root {
            return vec!["root"];
        }
        let path = path.trim_start_matches('/');
        let grant = self.find_list(path, path.strip_suffix('/').unwrap_or(path));
        let capabilities = grant.map_or(Capabilities::NONE, |grant| grant.capabilities);
        let words: Vec<_> = capabilities.iter().map(Capability::word).collect();
        if words.is_empty() {
            vec!["deny"]
        } else {
            words
        }
    }

    /// The exact rules of both forms come first, then the others.
    fn find_list(&self, with_slash: &str, bare: &str) -> Option<&Grant> {
        let index = &self.index;
        index
            .find_exact(with_slash)
            .or_else(|| index.find_exact(bare))
            .or_else(|| index.find_wider(with_slash))
            .or_else(|| index.find_wider(bare))
    }

    /// About how many bytes it takes, for weighing.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.index.bytes()
    }
}
