//! Roles by their role ids, as long as no entry has changed. Logins that lead nowhere are remembered too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::sync::Cache;

use super::role::Role;

/// A role that somebody logs in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NamedRole {
    /// Its name.
    pub(super) name: String,
    /// What it says.
    pub(super) role: Role,
}

/// What is known of a role id.
#[derive(Clone, Debug)]
pub(super) enum Known {
    /// What the store has, nothing included.
    Now(Option<Arc<NamedRole>>),
    /// There was such a role before entries changed. Nothing of it may be relied on but that asking again is no idle question.
    Before,
    /// Nothing.
    Nothing,
}

/// A bounded cache that holds no longer than the entries stay as they are.
#[derive(Debug)]
pub(super) struct RoleCache {
    epoch: AtomicU64,
    roles: Cache<String, (u64, Option<Arc<NamedRole>>)>,
}

/// What the entries were like when a look-up began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epoch(u64);

impl Epoch {
    /// Its number: it grows with every change.
    pub(super) const fn number(self) -> u64 {
        self.0
    }
}

impl RoleCache {
    pub(super) fn new() -> Self {
        Self {
            epoch: AtomicU64::new(0),
            roles: Cache::new(MAX_ROLES),
        }
    }

    pub(super) fn entries_changed(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }

    /// To be taken before the store is asked, and given back with the answer.
    pub(super) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::SeqCst))
    }

    pub(super) fn get(&self, place: &str) -> Known {
        match self.roles.get(place) {
            Some((epoch, role)) if epoch == self.epoch().0 => Known::Now(role),
            Some((_, Some(_))) => Known::Before,
            Some((_, None)) | None => Known::Nothing,
        }
    }

    /// Remembers what the store answered. If entries have changed meanwhile, it holds for nobody.
    pub(super) fn put(&self, place: String, epoch: Epoch, role: Option<Arc<NamedRole>>) {
        self.roles.insert(place, (epoch.0, role));
    }
}

const MAX_ROLES: u64 = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn role() -> Arc<NamedRole> {
        Arc::new(NamedRole {
            name: "a".to_owned(),
            role: Role::new("id".to_owned(), "scope".to_owned()),
        })
    }

    #[test]
    fn what_is_known_holds_until_entries_change() {
        let cache = RoleCache::new();
        assert!(matches!(cache.get("a"), Known::Nothing));
        let epoch = cache.epoch();
        cache.put("a".to_owned(), epoch, Some(role()));
        cache.put("b".to_owned(), epoch, None);
        assert!(matches!(cache.get("a"), Known::Now(Some(_))));
        assert!(matches!(cache.get("b"), Known::Now(None)));
        cache.entries_changed();
        assert!(matches!(cache.get("a"), Known::Before));
        assert!(matches!(cache.get("b"), Known::Nothing));
    }

    #[test]
    fn an_answer_from_before_a_change_is_no_answer_after_it() {
        let cache = RoleCache::new();
        let epoch = cache.epoch();
        cache.entries_changed();
        cache.put("a".to_owned(), epoch, Some(role()));
        assert!(matches!(cache.get("a"), Known::Before));
    }
}
