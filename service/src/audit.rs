//! The record of requests: who asked for what and how it went, chained so that no edit goes unnoticed.
//!
//! A worker encodes a record into its own buffer and waits. The first to wait has the buffers flushed: a sink that is free
//! takes them all, chains them into a group, writes it with one call and wakes everybody in it. `docs/audit.md` has the
//! format.

mod chain;
pub mod command;
mod core;
mod correlation;
mod encode;
mod given;
mod group;
pub mod heads;
mod intake;
mod kept;
mod line;
mod log;
mod observer;
mod port;
mod record;
pub mod recovered;
mod recovery;
mod search;
mod sink;
mod start;
#[cfg(test)]
mod tests;
mod verify;
mod wave;
mod who;
pub mod witness;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use self::line::OpenIntent;
pub use self::log::{AuditLog, Reserve, Ticket};
pub use self::observer::{AuditObserver, Unobserved};
pub use self::port::SinkState;
pub use self::record::{Amount, Answer, Kind, Outcome, Record, Source, Tls};
pub use self::sink::open::examine as examine_file;
pub use self::sink::spool::path as spool_file;
pub use self::start::{AuditSetupError, Basis};
pub use self::wave::NotRecorded;
pub use self::who::Who;

/// A record that no sink has written by then is given up if none works any more, so that there is an answer within 100 ms.
const RECORD_DEADLINE: Duration = Duration::from_millis(60);
/// A record that no sink has written by then is given up also if one works: the machine is too slow.
const SLOW_MACHINE: Duration = Duration::from_secs(1);
/// A record that is written and not durable by then is given up.
const SYNC_DEADLINE: Duration = Duration::from_secs(1);
/// What a power failure may take of the records of requests that change nothing.
const SYNC_INTERVAL: Duration = Duration::from_millis(50);
/// How much time may pass between a record and the checkpoint that signs it.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(10);

/// No code that can panic runs under these locks, and none leaves halves behind.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
