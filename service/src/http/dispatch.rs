//! One request from head to answer: route, token, quotas, policies, body, admission, handler, audit.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::FutureExt as _;
use keyring::transit::NewRing;
use tracing::{Instrument as _, Level, Span};

use super::auth::token;
use super::body::{Arriving, Body};
use super::errors::{Cause, Problem};
use super::operation::Operation;
use super::path::{self, ApiPath};
use super::reply::{Answer, Reply, RequestId};
use super::request::Request;
use super::route::{Mounted, Route, RouteFault, Target, Verb};
use super::sliced::Watch;
use super::trail::Trail;
use super::upsert::{self, Upsert};
use super::{
    Answered, Front, REQUEST_SPAN, authorise, handlers, head, key_pairs, query, refused, wrapping,
};
use crate::admission::{Admission, Held, Owner, Resource, Share};
use crate::caller::Caller;
use crate::connection::{Connection, Cutter};
use crate::gate::Opened;
use crate::identity::token::lookup::Found;
use crate::identity::token::registry::Refusal;
use crate::telemetry;

/// What all workers share.
#[derive(Debug)]
pub(super) struct Shell {
    pub(super) front: Arc<Front>,
}

/// Answers any request, whatever happens.
pub(super) async fn dispatch(
    shell: Data<Shell>,
    http: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let front = &shell.front;
    let trail = Rc::new(trail_of(front, &http));
    let id = trail.id;
    let _abandoned = Abandoned(Rc::clone(&trail));
    let work = AssertUnwindSafe(answer(front, &http, payload, &trail)).catch_unwind();
    let answer = traced(id, http.headers(), work).await.unwrap_or_else(|_| {
        let problem = Problem::internal("the request broke off");
        Err(problem.alarmed(&"a handler panicked"))
    });
    let answer = refused::counted(front, &trail, answer);
    let admitted =
        answer.and_then(|reply| Ok((trail.reply_room(&front.admission, &reply)?, reply)));
    let (room, reply) = admitted.unwrap_or_else(|problem| {
        log(id, trail.operation(), &problem);
        (None, Reply::problem(id, &problem))
    });
    let (room, reply) = match recorded(&trail, &reply).await {
        Ok(()) => (room, reply),
        Err(problem) => (None, Reply::problem(id, &problem)),
    };
    front.metrics.answered(Answered {
        operation: trail.operation(),
        status: reply.status.as_u16(),
        items: reply.used.items,
        took: trail.began.elapsed(),
    });
    reply.into_response(room.map(|held| (held, watch(front, &http))))
}

/// What a long answer is watched with.
fn watch(front: &Front, http: &HttpRequest) -> Option<Watch> {
    let cutter = http.conn_data::<Cutter>()?;
    Some(Watch {
        pace: front.limits.pace.clone(),
        cutter: cutter.clone(),
        admission: front.admission.clone(),
    })
}

