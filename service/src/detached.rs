//! Work that a client hanging up must not cut in half: it runs as a task of its own on the process's runtime.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// Runs work to its end whoever is still waiting for it. Clones share the count of what runs.
#[derive(Clone, Debug)]
pub struct Detached {
    runtime: Handle,
    room: Arc<Semaphore>,
}

/// Why detached work gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRun {
    /// Too much work is running; this was not begun.
    #[error("too much detached work")]
    Busy,
    /// The work panicked, or the runtime is going down: it may or may not have been done.
    #[error("detached work broke off")]
    BrokeOff,
}

impl Detached {
    /// How many pieces of work run at once at most.
    pub const MAX_RUNNING: u32 = 1024;

    /// Runs work on this runtime, which should outlive the HTTP server.
    pub fn on(runtime: Handle) -> Self {
        Self {
            runtime,
            room: Arc::new(Semaphore::new(
                usize::try_from(Self::MAX_RUNNING).unwrap_or(usize::MAX),
            )),
        }
    }

    /// Runs the work and waits for it. Dropping this future leaves the work running.
    pub async fn run<T, F>(&self, work: F) -> Result<T, NotRun>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let permit = Arc::clone(&self.room)
            .try_acquire_owned()
            .map_err(|_| NotRun::Busy)?;
        let task = self.runtime.spawn(async move {
            let result = work.await;
            drop(permit);
            result
        });
        task.await.map_err(|_| NotRun::BrokeOff)
    }

    /// Returns when nothing runs any more, and lets nothing new begin. For shutting down.
    pub async fn drained(&self) {
        // The semaphore is never closed before, so the only outcome is holding every permit.
        if let Ok(all) = self.room.acquire_many(Self::MAX_RUNNING).await {
            all.forget();
        }
        self.room.close();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn work_goes_on_when_nobody_waits_for_it() {
        let detached = Detached::on(Handle::current());
        let (go, gate) = oneshot::channel::<()>();
        let (done, seen) = oneshot::channel();
        let work = detached.run(async move {
            gate.await.unwrap();
            done.send(7).unwrap();
        });
        let waited = tokio::time::timeout(Duration::from_millis(5), work).await;
        assert!(waited.is_err(), "the client hung up first");
        go.send(()).unwrap();
        assert_eq!(seen.await, Ok(7));
        detached.drained().await;
        assert_eq!(detached.run(async {}).await, Err(NotRun::Busy));
    }

    #[tokio::test]
    async fn a_panic_inside_is_an_answer_outside() {
        let detached = Detached::on(Handle::current());
        let broken: Result<(), _> = detached.run(async { panic!("on purpose") }).await;
        assert_eq!(broken, Err(NotRun::BrokeOff));
    }
}
