//! Entries in SQL. Every change begins by counting up the epoch, and so waits for the one before it.

use async_trait::async_trait;

use super::endings::{self, Family};
use super::failure::{Failure, if_taken};
use super::statements::{Statements, params};
use super::{Connection, SqlStore, announce, query, transaction, unhurried};
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::identity::{EntryPlace, EntryStore, StoredEntry};
use crate::store::rows::{EntryRow, values};
use crate::version::Generation;

#[async_trait]
impl<S: SqlStore> EntryStore for S {
    async fn entry(&self, place: &EntryPlace) -> Result<Option<StoredEntry>, StoreError> {
        if !is_text(place) {
            return Ok(None);
        }
        let params = params![&place.kind, &place.scope, &place.name];
        let rows: Vec<EntryRow> = query(self, ENTRY, params).await?;
        rows.into_iter()
            .next()
            .map(StoredEntry::try_from)
            .transpose()
    }

    async fn entries(
        &self,
        kind: &str,
        scope: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        let params = params![kind, scope, before_nul(after.unwrap_or_default()), limit];
        let sql = if after.is_some() {
            ENTRIES_AFTER
        } else {
            ENTRIES
        };
        values(query::<_, EntryRow>(self, sql, params).await?)
    }

    async fn put_entry(
        &self,
        entry: &StoredEntry,
        read_at: Option<Generation>,
    ) -> Result<(), StoreError> {
        transaction(self, (entry.clone(), read_at), |db, (entry, read_at)| {
            Box::pin(put::<S>(db, entry, *read_at))
        })
        .await
    }

    async fn delete_entry(&self, place: &EntryPlace) -> Result<bool, StoreError> {
        if !is_text(place) {
            return Ok(false);
        }
        transaction(self, place.clone(), |db, place| {
            Box::pin(delete::<S>(db, place))
        })
        .await
    }

    async fn retire_scope(&self, scope: &str, at: Timestamp) -> Result<(), StoreError> {
        if scope.is_empty() {
            return Ok(());
        }
        unhurried(self, (scope.to_owned(), at), |db, (scope, at)| {
            Box::pin(retire::<S>(db, scope, *at))
        })
        .await
    }
}

async fn put<S: SqlStore>(
    db: &mut Connection<S>,
    entry: &StoredEntry,
    read_at: Option<Generation>,
) -> Result<(), Failure> {
    begin_change::<S>(db).await?;
    let EntryPlace { kind, scope, name } = &entry.place;
    let Some(read_at) = read_at else {
        let params = params![kind, scope, name, entry.generation, &entry.body];
        if_taken(db.change(INSERT_ENTRY, params).await, StoreError::Exists)?;
        return Ok(());
    };
    let params = params![kind, scope, name, entry.generation, &entry.body, read_at];
    match db.change(UPDATE_ENTRY, params).await? {
        0 => Err(StoreError::Conflict.into()),
        _ => Ok(()),
    }
}

async fn delete<S: SqlStore>(db: &mut Connection<S>, place: &EntryPlace) -> Result<bool, Failure> {
    begin_change::<S>(db).await?;
    let params = params![&place.kind, &place.scope, &place.name];
    Ok(db.change(DELETE_ENTRY, params).await? > 0)
}

async fn retire<S: SqlStore>(
    db: &mut Connection<S>,
    scope: &str,
    at: Timestamp,
) -> Result<(), Failure> {
    begin_change::<S>(db).await?;
    db.change(DELETE_SCOPE, params![scope]).await?;
    endings::end_families::<S>(db, Family::Scope(scope), at).await?;
    Ok(())
}

/// Counts up the epoch, which keeps other such changes waiting until the transaction ends.
pub(super) async fn begin_change<S: SqlStore>(db: &mut Connection<S>) -> Result<(), Failure> {
    db.change(NEXT_EPOCH, &[]).await?;
    Ok(announce::<S>(db).await?)
}

/// PostgreSQL has no text with a NUL in it, so nothing is at such a place.
fn is_text(place: &EntryPlace) -> bool {
    let EntryPlace { kind, scope, name } = place;
    ![kind, scope, name].iter().any(|text| text.contains('\0'))
}

/// The text up to a NUL, which PostgreSQL cannot have in a text. No stored one has either, so what follows it changes
/// nothing about what comes after it.
pub(super) fn before_nul(text: &str) -> &str {
    text.split('\0').next().unwrap_or_default()
}

const ENTRY: &str = "
    SELECT kind, scope, name, generation, body
    FROM identity_entries WHERE kind = $1 AND scope = $2 AND name = $3";

/// `$3` takes part, so that both statements have the same parameters: no name comes before the empty one.
const ENTRIES: &str = "
    SELECT kind, scope, name, generation, body
    FROM identity_entries WHERE kind = $1 AND scope = $2 AND name >= $3 ORDER BY name LIMIT $4";

const ENTRIES_AFTER: &str = "
    SELECT kind, scope, name, generation, body
    FROM identity_entries WHERE kind = $1 AND scope = $2 AND name > $3 ORDER BY name LIMIT $4";

const INSERT_ENTRY: &str = "
    INSERT INTO identity_entries (kind, scope, name, generation, body) VALUES ($1, $2, $3, $4, $5)";

const UPDATE_ENTRY: &str = "
    UPDATE identity_entries SET generation = $4, body = $5
    WHERE kind = $1 AND scope = $2 AND name = $3 AND generation = $6";

const DELETE_ENTRY: &str =
    "DELETE FROM identity_entries WHERE kind = $1 AND scope = $2 AND name = $3";

const DELETE_SCOPE: &str = "DELETE FROM identity_entries WHERE scope = $1";

const NEXT_EPOCH: &str = "UPDATE identity_epoch SET epoch = epoch + 1";
