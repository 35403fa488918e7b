//! How often the store is asked about names that nobody has heard of, and what is known without asking it.
//!
//! A name that was never looked for may have been made a moment ago by another node, so the store is asked: a few times a
//! second for each mount, and fewer for each client address. Beyond that the answer comes from all names as they were last
//! read. So whoever invents names makes nobody wait, and who has a name that exists is served whatever others do.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::DefaultClock;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use moka::sync::Cache;
use tokio::sync::Mutex;

use super::origin::Origin;
use crate::identity::entries::EntryError;

type PerKey<K> = RateLimiter<K, HashMapStateStore<K>, DefaultClock>;

/// Permits look-ups of names that nobody has heard of. Clones count together.
#[derive(Clone)]
pub struct LookUps(Arc<Inner>);

struct Inner {
    of_origins: PerKey<(String, Origin)>,
    of_mounts: PerKey<String>,
}

impl LookUps {
    /// Permits so many look-ups a second for each mount, and so many of them for each client address.
    pub fn new(a_second: NonZeroU32, of_one_address: NonZeroU32) -> Self {
        Self(Arc::new(Inner {
            of_origins: RateLimiter::hashmap(Quota::per_second(of_one_address)),
            of_mounts: RateLimiter::hashmap(Quota::per_second(a_second)),
        }))
    }

    /// Whether the store may be asked once more, for somebody at this address.
    pub fn permit(&self, mount: &str, remote: Option<IpAddr>) -> bool {
        let Inner {
            of_origins,
            of_mounts,
        } = &*self.0;
        if of_origins.len() > MAX_REMEMBERED {
            of_origins.retain_recent();
        }
        let origin = (mount.to_owned(), Origin::of(remote));
        of_origins.check_key(&origin).is_ok() && of_mounts.check_key(&mount.to_owned()).is_ok()
    }
}

impl fmt::Debug for LookUps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LookUps").finish_non_exhaustive()
    }
}

/// All names of a kind below each mount, as they were last read.
pub struct KnownNames {
    read: Cache<String, (u64, Arc<Vec<String>>)>,
    /// Held by whoever reads.
    turn: Mutex<()>,
}

impl KnownNames {
    /// No names are known yet.
    pub fn new() -> Self {
        let weight = |_: &String, (_, names): &(u64, Arc<Vec<String>>)| {
            u32::try_from(names.len()).unwrap_or(u32::MAX).max(1)
        };
        Self {
            read: Cache::builder()
                .max_capacity(MAX_NAMES)
                .weigher(weight)
                .time_to_live(MAX_AGE)
                .build(),
            turn: Mutex::default(),
        }
    }

    /// The names of a mount in this epoch or a later one, in byte order; read by one for all who wait.
    pub async fn of<F>(
        &self,
        mount: &str,
        epoch: impl Fn() -> u64,
        read: impl FnOnce() -> F,
    ) -> Result<Arc<Vec<String>>, EntryError>
    where
        F: Future<Output = Result<Vec<String>, EntryError>>,
    {
        if let Some(names) = self.at(mount, epoch()) {
            return Ok(names);
        }
        let _turn = self.turn.lock().await;
        // Taken before the store is asked: an answer from before a change never counts after it.
        let epoch = epoch();
        if let Some(names) = self.at(mount, epoch) {
            return Ok(names);
        }
        let names = Arc::new(read().await?);
        self.read
            .insert(mount.to_owned(), (epoch, Arc::clone(&names)));
        Ok(names)
    }

    fn at(&self, mount: &str, epoch: u64) -> Option<Arc<Vec<String>>> {
        let (at, names) = self.read.get(mount)?;
        (at == epoch).then_some(names)
    }
}

impl Default for KnownNames {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for KnownNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownNames").finish_non_exhaustive()
    }
}

/// From so many addresses on, those that asked long ago are forgotten.
const MAX_REMEMBERED: usize = 10_000;
/// How many names are kept, of all mounts together.
const MAX_NAMES: u64 = 1_000_000;
/// Names are read again after this long, whatever has been heard of changes.
const MAX_AGE: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn an_address_and_a_mount_that_are_used_up_leave_others_as_they_are() {
        let look_ups = LookUps::new(NonZeroU32::new(100).unwrap(), NonZeroU32::new(3).unwrap());
        let (one, other) = ("127.0.0.2".parse().ok(), "127.0.0.1".parse().ok());
        let permitted = |mount, remote| (0..50).filter(|_| look_ups.permit(mount, remote)).count();
        // A bucket may gain one while this runs.
        assert!((3..10).contains(&permitted("a", one)));
        assert!((3..10).contains(&permitted("a", other)));
        assert!((3..10).contains(&permitted("b", one)));
        let crowd = (0..=255).map(|last| Some(IpAddr::from([10, 0, 0, last])));
        let all: usize = crowd.map(|remote| permitted("c", remote)).sum();
        assert!((100..200).contains(&all), "{all}");
        assert!(look_ups.permit("d", one));
    }

    #[tokio::test]
    async fn names_are_read_once_in_each_epoch() {
        let (names, epoch, reads) = (KnownNames::new(), Cell::new(1), Cell::new(0));
        let read = || async {
            reads.set(reads.get() + 1);
            Ok(vec!["a".to_owned()])
        };
        for _ in 0..3 {
            let known = names.of("m", || epoch.get(), read).await.unwrap();
            assert_eq!(*known, ["a"]);
        }
        assert_eq!(reads.get(), 1);
        epoch.set(2);
        assert!(names.of("m", || epoch.get(), read).await.is_ok());
        assert!(names.of("n", || epoch.get(), read).await.is_ok());
        assert_eq!(reads.get(), 3);
    }
}
