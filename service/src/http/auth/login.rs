//! What all logins end with: a token, and an answer that tells it to its owner.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyring::name::KeyName;

use crate::http::errors::Problem;
use crate::http::reply::{Answer, Reply};
use crate::http::request::Request;
use crate::identity::Identity;
use crate::identity::auth_mounts::mount::AuthMount;
use crate::identity::token::grant::{AuthMountLimits, Issued, NewToken};
use crate::identity::token_params::TokenParams;
use crate::quota::Asked;

/// Somebody who has proved who they are.
#[derive(Debug)]
pub(super) struct Proven {
    /// What the token is to be called: the mount's path, and the name of somebody on it. For people to read: others may be called
    /// the same.
    pub(super) display_name: String,
    /// What the token is to say of its owner.
    pub(super) metadata: BTreeMap<String, String>,
    /// Who they are, by a name that nobody else has on the mount.
    pub(super) name: String,
    /// What the role or user says of tokens.
    pub(super) params: TokenParams,
    /// The role they came by, as quotas name it; where there are only users, none.
    pub(super) role: Option<String>,
}

/// What a token is called that a method gives: its path with dashes, and whom it is given to.
pub(super) fn display_name(mount: &AuthMount, name: Option<&str>) -> String {
    let path = mount.path.as_str().replace('/', "-");
    match name {
        Some(name) => format!("{path}-{name}"),
        None => path,
    }
}

/// A name that a role may have; what is none is the name of no role.
pub(super) fn known_name(role: &str) -> &str {
    match KeyName::parse(role) {
        Some(_) => role,
        None if role.is_empty() => "",
        None => "?",
    }
}

/// Runs a login to its end, even if the client hangs up: what it takes, a use of a secret id, gives a token.
pub(super) async fn log_in<F>(
    request: &Request<'_>,
    mount: &AuthMount,
    login_path: &str,
    proof: impl FnOnce(Arc<Identity>) -> F,
) -> Answer
where
    F: Future<Output = Result<Proven, Problem>> + Send + 'static,
{
    let identity = Arc::clone(request.identity()?);
    let proof = proof(Arc::clone(&identity));
    let limits = AuthMountLimits {
        ttl: mount.config.limits(),
        token_type: mount.config.token_type,
    };
    let path = format!("auth/{}/{login_path}", mount.path);
    let (scope, remote) = (mount.accessor.clone(), request.remote);
    let quotas = Arc::clone(&request.opened()?.quotas);
    let (asked_path, operation) = (request.path.to_owned(), request.operation);
    let work = async move {
        let proven = proof.await?;
        let asked = Asked {
            path: &asked_path,
            operation: Some(operation),
            address: remote,
            identity: None,
            key: None,
            role: proven.role.as_deref(),
        };
        Problem::over_quota(&asked_path, quotas.login(&asked))?;
        let token = NewToken {
            params: proven.params,
            display_name: proven.display_name,
            meta: Some(proven.metadata),
            path,
            scope,
            owner: proven.name,
            remote,
            ..NewToken::default()
        };
        let accessor = token.scope.clone();
        let issued: Issued = identity.issue(token, &limits).await?;
        // Whoever disables a mount takes away the tokens that are there; this one may have come just after.
        if identity.methods.mounts.is_enabled(&accessor).await? {
            return Ok(issued);
        }
        let revoked = identity.revoke_issued(&issued).await;
        revoked.map_err(|error| Problem::identity_store(&error))?;
        Err(Problem::permission_denied())
    };
    let issued = request.detached(work).await??;
    Ok(Reply::auth(request.id, &issued, &[]))
}
