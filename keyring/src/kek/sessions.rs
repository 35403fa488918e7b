//! The threads that own PKCS#11 sessions, and the queue in front of them.

use std::num::NonZeroUsize;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::entropy::Entropy;
use crate::kek::breaker::Breaker;
use crate::kek::connection::Connection;
use crate::kek::fault::Fault;
use crate::kek::key_object;
use crate::kek::module::Lease;
use crate::kek::session_worker::Worker;
use crate::kek::token::Token;
use crate::kek::{KekError, KekSetupError, WrappedDek};
use crate::secret::Dek;

/// What all session threads of one KEK share.
pub(super) struct Shared {
    pub(super) token: Token,
    pub(super) key_id: Vec<u8>,
    /// Wrapped at start-up; whoever opens it is the same key.
    pub(super) probe: WrappedDek,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) breaker: Breaker,
    pub(super) stop: Stop,
}

impl Shared {
    /// A new session with the KEK in it. The key is looked up, checked and recognised again, since what
    /// came back may be another token.
    pub(super) fn connect(&self, lease: &Lease) -> Result<Connection, Fault> {
        let session = self.token.open_session(lease)?;
        let [key] = key_object::find(session.get(), &self.key_id)?
            .try_into()
            .map_err(|found: Vec<_>| {
                // An empty answer may mean an absent token, so it is never taken for a deletion.
                Fault::Device(format!(
                    "the {} shows {} keys under the KEK's CKA_ID",
                    self.token.name(),
                    found.len()
                ))
            })?;
        key_object::verify(session.get(), key)?;
        let connection = Connection::new(session, key);
        connection.recognise(&self.probe)?;
        Ok(connection)
    }

    /// One random byte to spread retries with; not secret.
    pub(super) fn jitter(&self) -> u8 {
        let mut byte = [0];
        self.entropy.fill_repeatable(&mut byte);
        let [byte] = byte;
        byte
    }
}

/// Tells the threads to end, also while they wait.
#[derive(Debug, Default)]
pub(super) struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Waits this long, or until told to end; true if told.
    pub(super) fn wait(&self, span: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(stopped, span, |stopped| !*stopped);
        let (stopped, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *stopped
    }

    fn set(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }
}

/// One call on its way to a session thread. Whoever stopped waiting closed the reply.
pub(super) enum Job {
    Wrap {
        dek: Dek,
        associated: Vec<u8>,
        until: Instant,
        reply: Reply<WrappedDek>,
    },
    Unwrap {
        wrapped: WrappedDek,
        associated: Vec<u8>,
        until: Instant,
        reply: Reply<Dek>,
    },
}

type Reply<T> = oneshot::Sender<Result<T, KekError>>;

/// The session threads: a few that answer calls, and one whose session keeps the login alive.
pub(super) struct Sessions {
    /// Empty only while dropping.
    queue: Option<SyncSender<Job>>,
    shared: Arc<Shared>,
    deadline: Duration,
    threads: Vec<JoinHandle<()>>,
    /// Nothing is ever sent: the channel closes when the last thread has closed its session.
    ended: Mutex<Receiver<()>>,
}

impl Sessions {
    /// Starts the threads. The connection that proved the KEK becomes the one that stays.
    pub(super) fn start(
        shared: Shared,
        keeper: Connection,
        threads: NonZeroUsize,
        deadline: Duration,
    ) -> Result<Self, KekSetupError> {
        let shared = Arc::new(shared);
        let (queue, jobs) = sync_channel(QUEUE_LENGTH);
        let jobs = Arc::new(Mutex::new(jobs));
        let (alive, ended) = mpsc::channel::<()>();
        let mut sessions = Self {
            queue: Some(queue),
            shared: Arc::clone(&shared),
            deadline,
            threads: Vec::new(),
            ended: Mutex::new(ended),
        };
        let keeper_alive = alive.clone();
        let mut worker = Worker::new(Arc::clone(&shared), Some(keeper));
        sessions.threads.push(spawn("kek-keeper", move || {
            worker.keep(KEEP_ALIVE, deadline);
            drop((worker, keeper_alive));
        })?);
        for _ in 0..threads.get() {
            let (jobs, alive) = (Arc::clone(&jobs), alive.clone());
            let mut worker = Worker::new(Arc::clone(&shared), None);
            sessions.threads.push(spawn("kek-session", move || {
                worker.serve(&jobs);
                drop((worker, alive));
            })?);
        }
        Ok(sessions)
    }

    /// Wraps a DEK, or says within the deadline why not.
    pub(super) async fn wrap(&self, dek: Dek, associated: Vec<u8>) -> Result<WrappedDek, KekError> {
        self.call(|until, reply| Job::Wrap {
            dek,
            associated,
            until,
            reply,
        })
        .await
    }

    /// Unwraps a DEK, or says within the deadline why not.
    pub(super) async fn unwrap(
        &self,
        wrapped: WrappedDek,
        associated: Vec<u8>,
    ) -> Result<Dek, KekError> {
        self.call(|until, reply| Job::Unwrap {
            wrapped,
            associated,
            until,
            reply,
        })
        .await
    }

    async fn call<T>(&self, job: impl FnOnce(Instant, Reply<T>) -> Job) -> Result<T, KekError> {
        let now = Instant::now();
        if let Some(left) = self.shared.breaker.open_for(now) {
            return Err(unavailable(format!(
                "the token failed and is left alone for {} ms",
                left.as_millis()
            )));
        }
        let (reply, answer) = oneshot::channel();
        let until = now.checked_add(self.deadline).unwrap_or(now);
        let queue = self.queue.as_ref().ok_or_else(ended)?;
        queue
            .try_send(job(until, reply))
            .map_err(|error| match error {
                TrySendError::Full(_) => unavailable("the queue to the token is full".to_owned()),
                TrySendError::Disconnected(_) => ended(),
            })?;
        match tokio::time::timeout(self.deadline, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(ended()),
            Err(_) => Err(unavailable(format!(
                "the token did not answer within {} ms",
                self.deadline.as_millis()
            ))),
        }
    }
}

impl Drop for Sessions {
    /// Waits until the sessions are closed and the threads are gone: one that is still in the module when
    /// the process ends meets its destructors there, and crashes.
    fn drop(&mut self) {
        self.shared.stop.set();
        self.queue = None;
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        match ended.recv_timeout(self.deadline) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                for thread in self.threads.drain(..) {
                    // A thread that panicked has ended too.
                    let _ = thread.join();
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                tracing::warn!(
                    "a PKCS#11 call hangs; its session stays open until the process ends"
                );
            }
        }
    }
}

/// Runs on a thread of its own, since a PKCS#11 call may block for as long as it likes.
pub(super) fn spawn(
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, KekSetupError> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(run);
    started.map_err(|error| KekSetupError(format!("no thread for PKCS#11 calls: {error}")))
}

fn ended() -> KekError {
    unavailable("the session threads have ended".to_owned())
}

fn unavailable(why: String) -> KekError {
    KekError::Unavailable(why)
}

/// More callers than this are turned away at once; they would not be served within the deadline anyway.
const QUEUE_LENGTH: usize = 256;
/// How often the keeper tries the KEK, so that a dead token is known before a request needs it.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
