//! Entries and credentials as rows.

use sqlx::FromRow;

use super::{generation, known};
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::identity::{
    CredentialHash, CredentialKind, EntryPlace, GroupUse, StoredCredential, StoredEntry,
};

#[derive(FromRow)]
pub(in crate::store) struct EntryRow {
    kind: String,
    scope: String,
    name: String,
    generation: i64,
    body: Vec<u8>,
}

impl TryFrom<EntryRow> for StoredEntry {
    type Error = StoreError;

    fn try_from(row: EntryRow) -> Result<Self, StoreError> {
        Ok(Self {
            place: EntryPlace {
                kind: row.kind,
                scope: row.scope,
                name: row.name,
            },
            generation: generation(row.generation, "identity_entries.generation")?,
            body: row.body,
        })
    }
}

#[derive(FromRow)]
pub(in crate::store) struct CredentialRow {
    kind: i64,
    hash: Vec<u8>,
    accessor: String,
    scope: String,
    parent: Option<Vec<u8>>,
    chosen: bool,
    created_at: i64,
    expires_at: Option<i64>,
    uses_left: Option<i64>,
    body: Vec<u8>,
}

impl TryFrom<CredentialRow> for StoredCredential {
    type Error = StoreError;

    fn try_from(row: CredentialRow) -> Result<Self, StoreError> {
        let kind = u8::try_from(row.kind)
            .ok()
            .and_then(CredentialKind::from_number);
        let parent = row.parent.map(|hash| of_32(hash, "credentials.parent"));
        Ok(Self {
            kind: known(kind, "credentials.kind")?,
            hash: of_32(row.hash, "credentials.hash")?,
            accessor: row.accessor,
            scope: row.scope,
            parent: parent.transpose()?,
            chosen: row.chosen,
            created_at: Timestamp::from_micros(row.created_at),
            expires_at: row.expires_at.map(Timestamp::from_micros),
            uses_left: row.uses_left.map(uses).transpose()?,
            body: row.body,
        })
    }
}

#[derive(FromRow)]
pub(in crate::store) struct AccessorRow {
    pub(in crate::store) accessor: String,
}

#[derive(FromRow)]
pub(in crate::store) struct GroupUseRow {
    credentials: i64,
    bytes: i64,
}

impl TryFrom<GroupUseRow> for GroupUse {
    type Error = StoreError;

    fn try_from(row: GroupUseRow) -> Result<Self, StoreError> {
        Ok(Self {
            count: known(row.credentials.try_into().ok(), "credentials")?,
            bytes: known(row.bytes.try_into().ok(), "credentials.body")?,
        })
    }
}

#[derive(FromRow)]
pub(in crate::store) struct HashRow {
    hash: Vec<u8>,
}

impl TryFrom<HashRow> for CredentialHash {
    type Error = StoreError;

    fn try_from(row: HashRow) -> Result<Self, StoreError> {
        of_32(row.hash, "credentials.hash")
    }
}

/// How many uses are left.
pub(in crate::store) fn uses(number: i64) -> Result<u32, StoreError> {
    known(number.try_into().ok(), "credentials.uses_left")
}

pub(in crate::store) fn of_32(
    bytes: Vec<u8>,
    column: &'static str,
) -> Result<CredentialHash, StoreError> {
    known(bytes.try_into().ok(), column).map(CredentialHash)
}
