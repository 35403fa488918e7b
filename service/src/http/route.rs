//! The route table: from a verb and a path to an operation and what it is about.

pub(crate) mod identity;
mod mounted;
mod system;
mod table;
mod target;
mod tools;
mod verb;

use std::sync::Arc;

use keyring::mount::Mount;
use keyring::name::{KeyName, MountPath};
use keyring::transit::Address;

use self::identity::TokenCall;
pub(super) use self::mounted::{Mounted, mount_of};
use self::table::{Row, Verbs, mount_table, server_table};
pub(crate) use self::target::{KeyTarget, MethodTarget, Target, ToolTarget};
pub(super) use self::verb::{Verb, VerbFault};
use super::operation::Operation;
use super::path::ApiPath;
use crate::identity::auth_mounts::mount::{AuthMount, MethodKind};
use crate::identity::auth_mounts::mount_at;

/// Where a request leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// What it asks for.
    pub(crate) operation: Operation,
    /// What that is about.
    pub(crate) target: Target,
}

impl Route {
    /// The path of this request that quotas and policies decide on.
    pub(super) fn decided_path(&self, path: &ApiPath<'_>) -> String {
        self.target
            .decided_path()
            .unwrap_or_else(|| path.canonical())
    }

    /// Whether no token is needed.
    pub(super) fn is_public(&self) -> bool {
        match &self.target {
            Target::Method(method) => !method.needs_token(),
            Target::Capabilities(_)
            | Target::Key(_)
            | Target::Mount(_)
            | Target::Path(_)
            | Target::Policy(_)
            | Target::Quota(_)
            | Target::Server
            | Target::Token(_)
            | Target::Tool(_) => !self.operation.needs_token(),
        }
    }

    /// Whether it makes a difference who asks: not for logins, and not for what says only how this node is.
    pub(super) fn wants_caller(&self) -> bool {
        let with_or_without = matches!(
            self.operation,
            Operation::MountsVisible
                | Operation::Unwrap
                | Operation::WrapLookUp
                | Operation::WrapRenew
        );
        with_or_without || !self.is_public()
    }

    /// Whether it changes what others see: such a request is recorded before and after, each time durably.
    pub(super) fn changes_something(&self, verb: Verb) -> bool {
        let writes = matches!(verb, Verb::Delete | Verb::Write);
        match &self.target {
            Target::Method(method) => writes && method.needs_token(),
            Target::Policy(_) | Target::Quota(_) => writes,
            Target::Token(call) => match call {
                TokenCall::Accessors
                | TokenCall::Lookup(_)
                | TokenCall::Renew(_)
                | TokenCall::RoleList
                | TokenCall::RoleRead(_)
                | TokenCall::Tidy => false,
                TokenCall::Create(_)
                | TokenCall::Revoke(_)
                | TokenCall::RevokeOrphan
                | TokenCall::RoleDelete(_)
                | TokenCall::RoleWrite(_) => true,
            },
            Target::Capabilities(_) | Target::Tool(_) => false,
            Target::Key(_) | Target::Mount(_) | Target::Path(_) | Target::Server => {
                self.operation.changes_something()
                    && (writes || self.operation.changes_by_reading())
            }
        }
    }
}

/// Why a path leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RouteFault {
    /// A data key is asked for in a form that does not exist.
    DataKeyForm,
    /// A write to a path that ends in a slash.
    TrailingSlash,
    /// No mount there; the path if it may be repeated.
    UnknownMount(Option<String>),
    /// The path exists and has no such verb.
    UnsupportedOperation,
    /// There is no such path.
    UnsupportedPath,
}

/// First segments under which no mount can be, because the server answers there.
pub(super) const RESERVED: [&str; 4] = ["auth", "cubbyhole", "identity", "sys"];

impl Route {
    /// Where this verb on this path leads, given the mounts and the auth methods there are.
    pub(super) fn find(
        verb: Verb,
        path: &ApiPath<'_>,
        mounted: &Mounted,
    ) -> Result<Self, RouteFault> {
        let Mounted { mounts, methods } = mounted;
        if verb == Verb::Write && path.trailing_slash {
            return Err(RouteFault::TrailingSlash);
        }
        match *path.segments.as_slice() {
            ["auth", ref below @ ..] if !matches!(below, ["token", ..]) => {
                method_route(verb, below, methods).ok_or_else(|| unknown_mount(&path.segments))
            }
            ["sys" | "auth", ..] => server_route(verb, &path.segments),
            _ => mount_route(verb, path, mounts),
        }
    }
}

fn server_route(verb: Verb, segments: &[&str]) -> Result<Route, RouteFault> {
    let found = identity::find(verb, segments)
        .or_else(|| system::find(verb, segments))
        .or_else(|| tools::find_on_server(verb, segments));
    if let Some(found) = found {
        return found;
    }
    let Some((verbs, at)) = server_table(segments) else {
        return Err(RouteFault::UnsupportedPath);
    };
    let target = match at {
        [] => Target::Server,
        _ => MountPath::parse(&at.join("/"))
            .map(Target::Path)
            .ok_or(RouteFault::UnsupportedPath)?,
    };
    Ok(Route {
        operation: pick(verbs, verb)?,
        target,
    })
}

/// Which paths a method has is its own affair.
fn method_route(verb: Verb, below: &[&str], methods: &[Arc<AuthMount>]) -> Option<Route> {
    let (mount, rest) = mount_at(methods, below)?;
    if mount.kind == MethodKind::Token {
        return None;
    }
    Some(Route {
        operation: Operation::AuthMethod,
        target: Target::Method(MethodTarget {
            mount,
            verb,
            rest: rest.iter().map(|segment| (*segment).to_owned()).collect(),
        }),
    })
}

fn mount_route(verb: Verb, path: &ApiPath<'_>, mounts: &[Mount]) -> Result<Route, RouteFault> {
    let Some((mount, rest)) = mount_of(&path.segments, mounts) else {
        return Err(unknown_mount(&path.segments));
    };
    if let ["datakey", _, _] = rest
        && mount_table(rest).is_none()
    {
        return Err(RouteFault::DataKeyForm);
    }
    if let Some(found) = tools::find(verb, Some(&mount.path), rest) {
        return found;
    }
    let Row { verbs, name, rest } = mount_table(rest).ok_or(RouteFault::UnsupportedPath)?;
    if path.trailing_slash && verb != Verb::List {
        return Err(RouteFault::UnsupportedPath);
    }
    let target = match name {
        None => Target::Mount(mount.clone()),
        Some(name) => Target::Key(KeyTarget {
            mount: mount.path.clone(),
            address: Address {
                mount: mount.id,
                name: KeyName::parse(name).ok_or(RouteFault::UnsupportedPath)?,
            },
            rest: rest.into_iter().map(str::to_owned).collect(),
        }),
    };
    Ok(Route {
        operation: pick(verbs, verb)?,
        target,
    })
}

fn pick(verbs: Verbs, verb: Verb) -> Result<Operation, RouteFault> {
    let row = verbs.iter().find(|(known, _)| *known == verb);
    row.map(|(_, operation)| *operation)
        .ok_or(RouteFault::UnsupportedOperation)
}

// A path is repeated in the answer only if it could have been a mount's.
fn unknown_mount(segments: &[&str]) -> RouteFault {
    let path = MountPath::parse(&segments.join("/"));
    RouteFault::UnknownMount(path.map(|path| path.as_str().to_owned()))
}

#[cfg(test)]
mod tests;
