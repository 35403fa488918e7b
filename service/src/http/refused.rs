//! Refused requests: beyond a rate, those from one address are told to come back later and recorded together, once a second.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::http::StatusCode;
use uuid::Uuid;

use super::errors::{Message, Problem};
use super::operation::Operation;
use super::reply::Answer;
use super::trail::Trail;
use super::{Front, REFUSED_REQUESTS};
use crate::audit::{self, Amount, AuditLog, Kind, Outcome, Record, Source};
use crate::quota::{Decision, RefusedRate};

/// Counts refused requests, and keeps those that are not recorded yet.
#[derive(Debug)]
pub struct RefusedRequests {
    rate: RefusedRate,
    unrecorded: Mutex<HashMap<Option<IpAddr>, usize>>,
}

impl RefusedRequests {
    /// Has refusals recorded one by one while an address has not more than this burst, and then so many a second.
    pub fn new(burst: u64, per_second: u64) -> Self {
        Self {
            rate: RefusedRate::new(burst, per_second),
            unrecorded: Mutex::default(),
        }
    }

    /// Notes one that is not recorded by itself; says whether it is the first since the last record.
    fn note(&self, address: Option<IpAddr>) -> bool {
        let mut unrecorded = self
            .unrecorded
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_first = unrecorded.is_empty();
        let known = unrecorded.contains_key(&address) || unrecorded.len() < MAX_ADDRESSES;
        // Beyond so many addresses the rest are counted as of none.
        *unrecorded.entry(address.filter(|_| known)).or_default() += 1;
        is_first
    }

    fn take(&self) -> HashMap<Option<IpAddr>, usize> {
        let mut unrecorded = self
            .unrecorded
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut unrecorded)
    }
}

impl Front {
    /// Records what was refused since the last time and is not recorded yet: one record for each address.
    pub fn record_refused(&self) {
        let Some(opened) = self.gate.opened() else {
            return;
        };
        for (address, count) in self.refused.take() {
            record(&opened.audit, address, count, self.clock.now());
        }
    }
}

/// Counts an answer that is a refusal. One beyond the rate becomes 429, and has no record of its own.
pub(super) fn counted(front: &Arc<Front>, trail: &Trail, answer: Answer) -> Answer {
    let status = match &answer {
        Ok(reply) => reply.status,
        Err(problem) => problem.status,
    };
    if !is_refusal(trail, status) {
        return answer;
    }
    let address = trail.address();
    let decision = front.refused.rate.count(address, front.clock.uptime());
    if decision == Decision::Allowed || !trail.is_recorded_together() {
        return answer;
    }
    front.admission.refused_unrecorded();
    if front.refused.note(address) {
        let front = Arc::clone(front);
        actix_web::rt::spawn(async move {
            tokio::time::sleep(RECORDED_AFTER).await;
            front.record_refused();
        });
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        return answer;
    }
    let text = Message::Plain("too many refused requests from this address".into());
    Err(Problem {
        retry_after: decision.retry_after_seconds(),
        ..Problem::new(StatusCode::TOO_MANY_REQUESTS, text)
    })
}

/// Whether somebody without the right, without a token, or over a quota, was told to go.
fn is_refusal(trail: &Trail, status: StatusCode) -> bool {
    let tells_status = trail.operation().is_some_and(Operation::only_tells_status);
    let is_denied = matches!(
        status,
        StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS | StatusCode::UNAUTHORIZED
    );
    !tells_status && (is_denied || (trail.caller().is_none() && status.is_client_error()))
}

fn record(log: &AuditLog, address: Option<IpAddr>, count: usize, at: keyring::clock::Timestamp) {
    let record = Record {
        at,
        kind: Kind::Request,
        request: Uuid::new_v4(),
        who: None,
        source: Source {
            address,
            ..Source::default()
        },
        operation: REFUSED_REQUESTS,
        mount: None,
        key: None,
        versions: None,
        amount: Amount {
            items: count,
            failed: count,
            ..Amount::default()
        },
        answer: Some(audit::Answer {
            outcome: Outcome::Refused,
            status: Some(StatusCode::TOO_MANY_REQUESTS.as_u16()),
            took: RECORDED_AFTER,
        }),
        cause: None,
        reason: None,
        recovered: false,
        made: None,
    };
    // Nobody waits for it.
    if log.submit(&record).is_err() {
        tracing::warn!(count, "refused requests were not recorded");
    }
}

/// How long refusals gather before they are recorded.
const RECORDED_AFTER: Duration = Duration::from_secs(1);
/// How many addresses have a record of their own each time.
const MAX_ADDRESSES: usize = 16;
