//! How much this node takes on at once: requests in flight, bytes of their bodies, items of their batches, and bytes of answers
//! that are not sent yet. Lock-free; beyond it, refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::http::Limits;

/// Counts what is in flight and refuses what would be too much. Clones share the counters.
#[derive(Clone, Debug)]
pub struct Admission {
    requests: Arc<Budget>,
    strangers: Arc<Budget>,
    body_bytes: Arc<Budget>,
    items: Arc<Budget>,
    reply_bytes: Arc<Budget>,
}

impl Admission {
    /// What the longest answer needs: a body's references, written out again, and a text for each of its items.
    pub const ONE_REPLY: usize = 64 << 20;

    /// About what an item takes while it is worked on, however short it was in the body.
    const ITEM_BYTES: usize = 256;

    /// Takes on at most this many requests, and at most this many bytes of their bodies, at once. Items and answers may
    /// need as much each, and always as much as the largest request.
    pub fn new(requests: usize, body_bytes: usize) -> Self {
        Self {
            requests: Arc::new(Budget::new(requests)),
            strangers: Arc::new(Budget::new((requests / 8).max(1))),
            body_bytes: Arc::new(Budget::new(body_bytes)),
            items: Arc::new(Budget::new(
                (body_bytes / Self::ITEM_BYTES).max(Limits::BATCH_ITEMS),
            )),
            reply_bytes: Arc::new(Budget::new(body_bytes.max(Self::ONE_REPLY))),
        }
    }

    /// Room for one more request until the guard is dropped; `None` if there is none.
    pub fn enter(&self) -> Option<Held> {
        let mut held = Held::nothing(&self.requests);
        held.more(1).then_some(held)
    }

    /// Room for one more request from somebody who is not known and has a body to send; `None` if there is none. They have
    /// an eighth of the places: one who sends slowly must not keep out those who are known.
    pub fn enter_as_stranger(&self) -> Option<Held> {
        let mut held = Held::nothing(&self.strangers);
        held.more(1).then_some(held)
    }

    /// How many requests are in flight now.
    pub fn requests_in_flight(&self) -> usize {
        self.requests.used.load(Ordering::Relaxed)
    }

    /// How often somebody was refused so far.
    pub fn refusals(&self) -> u64 {
        let of = |budget: &Budget| budget.refusals.load(Ordering::Relaxed);
        of(&self.requests)
            .saturating_add(of(&self.strangers))
            .saturating_add(of(&self.body_bytes))
            .saturating_add(of(&self.items))
            .saturating_add(of(&self.reply_bytes))
    }

    /// A hold on no bytes yet, to be grown as a body arrives.
    pub fn body(&self) -> Held {
        Held::nothing(&self.body_bytes)
    }

    /// Room for this many items until the guard is dropped; `None` if there is none.
    pub fn items(&self, items: usize) -> Option<Held> {
        let mut held = Held::nothing(&self.items);
        held.more(items).then_some(held)
    }

    /// A hold on this many bytes until they are sent; `None` if there is no room for them.
    pub fn reply(&self, bytes: usize) -> Option<Held> {
        let mut held = Held::nothing(&self.reply_bytes);
        held.more(bytes).then_some(held)
    }
}

/// A share of a budget, given back on drop.
#[derive(Debug)]
pub struct Held {
    budget: Arc<Budget>,
    amount: usize,
}

impl Held {
    fn nothing(budget: &Arc<Budget>) -> Self {
        Self {
            budget: Arc::clone(budget),
            amount: 0,
        }
    }

    /// Takes this much more; `false`, and nothing taken, if that exceeds the budget.
    #[must_use]
    pub fn more(&mut self, amount: usize) -> bool {
        let taken = self.budget.take(amount);
        if taken {
            self.amount = self.amount.saturating_add(amount);
        }
        taken
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.amount, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Budget {
    limit: usize,
    used: AtomicUsize,
    refusals: AtomicU64,
}

impl Budget {
    const fn new(limit: usize) -> Self {
        Self {
            limit,
            used: AtomicUsize::new(0),
            refusals: AtomicU64::new(0),
        }
    }

    // One addition when there is room. Two threads may refuse each other at the brim, which errs on the safe side.
    fn take(&self, amount: usize) -> bool {
        let before = self.used.fetch_add(amount, Ordering::Relaxed);
        let fits = before
            .checked_add(amount)
            .is_some_and(|after| after <= self.limit);
        if !fits {
            self.used.fetch_sub(amount, Ordering::Relaxed);
            self.refusals.fetch_add(1, Ordering::Relaxed);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_house_refuses_until_somebody_leaves() {
        let admission = Admission::new(2, 0);
        let first = admission.enter().unwrap();
        let _second = admission.enter().unwrap();
        assert!(admission.enter().is_none());
        assert_eq!(
            (admission.requests_in_flight(), admission.refusals()),
            (2, 1)
        );
        drop(first);
        assert!(admission.enter().is_some());
    }

    #[test]
    fn strangers_fill_an_eighth_of_the_house() {
        let admission = Admission::new(16, 0);
        let _two =
            [admission.enter_as_stranger(), admission.enter_as_stranger()].map(Option::unwrap);
        assert!(admission.enter_as_stranger().is_none());
        assert!(admission.enter().is_some());
    }

    #[test]
    fn the_longest_batch_has_room_when_nothing_else_is_worked_on() {
        let admission = Admission::new(1, 0);
        let batch = admission.items(Limits::BATCH_ITEMS).unwrap();
        assert!(admission.items(1).is_none());
        drop(batch);
        assert!(admission.items(1).is_some());
    }

    #[test]
    fn body_bytes_are_held_until_the_body_is_dropped() {
        let admission = Admission::new(1, 100);
        let mut body = admission.body();
        assert!(body.more(60));
        let mut other = admission.body();
        assert!(!other.more(41));
        assert!(other.more(40));
        drop(body);
        assert!(other.more(60));
        assert!(!other.more(usize::MAX));
        assert!(!other.more(1));
    }
}
