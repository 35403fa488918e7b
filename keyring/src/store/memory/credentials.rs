//! Credentials in memory, and how they end.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::{MemoryStore, count, wide};
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::identity::{
    AccessorPage, CredentialHash, CredentialKind, CredentialStore, EntryPlace, Group, GroupUse,
    Reach, Renewal, StoredCredential, StoredEntry,
};

/// Everything about who may do what.
#[derive(Default)]
pub(super) struct Identity {
    pub(super) epoch: u64,
    pub(super) entries: BTreeMap<EntryPlace, StoredEntry>,
    credentials: BTreeMap<Key, Entry>,
    /// The one at index i has sequence i + 1.
    pub(super) revocations: Vec<Revocation>,
}

type Key = (CredentialKind, CredentialHash);

struct Entry {
    credential: StoredCredential,
    ended_at: Option<Timestamp>,
}

/// What ended at once.
pub(super) struct Revocation {
    /// The tokens that did.
    pub(super) tokens: Vec<CredentialHash>,
}

/// Whose families end.
#[derive(Clone, Copy)]
pub(super) enum Family<'a> {
    /// Those of tokens that have expired and have children.
    Expired,
    /// That of a credential.
    Of(&'a CredentialHash),
    /// Those of whatever belongs to a scope.
    Scope(&'a str),
}

impl Entry {
    const fn is_there(&self) -> bool {
        self.ended_at.is_none()
    }

    fn is_valid(&self, now: Timestamp) -> bool {
        let expires_at = self.credential.expires_at;
        self.is_there() && expires_at.is_none_or(|expires_at| expires_at > now)
    }

    fn is_child_of(&self, (kind, hash): &Key) -> bool {
        *kind == CredentialKind::Token && self.credential.parent.as_ref() == Some(hash)
    }
}

impl Identity {
    pub(super) fn end_families(&mut self, family: Family<'_>, at: Timestamp) -> u64 {
        let is_first = |key: &&Key, entry: &Entry| match family {
            Family::Expired => {
                let has_children = || {
                    self.credentials
                        .values()
                        .any(|child| child.is_child_of(key))
                };
                entry.is_there() && !entry.is_valid(at) && has_children()
            }
            Family::Of(hash) => **key == (CredentialKind::Token, *hash),
            Family::Scope(scope) => entry.credential.scope == scope,
        };
        let first = self
            .credentials
            .iter()
            .filter(|(key, entry)| is_first(key, entry));
        let mut found: BTreeSet<Key> = first.map(|(key, _)| *key).collect();
        let mut open: Vec<Key> = found.iter().copied().collect();
        while let Some(parent) = open.pop() {
            let entries = self.credentials.iter();
            for (child, _) in entries.filter(|(_, entry)| entry.is_child_of(&parent)) {
                if found.insert(*child) {
                    open.push(*child);
                }
            }
        }
        self.end(found, at)
    }

    /// Ends those of these that are there; how many.
    fn end(&mut self, keys: impl IntoIterator<Item = Key>, at: Timestamp) -> u64 {
        let (mut all, mut tokens) = (0, Vec::new());
        for key in keys {
            let entry = self.credentials.get_mut(&key);
            if let Some(entry) = entry.filter(|entry| entry.is_there()) {
                entry.ended_at = Some(at);
                entry.credential.body.clear();
                all += 1;
                tokens.extend((key.0 == CredentialKind::Token).then_some(key.1));
            }
        }
        if all > 0 {
            self.revocations.push(Revocation { tokens });
        }
        all
    }

    fn find(&self, is_it: impl Fn(&StoredCredential) -> bool) -> Option<StoredCredential> {
        let mut there = self.credentials.values().filter(|entry| entry.is_there());
        let found = there.find(|entry| is_it(&entry.credential));
        found.map(|entry| entry.credential.clone())
    }
}

#[async_trait]
impl CredentialStore for MemoryStore {
    async fn add_credential(&self, credential: &StoredCredential) -> Result<(), StoreError> {
        let identity = &mut self.state().identity;
        if let Some(parent) = credential.parent {
            let parent = identity.credentials.get(&(CredentialKind::Token, parent));
            parent
                .filter(|parent| parent.is_valid(credential.created_at))
                .ok_or(StoreError::NotFound)?;
        }
        let is_taken = identity.credentials.values().any(
            |Entry {
                 credential: there, ..
             }| {
                there.kind == credential.kind
                    && (there.hash == credential.hash || there.accessor == credential.accessor)
            },
        );
        if is_taken {
            return Err(StoreError::Exists);
        }
        identity.epoch += u64::from(credential.chosen);
        let entry = Entry {
            credential: credential.clone(),
            ended_at: None,
        };
        let key = (credential.kind, credential.hash);
        identity.credentials.insert(key, entry);
        Ok(())
    }

    async fn credential(
        &self,
        kind: CredentialKind,
        hash: CredentialHash,
    ) -> Result<Option<StoredCredential>, StoreError> {
        let is_it = |there: &StoredCredential| there.kind == kind && there.hash == hash;
        Ok(self.state().identity.find(is_it))
    }

    async fn credential_by_accessor(
        &self,
        kind: CredentialKind,
        accessor: &str,
    ) -> Result<Option<StoredCredential>, StoreError> {
        let is_it = |there: &StoredCredential| there.kind == kind && there.accessor == accessor;
        Ok(self.state().identity.find(is_it))
    }

    async fn accessors(
        &self,
        kind: CredentialKind,
        page: &AccessorPage<'_>,
    ) -> Result<Vec<String>, StoreError> {
        let state = self.state();
        let valid = state
            .identity
            .credentials
            .values()
            .filter(|entry| entry.credential.kind == kind && entry.is_valid(page.now))
            .filter(|entry| {
                page.scope
                    .is_none_or(|scope| entry.credential.scope == scope)
            });
        let accessors: BTreeSet<_> = valid.map(|entry| &entry.credential.accessor).collect();
        let after = |accessor: &&&String| page.after.is_none_or(|after| accessor.as_str() > after);
        let page = accessors.iter().filter(after).take(count(page.limit));
        Ok(page.map(|accessor| (*accessor).clone()).collect())
    }

    async fn group_use(&self, group: Group<'_>, now: Timestamp) -> Result<GroupUse, StoreError> {
        let state = self.state();
        let all = state.identity.credentials.values();
        let of_group = all.filter(|entry| {
            let credential = &entry.credential;
            entry.is_valid(now)
                && match group {
                    Group::Children(parent) => credential.parent == Some(parent),
                    Group::Scope(kind, scope) => {
                        credential.kind == kind && credential.scope == scope
                    }
                }
        });
        Ok(of_group.fold(GroupUse::default(), |sum, entry| GroupUse {
            count: sum.count + 1,
            bytes: sum.bytes + wide(entry.credential.body.len()),
        }))
    }

    async fn chosen_credentials(
        &self,
        kind: CredentialKind,
    ) -> Result<Vec<CredentialHash>, StoreError> {
        let state = self.state();
        let chosen = state.identity.credentials.values().filter(|entry| {
            let credential = &entry.credential;
            entry.is_there() && credential.chosen && credential.kind == kind
        });
        Ok(chosen.map(|entry| entry.credential.hash).collect())
    }

    async fn renew_credential(
        &self,
        kind: CredentialKind,
        hash: CredentialHash,
        renewal: &Renewal,
    ) -> Result<(), StoreError> {
        let identity = &mut self.state().identity;
        let entry = identity.credentials.get_mut(&(kind, hash));
        let entry = entry.filter(|entry| entry.is_there());
        let credential = &mut entry.ok_or(StoreError::NotFound)?.credential;
        if credential.expires_at != renewal.read_expiry {
            return Err(StoreError::Conflict);
        }
        credential.expires_at = renewal.expires_at;
        credential.body.clone_from(&renewal.body);
        Ok(())
    }

    async fn use_credential(
        &self,
        kind: CredentialKind,
        hash: CredentialHash,
        now: Timestamp,
    ) -> Result<Option<u32>, StoreError> {
        let identity = &mut self.state().identity;
        let entry = identity.credentials.get_mut(&(kind, hash));
        let valid = entry.filter(|entry| entry.is_valid(now));
        let uses_left = valid.and_then(|entry| entry.credential.uses_left.as_mut());
        let Some(uses_left) = uses_left else {
            return Ok(None);
        };
        let Some(left) = uses_left.checked_sub(1) else {
            return Ok(None);
        };
        *uses_left = left;
        if left == 0 {
            identity.end([(kind, hash)], now);
        }
        Ok(Some(left))
    }

    async fn take_credential(
        &self,
        kind: CredentialKind,
        hash: CredentialHash,
        now: Timestamp,
    ) -> Result<Option<StoredCredential>, StoreError> {
        let identity = &mut self.state().identity;
        let entry = identity.credentials.get(&(kind, hash));
        let valid = entry.filter(|entry| entry.is_valid(now));
        let taken = valid.map(|entry| entry.credential.clone());
        if taken.is_some() {
            identity.end([(kind, hash)], now);
        }
        Ok(taken)
    }

    async fn revoke_credential(
        &self,
        kind: CredentialKind,
        hash: CredentialHash,
        reach: Reach,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let identity = &mut self.state().identity;
        let key = (kind, hash);
        if identity.end([key], at) == 0 {
            return Ok(false);
        }
        match (kind, reach) {
            (CredentialKind::Token, Reach::Alone) => {
                let entries = identity.credentials.values_mut();
                for child in entries.filter(|entry| entry.is_child_of(&key)) {
                    child.credential.parent = None;
                }
            }
            (CredentialKind::Token, Reach::Tree) => {
                identity.end_families(Family::Of(&hash), at);
            }
            (CredentialKind::SecretId | CredentialKind::Wrapped, _) => {}
        }
        Ok(true)
    }

    async fn expire_families(&self, now: Timestamp) -> Result<u64, StoreError> {
        Ok(self.state().identity.end_families(Family::Expired, now))
    }

    async fn purge_credentials(&self, before: Timestamp) -> Result<u64, StoreError> {
        let identity = &mut self.state().identity;
        identity.end_families(Family::Expired, before);
        let all = identity.credentials.len();
        identity.credentials.retain(|_, entry| {
            let is_over = |at: Option<Timestamp>| at.is_some_and(|at| at < before);
            !is_over(entry.credential.expires_at) && !is_over(entry.ended_at)
        });
        Ok(wide(all - identity.credentials.len()))
    }
}
