//! One request from head to answer: admission, route, token, body, handler.

use std::cell::Cell;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use actix_web::http::header::HeaderMap;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::FutureExt as _;
use keyring::error::Error;
use keyring::history::{self as ring_history, Provenance};
use keyring::mount::Mount;
use keyring::name::MountPath;
use keyring::transit::{Address, Transit};
use tracing::{Instrument as _, Level, Span};

use super::body::Body;
use super::errors::{Cause, Problem};
use super::fields::Fields;
use super::operation::Operation;
use super::path::{self, ApiPath};
use super::reply::{Answer, Reply, RequestId};
use super::route::identity::{PolicyTarget, TokenCall, Which};
use super::route::{KeyTarget, MethodTarget, Route, RouteFault, Target, Verb};
use super::{
    Answered, Front, REQUEST_SPAN, auth, auth_mounts, capabilities, data, head, history, keys,
    mounts, policies, query, sealing, sys, wrapping,
};
use crate::caller::Caller;
use crate::connection::{ClientCertificates, Connection};
use crate::gate::Opened;
use crate::identity::Identity;
use crate::identity::policy::{Asked, Capability, NoParameters};
use crate::identity::policy_set;
use crate::identity::token::registry::Refusal;
use crate::telemetry;

/// What all workers share.
#[derive(Debug)]
pub(super) struct Shell {
    pub(super) front: Arc<Front>,
}

/// A request that may be worked on.
#[derive(Debug)]
pub(super) struct Request<'r> {
    pub(super) front: &'r Front,
    pub(super) opened: Option<&'r Opened>,
    pub(super) id: RequestId,
    pub(super) operation: Operation,
    pub(super) caller: Option<Caller>,
    pub(super) headers: &'r HeaderMap,
    /// Where the caller is; absent on a Unix socket.
    pub(super) remote: Option<IpAddr>,
    /// What the caller has shown of itself while connecting over TLS.
    pub(super) client_certificates: Option<Arc<ClientCertificates>>,
    pub(super) query: &'r str,
    pub(super) body: Body,
}

/// Answers any request, whatever happens.
pub(super) async fn dispatch(
    shell: Data<Shell>,
    http: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let began = Instant::now();
    let id = RequestId::generate();
    let seen = Cell::new(None);
    let work = AssertUnwindSafe(shell.answer(id, &http, payload, &seen)).catch_unwind();
    let answer = traced(id, http.headers(), work).await.unwrap_or_else(|_| {
        let problem = Problem::internal("the request broke off");
        Err(problem.alarmed(&"a handler panicked"))
    });
    let admitted = answer.and_then(|reply| Ok((reply.room(&shell.front.admission)?, reply)));
    let (room, reply) = admitted.unwrap_or_else(|problem| {
        log(id, seen.get(), &problem);
        (None, Reply::problem(id, &problem))
    });
    shell.front.metrics.answered(Answered {
        operation: seen.get(),
        status: reply.status.as_u16(),
        items: reply.used.items,
        took: began.elapsed(),
    });
    reply.into_response(room)
}

/// Runs work in a span if anybody listens for it.
async fn traced<T>(id: RequestId, headers: &HeaderMap, work: impl Future<Output = T>) -> T {
    if tracing::enabled!(target: REQUEST_SPAN, Level::DEBUG) {
        work.instrument(request_span(id, headers)).await
    } else {
        work.await
    }
}

/// The span around a request, in the caller's trace if there is one.
fn request_span(id: RequestId, headers: &HeaderMap) -> Span {
    let span = tracing::debug_span!(target: REQUEST_SPAN, "request", request_id = %id);
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    telemetry::continue_trace(&span, header("traceparent"), header("tracestate"));
    span
}

/// Tells the operator of problems that are not the caller's; once, here.
fn log(id: RequestId, operation: Option<Operation>, problem: &Problem) {
    let operation = operation.map(Operation::word);
    match &problem.cause {
        None => {}
        Some(Cause::Passing(cause)) => {
            tracing::warn!(request_id = %id, operation, cause, "refused for now");
        }
        Some(Cause::Standing(cause)) => {
            tracing::error!(request_id = %id, operation, cause, "something is wrong with this server");
        }
    }
}

