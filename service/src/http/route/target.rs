//! What requests are about, and what an audit record calls it.

use std::borrow::Cow;
use std::sync::Arc;

use keyring::mount::Mount;
use keyring::name::{KeyName, MountPath};
use keyring::transit::Address;

use super::Verb;
use super::identity::{PolicyTarget, TokenCall, Which};
use crate::http::auth;
use crate::identity::auth_mounts::mount::AuthMount;
use crate::identity::methods::role_name;
use crate::identity::policy::PolicyName;

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
    /// What needs no ring.
    Tool(ToolTarget),
}

impl Target {
    /// What an audit record calls it: the mount and the name of what is worked on. A path says nothing that the table does not
    /// name, apart from names that passed their grammar.
    pub(in crate::http) fn names(&self) -> (Option<Cow<'_, str>>, Option<Cow<'_, str>>) {
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
            Self::Policy(policy) => {
                let name = policy.name.as_deref().map(PolicyName::parse);
                let name = name.and_then(Result::ok);
                (None, name.and_then(|name| named(name.as_str())))
            }
            Self::Token(call) => (
                Some(Cow::Borrowed("auth/token")),
                call.role().and_then(named),
            ),
            Self::Quota(name) => (None, Some(Cow::Borrowed(name.as_str()))),
            Self::Tool(tool) => (
                tool.mount
                    .as_ref()
                    .map(|mount| Cow::Borrowed(mount.as_str())),
                None,
            ),
            Self::Capabilities(_) | Self::Server => (None, None),
        }
    }
}

impl Target {
    /// The path that quotas and policies decide on, if it is another than that of the request: names that handlers take in
    /// several spellings stand in their one form, or a rule could be got round by another spelling.
    pub(super) fn decided_path(&self) -> Option<String> {
        match self {
            Self::Method(method) => Some(format!(
                "auth/{}/{}",
                method.mount.path,
                method.decided_rest()
            )),
            Self::Policy(policy) => {
                let name = PolicyName::parse(policy.name.as_deref()?).ok()?;
                let below = if policy.is_legacy {
                    "policy"
                } else {
                    "policies/acl"
                };
                Some(format!("sys/{below}/{}", name.as_str()))
            }
            Self::Capabilities(_)
            | Self::Key(_)
            | Self::Mount(_)
            | Self::Path(_)
            | Self::Quota(_)
            | Self::Server
            | Self::Token(_)
            | Self::Tool(_) => None,
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
    /// What else the path says: a hash, a version, a kind of key.
    pub(crate) rest: Vec<String>,
}

/// A hash or random bytes, with what the path says of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ToolTarget {
    /// The mount it is asked of; absent below `sys/tools`.
    pub(crate) mount: Option<MountPath>,
    /// The segments behind the tool's name, which a caller may leave out.
    pub(crate) rest: Vec<String>,
}

/// A path below an auth mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MethodTarget {
    /// The mount.
    pub(crate) mount: Arc<AuthMount>,
    /// What is asked of the path.
    pub(in crate::http) verb: Verb,
    /// The segments below the mount.
    pub(crate) rest: Vec<String>,
}

impl MethodTarget {
    /// Whether a token is needed.
    pub(in crate::http) fn needs_token(&self) -> bool {
        auth::needs_token(self.mount.kind, self.verb, &self.segments())
    }

    /// The segments below the mount, if the method has such a path and what it leaves open are names.
    fn known_path(&self) -> Option<String> {
        let row = self.row()?;
        let parts = row.path.split('/').zip(&self.rest);
        let segments = parts.map(|(part, segment)| match part.strip_prefix(':') {
            None => Some(segment.clone()),
            Some(_) => KeyName::parse(segment).map(|name| role_name(&name)),
        });
        Some(segments.collect::<Option<Vec<_>>>()?.join("/"))
    }

    /// The segments below the mount as they are decided on: names of roles and users, which are one in all spellings, in
    /// the spelling that the methods give them.
    fn decided_rest(&self) -> String {
        let mut parts = self
            .row()
            .map(|row| row.path.split('/'))
            .into_iter()
            .flatten();
        let segments = self.rest.iter().map(|segment| match parts.next() {
            Some(part) if part.starts_with(':') => segment.to_ascii_lowercase(),
            Some(_) | None => segment.clone(),
        });
        segments.collect::<Vec<_>>().join("/")
    }

    fn row(&self) -> Option<&'static auth::endpoint::Endpoint> {
        auth::endpoint::find(auth::table(self.mount.kind), self.verb, &self.segments()).ok()
    }

    /// The segments below the mount.
    pub(in crate::http) fn segments(&self) -> Vec<&str> {
        self.rest.iter().map(String::as_str).collect()
    }
}
