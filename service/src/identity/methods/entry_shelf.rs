//! Entries of one kind below auth mounts: written through, and kept in memory for logins as long as no entry changes.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::sync::Cache;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::look_ups::{KnownNames, LookUps};
use crate::identity::entries::{Entries, Entry, EntryError, Shelf};
use crate::identity::parts::Parts;

/// Entries that hold a `T` each. Mounts are named by their accessors. Clones share what is kept.
pub struct EntryShelf<T>(Arc<Inner<T>>);

struct Inner<T> {
    kind: &'static str,
    entries: Entries,
    epoch: AtomicU64,
    /// What the store had, nothing included, and in which epoch; by mount and name.
    kept: Cache<(String, String), Kept<T>>,
    names: KnownNames,
    look_ups: LookUps,
}

type Kept<T> = (u64, Option<Arc<Entry<T>>>);

/// How many entries are kept.
const KEPT: u64 = 4096;

impl<T> EntryShelf<T>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// The entries of this kind.
    pub fn new(kind: &'static str, parts: &Parts) -> Self {
        Self(Arc::new(Inner {
            kind,
            entries: parts.entries.clone(),
            epoch: AtomicU64::new(0),
            kept: Cache::new(KEPT),
            names: KnownNames::new(),
            look_ups: parts.look_ups.clone(),
        }))
    }

    /// To be called when entries have changed: nothing that is kept counts any more.
    pub fn entries_changed(&self) {
        self.0.epoch.fetch_add(1, Ordering::SeqCst);
    }

    fn at<'a>(&self, mount: &'a str) -> Shelf<'a> {
        Shelf {
            kind: self.0.kind,
            scope: mount,
        }
    }

    /// The entry of this name, from the store.
    pub async fn read(&self, mount: &str, name: &str) -> Result<Option<T>, EntryError> {
        let found = self.0.entries.get(self.at(mount), name).await?;
        Ok(found.map(|entry| entry.value))
    }

    /// The names of all entries of a mount, in byte order.
    pub async fn names(&self, mount: &str) -> Result<Vec<String>, EntryError> {
        self.0.entries.names(self.at(mount)).await
    }

    /// Makes or changes an entry by `edit`, which may run several times. What it refuses is refused.
    pub async fn put<E>(
        &self,
        mount: &str,
        name: &str,
        edit: impl FnMut(Option<T>) -> Result<T, E>,
    ) -> Result<Result<(), E>, EntryError> {
        let put = self.0.entries.put(self.at(mount), name, edit).await;
        self.entries_changed();
        Ok(put?.map(|_| ()))
    }

    /// Deletes an entry, also if there is none.
    pub async fn delete(&self, mount: &str, name: &str) -> Result<(), EntryError> {
        let deleted = self.0.entries.delete(self.at(mount), name).await;
        self.entries_changed();
        deleted.map(|_was_there| ())
    }

    /// The entry that somebody at this address asks for, who has no token. Of names that nobody has heard of, the store is
    /// only asked so often; beyond that they are those of no entry unless they were when all names were last read.
    pub async fn look_up(
        &self,
        mount: &str,
        name: &str,
        remote: Option<IpAddr>,
    ) -> Result<Option<Arc<Entry<T>>>, EntryError> {
        let place = (mount.to_owned(), name.to_owned());
        match self.0.kept.get(&place) {
            Some((at, entry)) if at == self.epoch() => return Ok(entry),
            // Something was there before entries changed, so asking again is no idle question.
            Some((_, Some(_))) => {}
            Some((_, None)) | None => {
                if !self.0.look_ups.permit(mount, remote) && !self.is_known(mount, name).await? {
                    return Ok(None);
                }
            }
        }
        self.fetch(place).await
    }

    /// All entries of a mount that somebody without a token asks for, in byte order of their names; `None` if there are
    /// more than `most`.
    pub async fn look_up_all(
        &self,
        mount: &str,
        most: usize,
    ) -> Result<Option<Vec<Arc<Entry<T>>>>, EntryError> {
        let epoch = self.epoch();
        let names = self.known_names(mount).await?;
        if names.len() > most {
            return Ok(None);
        }
        let mut entries = Vec::with_capacity(names.len());
        for name in names.iter() {
            let place = (mount.to_owned(), name.clone());
            let entry = match self.0.kept.get(&place) {
                Some((at, entry)) if at == epoch => entry,
                Some(_) | None => self.fetch(place).await?,
            };
            entries.extend(entry);
        }
        Ok(Some(entries))
    }

    async fn known_names(&self, mount: &str) -> Result<Arc<Vec<String>>, EntryError> {
        let names = &self.0.names;
        names.of(mount, || self.epoch(), || self.names(mount)).await
    }

    async fn is_known(&self, mount: &str, name: &str) -> Result<bool, EntryError> {
        let names = self.known_names(mount).await?;
        let found = names.binary_search_by(|known| known.as_str().cmp(name));
        Ok(found.is_ok())
    }

    fn epoch(&self) -> u64 {
        self.0.epoch.load(Ordering::SeqCst)
    }

    async fn fetch(&self, place: (String, String)) -> Result<Option<Arc<Entry<T>>>, EntryError> {
        // Taken before the store is asked: an answer from before a change never counts after it.
        let epoch = self.epoch();
        let (mount, name) = &place;
        let entry = self.0.entries.get(self.at(mount), name).await?;
        let entry = entry.map(Arc::new);
        self.0.kept.insert(place, (epoch, entry.clone()));
        Ok(entry)
    }
}

