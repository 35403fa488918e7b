//! How often requests from one address may be refused before the refusals are no longer recorded one by one.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::Decision;
use super::tracked::{Spending, Tracked};
use super::window::{Unit, Window};

/// Counts refusals by address.
pub struct RefusedRate {
    refused: Tracked,
    windows: [Window; 1],
}

impl RefusedRate {
    /// Lets so many refusals through at once, and so many a second from then on; both at least 1.
    pub fn new(burst: u64, per_second: u64) -> Self {
        let (burst, per_second) = (burst.max(1), per_second.max(1));
        let millis = burst.saturating_mul(1000) / per_second;
        Self {
            refused: Tracked::many(),
            windows: [Window {
                unit: Unit::Requests,
                limit_thousandths: burst.saturating_mul(1000),
                interval_millis: millis.max(1),
            }],
        }
    }

    /// Counts one refusal at this uptime. One client may have a whole network of IPv6 addresses.
    pub fn count(&self, address: Option<IpAddr>, uptime: Duration) -> Decision {
        let who = address.map(super::network);
        let spending = Spending {
            unit: Unit::Requests,
            count: 1,
            now: u64::try_from(uptime.as_nanos()).unwrap_or(u64::MAX),
            block: 0,
        };
        self.refused.spend(&who, &self.windows, &spending)
    }
}

impl fmt::Debug for RefusedRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefusedRate").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_so_many_a_second_from_each_address() {
        let rate = RefusedRate::new(200, 100);
        let address = |text: &str| Some(text.parse().unwrap());
        let passed = |from, at| {
            let at = Duration::from_millis(at);
            let all = (0..1000).map(|_| rate.count(from, at));
            all.filter(|decision| *decision == Decision::Allowed)
                .count()
        };
        let one = address("192.0.2.1");
        assert_eq!(passed(one, 10_000), 200);
        assert_eq!(passed(one, 10_500), 50);
        assert_eq!(passed(address("192.0.2.2"), 10_500), 200);
        assert_eq!(passed(None, 10_500), 200);
    }
}
