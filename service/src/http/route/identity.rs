//! The paths of tokens, policies and capabilities.

use keyring::name::KeyName;

use super::{Route, RouteFault, Target, Verb};
use crate::http::operation::Operation;

/// What is asked of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TokenCall {
    /// Lists the accessors of all tokens.
    Accessors,
    /// Makes a token from the caller's.
    Create(CreatePath),
    /// Describes a token.
    Lookup(Which),
    /// Prolongs a token.
    Renew(Which),
    /// Revokes a token with all its descendants.
    Revoke(Which),
    /// Revokes a token alone.
    RevokeOrphan,
    /// Deletes a token role.
    RoleDelete(KeyName),
    /// Lists token roles.
    RoleList,
    /// Describes a token role.
    RoleRead(KeyName),
    /// Creates a token role, or changes it.
    RoleWrite(KeyName),
    /// Takes what is over out of the store.
    Tidy,
}

/// The path that makes a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CreatePath {
    /// `create-orphan`
    Orphan,
    /// `create`
    Plain,
    /// `create/:role`
    Role(KeyName),
}

/// Which token is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// The one with the accessor in the body.
    ByAccessor,
    /// The one in the body.
    ByText,
    /// The caller's own.
    Own,
}

/// What is asked of policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PolicyTarget {
    /// The policy; absent for all.
    pub(crate) name: Option<String>,
    /// Whether the path is that of old, `sys/policy`, which answers in other words.
    pub(crate) is_legacy: bool,
}

/// Where these segments lead, if they are paths of tokens, policies or capabilities.
pub(super) fn find(verb: Verb, segments: &[&str]) -> Option<Result<Route, RouteFault>> {
    match *segments {
        ["auth", "token", ref below @ ..] => Some(token(verb, below)),
        ["sys", "policies", "acl", ref name @ ..] => Some(policy(verb, name, false)),
        ["sys", "policy", ref name @ ..] => Some(policy(verb, name, true)),
        ["sys", "capabilities"] => Some(capabilities(verb, Which::ByText)),
        ["sys", "capabilities-accessor"] => Some(capabilities(verb, Which::ByAccessor)),
        ["sys", "capabilities-self"] => Some(capabilities(verb, Which::Own)),
        _ => None,
    }
}

fn token(verb: Verb, below: &[&str]) -> Result<Route, RouteFault> {
    use CreatePath::{Orphan, Plain, Role};
    use TokenCall::{
        Accessors, Create, Lookup, Renew, Revoke, RevokeOrphan, RoleDelete, RoleList, RoleRead,
        RoleWrite, Tidy,
    };
    use Which::{ByAccessor, ByText, Own};
    let role = |name| KeyName::parse(name).ok_or(RouteFault::UnsupportedPath);
    let call = match (below, verb) {
        (["accessors"], Verb::List) => Accessors,
        (["create"], Verb::Write) => Create(Plain),
        (["create-orphan"], Verb::Write) => Create(Orphan),
        (["create", name], Verb::Write) => Create(Role(role(name)?)),
        (["lookup"], Verb::Read | Verb::Write) => Lookup(ByText),
        (["lookup-self"], Verb::Read | Verb::Write) => Lookup(Own),
        (["lookup-accessor"], Verb::Write) => Lookup(ByAccessor),
        (["renew"], Verb::Write) => Renew(ByText),
        (["renew-self"], Verb::Write) => Renew(Own),
        (["renew-accessor"], Verb::Write) => Renew(ByAccessor),
        (["revoke"], Verb::Write) => Revoke(ByText),
        (["revoke-self"], Verb::Write) => Revoke(Own),
        (["revoke-accessor"], Verb::Write) => Revoke(ByAccessor),
        (["revoke-orphan"], Verb::Write) => RevokeOrphan,
        (["roles"], Verb::List) => RoleList,
        (["roles", name], Verb::Read) => RoleRead(role(name)?),
        (["roles", name], Verb::Write) => RoleWrite(role(name)?),
        (["roles", name], Verb::Delete) => RoleDelete(role(name)?),
        (["tidy"], Verb::Write) => Tidy,
        (["create" | "roles", _] | [_], _) if is_path(below) => {
            return Err(RouteFault::UnsupportedOperation);
        }
        _ => return Err(RouteFault::UnsupportedPath),
    };
    Ok(Route {
        operation: call.operation(),
        target: Target::Token(call),
    })
}

impl TokenCall {
    /// The role it is about, if it is about one.
    pub(in crate::http) fn role(&self) -> Option<&str> {
        match self {
            Self::Create(CreatePath::Role(role))
            | Self::RoleDelete(role)
            | Self::RoleRead(role)
            | Self::RoleWrite(role) => Some(role.as_str()),
            Self::Accessors
            | Self::Create(CreatePath::Orphan | CreatePath::Plain)
            | Self::Lookup(_)
            | Self::Renew(_)
            | Self::Revoke(_)
            | Self::RevokeOrphan
            | Self::RoleList
            | Self::Tidy => None,
        }
    }

    const fn operation(&self) -> Operation {
        match self {
            Self::Accessors => Operation::TokenAccessors,
            Self::Create(_) => Operation::TokenCreate,
            Self::Lookup(_) => Operation::TokenLookup,
            Self::Renew(_) => Operation::TokenRenew,
            Self::Revoke(_) | Self::RevokeOrphan => Operation::TokenRevoke,
            Self::RoleDelete(_) | Self::RoleList | Self::RoleRead(_) | Self::RoleWrite(_) => {
                Operation::TokenRole
            }
            Self::Tidy => Operation::TokenTidy,
        }
    }
}

/// Whether some verb leads somewhere there.
fn is_path(below: &[&str]) -> bool {
    match *below {
        [name] => PLAIN.contains(&name),
        ["create" | "roles", name] => KeyName::parse(name).is_some(),
        _ => false,
    }
}

const PLAIN: [&str; 15] = [
    "accessors",
    "create",
    "create-orphan",
    "lookup",
    "lookup-accessor",
    "lookup-self",
    "renew",
    "renew-accessor",
    "renew-self",
    "revoke",
    "revoke-accessor",
    "revoke-orphan",
    "revoke-self",
    "roles",
    "tidy",
];

fn policy(verb: Verb, name: &[&str], is_legacy: bool) -> Result<Route, RouteFault> {
    let name = (!name.is_empty()).then(|| name.join("/"));
    let operation = match (verb, &name) {
        // The path of old also lists on GET.
        (Verb::List, None) => Operation::PolicyList,
        (Verb::Read, None) if is_legacy => Operation::PolicyList,
        (Verb::Delete, Some(_)) => Operation::PolicyDelete,
        (Verb::Read, Some(_)) => Operation::PolicyRead,
        (Verb::Write, Some(_)) => Operation::PolicyWrite,
        (Verb::Delete | Verb::List | Verb::Patch | Verb::Read | Verb::Write, _) => {
            return Err(RouteFault::UnsupportedOperation);
        }
    };
    let target = Target::Policy(PolicyTarget { name, is_legacy });
    Ok(Route { operation, target })
}

fn capabilities(verb: Verb, which: Which) -> Result<Route, RouteFault> {
    if verb != Verb::Write {
        return Err(RouteFault::UnsupportedOperation);
    }
    Ok(Route {
        operation: Operation::Capabilities,
        target: Target::Capabilities(which),
    })
}
