//! The HTTP front: from bytes of a connection to calls of the engine, and back.

mod audit_devices;
mod auth;
mod auth_mounts;
mod authorise;
mod batch;
mod body;
mod capabilities;
mod certificates;
mod data;
mod dispatch;
mod errors;
mod fields;
mod handlers;
mod head;
mod history;
mod import;
mod json;
mod key_pairs;
mod keys;
#[cfg(test)]
mod laws;
mod mount_settings;
mod mounts;
mod offers;
mod open;
mod operation;
mod pace;
pub(crate) mod path;
mod policies;
mod query;
mod quotas;
mod refused;
mod reply;
mod request;
mod route;
mod seal;
mod sealing;
mod serve;
mod signing;
mod sliced;
mod strict;
mod sys;
mod text;
mod tools;
mod trail;
mod transfer;
mod upsert;
mod view;
pub(crate) mod weak;
mod wrapping;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use keyring::clock::Clock;
use keyring::fair_queue::QueueError;

use crate::admission::{Admission, Bounds};
use crate::bounds::Bound;
use crate::detached::Detached;
use crate::gate::{Gate, Keeper};

pub use self::operation::Operation;
pub use self::pace::Pace;
pub use self::refused::RefusedRequests;
pub use self::serve::serve;

/// All that the front works with.
#[derive(Clone, Debug)]
pub struct Front {
    /// The way to the engine, while the store is not sealed.
    pub gate: Arc<Gate>,
    /// Opens and closes it.
    pub keeper: Arc<Keeper>,
    /// Where answers are counted.
    pub metrics: Arc<dyn RequestObserver>,
    /// What this node takes on.
    pub limits: Limits,
    /// What this node has taken on.
    pub admission: Admission,
    /// What it has refused.
    pub refused: Arc<RefusedRequests>,
    /// Whether anybody may read the metrics, without a token.
    pub public_metrics: bool,
    /// What the server says of itself.
    pub server: ServerInfo,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where changes run. Await [`Detached::drained`] after the server has stopped.
    pub detached: Detached,
}

impl Front {
    /// Whether the configuration gives this to anybody.
    fn publishes(&self, operation: Operation) -> bool {
        operation == Operation::Metrics && self.public_metrics
    }
}

/// Limits on requests. Those the protocol has fixed are constants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest body, in bytes.
    pub body_bytes: usize,
    /// What is held at once; beyond it requests are refused.
    pub admission: Bounds,
    /// How many requests from one address may be refused at once before those are recorded together.
    pub refused_burst: u64,
    /// How many of them a second are recorded one by one from then on.
    pub refused_per_second: u64,
    /// How fast bodies must come and answers be taken; what is slower is given up.
    pub pace: Pace,
    /// How long accepted requests may take to finish once the server stops.
    pub drain: Duration,
}

impl Limits {
    /// The longest batch, in items.
    pub const BATCH_ITEMS: usize = json::MAX_ITEMS;
    /// How deep JSON may be nested.
    pub const JSON_DEPTH: usize = json::MAX_DEPTH;
    /// The longest body of a request without items: it is read where the request is, and must not delay others.
    pub const PLAIN_BODY_BYTES: usize = 1 << 20;

    /// The longest body of somebody who shows no token, to log in with.
    pub const STRANGERS_BODY_BYTES: usize = 64 << 10;

    /// The longest body of a request for this.
    pub(crate) fn body_bytes_of(&self, operation: Operation, by_stranger: bool) -> usize {
        if by_stranger {
            self.body_bytes.min(Self::STRANGERS_BODY_BYTES)
        } else if operation.takes_much() {
            self.body_bytes
        } else {
            self.body_bytes.min(Self::PLAIN_BODY_BYTES)
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 32 << 20,
            admission: Bounds::default(),
            refused_burst: 2_000,
            refused_per_second: 100,
            pace: Pace::default(),
            drain: Duration::from_secs(30),
        }
    }
}

/// What the server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    /// The Vault version clients are to take it for; must be a semantic version, for clients gate fields on it.
    pub version: String,
    /// When it was built, RFC 3339.
    pub build_date: String,
    /// The name of the cluster.
    pub cluster_name: String,
    /// What keeps the rings: `sqlite`, `postgresql`.
    pub storage_type: String,
    /// How many unlock shares open a sealed store.
    pub unlock_threshold: u8,
    /// How many unlock shares were made.
    pub unlock_shares: u8,
}

impl Default for ServerInfo {
    fn default() -> Self {
        Self {
            version: "1.19.0".to_owned(),
            build_date: String::new(),
            cluster_name: "sealring".to_owned(),
            storage_type: "sqlite".to_owned(),
            unlock_threshold: 1,
            unlock_shares: 1,
        }
    }
}

/// One answer, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What was asked for; absent if the request led nowhere.
    pub operation: Option<Operation>,
    /// The HTTP status.
    pub status: u16,
    /// How many items were worked on.
    pub items: usize,
    /// From the head's arrival to the answer.
    pub took: Duration,
}

/// Counts answers. Calls are plain and must not block.
pub trait RequestObserver: Send + Sync + fmt::Debug {
    /// A request was answered.
    fn answered(&self, answered: Answered);

    /// Somebody was refused, as all, or a caller, has as much of this as may be.
    fn refused(&self, bound: Bound, error: QueueError);

    /// So many requests wait for an RSA key or have one searched for.
    fn rsa_searches(&self, inside: usize);

    /// All metrics in the Prometheus text format.
    fn prometheus_text(&self) -> String;
}

/// The target of the span around each request, at level DEBUG; made only if somebody listens.
pub const REQUEST_SPAN: &str = "sealring::request";

/// What audit records call requests that were refused and are recorded together.
pub const REFUSED_REQUESTS: &str = "refused_requests";