impl Shell {
    async fn answer(
        &self,
        id: RequestId,
        http: &HttpRequest,
        payload: Payload,
        seen: &Cell<Option<Operation>>,
    ) -> Answer {
        let _place = self.front.admission.enter().ok_or_else(Problem::busy)?;
        let query = http.uri().query().unwrap_or_default();
        let decoded = path::decode(http.uri().path())?;
        let path = ApiPath::parse(&decoded)?;
        let verb = Verb::parse(http.method(), query::first(query, "list").as_deref())?;
        head::check(http.headers())?;
        let front = self.front.as_ref();
        let opened = front.gate.opened();
        let route = route_of(opened.as_deref(), verb, &path);
        let wrap_ttl = wrapping::asked_ttl(http.headers())?;
        if let Ok(route) = &route {
            seen.set(Some(route.operation));
            telemetry::name_trace(&Span::current(), route.operation.word());
        }
        let connection = http.conn_data::<Connection>();
        let remote = connection.and_then(|known| known.client_address(http.headers()));
        let caller = caller_of(opened.as_deref(), http.headers(), remote).await;
        if opened.is_none()
            && !route
                .as_ref()
                .is_ok_and(|route| route.operation.answers_sealed())
        {
            return Err(Problem::sealed());
        }
        let (route, caller) = self.admit(route, caller)?;
        if let (Some(opened), Some(caller)) = (&opened, &caller)
            && !self.is_public(&route)
        {
            opened.identity.spend(&caller.token).await?;
        }
        let held = self.front.admission.body();
        let is_stranger = caller.is_none();
        let body = if verb == Verb::Write && (!is_stranger || route.operation.hears_strangers()) {
            let limit = front.limits.body_bytes_of(route.operation, is_stranger);
            Body::read(payload, http.headers(), limit, held).await?
        } else {
            Body::none(held)
        };
        let request = Request {
            front,
            opened: opened.as_deref(),
            id,
            operation: route.operation,
            caller,
            headers: http.headers(),
            remote,
            client_certificates: connection.and_then(|known| known.certificates.clone()),
            query,
            body,
        };
        let reply = request.handle(&route.target).await?;
        match wrap_ttl {
            Some(ttl) if !route.operation.is_about_wrapping() => {
                wrapping::wrap(&request, &path.segments, ttl, reply).await
            }
            Some(_) | None => Ok(reply),
        }
    }
}

/// Where a request leads; while the store is sealed there are no mounts.
fn route_of(opened: Option<&Opened>, verb: Verb, path: &ApiPath<'_>) -> Result<Route, RouteFault> {
    let mounts = opened.map(|opened| opened.transit.mounts());
    let methods = opened.map(|opened| opened.identity.methods.mounts.all());
    let mounts = mounts.as_deref().map_or(&[][..], Vec::as_slice);
    let methods = methods.as_deref().map_or(&[][..], Vec::as_slice);
    Route::find(verb, path, mounts, methods)
}

/// The caller of a request, as far as anybody can say.
async fn caller_of(
    opened: Option<&Opened>,
    headers: &HeaderMap,
    remote: Option<IpAddr>,
) -> Result<Option<Caller>, Refusal> {
    match opened {
        None => Ok(None),
        Some(opened) => Caller::identify(&opened.identity, headers, remote).await,
    }
}

impl Shell {
    /// Lets a request in. Strangers are not told which paths there are, and nobody reads what they send.
    fn admit(
        &self,
        route: Result<Route, RouteFault>,
        caller: Result<Option<Caller>, Refusal>,
    ) -> Result<(Route, Option<Caller>), Problem> {
        match (route, caller) {
            (Ok(route), Ok(Some(caller)))
                if self.is_public(&route) || is_permitted(&caller, &route) =>
            {
                Ok((route, Some(caller)))
            }
            // A token that cannot be looked up now is not needed here.
            (Ok(route), Ok(None) | Err(_)) if self.is_public(&route) => Ok((route, None)),
            (_, Err(refusal)) => Err(refusal.into()),
            (_, Ok(None)) => Err(Problem::permission_denied()),
            (Err(fault), Ok(Some(caller))) if caller.token.powers.is_root() => Err(fault.into()),
            (_, Ok(Some(_))) => Err(Problem::multi_denied()),
        }
    }

