//! The pool for work too long to be done where the request is, with bounded queues before it.

use std::iter;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use rayon::ThreadPool;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::error::Error;

/// A pool of threads that never blocks an async worker. Its threads give way to those that serve requests.
#[derive(Debug)]
pub(crate) struct Workers {
    pool: ThreadPool,
    jobs: Arc<Semaphore>,
    /// A queue of its own, so that no number of slow signatures has another large job refused.
    batches: Arc<Semaphore>,
}

impl Workers {
    /// A pool of this many threads (0: one for each core) with this many jobs, and this many batches, running or waiting.
    pub(crate) fn new(
        threads: usize,
        jobs: usize,
        batches: usize,
    ) -> Result<Self, rayon::ThreadPoolBuildError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("sealring-worker-{index}"))
            .start_handler(|_| give_way())
            // A job that panics drops its answer, which its request sees; the pool lives on.
            .panic_handler(|_| tracing::error!("a worker broke off"))
            .build()?;
        Ok(Self {
            pool,
            jobs: Arc::new(Semaphore::new(jobs)),
            batches: Arc::new(Semaphore::new(batches)),
        })
    }

    /// Runs the job on the pool. [`Error::Busy`] at once if the queue is full.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let place = place(&self.jobs)?;
        self.start(place, job).await.map_err(|_| Error::Worker)
    }

    /// Does the work of each item, so many in a turn. Between its turns other work has its own, however long the
    /// batch is, and once nobody waits for it there are no more. [`Error::Busy`] at once if the queue is full.
    pub(crate) async fn run_in_turns<T, R>(
        &self,
        items: Vec<T>,
        items_per_turn: usize,
        work: impl Fn(T) -> R + Send + Sync + 'static,
    ) -> Result<Vec<R>, Error>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        let (place, work) = (place(&self.batches)?, Arc::new(work));
        let mut all = Vec::with_capacity(items.len());
        let turns = stream::iter(turns(items, items_per_turn)).map(|turn| {
            let (place, work) = (Arc::clone(&place), Arc::clone(&work));
            let each = move || turn.into_iter().map(|item| work(item)).collect::<Vec<R>>();
            self.start(place, each)
        });
        let mut done = turns.buffered(self.pool.current_num_threads());
        while let Some(turn) = done.next().await {
            all.extend(turn.map_err(|_| Error::Worker)?);
        }
        Ok(all)
    }

    /// Puts the job behind everything that waits already. It keeps its place until it is done, even if its client
    /// hangs up.
    fn start<T: Send + 'static>(
        &self,
        place: Arc<OwnedSemaphorePermit>,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (done, answer) = oneshot::channel();
        self.pool.spawn(move || {
            if !done.is_closed() {
                let result = job();
                drop(place);
                // Nobody waits any more if the client hung up.
                let _ = done.send(result);
            }
        });
        answer
    }
}

fn place(queue: &Arc<Semaphore>) -> Result<Arc<OwnedSemaphorePermit>, Error> {
    let place = Arc::clone(queue).try_acquire_owned();
    place.map(Arc::new).map_err(|_| Error::Busy)
}

fn turns<T>(items: Vec<T>, items_per_turn: usize) -> impl Iterator<Item = Vec<T>> {
    let mut items = items.into_iter();
    iter::from_fn(move || {
        let turn: Vec<T> = items.by_ref().take(items_per_turn.max(1)).collect();
        (!turn.is_empty()).then_some(turn)
    })
}

/// Lowers the calling thread's priority. Elsewhere than on Linux a priority is the whole process's.
fn give_way() {
    #[cfg(target_os = "linux")]
    {
        // Not necessary, only better: a thread may always lower its priority, but a sandbox may forbid to ask.
        let _ = rustix::process::nice(NICENESS);
    }
}

/// Lowers the calling thread's priority as far as it goes: for what takes seconds and has nobody's answer to hurry for.
pub(crate) fn give_way_to_all() {
    #[cfg(target_os = "linux")]
    {
        let _ = rustix::process::nice(LAST);
    }
}

/// The lowest priority there is. Where threads compete, it leaves some 1.5 % of what another thread gets.
#[cfg(target_os = "linux")]
const LAST: i32 = 19;

