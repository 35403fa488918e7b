//! What all parts of a running log share, and the leading of groups.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use keyring::clock::Clock;
use keyring::store::audit::AuditHead;
use tokio::sync::watch;

use super::chain::{Chain, Due, Origin};
use super::correlation::Correlation;
use super::group::{Group, Position};
use super::intake::{Filled, Intake};
use super::line::OpenIntent;
use super::observer::AuditObserver;
use super::port::{Missed, Orders, Port, SinkState};
use super::wave::Wave;
use super::{RECORD_DEADLINE, SLOW_MACHINE, SYNC_DEADLINE, locked};

/// Everything but the threads.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) intake: Intake,
    pub(super) correlation: Correlation,
    pub(super) observer: Arc<dyn AuditObserver>,
    pub(super) ports: Vec<Arc<Port>>,
    closed: AtomicBool,
    origin: Origin,
    clock: Arc<dyn Clock>,
    pending: AtomicBool,
    checkpoint_is_due: AtomicBool,
    chaining: Mutex<Chaining>,
    in_flight: Mutex<Vec<Arc<Wave>>>,
    heads: watch::Sender<Option<AuditHead>>,
    /// Whether what is written counts as durable, because no sink can do better.
    nothing_syncs: bool,
}

/// The chain, and empty buffers to exchange for full ones.
#[derive(Debug)]
struct Chaining {
    chain: Chain,
    spare: Vec<Filled>,
}

/// What a log is made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) origin: Origin,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) correlation: Correlation,
    pub(super) observer: Arc<dyn AuditObserver>,
    pub(super) ports: Vec<Arc<Port>>,
    /// Changes that earlier chains left open.
    pub(super) open: Vec<OpenIntent>,
}

impl Core {
    pub(super) fn new(parts: Parts, shards: usize) -> Self {
        let intake = Intake::new(shards);
        let spare = std::iter::repeat_with(Filled::default).take(intake.shards());
        Self {
            chaining: Mutex::new(Chaining {
                chain: Chain::new(parts.origin.clone(), parts.open),
                spare: spare.collect(),
            }),
            intake,
            correlation: parts.correlation,
            observer: parts.observer,
            nothing_syncs: parts.ports.iter().all(|port| !port.syncs),
            ports: parts.ports,
            closed: AtomicBool::new(false),
            origin: parts.origin,
            clock: parts.clock,
            pending: AtomicBool::new(false),
            checkpoint_is_due: AtomicBool::new(false),
            in_flight: Mutex::default(),
            heads: watch::Sender::new(None),
        }
    }

    /// Whether a sink would take a record now.
    pub(super) fn accepts(&self, is_outcome: bool, wants_sync: bool) -> bool {
        if self.is_disabled() {
            return true;
        }
        let wants_sync = wants_sync && !self.nothing_syncs;
        let accepts = |port: &Arc<Port>| port.accepts(is_outcome) && (port.syncs || !wants_sync);
        !self.is_closed() && self.ports.iter().any(accepts)
    }

    /// Whether there is nowhere to record anything, because the operator has said so.
    pub(super) fn is_disabled(&self) -> bool {
        self.ports.is_empty()
    }

    /// Whether it takes no more records.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Has buffers chained and written, by the first sink that is free; one that is busy looks by itself when it is done.
    pub(super) fn flush(&self) {
        self.pending.store(true, Ordering::SeqCst);
        for port in &self.ports {
            if port.accepts(true) && port.wake() {
                return;
            }
        }
    }

    pub(super) fn has_pending(&self) -> bool {
        self.pending.load(Ordering::SeqCst)
    }

    /// Chains what the buffers hold and hands it to every sink. Says whether there was anything.
    pub(super) fn lead(&self) -> bool {
        if !self.pending.swap(false, Ordering::SeqCst) {
            return false;
        }
        let due = if self.checkpoint_is_due.swap(false, Ordering::AcqRel) {
            Due::Checkpoint
        } else {
            Due::Nothing
        };
        self.chain_up(due)
    }

    fn chain_up(&self, due: Due) -> bool {
        let mut chaining = locked(&self.chaining);
        let Chaining { chain, spare } = &mut *chaining;
        // Who puts a record in later than the last group is told that it is not recorded.
        if chain.is_closed() {
            return false;
        }
        self.intake.exchange(spare);
        let Some((group, head)) = chain.group(spare, self.clock.now(), due) else {
            return false;
        };
        locked(&self.in_flight).extend(group.waves.iter().map(Arc::clone));
        let group = Arc::new(group);
        // Under the lock, so that every sink gets the groups in their order.
        for port in &self.ports {
            port.push(&group);
        }
        drop(chaining);
        if let Some(head) = head {
            self.heads.send_replace(Some(head));
        }
        true
    }

    /// A sink has written a group.
    pub(super) fn recorded(&self, port: &Port, group: &Group) {
        for wave in &group.waves {
            if self.nothing_syncs {
                wave.synced();
            } else {
                wave.recorded();
            }
        }
        let records = group.after.records - group.before.records;
        self.observer
            .group_written(&port.name, records, group.bytes.len());
    }

    /// Notes how a sink is; says whether that is new.
    pub(super) fn set_state(&self, port: &Port, state: SinkState) -> bool {
        if port.is(state) {
            return false;
        }
        let before = port.state();
        port.set(state);
        let after = port.state();
        if before != after {
            self.observer.sink_changed(&port.name, after);
        }
        before != after
    }

    /// Where the chain is.
    pub(super) fn position(&self) -> Position {
        locked(&self.chaining).chain.position().clone()
    }

    pub(super) fn gap_line(&self, sink: &str, missed: &Missed) -> Vec<u8> {
        let at = self.clock.now();
        self.origin.gap_line(sink, at, missed.from, &missed.to)
    }

    /// The newest head, and those that follow.
    pub(super) fn heads(&self) -> watch::Receiver<Option<AuditHead>> {
        self.heads.subscribe()
    }

    /// Gives up what waits for too long, and looks at the sinks. Says whether somebody waits still.
    pub(super) fn watch(&self, now: Instant) -> bool {
        for port in &self.ports {
            let before = port.state();
            port.look();
            let after = port.state();
            if before != after {
                self.observer.sink_changed(&port.name, after);
                if after == SinkState::Stalled {
                    tracing::error!(sink = port.name, "an audit sink is stuck");
                }
            }
        }
        // A sink that works and is only waiting for a processor, as everybody is, will write soon.
        let works = self.ports.iter().any(|port| port.accepts(false));
        let record_limit = if works { SLOW_MACHINE } else { RECORD_DEADLINE };
        self.intake.expire(now, record_limit);
        let mut in_flight = locked(&self.in_flight);
        in_flight.retain(|wave| {
            let limit = if wave.is_pending() {
                record_limit
            } else {
                SYNC_DEADLINE
            };
            if wave.age(now) >= limit {
                wave.fail();
            }
            !wave.is_settled()
        });
        !in_flight.is_empty()
    }

    /// Signs a checkpoint with the next group, or with a group of its own.
    pub(super) fn make_checkpoint_due(&self) {
        if locked(&self.chaining).chain.has_unsigned() {
            self.checkpoint_is_due.store(true, Ordering::Release);
            self.flush();
        }
    }

    /// Takes no more records, chains the last ones with a checkpoint, and has the sinks end.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.chain_up(Due::Closing);
        for port in &self.ports {
            port.order(Orders {
                stop: true,
                ..Orders::default()
            });
        }
    }
}

/// How often [`Core::watch`] is called.
pub(super) const WATCH: Duration = Duration::from_millis(20);