    fn is_public(&self, route: &Route) -> bool {
        let operation = route.operation;
        if let Target::Method(method) = &route.target {
            return !method.needs_token();
        }
        !operation.needs_token() || (operation == Operation::Metrics && self.front.public_metrics)
    }
}

/// Until policies decide, root may do everything, and others what the policy `default` says of their own tokens.
fn is_permitted(caller: &Caller, route: &Route) -> bool {
    let powers = &caller.token.powers;
    let of_own = matches!(
        route.target,
        Target::Capabilities(Which::Own)
            | Target::Token(
                TokenCall::Lookup(Which::Own)
                    | TokenCall::Renew(Which::Own)
                    | TokenCall::Revoke(Which::Own)
            )
    );
    powers.is_root() || (of_own && powers.policies().contains(policy_set::DEFAULT))
}

impl Request<'_> {
    #[expect(
        clippy::cognitive_complexity,
        reason = "one line for each operation, and nothing else"
    )]
    async fn handle(&self, target: &Target) -> Answer {
        match self.operation {
            Operation::AuthMethod => auth::answer(self, target.method()?).await,
            Operation::AuthMountDisable => auth_mounts::disable(self, target.path()?).await,
            Operation::AuthMountEnable => auth_mounts::enable(self, target.path()?).await,
            Operation::AuthMountList => auth_mounts::list(self),
            Operation::AuthMountRead => auth_mounts::read(self, target.path()?),
            Operation::AuthMountTune => auth_mounts::tune(self, target.path()?).await,
            Operation::AuthMountTuneRead => auth_mounts::tune_read(self, target.path()?),
            Operation::Capabilities => capabilities::answer(self, target.which()?).await,
            Operation::DataKeyPlaintext | Operation::DataKeyWrapped => {
                data::data_key(self, target.key()?).await
            }
            Operation::Decrypt => data::decrypt(self, target.key()?).await,
            Operation::Encrypt => data::encrypt(self, target.key()?).await,
            Operation::Health => sys::health(self),
            Operation::Initialise => Err(Problem::bad("Vault is already initialized")),
            Operation::InitStatus => Ok(sys::init_status()),
            Operation::KeyConfigure => keys::configure(self, target.key()?).await,
            Operation::KeyCreate => keys::create(self, target.key()?).await,
            Operation::KeyDelete => keys::delete(self, target.key()?).await,
            Operation::KeyHistory => history::read(self, target.key()?).await,
            Operation::KeyList => keys::list(self, target.mount()?).await,
            Operation::KeyRead => keys::read(self, target.key()?).await,
            Operation::KeyRotate => keys::rotate(self, target.key()?).await,
            Operation::KeyTrim => keys::trim(self, target.key()?).await,
            Operation::Leader => Ok(sys::leader()),
            Operation::Limits => Ok(sys::limits(self)),
            Operation::Metrics => sys::metrics(self),
            Operation::MountDisable => mounts::disable(self, target.path()?).await,
            Operation::MountEnable => mounts::enable(self, target.path()?).await,
            Operation::MountList => mounts::list(self),
            Operation::MountOfPath => mounts::of_path(self, target.path()?),
            Operation::MountRead => mounts::read(self, target.path()?),
            Operation::MountTune => mounts::tune(self, target.path()?).await,
            Operation::MountTuneRead => mounts::tune_read(self, target.path()?),
            Operation::MountsVisible => mounts::visible(self),
            Operation::PolicyDelete => policies::delete(self, target.policy()?).await,
            Operation::PolicyList => policies::list(self, target.policy()?).await,
            Operation::PolicyRead => policies::read(self, target.policy()?).await,
            Operation::PolicyWrite => policies::write(self, target.policy()?).await,
            Operation::Rewrap => data::rewrap(self, target.key()?).await,
            Operation::Seal => sealing::seal(self).await,
            Operation::SealStatus => Ok(sys::seal_status(self)),
            Operation::TokenAccessors
            | Operation::TokenCreate
            | Operation::TokenLookup
            | Operation::TokenRenew
            | Operation::TokenRevoke
            | Operation::TokenRole
            | Operation::TokenTidy => auth::token::answer(self, target.token()?).await,
            Operation::Unseal => sealing::unseal(self).await,
            Operation::Unwrap => wrapping::unwrap(self).await,
            Operation::Wrap => wrapping::echo(self),
            Operation::WrapLookUp => wrapping::look_up(self).await,
            Operation::WrapRenew => wrapping::rewrap(self).await,
        }
    }

    /// What the node works with while it is open.
    pub(super) fn opened(&self) -> Result<&Opened, Problem> {
        self.opened.ok_or_else(Problem::sealed)
    }

    /// The engine.
    pub(super) fn transit(&self) -> Result<&Arc<Transit>, Problem> {
        Ok(&self.opened()?.transit)
    }

    /// Tokens, policies and auth methods.
    pub(super) fn identity(&self) -> Result<&Arc<Identity>, Problem> {
        Ok(&self.opened()?.identity)
    }

    /// The fields of the query.
    pub(super) fn query_fields(&self) -> Fields<'static> {
        Fields::from_query(self.query)
    }

    /// The caller, where a token is needed.
    pub(super) fn known_caller(&self) -> Result<&Caller, Problem> {
        self.caller.as_ref().ok_or_else(Problem::permission_denied)
    }

    /// Whether the caller may do what takes `sudo` on this path.
    pub(super) async fn is_sudo(&self, path: &str) -> Result<bool, Problem> {
        let powers = &self.known_caller()?.token.powers;
        let acl = self.identity()?.policies.acl(powers).await?;
        let asked = Asked {
            path,
            parameters: &NoParameters,
            wrap_ttl: None,
        };
        Ok(acl.decide(Capability::Update, &asked).sudo)
    }

    /// Who asks for a change, and why.
    pub(super) fn provenance(&self) -> Result<Provenance, Problem> {
        let caller = self.known_caller()?;
        Ok(Provenance {
            actor: caller.token.display_name.to_string(),
            accessor: Some(caller.token.accessor.to_string()),
            request_id: Some(self.id.to_string()),
            cause: ring_history::Cause::Manual,
            reason: head::reason(self.headers)?,
        })
    }

    /// Runs work on a ring to its end, even if the client hangs up.
    pub(super) async fn on_ring<T, F>(
        &self,
        key: &KeyTarget,
        work: impl FnOnce(Arc<Transit>, Address) -> F,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let work = work(Arc::clone(self.transit()?), key.address.clone());
        let result = self.front.detached.run(work).await?;
        result.map_err(|error| self.failed(key, error))
    }

    /// The engine's error as an answer.
    pub(super) fn failed(&self, key: &KeyTarget, error: Error) -> Problem {
        Problem::engine(self.operation, key.address.name.as_str(), error)
    }
}

