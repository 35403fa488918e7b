//! What each owner holds: a fixed table of counters, so that nobody can make it grow and nobody waits for a lock.
//!
//! An owner's counters are found by a keyed hash. Two owners may meet in one slot and then have one share together; as the
//! budgets bound how many slots can be near their share, that happens to one owner in thousands, until the next start.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::AtomicUsize;

use super::{Lane, Owner, Resource};

/// How much of one resource an owner holds in a lane.
pub(super) type Counter = AtomicUsize;

/// What all owners hold.
#[derive(Debug)]
pub(super) struct Shares {
    slots: Box<[Slot]>,
    hasher: RandomState,
}

/// What one owner holds in each lane in which shares are counted.
#[derive(Debug, Default)]
struct Slot {
    general: Counters,
    login: Counters,
    safety: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    requests: Counter,
    body_bytes: Counter,
    items: Counter,
    reply_bytes: Counter,
}

impl Default for Shares {
    fn default() -> Self {
        Self {
            slots: std::iter::repeat_with(Slot::default).take(SLOTS).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl Shares {
    /// Where this owner's counters are.
    pub(super) fn slot(&self, owner: Owner<'_>) -> usize {
        let hash = match owner {
            // A keyed hash already.
            Owner::Token(hash) => hash
                .0
                .first_chunk()
                .map_or(0, |first| u64::from_le_bytes(*first)),
            Owner::Address(address) => self.hasher.hash_one(network(address)),
            Owner::User(user) => self.hasher.hash_one(user),
        };
        usize::try_from(hash % SLOTS_U64).unwrap_or_default()
    }

    /// One of the counters in a slot; none for lanes without shares.
    pub(super) fn counter(&self, slot: usize, lane: Lane, resource: Resource) -> Option<&Counter> {
        let slot = self.slots.get(slot)?;
        let counters = match lane {
            Lane::General => &slot.general,
            Lane::Login => &slot.login,
            Lane::Safety => &slot.safety,
            Lane::Status => return None,
        };
        Some(match resource {
            Resource::Requests => &counters.requests,
            Resource::BodyBytes => &counters.body_bytes,
            Resource::Items => &counters.items,
            Resource::ReplyBytes => &counters.reply_bytes,
        })
    }
}

/// One client may have a whole network of IPv6 addresses.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let prefix = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(prefix))
        }
    }
}

/// 1.5 MiB of counters.
const SLOTS: usize = 16_384;
const SLOTS_U64: u64 = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_ipv6_network_are_one_owner() {
        let shares = Shares::default();
        let slot = |text: &str| shares.slot(Owner::Address(text.parse().unwrap()));
        assert_eq!(slot("2001:db8::1"), slot("2001:db8::ffff:1"));
        let others = (0..64).map(|n| slot(&format!("2001:db8:0:{n:x}::1")));
        assert!(others.collect::<std::collections::HashSet<_>>().len() > 32);
    }
}
