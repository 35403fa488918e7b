//! The contracts for who may do what: sealed entries that administrators write, and credentials that callers present.
//!
//! Stores see neither what an entry says nor what a credential is: bodies are sealed, credentials are keyed hashes.
//! They keep what must be decided inside a transaction: generations, expiry, uses, parents, revocation.

use std::fmt;

use async_trait::async_trait;

use super::StoreError;
use crate::clock::Timestamp;
use crate::version::Generation;

/// Where an entry stands. Kinds are the service's words (`policy`, `approle-role`); the scope is what the entry
/// belongs to and goes away with (an auth mount's accessor), or empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryPlace {
    /// What kind of thing it is.
    pub kind: String,
    /// What it belongs to; empty for the server itself.
    pub scope: String,
    /// Its name among its kind and scope.
    pub name: String,
}

/// Something an administrator wrote: a policy, a role, a user, an auth mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// Where it stands.
    pub place: EntryPlace,
    /// Counts its changes, from 1.
    pub generation: Generation,
    /// What it says, sealed and bound to its place.
    pub body: Vec<u8>,
}

/// What administrators write. Every change counts up the identity epoch, which [`Changes`](super::Changes) tells.
#[async_trait]
pub trait EntryStore: Send + Sync + fmt::Debug {
    /// The entry at this place.
    async fn entry(&self, place: &EntryPlace) -> Result<Option<StoredEntry>, StoreError>;

    /// Entries of a kind and scope in byte order of their names, from the first one after `after`; at most `limit`.
    async fn entries(
        &self,
        kind: &str,
        scope: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<StoredEntry>, StoreError>;

    /// Writes an entry. Without `read_at` there must be none at its place, else [`StoreError::Exists`]; with it, the
    /// entry must be at that generation, else [`StoreError::Conflict`] (also if it is gone).
    async fn put_entry(
        &self,
        entry: &StoredEntry,
        read_at: Option<Generation>,
    ) -> Result<(), StoreError>;

    /// Deletes an entry; whether there was one.
    async fn delete_entry(&self, place: &EntryPlace) -> Result<bool, StoreError>;

    /// Deletes every entry of this scope and revokes every credential of it with all descendants, in one transaction.
    /// The empty scope is the server's own and stays as it is.
    async fn retire_scope(&self, scope: &str, at: Timestamp) -> Result<(), StoreError>;
}

/// What a credential is for. One is never taken for another: the kind is part of what is hashed and looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CredentialKind {
    /// A service token.
    Token,
    /// The secret id of an app role.
    SecretId,
    /// A wrapped response, under its wrapping token.
    Wrapped,
}

impl CredentialKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Token, Self::SecretId, Self::Wrapped];

    /// The number in stored rows and in what is hashed.
    pub const fn number(self) -> u8 {
        match self {
            Self::Token => 1,
            Self::SecretId => 2,
            Self::Wrapped => 3,
        }
    }

    /// The kind with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

/// The keyed hash of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialHash(pub [u8; 32]);

/// Something a caller presents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCredential {
    /// What it is for.
    pub kind: CredentialKind,
    /// Its keyed hash; unique among its kind.
    pub hash: CredentialHash,
    /// Names it without giving it away; unique among its kind.
    pub accessor: String,
    /// What issued it, and what it goes away with.
    pub scope: String,
    /// The token it was made from and is revoked with; absent for an orphan.
    pub parent: Option<CredentialHash>,
    /// Whether somebody chose its text, so that nothing in it tells it from garbage. Nodes keep these in memory:
    /// see [`CredentialStore::chosen_credentials`].
    pub chosen: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is not valid any more; absent if it never expires.
    pub expires_at: Option<Timestamp>,
    /// How many uses are left; absent if they are not counted.
    pub uses_left: Option<u32>,
    /// What else is known of it, sealed and bound to its hash.
    pub body: Vec<u8>,
}

/// Which accessors to list.
#[derive(Clone, Copy, Debug)]
pub struct AccessorPage<'a> {
    /// Those of this scope; absent for all.
    pub scope: Option<&'a str>,
    /// Those that have not expired by now.
    pub now: Timestamp,
    /// From the first one after this text.
    pub after: Option<&'a str>,
    /// At most this many.
    pub limit: u32,
}