/// What is added to the nice value. Where threads compete, five steps leave a third of what another thread gets: less
/// would disturb requests more, and much more would keep large jobs from ever ending on a busy machine.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::{Mutex, mpsc};
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn a_batch_comes_back_in_order_whatever_its_turns() {
        let workers = Workers::new(3, 1, 1).unwrap();
        for (length, items_per_turn) in [(0, 1), (1, 1), (10, 3), (10, 100), (10, 0)] {
            let items: Vec<u32> = (0..length).collect();
            let doubled: Vec<u32> = items.iter().map(|item| 2 * item).collect();
            let done = workers.run_in_turns(items, items_per_turn, |item| 2 * item);
            assert_eq!(done.await.unwrap(), doubled);
        }
    }

    #[tokio::test]
    async fn another_job_has_its_turn_before_a_batch_is_through() {
        let workers = Workers::new(1, 1, 1).unwrap();
        let (go, wait) = mpsc::channel();
        let wait = Mutex::new(wait);
        let order = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&order);
        let batch = workers.run_in_turns(vec!["first", "second"], 1, move |item| {
            wait.lock().unwrap().recv().unwrap();
            seen.lock().unwrap().push(item);
        });
        let seen = Arc::clone(&order);
        let other = workers.run(move || seen.lock().unwrap().push("other"));
        // Polled in this order, so that the other job waits before the first item is let go.
        let gate = async {
            go.send(()).unwrap();
            go.send(()).unwrap();
        };
        let (batch, other, ()) = tokio::join!(biased; batch, other, gate);
        assert!(batch.is_ok() && other.is_ok());
        assert_eq!(*order.lock().unwrap(), ["first", "other", "second"]);
    }

    #[tokio::test]
    async fn a_full_queue_of_batches_refuses_batches_and_nothing_else() {
        let workers = Workers::new(1, 1, 1).unwrap();
        let (go, wait) = mpsc::channel();
        let wait = Mutex::new(wait);
        let held = workers.run_in_turns(vec![()], 1, move |()| wait.lock().unwrap().recv());
        let rest = async {
            let refused = workers.run_in_turns(vec![()], 1, |()| ()).await;
            assert!(matches!(refused, Err(Error::Busy)), "{refused:?}");
            let other = workers.run(|| ());
            let gate = async { go.send(()).unwrap() };
            tokio::join!(biased; other, gate).0
        };
        let (held, other) = tokio::join!(biased; held, rest);
        assert!(held.is_ok() && other.is_ok());
        assert!(workers.run_in_turns(vec![()], 1, |()| ()).await.is_ok());
    }

    #[tokio::test]
    async fn a_batch_that_nobody_waits_for_ends() {
        let workers = Workers::new(1, 1, 1).unwrap();
        let (tell, told) = mpsc::channel();
        let (go, wait) = mpsc::channel();
        let wait = Mutex::new(wait);
        let batch = workers.run_in_turns(vec![1, 2, 3], 1, move |item| {
            tell.send(item).unwrap();
            wait.lock().unwrap().recv().unwrap();
        });
        {
            let mut batch = std::pin::pin!(batch);
            let polled = poll_fn(|context| Poll::Ready(batch.as_mut().poll(context)));
            assert!(polled.await.is_pending());
            assert_eq!(told.recv(), Ok(1));
        }
        go.send(()).unwrap();
        // The sender went with the work.
        assert!(told.recv().is_err());
        // One thread: when it has this behind it, it has the batch behind it too.
        assert!(workers.run(|| ()).await.is_ok());
        assert!(workers.run_in_turns(vec![()], 1, |()| ()).await.is_ok());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn workers_give_way_to_the_thread_that_made_them() {
        let own = rustix::process::getpriority_process(None).unwrap();
        let workers = Workers::new(1, 1, 1).unwrap();
        let theirs = workers.run(|| rustix::process::getpriority_process(None));
        let expected = (own + NICENESS).min(19);
        assert_eq!(theirs.await.unwrap(), Ok(expected));
        assert_eq!(rustix::process::getpriority_process(None), Ok(own));
    }
}