/// Records a request that its client gave up before it was answered, when the framework drops it: it may have been done.
struct Abandoned(Rc<Trail>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

fn trail_of(front: &Front, http: &HttpRequest) -> Trail {
    let connection = http.conn_data::<Connection>();
    let address = connection.and_then(|known| known.client_address(http.headers()));
    Trail::begin(
        RequestId::generate(),
        front.clock.now(),
        connection,
        address,
    )
}

/// Nobody is answered before the answer is recorded.
async fn recorded(trail: &Trail, reply: &Reply) -> Result<(), Problem> {
    match trail.record(reply) {
        None => Ok(()),
        // Nothing was done, and the record is on its way.
        Some(submitted) if reply.is_urgent => {
            drop(submitted?);
            Ok(())
        }
        Some(submitted) => Ok(submitted?.await?),
    }
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

async fn answer(
    front: &Arc<Front>,
    http: &HttpRequest,
    payload: Payload,
    trail: &Rc<Trail>,
) -> Answer {
    let opened = front.gate.opened();
    if let Some(opened) = &opened {
        trail.recorded_in(&opened.audit);
    }
    let query = http.uri().query().unwrap_or_default();
    let decoded = path::decode(http.uri().path())?;
    let path = ApiPath::parse(&decoded)?;
    let verb = Verb::parse(http.method(), query::first(query, "list").as_deref())?;
    head::check(http.headers())?;
    let wrap_ttl = wrapping::asked_ttl(http.headers())?;
    let fault = match Route::find(verb, &path, &Mounted::of(opened.as_deref())) {
        Ok(route) => {
            telemetry::name_trace(&Span::current(), route.operation.word());
            trail.leads_to(route);
            None
        }
        Err(fault) => Some(fault),
    };
    let operation = trail.operation();
    if opened.is_none() && !operation.is_some_and(Operation::answers_sealed) {
        return Err(Problem::sealed());
    }
    if let Some(opened) = &opened
        && !operation.is_some_and(Operation::needs_no_room_in_audit)
    {
        opened.audit.admits()?;
    }
    let asked_path = trail
        .route()
        .map_or_else(|| path.canonical(), |route| route.decided_path(&path));
    let asked = (asked_path.as_str(), fault);
    let_in(front, opened.as_deref(), http, asked, trail).await?;
    // What was opened is looked up again after the body: that may take its time, and the store be sealed.
    drop(opened);
    let mut work = Work {
        front: Arc::clone(front),
        http: http.clone(),
        trail: Rc::clone(trail),
        path: asked_path,
        verb,
        wrap_ttl,
        body: Body::none(),
        place: None,
        own: None,
        new_ring: None,
        found: key_pairs::Found::default(),
    };
    work.receive(payload).await?;
    work.go().await
}

/// Finds out who asks for this path, lets the request in, and counts it against the quotas: against those by address before
/// anything of its token is looked at.
async fn let_in(
    front: &Front,
    opened: Option<&Opened>,
    http: &HttpRequest,
    (path, fault): (&str, Option<RouteFault>),
    trail: &Trail,
) -> Result<(), Problem> {
    if let Some(opened) = opened {
        authorise::turn_away(opened, trail, path)?;
    }
    let caller = caller_of(opened, http, trail).await;
    let admitted = admit(front, fault, caller, trail).map(|_| ());
    match (opened, &admitted) {
        (Some(opened), Ok(())) => authorise::count(opened, trail, path)?,
        (Some(opened), Err(_)) => {
            authorise::count_refused(opened, trail, path);
            authorise::spend_on_nothing(opened, trail).await?;
        }
        (None, _) => {}
    }
    admitted
}

/// The caller of a request, as far as anybody can say. Where nobody asks for one, none is looked for.
async fn caller_of(
    opened: Option<&Opened>,
    http: &HttpRequest,
    trail: &Trail,
) -> Result<(), Refusal> {
    let is_wanted = trail.route().is_none_or(Route::wants_caller);
    let Some(opened) = opened.filter(|_| is_wanted) else {
        return Ok(());
    };
    let caller = Caller::identify(&opened.identity, http.headers(), trail.address()).await?;
    if let Some(caller) = caller {
        trail.comes_from(caller);
    }
    Ok(())
}

/// Lets a request in. Strangers are not told which paths there are, and nobody reads what they send.
fn admit<'t>(
    front: &Front,
    fault: Option<RouteFault>,
    caller: Result<(), Refusal>,
    trail: &'t Trail,
) -> Result<&'t Route, Problem> {
    match (trail.route(), trail.caller(), fault) {
        (Some(route), None, _) if route.is_public() || front.publishes(route.operation) => {
            Ok(route)
        }
        (Some(route), Some(_), _) => Ok(route),
        (None, Some(caller), Some(fault)) if caller.token.powers.is_root() => Err(fault.into()),
        (None, Some(_), _) => Err(Problem::multi_denied()),
        (_, None, _) => Err(caller.map_or_else(Problem::from, |()| Problem::permission_denied())),
    }
}

/// Whose share of the node a request draws on: its token's, or its client's.
fn share(admission: &Admission, trail: &Trail, operation: Operation) -> Share {
    let caller = trail.caller();
    let owner = match (caller, trail.address()) {
        (Some(caller), _) => Owner::Token(&caller.token.hash),
        (None, Some(address)) => Owner::Address(address),
        (None, None) => Owner::User(trail.connection().and_then(|known| known.user)),
    };
    admission.share(operation.lane(caller.is_some()), owner)
}

