//! Drives the connections of one run and counts what comes back.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use futures_util::future::join_all;

use crate::connection::Connection;
use crate::pacer::Pacer;
use crate::tally::Tally;

/// When the next request is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// As soon as the answer to the last one is there.
    Closed,
    /// When it is due.
    Open {
        /// Requests per second.
        rate: u32,
    },
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// Where to connect to.
    pub(crate) target: SocketAddr,
    /// Whole requests as bytes, sent in turn.
    pub(crate) requests: Arc<Vec<Vec<u8>>>,
    /// How many connections.
    pub(crate) connections: usize,
    /// How many threads share them.
    pub(crate) threads: usize,
    /// When the next request is sent.
    pub(crate) pace: Pace,
    /// How long to measure.
    pub(crate) duration: Duration,
    /// How long to run before.
    pub(crate) warm_up: Duration,
    /// How many requests to send at most.
    pub(crate) limit: Option<u64>,
}

/// Runs it to its end.
pub(crate) fn run(load: &Load) -> anyhow::Result<Tally> {
    let threads = load.threads.min(load.connections);
    let shared = Shared::new(load, threads);
    let shared_ref = &shared;
    let mut total = Tally::new();
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let workers: Vec<_> = (0..threads)
            .map(|index| scope.spawn(move || shared_ref.work(index, threads)))
            .collect();
        shared_ref.ready.wait();
        let start = *shared_ref.start.get_or_init(Instant::now);
        if let Some(pacer) = &shared_ref.pacer {
            scope.spawn(move || pacer.run(start, shared_ref.end(start)));
        }
        for worker in workers {
            let tally = worker
                .join()
                .map_err(|_| anyhow!("a generator thread panicked"))??;
            total.join(&tally);
        }
        Ok(())
    })?;
    total.unsent = shared.pacer.as_ref().map_or(0, Pacer::unsent);
    Ok(total)
}

/// What all threads of a run see.
#[derive(Debug)]
struct Shared<'a> {
    load: &'a Load,
    ready: Barrier,
    start: OnceLock<Instant>,
    pacer: Option<Pacer>,
    sent: AtomicU64,
}

impl<'a> Shared<'a> {
    fn new(load: &'a Load, threads: usize) -> Self {
        let stretch = load.warm_up + load.duration;
        Self {
            load,
            ready: Barrier::new(threads + 1),
            start: OnceLock::new(),
            pacer: match load.pace {
                Pace::Closed => None,
                Pace::Open { rate } => Some(Pacer::new(rate, stretch, load.limit)),
            },
            sent: AtomicU64::new(0),
        }
    }

    fn end(&self, start: Instant) -> Instant {
        start + self.load.warm_up + self.load.duration
    }

    /// One thread's connections, on a runtime of its own.
    fn work(&self, index: usize, threads: usize) -> anyhow::Result<Tally> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("starting a runtime")?;
        let opened = runtime.block_on(self.connect(index, threads));
        self.ready.wait();
        let connections = opened.with_context(|| format!("connecting to {}", self.load.target))?;
        let start = *self.start.get_or_init(Instant::now);
        let measured_from = start + self.load.warm_up;
        let tally = RefCell::new(Tally::new());
        let last_answer = Cell::new(measured_from);
        let drivers = connections
            .into_iter()
            .enumerate()
            .map(|(nth, connection)| Driver {
                shared: self,
                start,
                measured_from,
                next_request: index + nth * threads,
                connection: Some(connection),
                under_way: false,
                last_answer: &last_answer,
                tally: &tally,
            });
        runtime.block_on(join_all(drivers.map(Driver::run)));
        let mut tally = tally.into_inner();
        let answered_until = last_answer.get().saturating_duration_since(measured_from);
        tally.elapsed = match self.load.limit {
            Some(_) => answered_until,
            None => answered_until.max(self.load.duration),
        };
        Ok(tally)
    }

    async fn connect(&self, index: usize, threads: usize) -> io::Result<Vec<Connection>> {
        let mut connections = Vec::new();
        for _ in (index..self.load.connections).step_by(threads) {
            connections.push(Connection::open(self.load.target).await?);
        }
        Ok(connections)
    }

    fn may_send(&self) -> bool {
        self.load
            .limit
            .is_none_or(|limit| self.sent.fetch_add(1, Ordering::Relaxed) < limit)
    }
}

/// One connection and its turn in the run.
struct Driver<'a> {
    shared: &'a Shared<'a>,
    start: Instant,
    measured_from: Instant,
    next_request: usize,
    connection: Option<Connection>,
    under_way: bool,
    last_answer: &'a Cell<Instant>,
    tally: &'a RefCell<Tally>,
}

impl Driver<'_> {
    /// Sends until the run is over, and then waits a while for the last answer.
    async fn run(mut self) {
        let deadline = self.shared.end(self.start) + GRACE;
        let over = tokio::time::timeout_at(deadline.into(), self.send_in_turn()).await;
        if over.is_err() && self.under_way {
            self.tally.borrow_mut().unanswered += 1;
        }
    }

    async fn send_in_turn(&mut self) {
        let shared = self.shared;
        while let Some(begun) = self.turn().await {
            if !shared.may_send() {
                return;
            }
            let requests = &shared.load.requests;
            let Some(request) = requests.get(self.next_request % requests.len()) else {
                return;
            };
            self.next_request += shared.load.connections;
            // By when it is sent, not planned: what piled up before is load that was really there.
            let measured = Instant::now() >= self.measured_from;
            self.under_way = measured;
            let result = self.exchange(request).await;
            self.under_way = false;
            if measured {
                self.count(begun, &result);
            }
            if result.is_err() {
                self.connection = None;
                tokio::time::sleep(RECONNECT_PAUSE).await;
            }
        }
    }

    /// The instant the next request counts from; `None` when the run is over.
    async fn turn(&self) -> Option<Instant> {
        let Some(pacer) = &self.shared.pacer else {
            let now = Instant::now();
            return (now < self.shared.end(self.start)).then_some(now);
        };
        let ticket = pacer.next(self.start).await?;
        if Instant::now() >= self.measured_from {
            let late = ticket.planned.elapsed();
            let mut tally = self.tally.borrow_mut();
            tally.waited += u64::from(ticket.waited && late > LATE);
            tally.behind += u64::from(!ticket.waited && late > LATE);
        }
        Some(ticket.planned)
    }

    async fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.shared.load.target).await?,
        };
        let head = connection.exchange(request).await?;
        if !head.closes {
            self.connection = Some(connection);
        }
        Ok(head.status)
    }

    fn count(&self, begun: Instant, result: &io::Result<u16>) {
        let now = Instant::now();
        let mut tally = self.tally.borrow_mut();
        match result {
            Ok(status) => {
                self.last_answer.set(now.max(self.last_answer.get()));
                tally.answer(*status, now.saturating_duration_since(begun));
            }
            Err(error) => tally.failure(error),
        }
    }
}

/// How long after the end an answer may still come.
const GRACE: Duration = Duration::from_secs(10);
/// How late a send must be to be called late.
const LATE: Duration = Duration::from_millis(1);
/// Keeps a dead server from being stormed with new connections.
const RECONNECT_PAUSE: Duration = Duration::from_millis(10);
