//! What is remembered of those who are counted: a fixed number of them, so that nobody can make it grow.
//!
//! A caller falls into one of many buckets by a keyed hash and has a slot there. When a bucket is full, the newcomer gets the slot
//! whose owner has least left to pay off. So whoever is near a limit stays remembered, and a crowd of strangers with a few
//! requests each only makes the service forget other strangers. Buckets are made when somebody first falls into them.

use std::fmt;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::Decision;
use super::window::{Excess, Unit, Window};

/// What callers have spent.
pub(super) struct Tracked {
    buckets: Box<[OnceLock<Bucket>]>,
    hasher: RandomState,
}

type Bucket = Box<Mutex<[Slot; WAYS]>>;

/// One caller. Times are nanoseconds of uptime; zero is never.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// The caller's hash; zero for nobody.
    owner: u64,
    /// When what was spent in each window is paid off.
    paid_off: [u64; Window::MAX_WINDOWS],
    /// Until when nothing is allowed.
    blocked_until: u64,
}

impl Tracked {
    /// Room for callers who are told apart.
    pub(super) fn many() -> Self {
        Self::with_buckets(BUCKETS)
    }

    /// Room for all callers taken as one.
    pub(super) fn one() -> Self {
        Self::with_buckets(1)
    }

    fn with_buckets(buckets: usize) -> Self {
        Self {
            buckets: std::iter::repeat_with(OnceLock::new)
                .take(buckets)
                .collect(),
            hasher: RandomState::new(),
        }
    }

    /// Spends this much in all windows of this unit, or in none. A refusal blocks the caller for a while if `block` is not zero.
    pub(super) fn spend(
        &self,
        who: &impl Hash,
        windows: &[Window],
        spending: &Spending,
    ) -> Decision {
        self.with_slot(who, |slot| slot.spend(windows, spending))
    }

    /// What [`spend`](Self::spend) would say.
    pub(super) fn look(
        &self,
        who: &impl Hash,
        windows: &[Window],
        spending: &Spending,
    ) -> Decision {
        self.with_slot(who, |slot| {
            Slot::spend(&mut slot.clone(), windows, spending)
        })
    }

    fn with_slot<T>(&self, who: &impl Hash, work: impl FnOnce(&mut Slot) -> T) -> T {
        let hash = self.hasher.hash_one(who);
        // The lower bits choose the bucket, so they need not tell owners in it apart.
        let owner = hash | 1;
        let count = u64::try_from(self.buckets.len()).unwrap_or(1);
        let index = usize::try_from(hash % count).unwrap_or_default();
        let Some(bucket) = self.buckets.get(index) else {
            return work(&mut Slot::default());
        };
        let bucket = bucket.get_or_init(Box::default);
        let mut slots = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.iter_mut().find(|slot| slot.owner == owner) {
            return work(slot);
        }
        let mut slot = Slot {
            owner,
            ..Slot::default()
        };
        let outcome = work(&mut slot);
        if let Some(idlest) = slots.iter_mut().min_by_key(|slot| slot.busy_until()) {
            *idlest = slot;
        }
        outcome
    }
}

/// What is to be spent, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spending {
    pub(super) unit: Unit,
    pub(super) count: u64,
    /// Nanoseconds of uptime.
    pub(super) now: u64,
    /// How long a refusal blocks, in nanoseconds.
    pub(super) block: u64,
}

impl Slot {
    fn busy_until(&self) -> u64 {
        self.paid_off.into_iter().fold(self.blocked_until, u64::max)
    }

    fn spend(&mut self, windows: &[Window], spending: &Spending) -> Decision {
        let now = spending.now;
        if self.blocked_until > now {
            return refused(self.blocked_until - now);
        }
        let mut after = self.paid_off;
        let mut decision = Decision::Allowed;
        let counted = windows.iter().zip(&mut after);
        for (window, paid_off) in counted.filter(|(window, _)| window.unit == spending.unit) {
            match window.spend(*paid_off, spending.count, now) {
                Ok(spent) => *paid_off = spent,
                Err(Excess::Always) => decision = decision.worse(Decision::TooMany),
                Err(Excess::For(nanos)) => decision = decision.worse(refused(nanos)),
            }
        }
        match decision {
            Decision::Allowed => {
                self.paid_off = after;
                decision
            }
            Decision::Refused { .. } if spending.block > 0 => {
                self.blocked_until = now.saturating_add(spending.block);
                decision.worse(refused(spending.block))
            }
            Decision::Refused { .. } | Decision::TooMany => decision,
        }
    }
}

fn refused(nanos: u64) -> Decision {
    Decision::Refused {
        retry_after: std::time::Duration::from_nanos(nanos),
    }
}

impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracked").finish_non_exhaustive()
    }
}

/// Buckets and slots: 65,536 callers, in at most 4 MiB.
const BUCKETS: usize = 8192;
const WAYS: usize = 8;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn spending(now: u64) -> Spending {
        Spending {
            unit: Unit::Requests,
            count: 1,
            now,
            block: 0,
        }
    }

    fn window(unit: Unit, limit: u64, seconds: u64) -> Window {
        Window::new(unit, limit * 1000, Duration::from_secs(seconds)).unwrap()
    }

    #[test]
    fn what_one_window_refuses_is_not_spent_in_another() {
        let tracked = Tracked::many();
        let windows = [window(Unit::Requests, 5, 10), window(Unit::Requests, 1, 1)];
        assert_eq!(
            tracked.spend(&"a", &windows, &spending(SECOND)),
            Decision::Allowed
        );
        for _ in 0..20 {
            let decision = tracked.spend(&"a", &windows, &spending(SECOND));
            assert_eq!(decision, refused(SECOND));
        }
        for second in 2..6 {
            let decision = tracked.spend(&"a", &windows, &spending(second * SECOND));
            assert_eq!(decision, Decision::Allowed, "{second}");
        }
    }

    #[test]
    fn units_are_counted_apart_and_callers_too() {
        let tracked = Tracked::many();
        let windows = [window(Unit::Items, 10, 10), window(Unit::Requests, 1, 10)];
        let items = |count| Spending {
            unit: Unit::Items,
            count,
            ..spending(SECOND)
        };
        assert_eq!(
            tracked.spend(&"a", &windows, &spending(SECOND)),
            Decision::Allowed
        );
        assert_eq!(tracked.spend(&"a", &windows, &items(10)), Decision::Allowed);
        assert_eq!(
            tracked.spend(&"a", &windows, &items(3)),
            refused(3 * SECOND)
        );
        assert_eq!(tracked.spend(&"a", &windows, &items(11)), Decision::TooMany);
        assert_eq!(tracked.spend(&"b", &windows, &items(10)), Decision::Allowed);
    }

    #[test]
    fn looking_spends_nothing() {
        let tracked = Tracked::many();
        let windows = [window(Unit::Requests, 1, 10)];
        for _ in 0..3 {
            assert_eq!(
                tracked.look(&"a", &windows, &spending(SECOND)),
                Decision::Allowed
            );
        }
        assert_eq!(
            tracked.spend(&"a", &windows, &spending(SECOND)),
            Decision::Allowed
        );
        assert_ne!(
            tracked.look(&"a", &windows, &spending(SECOND)),
            Decision::Allowed
        );
    }

    #[test]
    fn a_refusal_may_block_for_longer_than_the_window_would() {
        let tracked = Tracked::one();
        let windows = [window(Unit::Requests, 1, 1)];
        let blocking = |now| Spending {
            block: 60 * SECOND,
            ..spending(now)
        };
        assert_eq!(
            tracked.spend(&(), &windows, &blocking(SECOND)),
            Decision::Allowed
        );
        assert_eq!(
            tracked.spend(&(), &windows, &blocking(SECOND)),
            refused(60 * SECOND)
        );
        // Trying again does not prolong it.
        assert_eq!(
            tracked.spend(&(), &windows, &blocking(31 * SECOND)),
            refused(30 * SECOND)
        );
        assert_eq!(
            tracked.spend(&(), &windows, &blocking(61 * SECOND)),
            Decision::Allowed
        );
    }

    #[test]
    fn a_crowd_does_not_make_it_forget_who_is_at_the_limit() {
        let tracked = Tracked::many();
        let windows = [window(Unit::Requests, 100, 3600)];
        for _ in 0..100 {
            assert_eq!(
                tracked.spend(&"greedy", &windows, &spending(SECOND)),
                Decision::Allowed
            );
        }
        for stranger in 0..1_000_000_u32 {
            tracked.spend(&stranger, &windows, &spending(SECOND));
        }
        assert_ne!(
            tracked.spend(&"greedy", &windows, &spending(SECOND)),
            Decision::Allowed
        );
        let slots = tracked.buckets.len() * WAYS;
        let bytes = slots * size_of::<Slot>() + tracked.buckets.len() * 40;
        assert!(bytes <= 4 << 20, "{bytes}");
    }

    #[test]
    fn threads_together_get_what_one_would() {
        let tracked = Tracked::one();
        let windows = [window(Unit::Requests, 1000, 3600)];
        let allowed = || {
            (0..600)
                .filter(|_| tracked.spend(&(), &windows, &spending(SECOND)) == Decision::Allowed)
                .count()
        };
        let total: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(allowed)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(total, 1000);
    }
}
