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
        let row = auth::endpoint::find(auth::table(self.mount.kind), self.verb, &self.segments());
        let parts = row.ok()?.path.split('/').zip(&self.rest);
        let segments = parts.map(|(part, segment)| match part.strip_prefix(':') {
            None => Some(segment.as_str()),
            Some(_) => KeyName::parse(segment).map(|_| segment.as_str()),
        });
        Some(segments.collect::<Option<Vec<_>>>()?.join("/"))
    }

    /// The segments below the mount.
    pub(in crate::http) fn segments(&self) -> Vec<&str> {
        self.rest.iter().map(String::as_str).collect()
    }
}
