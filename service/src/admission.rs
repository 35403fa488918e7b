//! How much this node takes on at once: requests worked on, bytes of their bodies, items of their batches, and bytes of answers
//! that are not sent yet. Lock-free; beyond it, refused.
//!
//! Each lane has budgets of its own, which requests of another lane cannot take, and within a lane nobody holds more than a
//! share of a budget.

mod shares;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use keyring::store::identity::CredentialHash;

use self::shares::{Counter, Shares};
use crate::http::Limits;

/// What requests are worked on as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// With a token, for anything that is not named below.
    General,
    /// Without a token: logins, and wrapping tokens that come in a body.
    Login,
    /// Seals, unseals, or revokes tokens.
    Safety,
    /// Only says how this node is.
    Status,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 4] = [Self::General, Self::Login, Self::Safety, Self::Status];

    /// The word it is counted by.
    pub const fn word(self) -> &'static str {
        match self {
            Self::General => "general",
            Self::Login => "login",
            Self::Safety => "safety",
            Self::Status => "status",
        }
    }
}

/// What is budgeted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Requests that are worked on.
    Requests,
    /// Bytes of bodies, from when a body is waited for or is large until its request is answered.
    BodyBytes,
    /// Items of batches.
    Items,
    /// Bytes of answers until they are sent.
    ReplyBytes,
}

impl Resource {
    /// Every resource.
    pub const ALL: [Self; 4] = [
        Self::Requests,
        Self::BodyBytes,
        Self::Items,
        Self::ReplyBytes,
    ];

    /// The word it is counted by.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::BodyBytes => "body_bytes",
            Self::Items => "items",
            Self::ReplyBytes => "reply_bytes",
        }
    }
}

/// Whom something is held for.
#[derive(Clone, Copy, Debug)]
pub enum Owner<'a> {
    /// Whoever shows this token.
    Token(&'a CredentialHash),
    /// Whoever comes from this address, or from this network of IPv6.
    Address(IpAddr),
    /// This user of the machine, over a Unix socket.
    User(Option<u32>),
}

/// How large the budgets are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Requests with a token that are worked on at once.
    pub requests: usize,
    /// Requests without a token that are worked on at once.
    pub logins: usize,
    /// Requests of each of the lanes safety and status that are worked on at once.
    pub reserved_requests: usize,
    /// Bytes of the bodies of the general lane.
    pub body_bytes: usize,
    /// Bytes of its answers.
    pub reply_bytes: usize,
    /// Bytes of bodies, and as many of answers, of each of the other lanes.
    pub reserved_bytes: usize,
    /// What one owner may hold of a budget, in percent.
    pub share_percent: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            requests: 4096,
            logins: 512,
            reserved_requests: 64,
            body_bytes: 256 << 20,
            reply_bytes: 256 << 20,
            reserved_bytes: 8 << 20,
            share_percent: 25,
        }
    }
}

/// Counts what is held and refuses what would be too much. Clones share the counters.
#[derive(Clone, Debug)]
pub struct Admission(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    general: Budgets,
    login: Budgets,
    safety: Budgets,
    status: Budgets,
    shares: Shares,
    slow_bodies: AtomicU64,
    slow_readers: AtomicU64,
    refused_unrecorded: AtomicU64,
}

/// Whose share of which lane a request draws on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    lane: Lane,
    slot: Option<usize>,
}

impl Share {
    /// A share of a lane that belongs to nobody: only the lane's budgets bound it.
    pub const fn of_nobody(lane: Lane) -> Self {
        Self { lane, slot: None }
    }
}

impl Admission {
    /// About what an item takes while it is worked on, however short it was in the body.
    const ITEM_BYTES: usize = 256;

