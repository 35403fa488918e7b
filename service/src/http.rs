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
mod keys;
#[cfg(test)]
mod laws;
mod mount_settings;
mod mounts;
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
use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::KeepAlive;
use actix_web::{App, HttpServer, web};
use keyring::clock::Clock;

use self::dispatch::Shell;
use crate::admission::{Admission, Bounds};
use crate::connection::Cutter;
use crate::detached::Detached;
use crate::gate::{Gate, Keeper};
use crate::listener::{Listener, Socket};

pub use self::operation::Operation;
pub use self::pace::Pace;
pub use self::refused::RefusedRequests;

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
            refused_burst: 200,
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

    /// All metrics in the Prometheus text format.
    fn prometheus_text(&self) -> String;
}

/// The target of the span around each request, at level DEBUG; made only if somebody listens.
pub const REQUEST_SPAN: &str = "sealring::request";

/// What audit records call requests that were refused and are recorded together.
pub const REFUSED_REQUESTS: &str = "refused_requests";

/// Serves on these listeners with this many workers, until the returned server is stopped. Handles no signals.
pub fn serve(front: Arc<Front>, listeners: Vec<Listener>, workers: usize) -> io::Result<Server> {
    let drain = front.limits.drain.as_secs();
    let shell = web::Data::new(Shell { front });
    let mut server = HttpServer::new(move || {
        App::new()
            .app_data(shell.clone())
            .default_service(web::to(dispatch::dispatch))
    })
    .workers(workers)
    .worker_max_blocking_threads(BLOCKING_THREADS)
    .keep_alive(KeepAlive::Timeout(KEPT_ALIVE))
    .client_request_timeout(HEAD_ARRIVES)
    .tcp_nodelay(true)
    .tls_handshake_timeout(HANDSHAKE_ENDS)
    .max_connection_rate(HANDSHAKES)
    .shutdown_timeout(drain)
    .disable_signals();
    for Listener { origin, socket } in listeners {
        server = server.on_connect(move |stream, extensions| {
            extensions.insert(origin.connection(stream));
            if let Some(cutter) = Cutter::of(stream) {
                extensions.insert(cutter);
            }
        });
        server = match socket {
            Socket::Plain(listener) => server.listen(listener)?,
            Socket::Tls(listener, tls) => {
                let config = tls.server_config().map_err(io::Error::other)?;
                server.listen_rustls_0_23(listener, config)?
            }
            Socket::Unix(listener) => server.listen_uds(listener)?,
        };
    }
    Ok(server.run())
}

/// Threads of each worker for reading and writing large bodies.
const BLOCKING_THREADS: usize = 2;
/// A TLS handshake that has not ended by then is given up.
const HANDSHAKE_ENDS: Duration = Duration::from_secs(5);
/// TLS handshakes that each worker takes on at once. A worker that is full takes no new connection of any kind, so this is far
/// above what honest clients need, and bounded by what memory costs: about 20 KiB each.
const HANDSHAKES: usize = 1024;
/// Longer than the minute after which common proxies drop an idle connection, so that they do it first.
const KEPT_ALIVE: Duration = Duration::from_secs(75);
/// A head that has not arrived by then is given up.
const HEAD_ARRIVES: Duration = Duration::from_secs(5);
