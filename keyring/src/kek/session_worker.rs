//! One session thread: takes calls from the queue, and mends its session when that is what failed.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::kek::KekError;
use crate::kek::breaker::Pass;
use crate::kek::connection::Connection;
use crate::kek::fault::Fault;
use crate::kek::sessions::{Job, Shared};

/// Owns one session, and opens another when it dies.
pub(super) struct Worker {
    shared: Arc<Shared>,
    connection: Option<Connection>,
}

/// What one call may still try. Each remedy is used once, so that nothing loops.
struct Remedies {
    pass: Pass,
    until: Instant,
    /// The module's epoch at the latest attempt.
    epoch: u64,
    reopen: bool,
    log_in: bool,
    /// Only for the call that finds out whether the device is back: sessions of others end with it.
    restart: bool,
    waits: u32,
}

impl Remedies {
    fn new(pass: Pass, until: Instant) -> Self {
        Self {
            pass,
            until,
            epoch: 0,
            reopen: true,
            log_in: true,
            restart: pass == Pass::Probe,
            waits: 0,
        }
    }
}

impl Worker {
    /// A thread's state; without a connection, the first call opens one.
    pub(super) fn new(shared: Arc<Shared>, connection: Option<Connection>) -> Self {
        Self { shared, connection }
    }

    /// Answers calls until the queue closes.
    pub(super) fn serve(&mut self, jobs: &Mutex<Receiver<Job>>) {
        // The lock is held only while waiting; the call itself runs beside those of the other threads.
        while let Ok(job) = { jobs.lock().unwrap_or_else(PoisonError::into_inner).recv() } {
            self.answer(job);
        }
    }

    /// Holds a session open, since a login ends with the last session, and tries the KEK now and then.
    pub(super) fn keep(&mut self, interval: Duration, deadline: Duration) {
        let shared = Arc::clone(&self.shared);
        while !shared.stop.wait(interval) {
            let now = Instant::now();
            let until = now.checked_add(deadline).unwrap_or(now);
            // What is wrong is logged where the breaker opens.
            let _ = self.call(until, |connection| {
                connection.canary(shared.entropy.as_ref())
            });
        }
    }

    fn answer(&mut self, job: Job) {
        let entropy = Arc::clone(&self.shared.entropy);
        match job {
            Job::Wrap {
                dek,
                associated,
                until,
                reply,
            } if !reply.is_closed() => {
                let outcome = self.call(until, |connection| {
                    connection.wrap(&dek, &associated, entropy.as_ref())
                });
                // The caller may have stopped waiting.
                let _ = reply.send(outcome);
            }
            Job::Unwrap {
                wrapped,
                associated,
                until,
                reply,
            } if !reply.is_closed() => {
                let outcome =
                    self.call(until, |connection| connection.unwrap(&wrapped, &associated));
                let _ = reply.send(outcome);
            }
            Job::Wrap { .. } | Job::Unwrap { .. } => {}
        }
    }

    fn call<T>(
        &mut self,
        until: Instant,
        act: impl Fn(&Connection) -> Result<T, Fault>,
    ) -> Result<T, KekError> {
        let Some(pass) = self.shared.breaker.admit(Instant::now()) else {
            return Err(KekError::Unavailable(
                "the token failed and is left alone for a moment".to_owned(),
            ));
        };
        let mut remedies = Remedies::new(pass, until);
        loop {
            let fault = match self.attempt(&act, &mut remedies.epoch) {
                Ok(value) => {
                    self.recovered();
                    return Ok(value);
                }
                Err(fault) => fault,
            };
            if let Some(error) = self.remedy(fault, &mut remedies) {
                return Err(error);
            }
        }
    }

    fn attempt<T>(
        &mut self,
        act: impl Fn(&Connection) -> Result<T, Fault>,
        epoch: &mut u64,
    ) -> Result<T, Fault> {
        let lease = self.shared.token.enter();
        *epoch = lease.epoch();
        let connection = match self.connection.take() {
            Some(connection) if connection.epoch() == lease.epoch() => connection,
            Some(_) | None => self.shared.connect(&lease)?,
        };
        act(self.connection.insert(connection))
    }

    /// Does what the fault calls for. `None` means: try again.
    fn remedy(&mut self, fault: Fault, remedies: &mut Remedies) -> Option<KekError> {
        match fault {
            Fault::Rejected => {
                self.recovered();
                Some(KekError::Rejected)
            }
            Fault::Ambiguous(_) if self.canary_sings() => {
                self.recovered();
                Some(KekError::Rejected)
            }
            Fault::Ambiguous(_) | Fault::Stale(_) if std::mem::take(&mut remedies.reopen) => {
                self.connection = None;
                None
            }
            Fault::LoggedOut if std::mem::take(&mut remedies.log_in) => {
                let fault = self.log_in_again().err()?;
                Some(self.give_up(fault, remedies.pass))
            }
            Fault::Busy(_) if self.waited(remedies) => None,
            Fault::Ambiguous(_) | Fault::Stale(_) | Fault::Device(_)
                if self.restarted(remedies) =>
            {
                None
            }
            Fault::Ambiguous(_)
            | Fault::Stale(_)
            | Fault::Busy(_)
            | Fault::Device(_)
            | Fault::LoggedOut => Some(self.give_up(fault, remedies.pass)),
            Fault::Unusable(_) => {
                self.connection = None;
                Some(fault.into())
            }
        }
    }

    /// Restarts the module, if this call may and nobody is in it.
    fn restarted(&mut self, remedies: &mut Remedies) -> bool {
        self.connection = None;
        std::mem::take(&mut remedies.restart) && self.shared.token.restart_module(remedies.epoch)
    }

    /// Whether the KEK works in this very session; then what failed was the data.
    fn canary_sings(&self) -> bool {
        let lease = self.shared.token.enter();
        let same_epoch = self
            .connection
            .as_ref()
            .filter(|own| own.epoch() == lease.epoch());
        same_epoch.is_some_and(|own| own.canary(self.shared.entropy.as_ref()).is_ok())
    }

    fn log_in_again(&self) -> Result<(), Fault> {
        let lease = self.shared.token.enter();
        match self
            .connection
            .as_ref()
            .filter(|own| own.epoch() == lease.epoch())
        {
            Some(connection) => self.shared.token.log_in(&lease, connection.session()),
            // The next attempt opens a session, which logs in.
            None => Ok(()),
        }
    }

    /// Waits for a busy token, longer each time; false once that would take too long.
    fn waited(&self, remedies: &mut Remedies) -> bool {
        if remedies.waits == MOST_WAITS {
            return false;
        }
        let span = FIRST_WAIT * (1 << remedies.waits);
        let span = span + span * u32::from(self.shared.jitter()) / u32::from(u8::MAX);
        remedies.waits += 1;
        let fits = Instant::now()
            .checked_add(span)
            .is_some_and(|end| end < remedies.until);
        fits && !self.shared.stop.wait(span)
    }

    /// The device is at fault: leave it alone for a while.
    fn give_up(&mut self, fault: Fault, pass: Pass) -> KekError {
        self.connection = None;
        if let Some(span) = self
            .shared
            .breaker
            .trip(pass, Instant::now(), self.shared.jitter())
        {
            tracing::warn!(reason = %fault, retry_after = ?span, "the key-encryption key is unavailable");
        }
        fault.into()
    }

    fn recovered(&self) {
        if self.shared.breaker.close() {
            tracing::info!("the key-encryption key is available again");
        }
    }
}

const MOST_WAITS: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(20);