    /// Budgets of this size, of which nothing is held.
    pub fn new(bounds: &Bounds) -> Self {
        let reserved = |requests| Budgets::new(bounds, requests, bounds.reserved_bytes);
        Self(Arc::new(Inner {
            general: Budgets {
                reply_bytes: Budget::new(bounds.reply_bytes, bounds.share_percent),
                ..Budgets::new(bounds, bounds.requests, bounds.body_bytes)
            },
            login: reserved(bounds.logins),
            safety: reserved(bounds.reserved_requests),
            status: reserved(bounds.reserved_requests),
            shares: Shares::default(),
            slow_bodies: AtomicU64::new(0),
            slow_readers: AtomicU64::new(0),
            refused_unrecorded: AtomicU64::new(0),
        }))
    }

    /// The share of this owner. Status is of nobody: it is answered without waiting for anything.
    pub fn share(&self, lane: Lane, owner: Owner<'_>) -> Share {
        let slot = (lane != Lane::Status).then(|| self.0.shares.slot(owner));
        Share { lane, slot }
    }

    /// A hold on so much until it is dropped; `None` if there is no room for it.
    pub fn hold(&self, share: Share, resource: Resource, amount: usize) -> Option<Held> {
        let mut held = self.hold_nothing(share, resource);
        held.more(amount).then_some(held)
    }

    /// A hold on nothing yet, to be grown.
    pub fn hold_nothing(&self, share: Share, resource: Resource) -> Held {
        Held {
            admission: self.clone(),
            share,
            resource,
            amount: 0,
        }
    }

    /// How much of a budget is held now.
    pub fn in_use(&self, lane: Lane, resource: Resource) -> usize {
        let budget = self.0.budgets(lane).of(resource);
        budget.used.load(Ordering::Relaxed)
    }

    /// How many requests are worked on now, in all lanes.
    pub fn requests_in_flight(&self) -> usize {
        let each = Lane::ALL.map(|lane| self.in_use(lane, Resource::Requests));
        each.into_iter().sum()
    }

    /// How often somebody was refused so far because a budget was used up, and because a share of it was.
    pub fn refusals_of(&self, lane: Lane, resource: Resource) -> (u64, u64) {
        let budget = self.0.budgets(lane).of(resource);
        let [full, share] = [&budget.refused_full, &budget.refused_share]
            .map(|count| count.load(Ordering::Relaxed));
        (full, share)
    }

    /// How often somebody was refused so far.
    pub fn refusals(&self) -> u64 {
        let of_lane = |lane| Resource::ALL.map(|resource| self.refusals_of(lane, resource));
        let all = Lane::ALL.into_iter().flat_map(of_lane);
        all.fold(0, |sum, (full, share)| {
            sum.saturating_add(full).saturating_add(share)
        })
    }

    /// A body came too slowly and was given up.
    pub fn gave_up_body(&self) {
        self.0.slow_bodies.fetch_add(1, Ordering::Relaxed);
    }

    /// An answer was taken too slowly, and its connection closed.
    pub fn gave_up_reader(&self) {
        self.0.slow_readers.fetch_add(1, Ordering::Relaxed);
    }

    /// A refused request was not recorded by itself.
    pub fn refused_unrecorded(&self) {
        self.0.refused_unrecorded.fetch_add(1, Ordering::Relaxed);
    }

    /// How many refused requests were recorded together with others so far.
    pub fn refusals_recorded_together(&self) -> u64 {
        self.0.refused_unrecorded.load(Ordering::Relaxed)
    }

    /// How many bodies, and how many readers, were given up so far because they were too slow.
    pub fn given_up(&self) -> (u64, u64) {
        let Inner {
            slow_bodies,
            slow_readers,
            ..
        } = &*self.0;
        let [bodies, readers] = [slow_bodies, slow_readers].map(|one| one.load(Ordering::Relaxed));
        (bodies, readers)
    }
}

impl Inner {
    const fn budgets(&self, lane: Lane) -> &Budgets {
        match lane {
            Lane::General => &self.general,
            Lane::Login => &self.login,
            Lane::Safety => &self.safety,
            Lane::Status => &self.status,
        }
    }
}

