//! The stream of changes in SQL.

use async_trait::async_trait;

use super::statements::params;
use super::{SqlStore, query};
use crate::store::rows::{ChangeRow, CursorRow, of_32};
use crate::store::{ChangeFeed, Changes, Cursor, StoreError};

#[async_trait]
impl<S: SqlStore> ChangeFeed for S {
    async fn end(&self) -> Result<Cursor, StoreError> {
        let rows: Vec<CursorRow> = query(self, S::END, &[]).await?;
        let end = rows.first().ok_or(StoreError::Corrupt("ring_history"))?;
        (*end).try_into()
    }

    async fn changes_since(&self, cursor: Cursor) -> Result<Changes, StoreError> {
        let Cursor { rings, revocations } = cursor;
        let rows: Vec<ChangeRow> = query(self, S::CHANGES, params![rings, revocations]).await?;
        // The epochs' rows are there from the migrations on.
        let state = rows
            .first()
            .ok_or(StoreError::Corrupt("mounts_epoch"))?
            .state;
        let (mut rings, mut revoked) = (Vec::new(), Vec::new());
        for ChangeRow {
            ring,
            revoked: token,
            ..
        } in rows
        {
            rings.extend(Option::try_from(ring)?);
            if let Some(token) = token {
                revoked.push(of_32(token, "credentials.hash")?);
            }
        }
        state.changes(rings, revoked)
    }

    async fn hint(&self) {
        self.announced().await;
    }

    fn reconnect(&self) {
        SqlStore::reconnect(self);
    }
}
