//! Work that a client hanging up must not cut in half: it runs as a task of its own on the process's runtime.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Runs work to its end whoever is still waiting for it. Clones share the count of what runs.
#[derive(Clone, Debug)]
pub struct Detached {
    runtime: Handle,
    general: Arc<Semaphore>,
    reserved: Arc<Semaphore>,
    owners: Arc<Mutex<Owners>>,
}

/// Places that work runs in. The one cannot take those of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// For most work.
    General,
    /// For what must always go on: sealing, unsealing, revoking, logging in.
    Reserved,
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
    /// Too much work of this owner is running; this was not begun.
    #[error("too much detached work of one owner")]
    ShareFull,
}

impl Detached {
    /// How many pieces of work run at once at most, in the general lane.
    pub const MAX_RUNNING: u32 = 1024;
    /// How many beside them in the reserved lane.
    pub const MAX_RESERVED: u32 = 256;

    /// Runs work on this runtime, which should outlive the HTTP server.
    pub fn on(runtime: Handle) -> Self {
        let places = |count| Arc::new(Semaphore::new(usize::try_from(count).unwrap_or(usize::MAX)));
        Self {
            runtime,
            general: places(Self::MAX_RUNNING),
            reserved: places(Self::MAX_RESERVED),
            owners: Arc::default(),
        }
    }

    /// Runs the work and waits for it. Dropping this future leaves the work running.
    pub async fn run<T, F>(&self, work: F) -> Result<T, NotRun>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let place = self.place(Lane::General)?;
        self.run_in(place, work).await
    }

    /// The same for this owner, who may have a quarter of the places of a lane.
    pub async fn run_for<T, F>(&self, owner: &str, lane: Lane, work: F) -> Result<T, NotRun>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let share = self.share(owner, lane)?;
        let place = self.place(lane)?;
        self.run_in((place, share), work).await
    }

    /// Returns when nothing runs any more, and lets nothing new begin. For shutting down.
    pub async fn drained(&self) {
        for lane in [Lane::General, Lane::Reserved] {
            let (places, all) = self.lane(lane);
            // The semaphores are never closed before, so the only outcome is holding every permit.
            if let Ok(all) = places.acquire_many(all).await {
                all.forget();
            }
            places.close();
        }
    }

    async fn run_in<T, F>(&self, place: impl Send + 'static, work: F) -> Result<T, NotRun>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let task = self.runtime.spawn(async move {
            let result = work.await;
            drop(place);
            result
        });
        task.await.map_err(|_| NotRun::BrokeOff)
    }

    const fn lane(&self, lane: Lane) -> (&Arc<Semaphore>, u32) {
        match lane {
            Lane::General => (&self.general, Self::MAX_RUNNING),
            Lane::Reserved => (&self.reserved, Self::MAX_RESERVED),
        }
    }

    fn place(&self, lane: Lane) -> Result<OwnedSemaphorePermit, NotRun> {
        let (places, _) = self.lane(lane);
        let place = Arc::clone(places).try_acquire_owned();
        place.map_err(|_| NotRun::Busy)
    }

    fn share(&self, owner: &str, lane: Lane) -> Result<Share, NotRun> {
        let (_, all) = self.lane(lane);
        let whose = (lane, Box::from(owner));
        let mut owners = owners(&self.owners);
        let running = owners.entry(whose.clone()).or_default();
        if *running >= all / SHARES {
            return Err(NotRun::ShareFull);
        }
        *running += 1;
        drop(owners);
        let owners = Arc::clone(&self.owners);
        Ok(Share { owners, whose })
    }
}

/// One piece of an owner's work, until it is dropped.
#[derive(Debug)]
struct Share {
    owners: Arc<Mutex<Owners>>,
    whose: (Lane, Box<str>),
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut owners = owners(&self.owners);
        if let Some(running) = owners.get_mut(&self.whose) {
            *running = running.saturating_sub(1);
            if *running == 0 {
                owners.remove(&self.whose);
            }
        }
    }
}

type Owners = HashMap<(Lane, Box<str>), u32>;

fn owners(owners: &Mutex<Owners>) -> MutexGuard<'_, Owners> {
    // A count cannot be left half changed.
    owners.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many owners with as much as one may have fill a lane.
const SHARES: u32 = 4;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;
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

    #[tokio::test]
    async fn no_owner_takes_all_places_and_no_lane_those_of_the_other() {
        let detached = Detached::on(Handle::current());
        let gate = Arc::new(Semaphore::new(0));
        let begin = |owner: &str| {
            let gate = Arc::clone(&gate);
            let work = async move { drop(gate.acquire().await) };
            // Begins with the first poll and goes on by itself.
            let begun = detached.run_for(owner, Lane::General, work).now_or_never();
            begun.unwrap_or(Ok(()))
        };
        for _ in 0..Detached::MAX_RUNNING / SHARES {
            assert_eq!(begin("a"), Ok(()));
        }
        assert_eq!(begin("a"), Err(NotRun::ShareFull));
        for owner in ["b", "c", "d"] {
            for _ in 0..Detached::MAX_RUNNING / SHARES {
                assert_eq!(begin(owner), Ok(()));
            }
        }
        assert_eq!(begin("e"), Err(NotRun::Busy));
        let urgent = detached.run_for("a", Lane::Reserved, async {});
        assert_eq!(urgent.await, Ok(()));
        gate.add_permits(usize::try_from(Detached::MAX_RUNNING).unwrap());
        detached.drained().await;
        assert!(owners(&detached.owners).is_empty());
    }
}
