//! What administrators write, typed: JSON sealed for its place, changed by reading, editing and comparing.

use std::sync::Arc;

use keyring::entropy::EntropyError;
use keyring::identity_keys::IdentityKeys;
use keyring::secret::SecretBytes;
use keyring::store::StoreError;
use keyring::store::identity::{EntryPlace, EntryStore, StoredEntry};
use keyring::version::Generation;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads and writes entries of all kinds.
#[derive(Clone, Debug)]
pub struct Entries {
    store: Arc<dyn EntryStore>,
    keys: Arc<IdentityKeys>,
}

/// An entry as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<T> {
    /// Its name among its kind and scope.
    pub name: String,
    /// Counts its changes.
    pub generation: Generation,
    /// What it says.
    pub value: T,
}

/// What entries are asked for by: their kind, and what they belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shelf<'a> {
    /// The kind, one of the service's words.
    pub kind: &'static str,
    /// The auth mount's accessor; empty for the server itself.
    pub scope: &'a str,
}

/// Why entries were not read or written.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed, or others changed the entry again and again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The entry was not sealed here for its place, or does not read as what it should be.
    #[error("a stored entry of kind {0} failed its integrity check")]
    Tampered(&'static str),
}

impl Entries {
    /// Entries in this store.
    pub fn new(store: Arc<dyn EntryStore>, keys: Arc<IdentityKeys>) -> Self {
        Self { store, keys }
    }

    /// The entry of this name.
    pub async fn get<T: DeserializeOwned>(
        &self,
        among: Shelf<'_>,
        name: &str,
    ) -> Result<Option<Entry<T>>, EntryError> {
        let row = self.store.entry(&among.place(name)).await?;
        row.map(|row| self.open(among, name, &row)).transpose()
    }

    /// Entries in byte order of their names, from the first one after `after`; at most `limit`.
    pub async fn list<T: DeserializeOwned>(
        &self,
        among: Shelf<'_>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Entry<T>>, EntryError> {
        let rows = self
            .store
            .entries(among.kind, among.scope, after, limit)
            .await?;
        rows.iter()
            .map(|row| self.open(among, &row.place.name, row))
            .collect()
    }

    /// All names in byte order.
    pub async fn names(&self, among: Shelf<'_>) -> Result<Vec<String>, EntryError> {
        let mut names: Vec<String> = Vec::new();
        loop {
            let after = names.last().map(String::as_str);
            let page = self
                .store
                .entries(among.kind, among.scope, after, PAGE)
                .await?;
            let is_last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            names.extend(page.into_iter().map(|row| row.place.name));
            if is_last {
                return Ok(names);
            }
        }
    }

    /// Writes what `edit` makes of the entry that is there now, if any, and answers it. `edit` may run several times:
    /// again whenever somebody else was faster. What it refuses is refused, and nothing is written.
    pub async fn put<T, E>(
        &self,
        among: Shelf<'_>,
        name: &str,
        mut edit: impl FnMut(Option<T>) -> Result<T, E>,
    ) -> Result<Result<Entry<T>, E>, EntryError>
    where
        T: Serialize + DeserializeOwned,
    {
        let mut tries = TRIES;
        loop {
            let found = self.get::<T>(among, name).await?;
            let read_at = found.as_ref().map(|entry| entry.generation);
            let value = match edit(found.map(|entry| entry.value)) {
                Ok(value) => value,
                Err(refusal) => return Ok(Err(refusal)),
            };
            tries -= 1;
            match self.write(among, name, &value, read_at).await {
                Err(EntryError::Store(StoreError::Conflict | StoreError::Exists)) if tries > 0 => {}
                Err(error) => return Err(error),
                Ok(generation) => {
                    return Ok(Ok(Entry {
                        name: name.to_owned(),
                        generation,
                        value,
                    }));
                }
            }
        }
    }

    /// Deletes an entry; whether there was one.
    pub async fn delete(&self, among: Shelf<'_>, name: &str) -> Result<bool, EntryError> {
        Ok(self.store.delete_entry(&among.place(name)).await?)
    }

    async fn write<T: Serialize>(
        &self,
        among: Shelf<'_>,
        name: &str,
        value: &T,
        read_at: Option<Generation>,
    ) -> Result<Generation, EntryError> {
        let place = among.place(name);
        let plain = serde_json::to_vec(value).map_err(|_| EntryError::Tampered(among.kind))?;
        let sealed = self
            .keys
            .seal(&self.keys.place_of_entry(&place), &SecretBytes::new(plain))?;
        let entry = StoredEntry {
            place,
            generation: read_at.map_or(Generation::FIRST, Generation::next),
            body: sealed,
        };
        self.store.put_entry(&entry, read_at).await?;
        Ok(entry.generation)
    }

    /// What is sealed for a place opens only there, so a row that was moved says nothing.
    fn open<T: DeserializeOwned>(
        &self,
        among: Shelf<'_>,
        name: &str,
        row: &StoredEntry,
    ) -> Result<Entry<T>, EntryError> {
        let place = self.keys.place_of_entry(&among.place(name));
        let plain = self.keys.open(&place, &row.body).ok();
        let value = plain.and_then(|plain| serde_json::from_slice(plain.expose_secret()).ok());
        Ok(Entry {
            name: name.to_owned(),
            generation: row.generation,
            value: value.ok_or(EntryError::Tampered(among.kind))?,
        })
    }
}

impl Shelf<'_> {
    fn place(&self, name: &str) -> EntryPlace {
        EntryPlace {
            kind: self.kind.to_owned(),
            scope: self.scope.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// How many rows are read at a time.
const PAGE: u32 = 1000;
/// How often somebody else may be faster.
const TRIES: u32 = 16;

#[cfg(test)]
mod tests;
