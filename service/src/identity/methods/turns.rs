//! Turns at work that takes its time: on few threads at once, never on those that serve requests, and in a queue in which
//! client addresses take turns with each other.

use keyring::fair_queue::{self, FairQueue, QueueBounds, QueueError};

use super::origin::Origin;

/// Gives turns: few at once, and only so many may wait for theirs. Clones share the room.
#[derive(Clone, Debug)]
pub struct Turns(FairQueue<Origin>);

/// Why work was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TurnError {
    /// The work broke off.
    #[error("the work broke off")]
    BrokeOff,
    /// More are waiting than this node takes on.
    #[error("too many are waiting for a turn")]
    Busy,
    /// More are waiting from this address than this node takes on from one.
    #[error("too many are waiting for a turn from this address")]
    ShareFull,
}

impl Turns {
    /// How many may be at work or wait; beyond it they are refused.
    pub const ADMITTED: usize = 256;
    /// How many of one client address.
    pub const SHARE: usize = 64;

    /// Gives at most this many turns at once.
    pub fn new(at_once: usize) -> Self {
        Self(FairQueue::new(QueueBounds {
            at_once,
            all: Self::ADMITTED,
            share: Self::SHARE,
        }))
    }

    /// A turn for somebody from there; waits for it behind others.
    pub async fn turn(&self, origin: Origin) -> Result<Turn, TurnError> {
        let turn = self.0.turn(origin).await;
        turn.map(Turn).map_err(|error| match error {
            QueueError::Closed | QueueError::Full => TurnError::Busy,
            QueueError::ShareFull => TurnError::ShareFull,
        })
    }
}

/// The right to work on one thing. It lasts until the work is done, whoever still waits for that.
#[derive(Debug)]
pub struct Turn(fair_queue::Turn<Origin>);

impl Turn {
    /// Does the work on a thread of its own. The turn goes on, for what is to be done about the result before others have
    /// theirs.
    pub async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(T, Self), TurnError> {
        let turn = self.0;
        let done = tokio::task::spawn_blocking(move || (work(), Self(turn)));
        done.await.map_err(|_| TurnError::BrokeOff)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use futures_util::FutureExt as _;

    use super::*;

    fn origin(last: u8) -> Origin {
        Origin::of(Some(IpAddr::from([127, 0, 0, last])))
    }

    #[tokio::test]
    async fn who_does_not_fit_into_the_queue_is_refused_at_once_and_others_are_not() {
        let turns = Turns::new(1);
        let mut waiting = Vec::new();
        for _ in 0..Turns::SHARE {
            let mut turn = Box::pin(turns.turn(origin(2)));
            let ready = (&mut turn).now_or_never();
            waiting.push((turn, ready));
        }
        let refused = turns.turn(origin(2)).await.unwrap_err();
        assert_eq!(refused, TurnError::ShareFull);
        let mut other = Box::pin(turns.turn(origin(1)));
        assert!((&mut other).now_or_never().is_none());
        // Two of the many end: the other comes after at most one of them.
        drop(waiting.remove(0));
        let (mut next, _) = waiting.remove(0);
        let next = (&mut next).now_or_never();
        assert!(next.is_some());
        drop(next);
        assert!((&mut other).now_or_never().is_some());
    }

    #[tokio::test]
    async fn work_is_done_elsewhere_and_gives_its_turn_back() {
        let turns = Turns::new(1);
        let here = std::thread::current().id();
        let turn = turns.turn(origin(1)).await.unwrap();
        let (there, turn) = turn.run(|| std::thread::current().id()).await.unwrap();
        assert_ne!(there, here);
        assert_eq!(turns.0.len(), 1, "the turn goes on");
        drop(turn);
        assert!(turns.0.is_empty());
        assert!(turns.turn(origin(1)).await.is_ok());
    }

    #[tokio::test]
    async fn work_that_panics_gives_its_turn_back_too() {
        let turns = Turns::new(1);
        let turn = turns.turn(origin(1)).await.unwrap();
        let broken = turn.run(|| panic!("on purpose")).await.map(drop);
        assert_eq!(broken.unwrap_err(), TurnError::BrokeOff);
        assert!(turns.0.is_empty());
    }
}