impl Target {
    fn key(&self) -> Result<&KeyTarget, Problem> {
        let Self::Key(key) = self else {
            return Err(misrouted());
        };
        Ok(key)
    }

    fn method(&self) -> Result<&MethodTarget, Problem> {
        let Self::Method(method) = self else {
            return Err(misrouted());
        };
        Ok(method)
    }

    fn mount(&self) -> Result<&Mount, Problem> {
        let Self::Mount(mount) = self else {
            return Err(misrouted());
        };
        Ok(mount)
    }

    fn path(&self) -> Result<&MountPath, Problem> {
        let Self::Path(path) = self else {
            return Err(misrouted());
        };
        Ok(path)
    }

    fn policy(&self) -> Result<&PolicyTarget, Problem> {
        let Self::Policy(policy) = self else {
            return Err(misrouted());
        };
        Ok(policy)
    }

    fn token(&self) -> Result<&TokenCall, Problem> {
        let Self::Token(token) = self else {
            return Err(misrouted());
        };
        Ok(token)
    }

    fn which(&self) -> Result<Which, Problem> {
        let Self::Capabilities(which) = self else {
            return Err(misrouted());
        };
        Ok(*which)
    }
}

fn misrouted() -> Problem {
    Problem::internal("the request led nowhere")
        .alarmed(&"the route table gave an operation another target than it has")
}
