//! How long to leave a ring alone whose rotation failed, so that an HSM that is away does not fill the audit log.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::transit::Address;

/// Rings whose rotation failed, and when to try again. Every failure in a row doubles the pause.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    waiting: HashMap<Address, (Duration, Instant)>,
}

impl Patience {
    pub(super) fn allows(&self, at: &Address, now: Instant) -> bool {
        self.waiting.get(at).is_none_or(|(_, until)| *until <= now)
    }

    pub(super) fn note(&mut self, at: &Address, done: bool, now: Instant) {
        if done {
            self.waiting.remove(at);
            return;
        }
        // Rings that are rotated or deleted elsewhere meanwhile are not heard of again.
        self.waiting
            .retain(|_, (pause, until)| *until + *pause > now);
        let last = self.waiting.get(at).map(|(pause, _)| *pause * 2);
        let pause = last.unwrap_or(SHORTEST).min(LONGEST);
        self.waiting.insert(at.clone(), (pause, now + pause));
    }
}

const SHORTEST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::MountId;
    use crate::name::KeyName;

    fn ring(name: &str) -> Address {
        Address {
            mount: MountId::from_bytes([1; 16]),
            name: KeyName::parse(name).unwrap(),
        }
    }

    #[test]
    fn pauses_grow_with_failures_in_a_row_and_end_with_success() {
        let (mut patience, at) = (Patience::default(), ring("a"));
        let mut now = Instant::now();
        assert!(patience.allows(&at, now));
        for pause in
            [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000].map(Duration::from_millis)
        {
            patience.note(&at, false, now);
            assert!(!patience.allows(&at, now + pause - Duration::from_millis(1)));
            assert!(patience.allows(&ring("b"), now));
            now += pause;
            assert!(patience.allows(&at, now));
        }
        patience.note(&at, true, now);
        patience.note(&at, false, now);
        assert!(patience.allows(&at, now + SHORTEST));
    }

    #[test]
    fn rings_that_are_not_heard_of_again_are_forgotten() {
        let mut patience = Patience::default();
        let now = Instant::now();
        patience.note(&ring("a"), false, now);
        patience.note(&ring("b"), false, now + 3 * SHORTEST);
        assert_eq!(patience.waiting.len(), 1);
    }
}