/// A request with all that it needs, which a task of its own can work on.
struct Work {
    front: Arc<Front>,
    http: HttpRequest,
    trail: Rc<Trail>,
    path: String,
    verb: Verb,
    wrap_ttl: Option<Duration>,
    body: Body,
    /// Its place among those that are worked on, from when its body is there.
    place: Option<Held>,
    /// The caller's own token as it was before this request took its last use.
    own: Option<Found>,
    /// The ring to be created before it is encrypted with.
    new_ring: Option<NewRing>,
    /// The key pair that was found for it.
    found: key_pairs::Found,
}

impl Work {
    /// Reads the body, if it brings one and is heard, and takes a place only then: whoever sends slowly keeps nobody out.
    async fn receive(&mut self, payload: Payload) -> Result<(), Problem> {
        let (front, trail) = (Arc::clone(&self.front), Rc::clone(&self.trail));
        let route = trail.route().ok_or_else(handlers::misrouted)?;
        let share = share(&front.admission, &trail, route.operation);
        trail.draws_on(share);
        let is_stranger = trail.caller().is_none();
        if self.verb == Verb::Write && (!is_stranger || route.operation.hears_strangers()) {
            let http = self.http.clone();
            let limit = front.limits.body_bytes_of(route.operation, is_stranger);
            let budget = (&front.admission, share);
            let mut arriving = Arriving::begin(payload, http.headers(), limit, budget);
            if !arriving.is_here()? {
                self.body = Body::awaited();
                self.await_body(route, &mut arriving).boxed_local().await?;
            }
            self.body = arriving.into_body(http.headers());
            trail.brought(self.body.bytes.len());
        }
        let place = front.admission.hold(share, Resource::Requests, 1);
        self.place = Some(place.ok_or_else(Problem::busy)?);
        Ok(())
    }

    /// Waits for the rest of the body, if what is known without it may be done at all.
    async fn await_body(&self, route: &Route, arriving: &mut Arriving<'_>) -> Result<(), Problem> {
        let opened = self.front.gate.opened();
        let request = self.request(opened.as_deref(), route);
        authorise::permit_unread(&request, route, self.wrap_ttl).await?;
        drop(opened);
        let came = arriving.wait(&self.front.limits.pace).await;
        came.inspect_err(|problem| {
            if problem.status == StatusCode::REQUEST_TIMEOUT {
                self.front.admission.gave_up_body();
            }
        })
    }

    /// Works on it. A change goes on to its recorded end also if the client hangs up.
    async fn go(mut self) -> Answer {
        let opened = self.front.gate.opened();
        let trail = Rc::clone(&self.trail);
        let route = trail.route().ok_or_else(handlers::misrouted)?;
        self.check_caller_again(opened.as_deref()).await?;
        if token::asks_itself(trail.caller(), route) {
            let request = self.request(opened.as_deref(), route);
            self.own = token::own_before_use(&request).boxed_local().await?;
        }
        let request = self.request(opened.as_deref(), route);
        authorise::permit(&request, route, self.wrap_ttl).await?;
        if self.wrap_ttl.is_some() {
            wrapping::check_room(&request).boxed_local().await?;
        }
        if !route.changes_something(self.verb) {
            let problem = match self.handled(opened.as_deref()).await {
                Err(problem) if problem.lacks_ring => problem,
                answer => return answer,
            };
            let planned = self.upsert(opened.as_deref(), route).boxed_local().await?;
            match planned {
                None => return Err(problem),
                Some(Upsert::Answer(reply)) => return Ok(reply),
                Some(Upsert::Create(new)) => self.new_ring = Some(new),
            }
        }
        let request = self.request(opened.as_deref(), route);
        self.found = key_pairs::find(&request, &route.target)
            .boxed_local()
            .await?;
        drop(opened);
        trail.goes_on_alone();
        self.go_on_alone().await
    }

    /// Works on a change in a task of its own.
    async fn go_on_alone(self) -> Answer {
        let span = Span::current();
        let task = actix_web::rt::spawn(self.change().instrument(span));
        task.await.unwrap_or_else(|_| {
            let problem = Problem::internal("the request broke off; a change may have been made");
            Err(problem.alarmed(&"a handler panicked"))
        })
    }

