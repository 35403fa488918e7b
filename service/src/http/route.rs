//! The route table: from a verb and a path to an operation and what it is about.

use std::borrow::Cow;
use std::sync::Arc;

pub(crate) mod identity;
mod system;

use actix_web::http::Method;
use keyring::mount::Mount;
use keyring::name::{KeyName, MountPath};
use keyring::transit::Address;

use self::identity::{PolicyTarget, TokenCall, Which};
use super::auth;
use super::operation::Operation;
use super::path::ApiPath;
use super::weak;
use crate::gate::Opened;
use crate::identity::auth_mounts::mount::{AuthMount, MethodKind};
use crate::identity::auth_mounts::mount_at;

/// What HTTP methods mean here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// DELETE.
    Delete,
    /// LIST, or GET with a true `list`.
    List,
    /// PATCH, which no path has.
    Patch,
    /// GET and HEAD.
    Read,
    /// POST and PUT, which are the same.
    Write,
}

/// Why a method is no verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VerbFault {
    /// The value of `list` is no bool.
    List,
    /// The method is not known.
    Method,
}

impl Verb {
    /// The verb of a method, given the value of the query's `list`.
    pub(super) fn parse(method: &Method, list: Option<&str>) -> Result<Self, VerbFault> {
        match method.as_str() {
            "POST" | "PUT" => Ok(Self::Write),
            "GET" | "HEAD" => match list {
                None | Some("") => Ok(Self::Read),
                Some(text) => match weak::go_bool(text) {
                    Some(true) => Ok(Self::List),
                    Some(false) => Ok(Self::Read),
                    None => Err(VerbFault::List),
                },
            },
            "LIST" => Ok(Self::List),
            "DELETE" => Ok(Self::Delete),
            "PATCH" => Ok(Self::Patch),
            _ => Err(VerbFault::Method),
        }
    }
}

/// Where a request leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// What it asks for.
    pub(crate) operation: Operation,
    /// What that is about.
    pub(crate) target: Target,
}

impl Route {
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
            | Target::Token(_) => !self.operation.needs_token(),
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
            Target::Capabilities(_) => false,
            Target::Key(_) | Target::Mount(_) | Target::Path(_) | Target::Server => {
                writes && self.operation.changes_something()
            }
        }
    }
}

/// What is mounted while a request is routed.
#[derive(Debug, Default)]
pub(super) struct Mounted {
    mounts: Arc<Vec<Mount>>,
    methods: Arc<Vec<Arc<AuthMount>>>,
}

impl Mounted {
    /// All that is mounted; nothing on a node that is sealed.
    pub(super) fn of(opened: Option<&Opened>) -> Self {
        opened.map_or_else(Self::default, |opened| Self {
            mounts: opened.transit.mounts(),
            methods: opened.identity.methods.mounts.all(),
        })
    }

    fn mounts(&self) -> &[Mount] {
        &self.mounts
    }

    fn methods(&self) -> &[Arc<AuthMount>] {
        &self.methods
    }

    /// The path of the mount that this path lies on, those of the server itself included.
    pub(super) fn mount_of(&self, path: &str) -> Option<String> {
        let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match *segments.as_slice() {
            ["sys", ..] => Some("sys".to_owned()),
            ["auth", "token", ..] => Some("auth/token".to_owned()),
            ["auth", ref below @ ..] => {
                let (mount, _) = mount_at(&self.methods, below)?;
                Some(format!("auth/{}", mount.path))
            }
            _ => {
                let (mount, _) = mount_of(&segments, &self.mounts)?;
                Some(mount.path.as_str().to_owned())
            }
        }
    }
}

/// What an operation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The server as a whole.
    Server,
    /// A mount that exists.
    Mount(Mount),
    /// A ring that may exist, on a mount that does.
    Key(KeyTarget),
    /// A path of an auth method that is mounted.
    Method(MethodTarget),
    /// A path where a mount may be.
    Path(MountPath),
    /// The token whose capabilities are asked.
    Capabilities(Which),
    /// A policy, or all.
    Policy(PolicyTarget),
    /// A quota.
    Quota(KeyName),
    /// Tokens.
    Token(TokenCall),
}

