//! Turns at work that takes its time: on few threads at once, and never on those that serve requests.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Gives turns: few at once, and only so many may wait for theirs. Clones share the room.
#[derive(Clone, Debug)]
pub struct Turns {
    at_work: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

/// Why work was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TurnError {
    /// The work broke off.
    #[error("the work broke off")]
    BrokeOff,
    /// More are waiting than this node takes on.
    #[error("too many are waiting for a turn")]
    Busy,
}

impl Turns {
    /// How many may be at work or wait; beyond it they are refused.
    pub const ADMITTED: usize = 256;

    /// Gives at most this many turns at once.
    pub fn new(at_once: usize) -> Self {
        Self {
            at_work: Arc::new(Semaphore::new(at_once.max(1))),
            admitted: Arc::new(Semaphore::new(Self::ADMITTED)),
        }
    }

    /// A turn; waits for it behind others.
    pub async fn turn(&self) -> Result<Turn, TurnError> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned();
        let admitted = admitted.map_err(|_| TurnError::Busy)?;
        let at_work = Arc::clone(&self.at_work).acquire_owned().await;
        Ok(Turn {
            _at_work: at_work.map_err(|_| TurnError::BrokeOff)?,
            _admitted: admitted,
        })
    }
}

/// The right to work on one thing. It lasts until the work is done, whoever still waits for that.
#[derive(Debug)]
pub struct Turn {
    _at_work: OwnedSemaphorePermit,
    _admitted: OwnedSemaphorePermit,
}

impl Turn {
    /// Does the work on a thread of its own. The turn goes on, for what is to be done about the result before others have
    /// theirs.
    pub async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(T, Self), TurnError> {
        let done = tokio::task::spawn_blocking(move || (work(), self));
        done.await.map_err(|_| TurnError::BrokeOff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_does_not_fit_into_the_queue_is_refused_at_once() {
        let turns = Turns::new(1);
        let _all = turns.admitted.acquire_many(256).await.unwrap();
        assert_eq!(turns.turn().await.unwrap_err(), TurnError::Busy);
    }

    #[tokio::test]
    async fn work_is_done_elsewhere_and_gives_its_turn_back() {
        let turns = Turns::new(1);
        let here = std::thread::current().id();
        let turn = turns.turn().await.unwrap();
        assert_eq!(turns.at_work.available_permits(), 0);
        let (there, turn) = turn.run(|| std::thread::current().id()).await.unwrap();
        assert_ne!(there, here);
        assert_eq!(turns.at_work.available_permits(), 0);
        drop(turn);
        assert_eq!(turns.at_work.available_permits(), 1);
        assert_eq!(turns.admitted.available_permits(), Turns::ADMITTED);
    }

    #[tokio::test]
    async fn work_that_panics_gives_its_turn_back_too() {
        let turns = Turns::new(1);
        let turn = turns.turn().await.unwrap();
        let broken = turn.run(|| panic!("on purpose")).await.map(drop);
        assert_eq!(broken.unwrap_err(), TurnError::BrokeOff);
        assert_eq!(turns.admitted.available_permits(), Turns::ADMITTED);
    }
}
