//! The stream of changes in SQL.

use async_trait::async_trait;

use super::statements::params;
use super::{SqlStore, query};
use crate::store::rows::{ChangeRow, unsigned, values};
use crate::store::{ChangeFeed, ChangedRing, Changes, Cursor, StoreError};

#[async_trait]
impl<S: SqlStore> ChangeFeed for S {
    async fn end(&self) -> Result<Cursor, StoreError> {
        let rows: Vec<(i64,)> = query(self, S::END, &[]).await?;
        let (next,) = rows.first().ok_or(StoreError::Corrupt("ring_history"))?;
        unsigned(*next, "ring_history").map(Cursor)
    }

    async fn changes_since(&self, cursor: Cursor) -> Result<Changes, StoreError> {
        let rows: Vec<ChangeRow> = query(self, S::CHANGES, params![cursor.0]).await?;
        // The epoch's row is there from the first migration on.
        let first = rows.first().ok_or(StoreError::Corrupt("mounts_epoch"))?;
        let next = unsigned(first.next, "ring_history")?;
        let mounts_epoch = unsigned(first.epoch, "mounts_epoch.epoch")?;
        let rings: Vec<Option<ChangedRing>> = values(rows)?;
        Ok(Changes {
            rings: rings.into_iter().flatten().collect(),
            mounts_epoch,
            next: Cursor(next),
        })
    }

    async fn hint(&self) {
        self.announced().await;
    }
}