impl Target {
    /// What an audit record calls it: the mount and the name of what is worked on. A path says nothing that the table does not
    /// name, apart from names that passed their grammar.
    pub(super) fn names(&self) -> (Option<Cow<'_, str>>, Option<Cow<'_, str>>) {
        let named = |name: &'_ str| Some(Cow::Owned(name.to_owned()));
        match self {
            Self::Key(key) => (
                Some(Cow::Borrowed(key.mount.as_str())),
                Some(Cow::Borrowed(key.address.name.as_str())),
            ),
            Self::Mount(mount) => (Some(Cow::Borrowed(mount.path.as_str())), None),
            Self::Path(path) => (Some(Cow::Borrowed(path.as_str())), None),
            Self::Method(method) => {
                let mount = format!("auth/{}", method.mount.path);
                (Some(Cow::Owned(mount)), method.known_path().map(Cow::Owned))
            }
            Self::Policy(policy) => (None, policy.name.as_deref().and_then(named)),
            Self::Token(call) => (
                Some(Cow::Borrowed("auth/token")),
                call.role().and_then(named),
            ),
            Self::Quota(name) => (None, Some(Cow::Borrowed(name.as_str()))),
            Self::Capabilities(_) | Self::Server => (None, None),
        }
    }
}

/// A ring, by where it would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyTarget {
    /// The mount's path, for policies.
    pub(crate) mount: MountPath,
    /// The ring's address, for the engine.
    pub(crate) address: Address,
}

/// A path below an auth mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MethodTarget {
    /// The mount.
    pub(crate) mount: Arc<AuthMount>,
    /// What is asked of the path.
    pub(super) verb: Verb,
    /// The segments below the mount.
    pub(crate) rest: Vec<String>,
}

impl MethodTarget {
    /// Whether a token is needed.
    pub(super) fn needs_token(&self) -> bool {
        auth::needs_token(self.mount.kind, self.verb, &self.segments())
    }

    /// The segments below the mount, if the method has such a path and what it leaves open are names.
    fn known_path(&self) -> Option<String> {
        let row = auth::endpoint::find(auth::table(self.mount.kind), self.verb, &self.segments());
        let parts = row.ok()?.path.split('/').zip(&self.rest);
        let segments = parts.map(|(part, segment)| match part.strip_prefix(':') {
            None => Some(segment.as_str()),
            Some(_) => KeyName::parse(segment).map(|_| segment.as_str()),
        });
        Some(segments.collect::<Option<Vec<_>>>()?.join("/"))
    }

    /// The segments below the mount.
    pub(super) fn segments(&self) -> Vec<&str> {
        self.rest.iter().map(String::as_str).collect()
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

type Verbs = &'static [(Verb, Operation)];

/// The paths of one mount, and the name in them.
fn mount_table<'a>(path: &[&'a str]) -> Option<(Verbs, Option<&'a str>)> {
    use Operation::{
        DataKeyPlaintext, DataKeyWrapped, Decrypt, Encrypt, KeyConfigure, KeyCreate, KeyDelete,
        KeyHistory, KeyList, KeyRead, KeyRotate, KeyTrim, Rewrap,
    };
    use Verb::{Delete, List, Read, Write};
    Some(match *path {
        ["encrypt", name] => (&[(Write, Encrypt)], Some(name)),
        ["decrypt", name] => (&[(Write, Decrypt)], Some(name)),
        ["rewrap", name] => (&[(Write, Rewrap)], Some(name)),
        ["datakey", "plaintext", name] => (&[(Write, DataKeyPlaintext)], Some(name)),
        ["datakey", "wrapped", name] => (&[(Write, DataKeyWrapped)], Some(name)),
        ["keys"] => (&[(List, KeyList)], None),
        ["keys", name] => (
            &[(Read, KeyRead), (Write, KeyCreate), (Delete, KeyDelete)],
            Some(name),
        ),
        ["keys", name, "config"] => (&[(Write, KeyConfigure)], Some(name)),
        ["keys", name, "rotate"] => (&[(Write, KeyRotate)], Some(name)),
        ["keys", name, "trim"] => (&[(Write, KeyTrim)], Some(name)),
        ["keys", name, "history"] => (&[(Read, KeyHistory)], Some(name)),
        _ => return None,
    })
}