/// Part of a budget and of a share of it, given back on drop.
#[derive(Debug)]
pub struct Held {
    admission: Admission,
    share: Share,
    resource: Resource,
    amount: usize,
}

impl Held {
    /// Takes this much more; `false`, and nothing taken, if that exceeds the budget or the share. Whoever holds nothing else
    /// may exceed the share, or what is larger than a share could never be done.
    #[must_use]
    pub fn more(&mut self, amount: usize) -> bool {
        let (budget, counter) = self.counts();
        if let Some(counter) = counter {
            let before = counter.fetch_add(amount, Ordering::Relaxed);
            let fits = before
                .checked_add(amount)
                .is_some_and(|after| after <= budget.share);
            if !fits && before != self.amount {
                counter.fetch_sub(amount, Ordering::Relaxed);
                budget.refused_share.fetch_add(1, Ordering::Relaxed);
                return false;
            }
        }
        if !budget.take(amount) {
            if let Some(counter) = counter {
                counter.fetch_sub(amount, Ordering::Relaxed);
            }
            return false;
        }
        self.amount = self.amount.saturating_add(amount);
        true
    }

    /// How much this is.
    pub const fn amount(&self) -> usize {
        self.amount
    }

    /// Holds exactly this much from now on, also where that exceeds the budget: for what is there already and cannot be refused
    /// any more. Others are refused the sooner.
    pub fn set(&mut self, amount: usize) {
        let (budget, counter) = self.counts();
        for count in [Some(&budget.used), counter].into_iter().flatten() {
            count.fetch_add(amount, Ordering::Relaxed);
            count.fetch_sub(self.amount, Ordering::Relaxed);
        }
        self.amount = amount;
    }

    fn counts(&self) -> (&Budget, Option<&Counter>) {
        let Share { lane, slot } = self.share;
        let inner = &*self.admission.0;
        let budget = inner.budgets(lane).of(self.resource);
        let counter = slot.and_then(|slot| inner.shares.counter(slot, lane, self.resource));
        (budget, counter)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let (budget, counter) = self.counts();
        for count in [Some(&budget.used), counter].into_iter().flatten() {
            count.fetch_sub(self.amount, Ordering::Relaxed);
        }
    }
}

/// The budgets of a lane.
#[derive(Debug)]
struct Budgets {
    requests: Budget,
    body_bytes: Budget,
    items: Budget,
    reply_bytes: Budget,
}

impl Budgets {
    fn new(bounds: &Bounds, requests: usize, bytes: usize) -> Self {
        let budget = |limit| Budget::new(limit, bounds.share_percent);
        // As many as the largest request may have, whatever the bytes.
        let items = (bytes / Admission::ITEM_BYTES).max(Limits::BATCH_ITEMS);
        Self {
            requests: budget(requests),
            body_bytes: budget(bytes),
            items: budget(items),
            reply_bytes: budget(bytes),
        }
    }

    const fn of(&self, resource: Resource) -> &Budget {
        match resource {
            Resource::Requests => &self.requests,
            Resource::BodyBytes => &self.body_bytes,
            Resource::Items => &self.items,
            Resource::ReplyBytes => &self.reply_bytes,
        }
    }
}

#[derive(Debug)]
struct Budget {
    limit: usize,
    /// What one owner may hold of it.
    share: usize,
    used: AtomicUsize,
    refused_full: AtomicU64,
    refused_share: AtomicU64,
}

impl Budget {
    fn new(limit: usize, share_percent: usize) -> Self {
        Self {
            limit,
            share: (limit / 100)
                .saturating_mul(share_percent)
                .saturating_add((limit % 100).saturating_mul(share_percent) / 100)
                .max(1),
            used: AtomicUsize::new(0),
            refused_full: AtomicU64::new(0),
            refused_share: AtomicU64::new(0),
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
            self.refused_full.fetch_add(1, Ordering::Relaxed);
        }
        fits
    }
}

#[cfg(test)]
mod tests;
