//! What a request leaves behind for its audit record, gathered while it is worked on.

use std::cell::{Cell, OnceCell, RefCell};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use keyring::clock::Timestamp;
use rustls::ProtocolVersion;

use super::errors::Problem;
use super::operation::Operation;
use super::reply::{Reply, RequestId};
use super::route::{Route, Target};
use crate::admission::{Admission, Held, Lane, Resource, Share};
use crate::audit::{
    Amount, Answer, AuditLog, Kind, NotRecorded, Outcome, Record, Reserve, Source, Ticket, Tls,
};
use crate::caller::Caller;
use crate::connection::Connection;

/// The trail of one request. Nothing of a body gets here, and of a path only names that passed their grammar.
#[derive(Debug)]
pub(super) struct Trail {
    pub(super) id: RequestId,
    pub(super) began: Instant,
    at: Timestamp,
    address: Option<IpAddr>,
    connection: Option<Connection>,
    caller: OnceCell<Caller>,
    route: OnceCell<Route>,
    reason: OnceCell<String>,
    bytes_in: Cell<usize>,
    /// Whose share of the node it draws on.
    share: Cell<Share>,
    /// Room for its answer, taken before the work.
    reply_room: RefCell<Option<Held>>,
    /// Where it is recorded; absent while the node is sealed.
    log: OnceCell<Arc<AuditLog>>,
    /// Whether the outcome has been recorded already.
    is_closed: Cell<bool>,
    /// Whether a task of its own works on it and concludes it, whether or not the client waits.
    is_alone: Cell<bool>,
}

impl Trail {
    /// The trail of a request whose head has just arrived.
    pub(super) fn begin(
        id: RequestId,
        at: Timestamp,
        connection: Option<&Connection>,
        address: Option<IpAddr>,
    ) -> Self {
        Self {
            id,
            began: Instant::now(),
            at,
            address,
            connection: connection.cloned(),
            caller: OnceCell::new(),
            route: OnceCell::new(),
            reason: OnceCell::new(),
            bytes_in: Cell::new(0),
            share: Cell::new(Share::of_nobody(Lane::Login)),
            reply_room: RefCell::new(None),
            log: OnceCell::new(),
            is_closed: Cell::new(false),
            is_alone: Cell::new(false),
        }
    }

    /// What it asks for, as far as that is known.
    pub(super) fn operation(&self) -> Option<Operation> {
        self.route.get().map(|route| route.operation)
    }

    /// Where the request is recorded.
    pub(super) fn recorded_in(&self, log: &Arc<AuditLog>) {
        drop(self.log.set(Arc::clone(log)));
    }

    /// It leads here.
    pub(super) fn leads_to(&self, route: Route) {
        drop(self.route.set(route));
    }

    /// Where it leads; absent if nowhere.
    pub(super) fn route(&self) -> Option<&Route> {
        self.route.get()
    }

    /// It comes from somebody known.
    pub(super) fn comes_from(&self, caller: Caller) {
        drop(self.caller.set(caller));
    }

    /// Who asks, if anybody is known to.
    pub(super) fn caller(&self) -> Option<&Caller> {
        self.caller.get()
    }

    /// Where the caller is; absent on a Unix socket.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The connection it came over.
    pub(super) fn connection(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }

    /// The ring it is about: mount and name.
    pub(super) fn key(&self) -> Option<(&str, &str)> {
        match &self.route.get()?.target {
            Target::Key(key) => Some((key.mount.as_str(), key.address.name.as_str())),
            Target::Capabilities(_)
            | Target::Method(_)
            | Target::Mount(_)
            | Target::Path(_)
            | Target::Policy(_)
            | Target::Quota(_)
            | Target::Server
            | Target::Token(_)
            | Target::Tool(_) => None,
        }
    }

    /// Its caller says why.
    pub(super) fn has_reason(&self, reason: Option<String>) {
        if let Some(reason) = reason {
            drop(self.reason.set(reason));
        }
    }

    /// Its body has this many bytes.
    pub(super) fn brought(&self, bytes: usize) {
        self.bytes_in.set(bytes);
    }

    /// It draws on this share from now on.
    pub(super) fn draws_on(&self, share: Share) {
        self.share.set(share);
    }

    /// Whose share of the node it draws on.
    pub(super) fn share(&self) -> Share {
        self.share.get()
    }

    /// Its answer has this room.
    pub(super) fn has_reply_room(&self, held: Option<Held>) {
        self.reply_room.replace(held);
    }

