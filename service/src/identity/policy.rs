//! Policies: Vault's language for them, and decisions made by them. Pure: no store, no clock, no HTTP.

mod acl;
mod builtin;
mod capability;
mod fault;
mod name;
mod parameter;
mod path;
mod read;
mod restrictions;
mod syntax;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use keyring::base64;

pub use self::acl::{Asked, CompiledAcl, Decision, Writes};
pub use self::builtin::DEFAULT_TEXT;
pub use self::capability::{Capabilities, Capability};
pub use self::fault::{Mistake, PolicyFault};
pub use self::name::{PolicyName, PolicyNameFault};
pub use self::parameter::{Given, Literal, NoParameters, Parameters};
pub use self::path::RulePath;
pub use self::restrictions::Restrictions;
pub use self::syntax::Position;

/// The longest text of a policy, in bytes.
pub const MAX_TEXT_LEN: usize = 1 << 20;
/// How deep blocks and lists may be nested.
pub const MAX_DEPTH: usize = 8;
/// How many paths a policy may name.
pub const MAX_RULES: usize = 10_000;
/// How many values a policy's text may have in all, blocks and lists included.
pub const MAX_VALUES: usize = 100_000;
/// The longest path in a policy, in bytes.
pub const MAX_PATH_LEN: usize = 1024;

/// A policy: its name and its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    name: PolicyName,
    rules: Box<[Rule]>,
}

/// What a policy says of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which requests it is about.
    pub path: RulePath,
    /// What it grants.
    pub capabilities: Capabilities,
    /// What it demands, if anything.
    pub restrictions: Option<Arc<Restrictions>>,
}

impl Policy {
    /// The policy that a text spells, in JSON or HCL. Its paths keep their order; one that stands there twice counts
    /// twice. The text of an empty policy grants nothing. A `name` in the text is passed over, as in Vault.
    pub fn parse(name: PolicyName, text: &str) -> Result<Self, PolicyFault> {
        let rules = read::rules(syntax::parse(text)?)?;
        Ok(Self { name, rules })
    }

    /// The policy that may do everything.
    pub fn root() -> Self {
        Self {
            name: PolicyName::root(),
            rules: Box::default(),
        }
    }

    /// The policy that tokens get unless they are not to have it, as it is as long as nobody has changed it.
    pub fn default_policy() -> Self {
        let parsed = Self::parse(PolicyName::default_policy(), DEFAULT_TEXT);
        parsed.expect("a test reads the built-in policy")
    }

    /// Its name.
    pub const fn name(&self) -> &PolicyName {
        &self.name
    }

    /// Its rules, in the order of the text.
    pub const fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

/// The text of a policy as the API takes it: as it is, or base64 of it.
pub fn text_of(field: &str) -> Result<Cow<'_, str>, PolicyFault> {
    let mut decoded = Vec::new();
    // What is in this alphabet alone is no policy, so that there is nothing to mix up.
    if base64::decode_append(field.trim_ascii().as_bytes(), &mut decoded).is_err() {
        return Ok(Cow::Borrowed(field));
    }
    let text = String::from_utf8(decoded);
    text.map(Cow::Owned)
        .map_err(|_| Position::START.fault(Mistake::NoPolicy))
}
