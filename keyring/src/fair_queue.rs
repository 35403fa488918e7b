//! A bounded queue for few turns at costly work, in which callers take turns with each other, not their requests.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// A queue in which whoever waits with many requests delays the others by one of them. Clones are the same queue.
#[derive(Debug)]
pub struct FairQueue<K> {
    shared: Arc<Shared<K>>,
}

/// The bounds of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueBounds {
    /// The number of turns at a time; at least one.
    pub at_once: usize,
    /// The most requests that may wait or have their turn, of all callers together.
    pub all: usize,
    /// The most of them of one caller.
    pub share: usize,
}

/// The reason for not being let into the queue, or for being sent away from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// The queue gives no more turns.
    #[error("no more turns are given")]
    Closed,
    /// All callers together have as many requests in it as it takes.
    #[error("the queue is full")]
    Full,
    /// This caller has.
    #[error("the caller's share of the queue is full")]
    ShareFull,
}

#[derive(Debug)]
struct Shared<K> {
    bounds: QueueBounds,
    state: Mutex<State<K>>,
}

#[derive(Debug)]
struct State<K> {
    free_turns: usize,
    /// The number of requests of each caller that wait or have their turn.
    inside: HashMap<K, usize>,
    all_inside: usize,
    /// One line for each caller who waits; the first line's first has the next turn.
    lines: VecDeque<(K, Line<K>)>,
    next_number: u64,
    is_closed: bool,
}

type Line<K> = VecDeque<(u64, oneshot::Sender<Slot<K>>)>;

impl<K: Clone + Eq + Hash> FairQueue<K> {
    /// An empty queue.
    pub fn new(bounds: QueueBounds) -> Self {
        let state = State {
            free_turns: bounds.at_once.max(1),
            inside: HashMap::new(),
            all_inside: 0,
            lines: VecDeque::new(),
            next_number: 0,
            is_closed: false,
        };
        let state = Mutex::new(state);
        Self {
            shared: Arc::new(Shared { bounds, state }),
        }
    }

    /// The caller's turn. Refused at once if there is no place to wait. Dropping the future gives the place up.
    pub async fn turn(&self, caller: K) -> Result<Turn<K>, QueueError> {
        let (place, slot) = self.enter(caller)?;
        let slot = slot.await.map_err(|_| QueueError::Closed)?;
        Ok(Turn {
            _slot: slot,
            _place: place,
        })
    }

    /// Sends away everybody who waits, and lets nobody in any more. Turns that were given last as long as they last.
    pub fn close(&self) {
        let lines = {
            let mut state = self.shared.state();
            state.is_closed = true;
            std::mem::take(&mut state.lines)
        };
        drop(lines);
    }

    /// The number of requests that wait or have their turn.
    pub fn len(&self) -> usize {
        self.shared.state().all_inside
    }

    /// Whether nobody waits and nobody has a turn.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn enter(&self, caller: K) -> Result<(Place<K>, oneshot::Receiver<Slot<K>>), QueueError> {
        let bounds = self.shared.bounds;
        let mut state = self.shared.state();
        if state.is_closed {
            return Err(QueueError::Closed);
        }
        if state.inside.get(&caller).copied().unwrap_or_default() >= bounds.share {
            return Err(QueueError::ShareFull);
        }
        if state.all_inside >= bounds.all {
            return Err(QueueError::Full);
        }
        *state.inside.entry(caller.clone()).or_default() += 1;
        state.all_inside += 1;
        let number = state.next_number;
        state.next_number += 1;
        let (call, slot) = oneshot::channel();
        let line = state.lines.iter_mut().find(|(whose, _)| *whose == caller);
        if let Some((_, line)) = line {
            line.push_back((number, call));
        } else {
            let line = VecDeque::from([(number, call)]);
            state.lines.push_back((caller.clone(), line));
        }
        self.shared.give_turns(&mut state);
        drop(state);
        let shared = Arc::clone(&self.shared);
        let place = Place {
            shared,
            caller,
            number,
        };
        Ok((place, slot))
    }
}

impl<K> Clone for FairQueue<K> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<K> Shared<K> {
    fn state(&self) -> MutexGuard<'_, State<K>> {
        // Nothing in here is ever left half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_turns(self: &Arc<Self>, state: &mut State<K>) {
        while state.free_turns > 0
            && let Some((caller, mut line)) = state.lines.pop_front()
        {
            let next = line.pop_front();
            if !line.is_empty() {
                state.lines.push_back((caller, line));
            }
            let slot = Slot(Some(Arc::clone(self)));
            match next.map(|(_, call)| call.send(slot)) {
                Some(Ok(())) => state.free_turns -= 1,
                // Whoever waited is about to leave. The lock is held here: the slot must not ask for it.
                Some(Err(mut slot)) => slot.0 = None,
                None => {}
            }
        }
    }
}