impl<T> fmt::Debug for EntryShelf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EntryShelf").field(&self.0.kind).finish()
    }
}

impl<T> Clone for EntryShelf<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::fixtures::parts;

    fn shelves() -> [EntryShelf<u32>; 2] {
        let (parts, _) = parts();
        [(), ()].map(|()| EntryShelf::new("test", &parts))
    }

    async fn put(shelf: &EntryShelf<u32>, name: &str, value: u32) {
        let put = shelf.put("m", name, |_| Ok::<_, ()>(value));
        put.await.unwrap().unwrap();
    }

    async fn look_up(shelf: &EntryShelf<u32>, name: &str) -> Result<Option<u32>, EntryError> {
        let found = shelf.look_up("m", name, None).await?;
        Ok(found.map(|entry| entry.value))
    }

    #[tokio::test]
    async fn what_this_node_writes_counts_at_once_and_what_others_write_when_it_hears_of_it() {
        let [one, other] = shelves();
        assert_eq!(look_up(&one, "a").await.unwrap(), None);
        put(&one, "a", 1).await;
        assert_eq!(look_up(&one, "a").await.unwrap(), Some(1));
        put(&other, "a", 2).await;
        assert_eq!(look_up(&one, "a").await.unwrap(), Some(1));
        one.entries_changed();
        assert_eq!(look_up(&one, "a").await.unwrap(), Some(2));
        one.delete("m", "a").await.unwrap();
        assert_eq!(look_up(&one, "a").await.unwrap(), None);
        assert_eq!(one.read("m", "a").await.unwrap(), None);
    }

    #[tokio::test]
    async fn whoever_invents_names_makes_nobody_wait_who_has_one() {
        let [shelf, other] = shelves();
        put(&shelf, "a", 1).await;
        for number in 0..1000 {
            let invented = look_up(&shelf, &format!("invented-{number}")).await;
            assert_eq!(invented.unwrap(), None);
        }
        // Nobody has asked for it before, and no more look-ups are permitted.
        assert_eq!(look_up(&shelf, "a").await.unwrap(), Some(1));
        put(&other, "b", 2).await;
        assert_eq!(
            look_up(&shelf, "b").await.unwrap(),
            None,
            "not heard of yet"
        );
        shelf.entries_changed();
        assert_eq!(look_up(&shelf, "b").await.unwrap(), Some(2));
        let kept = shelf.0.kept.iter().count();
        assert!(kept < 100, "{kept} answers of the store");
    }

    #[tokio::test]
    async fn all_entries_come_in_order_unless_there_are_too_many() {
        let [shelf, _] = shelves();
        for (name, value) in [("b", 2), ("a", 1), ("c", 3)] {
            put(&shelf, name, value).await;
        }
        for _ in 0..2 {
            let all = shelf.look_up_all("m", 3).await.unwrap().unwrap();
            let values: Vec<u32> = all.iter().map(|entry| entry.value).collect();
            assert_eq!(values, [1, 2, 3]);
        }
        assert!(shelf.look_up_all("m", 2).await.unwrap().is_none());
        assert!(
            shelf
                .look_up_all("other", 2)
                .await
                .unwrap()
                .unwrap()
                .is_empty()
        );
    }
}
