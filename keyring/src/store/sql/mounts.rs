//! Mounts in SQL. Every change begins by counting up the epoch, and so waits for the one before it: what a
//! change then reads stays true until it commits.

use async_trait::async_trait;

use super::failure::{Failure, if_taken};
use super::statements::{Statements, params};
use super::{Connection, SqlStore, announce, query, transaction, unhurried};
use crate::clock::Timestamp;
use crate::ids::MountId;
use crate::mount::{ListingVisibility, Mount, MountSettings};
use crate::name::MountPath;
use crate::store::overlap::overlap;
use crate::store::rows::{MountRow, values};
use crate::store::{MountStore, StoreError};

#[async_trait]
impl<S: SqlStore> MountStore for S {
    async fn mounts(&self) -> Result<Vec<Mount>, StoreError> {
        values(query::<_, MountRow>(self, MOUNTS, &[]).await?)
    }

    async fn enable_mount(&self, mount: &Mount) -> Result<(), StoreError> {
        transaction(self, mount.clone(), |db, mount| {
            Box::pin(enable::<S>(db, mount))
        })
        .await
    }

    async fn tune_mount(
        &self,
        mount: MountId,
        before: &MountSettings,
        after: &MountSettings,
    ) -> Result<(), StoreError> {
        let tuned = (mount, before.clone(), after.clone());
        transaction(self, tuned, |db, (mount, before, after)| {
            Box::pin(tune::<S>(db, *mount, before, after))
        })
        .await
    }

    async fn disable_mount(&self, path: &MountPath, at: Timestamp) -> Result<bool, StoreError> {
        transaction(self, (path.clone(), at), |db, (path, at)| {
            Box::pin(disable::<S>(db, path, *at))
        })
        .await
    }

    async fn restore_mount(&self, path: &MountPath) -> Result<(), StoreError> {
        transaction(self, path.clone(), |db, path| {
            Box::pin(restore::<S>(db, path))
        })
        .await
    }

    async fn purge_mounts(&self, disabled_before: Timestamp) -> Result<u64, StoreError> {
        unhurried(self, disabled_before, |db, before| {
            Box::pin(purge::<S>(db, *before))
        })
        .await
    }
}

/// Adds the mount in the transaction of the caller.
pub(super) async fn enable<S: SqlStore>(
    db: &mut Connection<S>,
    mount: &Mount,
) -> Result<(), Failure> {
    begin_change::<S>(db).await?;
    refuse_overlap(db, &mount.path).await?;
    let settings = &mount.settings;
    let params = params![
        &mount.id,
        &mount.path,
        mount.created_at,
        &settings.description,
        settings.default_key_type,
        settings.upsert,
        settings.cache_size,
        settings.default_lease_ttl.as_secs(),
        settings.max_lease_ttl.as_secs(),
        settings.listing_visibility.map(ListingVisibility::word),
    ];
    if_taken(db.change(INSERT_MOUNT, params).await, StoreError::Exists)?;
    Ok(())
}

async fn tune<S: SqlStore>(
    db: &mut Connection<S>,
    mount: MountId,
    before: &MountSettings,
    after: &MountSettings,
) -> Result<(), Failure> {
    begin_change::<S>(db).await?;
    let row: Option<MountRow> = db.row(ENABLED_MOUNT, params![&mount]).await?;
    let now = Mount::try_from(row.ok_or(StoreError::NotFound)?)?;
    if now.settings != *before {
        return Err(StoreError::Conflict.into());
    }
    let params = params![
        &mount,
        &after.description,
        after.default_key_type,
        after.upsert,
        after.cache_size,
        after.default_lease_ttl.as_secs(),
        after.max_lease_ttl.as_secs(),
        after.listing_visibility.map(ListingVisibility::word),
    ];
    db.change(TUNE_MOUNT, params).await?;
    Ok(())
}

async fn disable<S: SqlStore>(
    db: &mut Connection<S>,
    path: &MountPath,
    at: Timestamp,
) -> Result<bool, Failure> {
    begin_change::<S>(db).await?;
    Ok(db.change(DISABLE_MOUNT, params![path, at]).await? > 0)
}

async fn restore<S: SqlStore>(db: &mut Connection<S>, path: &MountPath) -> Result<(), Failure> {
    begin_change::<S>(db).await?;
    let disabled: Option<(Vec<u8>,)> = db.row(LAST_DISABLED, params![path]).await?;
    let (mount,) = disabled.ok_or(StoreError::NotFound)?;
    refuse_overlap(db, path).await?;
    if_taken(
        db.change(RESTORE_MOUNT, params![&mount]).await,
        StoreError::Exists,
    )?;
    Ok(())
}

async fn purge<S: SqlStore>(
    db: &mut Connection<S>,
    disabled_before: Timestamp,
) -> Result<u64, Failure> {
    begin_change::<S>(db).await?;
    Ok(db.change(PURGE_MOUNTS, params![disabled_before]).await?)
}

async fn begin_change<S: SqlStore>(db: &mut Connection<S>) -> Result<(), Failure> {
    db.change(NEXT_EPOCH, &[]).await?;
    Ok(announce::<S>(db).await?)
}

async fn refuse_overlap<C: Statements>(db: &mut C, path: &MountPath) -> Result<(), Failure> {
    let taken: Vec<(String,)> = db.rows(ENABLED_PATHS, &[]).await?;
    if taken.iter().any(|(taken,)| overlap(taken, path.as_str())) {
        return Err(StoreError::Exists.into());
    }
    Ok(())
}

const MOUNTS: &str = "
    SELECT id, path, created_at, description, default_key_type, upsert, cache_size, default_lease_seconds,
           max_lease_seconds, listing_visibility
    FROM mounts WHERE disabled_at IS NULL ORDER BY path";

const ENABLED_MOUNT: &str = "
    SELECT id, path, created_at, description, default_key_type, upsert, cache_size, default_lease_seconds,
           max_lease_seconds, listing_visibility
    FROM mounts WHERE id = $1 AND disabled_at IS NULL";

const ENABLED_PATHS: &str = "SELECT path FROM mounts WHERE disabled_at IS NULL";

const NEXT_EPOCH: &str = "UPDATE mounts_epoch SET epoch = epoch + 1";

const INSERT_MOUNT: &str = "
    INSERT INTO mounts (id, path, created_at, description, default_key_type, upsert, cache_size,
                        default_lease_seconds, max_lease_seconds, listing_visibility)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

const TUNE_MOUNT: &str = "
    UPDATE mounts SET description = $2, default_key_type = $3, upsert = $4, cache_size = $5,
                      default_lease_seconds = $6, max_lease_seconds = $7, listing_visibility = $8
    WHERE id = $1";

const DISABLE_MOUNT: &str =
    "UPDATE mounts SET disabled_at = $2 WHERE path = $1 AND disabled_at IS NULL";

const LAST_DISABLED: &str = "
    SELECT id FROM mounts WHERE path = $1 AND disabled_at IS NOT NULL ORDER BY disabled_at DESC, id DESC LIMIT 1";

const RESTORE_MOUNT: &str = "UPDATE mounts SET disabled_at = NULL WHERE id = $1";

/// The rings go with their mount.
const PURGE_MOUNTS: &str = "DELETE FROM mounts WHERE disabled_at < $1";