/// One of the few turns that there are at a time.
#[derive(Debug)]
struct Slot<K>(Option<Arc<Shared<K>>>);

impl<K> Drop for Slot<K> {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            let mut state = shared.state();
            state.free_turns += 1;
            shared.give_turns(&mut state);
        }
    }
}

/// A place in the queue, from the first moment to the end of the turn.
#[derive(Debug)]
struct Place<K: Clone + Eq + Hash> {
    shared: Arc<Shared<K>>,
    caller: K,
    number: u64,
}

impl<K: Clone + Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.all_inside = state.all_inside.saturating_sub(1);
        if let Some(count) = state.inside.get_mut(&self.caller) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                state.inside.remove(&self.caller);
            }
        }
        let mut lines = state.lines.iter_mut();
        if let Some(at) = lines.position(|(whose, _)| *whose == self.caller)
            && let Some((_, line)) = state.lines.get_mut(at)
        {
            line.retain(|(number, _)| *number != self.number);
            if line.is_empty() {
                state.lines.remove(at);
            }
        }
    }
}

/// The right to do one piece of work. It lasts until it is dropped.
#[derive(Debug)]
pub struct Turn<K: Clone + Eq + Hash> {
    _slot: Slot<K>,
    _place: Place<K>,
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::{Pin, pin};
    use std::task::Poll;

    use super::*;

    fn queue(at_once: usize, all: usize, share: usize) -> FairQueue<&'static str> {
        FairQueue::new(QueueBounds {
            at_once,
            all,
            share,
        })
    }

    async fn poll<F: Future>(future: &mut Pin<&mut F>) -> Option<F::Output> {
        poll_fn(|context| {
            Poll::Ready(match future.as_mut().poll(context) {
                Poll::Ready(output) => Some(output),
                Poll::Pending => None,
            })
        })
        .await
    }

    #[tokio::test]
    async fn whoever_waits_with_many_delays_others_by_one() {
        let queue = queue(1, 10, 10);
        let at_work = queue.turn("many").await.unwrap();
        let mut second = pin!(queue.turn("many"));
        let mut third = pin!(queue.turn("many"));
        let mut other = pin!(queue.turn("other"));
        assert!(poll(&mut second).await.is_none());
        assert!(poll(&mut third).await.is_none());
        assert!(poll(&mut other).await.is_none());
        drop(at_work);
        let second = poll(&mut second).await.unwrap().unwrap();
        assert!(poll(&mut other).await.is_none());
        drop(second);
        assert!(poll(&mut third).await.is_none());
        let other = poll(&mut other).await.unwrap().unwrap();
        drop(other);
        assert!(poll(&mut third).await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_share_and_the_whole_are_bounded_and_refused_at_once() {
        let queue = queue(1, 3, 2);
        let first = queue.turn("a").await.unwrap();
        let mut waiting = pin!(queue.turn("a"));
        assert!(poll(&mut waiting).await.is_none());
        assert_eq!(queue.turn("a").await.unwrap_err(), QueueError::ShareFull);
        let mut other = pin!(queue.turn("b"));
        assert!(poll(&mut other).await.is_none());
        assert_eq!(queue.turn("c").await.unwrap_err(), QueueError::Full);
        assert_eq!(queue.len(), 3);
        drop(first);
        let mut again = pin!(queue.turn("a"));
        assert!(poll(&mut again).await.is_none(), "there is a place again");
    }

    #[tokio::test]
    async fn whoever_leaves_gives_place_and_turn_back() {
        let queue = queue(1, 10, 1);
        let at_work = queue.turn("a").await.unwrap();
        for _ in 0..1000 {
            let mut gone = Box::pin(queue.turn("b"));
            assert!(poll(&mut gone.as_mut()).await.is_none());
        }
        assert_eq!(queue.len(), 1);
        assert!(queue.shared.state().lines.is_empty());
        {
            let mut called = Box::pin(queue.turn("b"));
            assert!(poll(&mut called.as_mut()).await.is_none());
            drop(at_work);
            // Its turn has come, and it leaves without having heard of that.
        }
        assert!(queue.is_empty());
        assert!(queue.turn("c").await.is_ok());
    }

    #[tokio::test]
    async fn a_closed_queue_sends_away_who_waits_and_lets_who_works_end() {
        let queue = queue(1, 10, 10);
        let at_work = queue.turn("a").await.unwrap();
        let mut waiting = pin!(queue.turn("b"));
        assert!(poll(&mut waiting).await.is_none());
        queue.close();
        let sent_away = poll(&mut waiting).await.unwrap();
        assert_eq!(sent_away.unwrap_err(), QueueError::Closed);
        assert_eq!(queue.turn("c").await.unwrap_err(), QueueError::Closed);
        assert_eq!(queue.len(), 1);
        drop(at_work);
        assert!(queue.is_empty());
    }
}