/// Credentials that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group<'a> {
    /// Those made from this token.
    Children(CredentialHash),
    /// Those of this kind and scope.
    Scope(CredentialKind, &'a str),
}

/// How much there is of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupUse {
    /// How many credentials.
    pub count: u64,
    /// How many bytes their bodies have together.
    pub bytes: u64,
}

/// What a credential becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The expiry it was read with.
    pub read_expiry: Option<Timestamp>,
    /// Its new expiry.
    pub expires_at: Option<Timestamp>,
    /// What else is known of it now, sealed and bound to its hash.
    pub body: Vec<u8>,
}

/// How far a revocation reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The credential and all its descendants.
    Tree,
    /// The credential alone; its children become orphans.
    Alone,
}

/// What callers present. A credential counts as there while it is neither revoked, taken nor used up; expiry is the
/// caller's to check, except where `now` is given. One that has ended stays without its body until it is purged, so that
/// neither its hash nor its accessor is given out again.
///
/// Revoking a credential, or using it up, tells every node: see [`Changes`](super::Changes).
#[async_trait]
pub trait CredentialStore: Send + Sync + fmt::Debug {
    /// Adds a credential. [`StoreError::Exists`] if its hash or accessor is taken (also by a revoked one that has not
    /// been purged), [`StoreError::NotFound`] if it has a parent that is not there or has expired by its `created_at`.
    async fn add_credential(&self, credential: &StoredCredential) -> Result<(), StoreError>;

    /// The credential with this hash.
    async fn credential(
        &self,
        kind: CredentialKind,
        hash: CredentialHash,
    ) -> Result<Option<StoredCredential>, StoreError>;

    /// The credential with this accessor.
    async fn credential_by_accessor(
        &self,
        kind: CredentialKind,
        accessor: &str,
    ) -> Result<Option<StoredCredential>, StoreError>;

    /// A page of accessors, in byte order.
    async fn accessors(
        &self,
        kind: CredentialKind,
        page: &AccessorPage<'_>,
    ) -> Result<Vec<String>, StoreError>;

    /// The hashes of all credentials of this kind whose text was chosen.
    async fn chosen_credentials(
        &self,
        kind: CredentialKind,
    ) -> Result<Vec<CredentialHash>, StoreError>;

    /// How much there is of a group that has not expired by now.
    async fn group_use(&self, group: Group<'_>, now: Timestamp) -> Result<GroupUse, StoreError>;

    /// Replaces expiry and body of a credential that still expires when the renewal says it was read to expire;
    /// [`StoreError::Conflict`] if it does not, [`StoreError::NotFound`] if it is not there.
    async fn renew_credential(
        &self,
        kind: CredentialKind,
        hash: CredentialHash,
        renewal: &Renewal,
    ) -> Result<(), StoreError>;

    /// Takes one use of a credential with counted uses and answers how many are left; `None` if it is not there,
    /// expired by `now`, or has no use left. The last use leaves it used up. One statement: of N callers for one use, one
    /// gets it.
    async fn use_credential(
        &self,
        kind: CredentialKind,
        hash: CredentialHash,
        now: Timestamp,
    ) -> Result<Option<u32>, StoreError>;

    /// Takes the credential out of the store, if it has not expired by `now`. Of N callers, one gets it.
    async fn take_credential(
        &self,
        kind: CredentialKind,
        hash: CredentialHash,
        now: Timestamp,
    ) -> Result<Option<StoredCredential>, StoreError>;

    /// Revokes a credential; whether it was there.
    async fn revoke_credential(
        &self,
        kind: CredentialKind,
        hash: CredentialHash,
        reach: Reach,
        at: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Revokes every token that has expired by now and has children, with all its descendants; how many credentials
    /// that were.
    async fn expire_families(&self, now: Timestamp) -> Result<u64, StoreError>;

    /// Deletes credentials that expired or ended before this instant; how many. Descendants of the expired ones are
    /// revoked, if [`expire_families`](Self::expire_families) has not done so. Call it with an instant that every node
    /// has polled since: what is deleted is told to nobody.
    async fn purge_credentials(&self, before: Timestamp) -> Result<u64, StoreError>;
}