    /// Room for an answer until it is sent; none is needed for a short one. Only an answer for which no work was counted or
    /// recorded is refused.
    pub(super) fn reply_room(
        &self,
        admission: &Admission,
        reply: &Reply,
    ) -> Result<Option<Held>, Problem> {
        let weight = reply.weight();
        let taken = self.reply_room.take();
        if weight == 0 {
            return Ok(None);
        }
        let must_be_sent = taken.is_some() || self.is_closed.get();
        let nothing = || admission.hold_nothing(self.share(), Resource::ReplyBytes);
        let mut held = taken.unwrap_or_else(nothing);
        if must_be_sent {
            held.set(weight);
        } else if !held.more(weight) {
            return Err(Problem::busy());
        }
        Ok(Some(held))
    }

    /// Records that a change is about to be made. Ready once that is durable.
    pub(super) async fn intend(&self) -> Result<(), NotRecorded> {
        let Some(log) = self.log.get() else {
            return Ok(());
        };
        let submit = |record: &Record<'_>| match self.operation() {
            Some(Operation::Seal) => log.submit_reserved(record, Reserve::Seal),
            Some(Operation::TokenRevoke) => log.submit_reserved(record, Reserve::Revocation),
            Some(_) | None => log.submit_synced(record),
        };
        self.with_record(log, Kind::Intent, None, submit)?.await
    }

    /// Records how a change went. Ready once that is durable; nothing more is recorded then.
    pub(super) async fn conclude(&self, reply: &Reply) -> Result<(), NotRecorded> {
        let Some(log) = self.log.get() else {
            return Ok(());
        };
        self.is_closed.set(true);
        let answer = Some(reply);
        self.with_record(log, Kind::Outcome, answer, |record| {
            log.submit_synced(record)
        })?
        .await
    }

    /// Records a request that changes nothing, and how it was answered. `None` if there is nothing to record.
    pub(super) fn record(&self, reply: &Reply) -> Option<Result<Ticket<'_>, NotRecorded>> {
        let log = self.log.get()?;
        let is_status = self.operation().is_some_and(Operation::only_tells_status);
        if self.is_closed.replace(true) || is_status {
            return None;
        }
        Some(self.with_record(log, Kind::Request, Some(reply), |record| log.submit(record)))
    }

    /// It is recorded together with others, if it has not been by itself. Says whether that is so.
    pub(super) fn is_recorded_together(&self) -> bool {
        self.log.get().is_some() && !self.is_closed.replace(true)
    }

    /// A task of its own works on it from now on.
    pub(super) fn goes_on_alone(&self) {
        self.is_alone.set(true);
    }

    /// The client is gone. What is not recorded by now is recorded as of unknown outcome; nobody waits for that.
    pub(super) fn abandon(&self) {
        if !self.is_alone.get() {
            drop(self.record(&Reply::nothing().unknown()));
        }
    }

    fn with_record<T>(
        &self,
        log: &AuditLog,
        kind: Kind,
        reply: Option<&Reply>,
        submit: impl FnOnce(&Record<'_>) -> T,
    ) -> T {
        let (mount, key) = self
            .route
            .get()
            .map_or((None, None), |route| route.target.names());
        let who = self.caller.get().map(|caller| caller.token.who(log));
        let used = reply.map(|reply| reply.used).unwrap_or_default();
        let listener = self
            .connection
            .as_ref()
            .map_or("", |known| &*known.listener);
        submit(&Record {
            at: self.at,
            kind,
            request: self.id.uuid(),
            who,
            source: Source {
                address: self.address,
                listener,
                tls: self.connection.as_ref().and_then(tls),
            },
            operation: self.operation().map_or("none", Operation::word),
            mount: mount.as_deref(),
            key: key.as_deref(),
            versions: used.versions,
            amount: Amount {
                items: used.items,
                failed: used.failed,
                bytes_in: self.bytes_in.get(),
                bytes_out: reply.map_or(0, Reply::len),
            },
            answer: reply.map(|reply| self.answer(reply)),
            cause: (kind != Kind::Request).then_some("manual"),
            reason: self.reason.get().map(String::as_str),
            recovered: false,
            made: reply.and_then(|reply| reply.made.as_deref()),
        })
    }

    fn answer(&self, reply: &Reply) -> Answer {
        let status = reply.status.as_u16();
        Answer {
            outcome: if reply.leaves_unknown {
                Outcome::Unknown
            } else {
                Outcome::of_status(status, reply.used.failed)
            },
            status: Some(status),
            took: self.began.elapsed(),
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "rustls speaks no others, and its enum is non-exhaustive"
)]
fn tls(connection: &Connection) -> Option<Tls> {
    match connection.tls? {
        ProtocolVersion::TLSv1_2 => Some(Tls::V1_2),
        ProtocolVersion::TLSv1_3 => Some(Tls::V1_3),
        _ => None,
    }
}