/// The paths of the server itself, and the mount path in them.
fn server_table<'p, 'a>(path: &'p [&'a str]) -> Option<(Verbs, &'p [&'a str])> {
    use Operation::{
        AuthMountDisable, AuthMountEnable, AuthMountList, AuthMountRead, AuthMountTune,
        AuthMountTuneRead, Unwrap, Wrap, WrapLookUp, WrapRenew,
    };
    use Operation::{
        Health, InitStatus, Initialise, Leader, Limits, Metrics, MountDisable, MountEnable,
        MountList, MountOfPath, MountRead, MountTune, MountTuneRead, MountsVisible, Seal,
        SealStatus, Unseal,
    };
    use Verb::{Delete, Read, Write};
    Some(match path {
        ["sys", "health"] => (&[(Read, Health)], &[]),
        ["sys", "seal-status"] => (&[(Read, SealStatus)], &[]),
        ["sys", "seal"] => (&[(Write, Seal)], &[]),
        ["sys", "unseal"] => (&[(Write, Unseal)], &[]),
        ["sys", "leader"] => (&[(Read, Leader)], &[]),
        ["sys", "init"] => (&[(Read, InitStatus), (Write, Initialise)], &[]),
        ["sys", "limits"] => (&[(Read, Limits)], &[]),
        ["sys", "metrics"] => (&[(Read, Metrics)], &[]),
        ["sys", "internal", "ui", "mounts"] => (&[(Read, MountsVisible)], &[]),
        ["sys", "internal", "ui", "mounts", at @ ..] => (&[(Read, MountOfPath)], at),
        ["sys", "mounts"] => (&[(Read, MountList)], &[]),
        ["sys", "mounts", at @ .., "tune"] if !at.is_empty() => {
            (&[(Read, MountTuneRead), (Write, MountTune)], at)
        }
        ["sys", "mounts", at @ ..] => (
            &[
                (Read, MountRead),
                (Write, MountEnable),
                (Delete, MountDisable),
            ],
            at,
        ),
        ["sys", "auth"] => (&[(Read, AuthMountList)], &[]),
        ["sys", "auth", at @ .., "tune"] if !at.is_empty() => {
            (&[(Read, AuthMountTuneRead), (Write, AuthMountTune)], at)
        }
        ["sys", "auth", at @ ..] => (
            &[
                (Read, AuthMountRead),
                (Write, AuthMountEnable),
                (Delete, AuthMountDisable),
            ],
            at,
        ),
        ["sys", "wrapping", "wrap"] => (&[(Write, Wrap)], &[]),
        ["sys", "wrapping", "unwrap"] => (&[(Write, Unwrap)], &[]),
        ["sys", "wrapping", "lookup"] => (&[(Write, WrapLookUp), (Read, WrapLookUp)], &[]),
        ["sys", "wrapping", "rewrap"] => (&[(Write, WrapRenew)], &[]),
        _ => return None,
    })
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
        let (mounts, methods) = (mounted.mounts(), mounted.methods());
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
    if let Some(found) = identity::find(verb, segments).or_else(|| system::find(verb, segments)) {
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
    let (verbs, name) = mount_table(rest).ok_or(RouteFault::UnsupportedPath)?;
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

/// The mount these segments lie on, the longest if several do, and the segments below it.
pub(super) fn mount_of<'m, 'p, 's>(
    segments: &'p [&'s str],
    mounts: &'m [Mount],
) -> Option<(&'m Mount, &'p [&'s str])> {
    mounts
        .iter()
        .filter_map(|mount| Some((mount, below(segments, mount.path.as_str())?)))
        .min_by_key(|(_, rest)| rest.len())
}

fn below<'p, 's>(segments: &'p [&'s str], mount: &str) -> Option<&'p [&'s str]> {
    mount.split('/').try_fold(segments, |rest, part| {
        let (first, rest) = rest.split_first()?;
        (*first == part).then_some(rest)
    })
}

// A path is repeated in the answer only if it could have been a mount's.
fn unknown_mount(segments: &[&str]) -> RouteFault {
    let path = MountPath::parse(&segments.join("/"));
    RouteFault::UnknownMount(path.map(|path| path.as_str().to_owned()))
}

#[cfg(test)]
mod tests;
