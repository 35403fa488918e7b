//! The pool for jobs too large to run where the request is, with a bounded queue before it.

use std::sync::Arc;

use rayon::ThreadPool;
use tokio::sync::{Semaphore, oneshot};

use crate::error::Error;

/// A pool of threads that never blocks an async worker.
#[derive(Debug)]
pub(crate) struct Workers {
    pool: ThreadPool,
    places: Arc<Semaphore>,
}

impl Workers {
    /// A pool of this many threads (0: one for each core) with this many jobs running or waiting.
    pub(crate) fn new(threads: usize, queue: usize) -> Result<Self, rayon::ThreadPoolBuildError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("sealring-worker-{index}"))
            // A job that panics drops its answer, which its request sees; the pool lives on.
            .panic_handler(|_| tracing::error!("a worker broke off"))
            .build()?;
        Ok(Self {
            pool,
            places: Arc::new(Semaphore::new(queue)),
        })
    }

    /// Runs the job on the pool. [`Error::Busy`] at once if the queue is full.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Error::Busy)?;
        let (done, answer) = oneshot::channel();
        self.pool.spawn(move || {
            let result = job();
            drop(place);
            // Nobody waits any more if the client hung up.
            let _ = done.send(result);
        });
        answer.await.map_err(|_| Error::Worker)
    }
}
