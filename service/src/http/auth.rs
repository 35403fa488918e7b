//! What stands below `auth/`: tokens, and the methods that are mounted there.

pub(in crate::http) mod approle;
pub(in crate::http) mod cert;
pub(in crate::http) mod endpoint;
pub(in crate::http) mod jwt;
pub(in crate::http) mod kubernetes;
mod login;
mod role_entry;
mod settings;
pub(in crate::http) mod token;
pub(in crate::http) mod token_params;
pub(in crate::http) mod userpass;

use std::sync::Arc;

use keyring::name::KeyName;

use self::endpoint::Endpoint;
use super::errors::Problem;
use super::reply::Answer;
use super::request::Request;
use super::route::{MethodTarget, RouteFault, Verb};
use crate::identity::auth_methods::AuthMethods;
use crate::identity::auth_mounts::mount::{AuthMount, MethodKind};

/// Answers a request to a path of a mounted method: `rest` is what follows the mount's path.
pub(super) async fn handle(
    request: &Request<'_>,
    mount: &AuthMount,
    verb: Verb,
    rest: &[&str],
) -> Answer {
    endpoint::find(table(mount.kind), verb, rest)?;
    match mount.kind {
        MethodKind::AppRole => approle::handle(request, mount, verb, rest).await,
        MethodKind::Cert => cert::handle(request, mount, verb, rest).await,
        MethodKind::Jwt => jwt::handle(request, mount, verb, rest).await,
        MethodKind::Kubernetes => kubernetes::handle(request, mount, verb, rest).await,
        MethodKind::Token => Err(endpoint::nowhere()),
        MethodKind::Userpass => userpass::handle(request, mount, verb, rest).await,
    }
}

/// Answers a request that was led to a mounted method.
pub(super) async fn answer(request: &Request<'_>, target: &MethodTarget) -> Answer {
    handle(request, &target.mount, target.verb, &target.segments()).await
}

/// Whether a token is needed there; also where there is nothing, so that strangers do not learn which paths there are.
pub(super) fn needs_token(kind: MethodKind, verb: Verb, rest: &[&str]) -> bool {
    endpoint::find(table(kind), verb, rest).map_or(true, |row| row.needs_token)
}

/// All paths of a method. Those of the built-in tokens are routed by name.
pub(super) const fn table(kind: MethodKind) -> &'static [Endpoint] {
    match kind {
        MethodKind::AppRole => approle::TABLE,
        MethodKind::Cert => cert::TABLE,
        MethodKind::Jwt => jwt::TABLE,
        MethodKind::Kubernetes => kubernetes::TABLE,
        MethodKind::Token => &[],
        MethodKind::Userpass => userpass::TABLE,
    }
}

/// The auth methods of this node.
pub(super) fn methods<'r>(request: &'r Request<'_>) -> Result<&'r Arc<AuthMethods>, Problem> {
    Ok(&request.identity()?.methods)
}

/// The name of a role or a user in a path; what is no name is no path.
fn named(text: &str) -> Result<KeyName, Problem> {
    KeyName::parse(text).ok_or_else(|| RouteFault::UnsupportedPath.into())
}

#[cfg(test)]
mod tests;