    /// What becomes of an encrypt whose ring is missing.
    async fn upsert(
        &self,
        opened: Option<&Opened>,
        route: &Route,
    ) -> Result<Option<Upsert>, Problem> {
        let Target::Key(key) = &route.target else {
            return Ok(None);
        };
        let request = self.request(opened, route);
        match upsert::plan(&request, key, self.wrap_ttl).await? {
            Some(Upsert::Answer(reply)) => {
                let reply = self.wrapped(&request, reply).await?;
                Ok(Some(Upsert::Answer(reply)))
            }
            planned @ (None | Some(Upsert::Create(_))) => Ok(planned),
        }
    }

    /// A body may have taken its time, and the token been revoked meanwhile.
    async fn check_caller_again(&self, opened: Option<&Opened>) -> Result<(), Problem> {
        let (Some(opened), Some(caller)) = (opened, self.trail.caller()) else {
            return Ok(());
        };
        if self.trail.began.elapsed() < CALLER_CHECKED_AGAIN {
            return Ok(());
        }
        let (headers, address) = (self.http.headers(), self.trail.address());
        let now = Caller::identify(&opened.identity, headers, address)
            .boxed_local()
            .await?;
        let is_same = |now: &Caller| Arc::ptr_eq(&now.token.powers, &caller.token.powers);
        if now.as_ref().is_some_and(is_same) {
            Ok(())
        } else {
            Err(Problem::permission_denied())
        }
    }

    /// An intent comes first, and the outcome before the answer.
    async fn change(self) -> Answer {
        let trail = Rc::clone(&self.trail);
        let opened = self.front.gate.opened();
        let keeper = Arc::clone(&self.front.keeper);
        let is_seal = self.trail.operation() == Some(Operation::Seal);
        let answer = self.recorded_change(opened.as_deref()).await;
        drop(opened);
        let reply = match answer {
            Ok(reply) => reply,
            Err(problem) => {
                log(trail.id, trail.operation(), &problem);
                Reply::problem(trail.id, &problem)
            }
        };
        let concluded = trail.conclude(&reply).await;
        if is_seal {
            // Only now, as the record of it goes into what is closed.
            keeper.close_own().await;
        }
        match concluded {
            Ok(()) => Ok(reply),
            Err(_) => Err(Problem::outcome_unrecorded()),
        }
    }

    async fn recorded_change(self, opened: Option<&Opened>) -> Answer {
        self.trail.has_reason(head::reason(self.http.headers())?);
        self.trail.intend().await?;
        self.handled(opened).await
    }

    async fn handled(&self, opened: Option<&Opened>) -> Answer {
        let route = self.trail.route().ok_or_else(handlers::misrouted)?;
        let request = self.request(opened, route);
        let reply = request.handle(&route.target).await?;
        self.wrapped(&request, reply).await
    }

    /// The reply, or what it is wrapped in if its caller wants that.
    async fn wrapped(&self, request: &Request<'_>, reply: Reply) -> Answer {
        match self.wrap_ttl {
            Some(ttl) if !request.operation.wraps_itself() => {
                wrapping::wrap(request, ttl, reply).boxed_local().await
            }
            Some(_) | None => Ok(reply),
        }
    }

    fn request<'w>(&'w self, opened: Option<&'w Opened>, route: &Route) -> Request<'w> {
        Request {
            front: &self.front,
            opened,
            trail: &self.trail,
            id: self.trail.id,
            operation: route.operation,
            verb: self.verb,
            path: &self.path,
            caller: self.trail.caller(),
            headers: self.http.headers(),
            remote: self.trail.address(),
            connection: self.trail.connection(),
            query: self.http.uri().query().unwrap_or_default(),
            body: &self.body,
            own: self.own.as_ref(),
            new_ring: self.new_ring.as_ref(),
            found: &self.found,
        }
    }
}

/// A request whose body took longer than this has its token looked at again.
const CALLER_CHECKED_AGAIN: Duration = Duration::from_millis(250);
