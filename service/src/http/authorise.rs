//! Whether a request may go on: by quotas before its body is read, by policies once it is.

use std::time::Duration;

use futures_util::FutureExt as _;
use keyring::error::Error;
use keyring::transit::Address;

use super::errors::Problem;
use super::fields::Fields;
use super::operation::Operation;
use super::request::Request;
use super::route::identity::TokenCall;
use super::route::{Route, Target, Verb};
use super::trail::Trail;
use crate::caller::Caller;
use crate::gate::Opened;
use crate::identity::policy::{Asked, Capability, CompiledAcl, Decision, Given, Parameters};
use crate::quota;

/// Refuses a request that a quota by address does not let through, before its token is looked at.
pub(super) fn turn_away(opened: &Opened, trail: &Trail, path: &str) -> Result<(), Problem> {
    let quotas = &opened.quotas;
    if quotas.are_none() {
        return Ok(());
    }
    Problem::over_quota(path, quotas.arrival(&trail.quota_asked(path)))
}

/// Counts a request against the quotas by address that is refused for its token, or for want of one.
pub(super) fn count_refused(opened: &Opened, trail: &Trail, path: &str) {
    if !opened.quotas.are_none() {
        opened.quotas.refused(&trail.quota_asked(path));
    }
}

/// Counts a request against the quotas, before anything of its body is read.
pub(super) fn count(opened: &Opened, trail: &Trail, path: &str) -> Result<(), Problem> {
    let quotas = &opened.quotas;
    if quotas.are_none() {
        return Ok(());
    }
    let asked = trail.quota_asked(path);
    Problem::over_quota(path, quotas.request(&asked))
}

/// Counts items against the quotas, before they are worked on.
pub(super) fn count_items(request: &Request<'_>, items: usize) -> Result<(), Problem> {
    let quotas = &request.opened()?.quotas;
    if quotas.are_none() {
        return Ok(());
    }
    let asked = request.trail.quota_asked(request.path);
    Problem::over_quota(request.path, quotas.items(&asked, items))
}

impl Trail {
    fn quota_asked<'a>(&'a self, path: &'a str) -> quota::Asked<'a> {
        quota::Asked {
            path,
            operation: self.operation(),
            address: self.address(),
            identity: self.caller().map(|caller| caller.token.quota_identity()),
            key: self.key(),
            role: None,
        }
    }
}

/// Whether the caller's policies let it do what it asks, with these parameters. Takes one of the token's uses where they are
/// counted.
pub(super) async fn permit(
    request: &Request<'_>,
    route: &Route,
    wrap_ttl: Option<Duration>,
) -> Result<(), Problem> {
    let Some(caller) = asked_caller(request, route) else {
        return Ok(());
    };
    spend(request, caller).await?;
    if is_permitted(request, caller, route, wrap_ttl).await? {
        Ok(())
    } else {
        Err(Problem::multi_denied())
    }
}

/// Whether the caller's policies let it do what it asks with any parameters: it is refused here before its body is read.
/// [`permit`] decides again when the body is there. Only a refusal takes one of the token's uses.
pub(super) async fn permit_unread(
    request: &Request<'_>,
    route: &Route,
    wrap_ttl: Option<Duration>,
) -> Result<(), Problem> {
    let Some(caller) = asked_caller(request, route) else {
        return Ok(());
    };
    if is_permitted(request, caller, route, wrap_ttl).await? {
        return Ok(());
    }
    spend(request, caller).await?;
    Err(Problem::multi_denied())
}

/// Whose policies decide, if anybody's do.
fn asked_caller<'r>(request: &Request<'r>, route: &Route) -> Option<&'r Caller> {
    let is_asked = !request.is_public(route) || route.operation.asks_callers();
    request.caller.filter(|_| is_asked)
}

/// Takes one of the token's uses where they are counted.
async fn spend(request: &Request<'_>, caller: &Caller) -> Result<(), Problem> {
    if caller.token.counted {
        let identity = request.identity()?;
        identity.spend(&caller.token).boxed_local().await?;
    }
    Ok(())
}

