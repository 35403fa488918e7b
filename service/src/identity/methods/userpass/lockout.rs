//! Who failed to log in too often, and for how long that counts. In memory, bounded, by canonical name.

use std::time::Duration;

use keyring::clock::Clock;
use moka::sync::Cache;
use serde::{Deserialize, Serialize};

/// When failed logins lock a user out.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct LockoutRule {
    /// Whether they ever do.
    pub enabled: bool,
    /// How many in a row.
    pub threshold: u32,
    /// For how long from the last of them on.
    pub duration: Duration,
    /// After how long without another they are forgotten.
    pub counter_reset: Duration,
}

impl Default for LockoutRule {
    /// Vault's: after five failures, for a quarter of an hour, forgotten after as long.
    fn default() -> Self {
        Self {
            enabled: true,
            threshold: 5,
            duration: Duration::from_mins(15),
            counter_reset: Duration::from_mins(15),
        }
    }
}

/// Somebody who tries to log in, by what it is called once and for all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Contender {
    /// The accessor of the auth mount.
    pub mount: String,
    /// The canonical name.
    pub name: String,
}

/// Failed logins of this node. Names that are nobody's are remembered in a room of their own, so that a flood of them cannot
/// push out the count of somebody who exists.
#[derive(Debug)]
pub struct Lockouts {
    users: Cache<Contender, Failures>,
    strangers: Cache<Contender, Failures>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    /// Uptime at the last one.
    last: Duration,
}

impl Lockouts {
    /// How many names of users, and how many of nobody, are remembered.
    pub const REMEMBERED: u64 = 100_000;

    /// Nobody has failed yet.
    pub fn new() -> Self {
        Self {
            users: Cache::new(Self::REMEMBERED),
            strangers: Cache::new(Self::REMEMBERED),
        }
    }

    /// Whether this one is locked out now, whether or not there is such a user.
    pub fn is_locked(&self, who: &Contender, rule: LockoutRule, clock: &dyn Clock) -> bool {
        let locks = |failures: Failures| {
            let age = clock.uptime().saturating_sub(failures.last);
            failures.count >= rule.threshold && age < rule.duration
        };
        rule.enabled
            && [&self.users, &self.strangers]
                .into_iter()
                .filter_map(|room| room.get(who))
                .any(locks)
    }

    /// Counts a failure of somebody who exists or does not.
    pub fn failed(&self, who: Contender, exists: bool, rule: LockoutRule, clock: &dyn Clock) {
        if !rule.enabled {
            return;
        }
        let now = clock.uptime();
        let room = if exists { &self.users } else { &self.strangers };
        room.entry(who).and_upsert_with(|known| {
            let before = known.map(moka::Entry::into_value);
            let counts = |it: &Failures| now.saturating_sub(it.last) < rule.counter_reset;
            let count = before.filter(counts).map_or(0, |it| it.count);
            Failures {
                count: count.saturating_add(1),
                last: now,
            }
        });
    }

    /// Forgets what came before a success.
    pub fn succeeded(&self, who: &Contender) {
        self.users.invalidate(who);
    }
}

impl Default for Lockouts {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use keyring::test_support::engine::ManualClock;

    use super::*;

    fn who(name: &str) -> Contender {
        Contender {
            mount: "auth_userpass_00000000".to_owned(),
            name: name.to_owned(),
        }
    }

    fn fail(lockouts: &Lockouts, name: &Contender, times: u32, clock: &dyn Clock) {
        for _ in 0..times {
            let exists = name.name == "ada";
            lockouts.failed(name.clone(), exists, LockoutRule::default(), clock);
        }
    }

    fn locked(lockouts: &Lockouts, name: &Contender, clock: &dyn Clock) -> bool {
        lockouts.is_locked(name, LockoutRule::default(), clock)
    }

    #[test]
    fn five_failures_in_a_row_lock_a_name_out_for_a_quarter_of_an_hour() {
        let (lockouts, clock) = (Lockouts::new(), ManualClock::default());
        for name in [who("ada"), who("nobody")] {
            fail(&lockouts, &name, 4, &clock);
            assert!(!locked(&lockouts, &name, &clock));
            fail(&lockouts, &name, 1, &clock);
            assert!(locked(&lockouts, &name, &clock));
        }
        assert!(!locked(&lockouts, &who("bob"), &clock));
        clock.advance(Duration::from_mins(15) - Duration::from_millis(1));
        assert!(locked(&lockouts, &who("ada"), &clock));
        clock.advance(Duration::from_millis(1));
        assert!(!locked(&lockouts, &who("ada"), &clock));
    }

    #[test]
    fn a_success_and_a_quiet_time_make_the_count_begin_again() {
        let (lockouts, clock) = (Lockouts::new(), ManualClock::default());
        let ada = who("ada");
        fail(&lockouts, &ada, 4, &clock);
        lockouts.succeeded(&ada);
        fail(&lockouts, &ada, 4, &clock);
        assert!(!locked(&lockouts, &ada, &clock));
        clock.advance(Duration::from_mins(15));
        fail(&lockouts, &ada, 4, &clock);
        assert!(!locked(&lockouts, &ada, &clock));
    }

    #[test]
    fn a_flood_of_names_that_are_nobodys_pushes_nobody_out() {
        let (lockouts, clock) = (Lockouts::new(), ManualClock::default());
        let ada = who("ada");
        fail(&lockouts, &ada, 5, &clock);
        for number in 0..Lockouts::REMEMBERED * 2 {
            fail(&lockouts, &who(&number.to_string()), 1, &clock);
        }
        lockouts.strangers.run_pending_tasks();
        assert!(lockouts.strangers.entry_count() <= Lockouts::REMEMBERED);
        assert!(locked(&lockouts, &ada, &clock));
    }

    #[test]
    fn a_rule_that_is_off_locks_nobody_out() {
        let (lockouts, clock) = (Lockouts::new(), ManualClock::default());
        let off = LockoutRule {
            enabled: false,
            ..LockoutRule::default()
        };
        let ada = who("ada");
        for _ in 0..10 {
            lockouts.failed(ada.clone(), true, off, &clock);
        }
        assert!(!lockouts.is_locked(&ada, off, &clock));
        assert!(!locked(&lockouts, &ada, &clock));
    }
}