async fn is_permitted(
    request: &Request<'_>,
    caller: &Caller,
    route: &Route,
    wrap_ttl: Option<Duration>,
) -> Result<bool, Problem> {
    let powers = &caller.token.powers;
    if powers.is_root() {
        return Ok(true);
    }
    let acl = request.identity()?.policies.acl(powers).await?;
    let asked = Asked {
        path: request.path,
        parameters: request,
        wrap_ttl,
    };
    let decision = match (request.verb, &route.target) {
        (Verb::Write, Target::Key(key)) if route.operation == Operation::Encrypt => {
            encrypt_decision(request, &acl, &asked, &key.address)
                .boxed_local()
                .await?
        }
        (Verb::Write, _) => acl.decide(Capability::Update, &asked),
        (Verb::Delete, _) => acl.decide(Capability::Delete, &asked),
        (Verb::List, _) => acl.decide(Capability::List, &asked),
        (Verb::Patch, _) => acl.decide(Capability::Patch, &asked),
        (Verb::Read, _) => acl.decide(Capability::Read, &asked),
    };
    Ok(decision.allowed && (decision.sudo || !needs_sudo(route, request.path)))
}

/// A request that leads nowhere takes one of its token's uses all the same.
pub(super) async fn spend_on_nothing(opened: &Opened, trail: &Trail) -> Result<(), Problem> {
    if let Some(caller) = trail.caller().filter(|caller| caller.token.counted) {
        opened.identity.spend(&caller.token).boxed_local().await?;
    }
    Ok(())
}

/// Whoever may only create must not use a ring that is there, and the other way round. Both are decided first, and the ring
/// is looked for only if they differ.
async fn encrypt_decision(
    request: &Request<'_>,
    acl: &CompiledAcl,
    asked: &Asked<'_>,
    ring: &Address,
) -> Result<Decision, Problem> {
    let writes = acl.decide_write(asked);
    if writes.agree() || (!asked.parameters.are_known() && writes.update.allowed) {
        return Ok(writes.update);
    }
    if !asked.parameters.are_known() {
        return Ok(writes.create);
    }
    match request.transit()?.is_there(ring).await {
        Ok(true) => Ok(writes.update),
        Ok(false) => Ok(writes.create),
        Err(error) => Err(absent_or(request, error)),
    }
}

/// Whether the caller may create the ring it encrypts with, now that there is none: when the request was let in, there may
/// have been one.
pub(super) async fn may_create(
    request: &Request<'_>,
    wrap_ttl: Option<Duration>,
) -> Result<bool, Problem> {
    let powers = &request.known_caller()?.token.powers;
    if powers.is_root() {
        return Ok(true);
    }
    let acl = request.identity()?.policies.acl(powers).await?;
    let asked = Asked {
        path: request.path,
        parameters: request,
        wrap_ttl,
    };
    Ok(acl.decide_write(&asked).create.allowed)
}

fn absent_or(request: &Request<'_>, error: Error) -> Problem {
    Problem::engine(request.operation, "", error)
}

/// What only operators do: with `sudo` beside the capability.
fn needs_sudo(route: &Route, path: &str) -> bool {
    match &route.target {
        Target::Token(call) => matches!(call, TokenCall::Accessors | TokenCall::RevokeOrphan),
        Target::Path(_) => {
            let changes = matches!(
                route.operation,
                Operation::AuthMountDisable | Operation::AuthMountEnable
            );
            let is_method = matches!(
                route.operation,
                Operation::AuthMountRead | Operation::AuthMountTune | Operation::AuthMountTuneRead
            );
            // As in Vault, where the path of mounts is the one for whoever has no sudo.
            changes || (is_method && !path.starts_with("sys/mounts/"))
        }
        Target::Server => matches!(
            route.operation,
            Operation::AuditDeviceChange | Operation::AuditDevices | Operation::Seal
        ),
        Target::Capabilities(_)
        | Target::Key(_)
        | Target::Method(_)
        | Target::Mount(_)
        | Target::Policy(_)
        | Target::Quota(_)
        | Target::Tool(_) => false,
    }
}

/// The parameters of a request, from where its handler reads them: of a write from the body, else from the query.
impl Parameters for Request<'_> {
    fn all(&self, each: &mut dyn FnMut(&str, Given<'_>) -> bool) -> bool {
        match self.verb {
            Verb::Write => self.body.fields().is_ok_and(|fields| fields.each(each)),
            Verb::Delete | Verb::List | Verb::Patch | Verb::Read => {
                Fields::from_query(self.query).each(each)
            }
        }
    }

    fn are_known(&self) -> bool {
        !self.body.is_awaited
    }
}
