//! Rings with their versions and history, in SQL.

use std::time::Duration;

use async_trait::async_trait;

use super::failure::{Failure, if_taken};
use super::statements::{Param, Statements, params};
use super::{Connection, SqlStore, announce, query, transaction};
use crate::clock::Timestamp;
use crate::history::{HistoryEvent, RecordedEvent};
use crate::ids::{MountId, RingId};
use crate::name::KeyName;
use crate::ring::{StoredRing, StoredVersion};
use crate::store::rows::{DueRow, EventRow, LoadedRow, NameRow, SummaryRow, VersionRow, values};
use crate::store::{
    DueKind, DueRing, LoadedRing, RingChange, RingCreation, RingStore, StoreError, VersionSummary,
    With,
};
use crate::version::{Generation, Version};

#[async_trait]
impl<S: SqlStore> RingStore for S {
    async fn create_ring(&self, new: &RingCreation) -> Result<(), StoreError> {
        transaction(self, new.clone(), |db, new| Box::pin(create::<S>(db, new))).await
    }

    async fn load_ring(
        &self,
        mount: MountId,
        name: &KeyName,
        with: With,
    ) -> Result<Option<LoadedRing>, StoreError> {
        let version = match with {
            With::Latest => None,
            With::Version(version) => Some(version),
        };
        let rows: Vec<LoadedRow> = query(self, LOAD_RING, params![&mount, name, version]).await?;
        rows.into_iter()
            .next()
            .map(LoadedRing::try_from)
            .transpose()
    }

    async fn change_ring(&self, change: &RingChange) -> Result<(), StoreError> {
        transaction(self, change.clone(), |db, change| {
            Box::pin(apply::<S>(db, change))
        })
        .await
    }

    async fn delete_ring(
        &self,
        ring: RingId,
        read_at: Generation,
        event: &HistoryEvent,
    ) -> Result<(), StoreError> {
        let old = OldRing {
            ring,
            read_at,
            event: event.clone(),
        };
        transaction(self, old, |db, old| Box::pin(delete::<S>(db, old))).await
    }

    async fn list_rings(
        &self,
        mount: MountId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<KeyName>, StoreError> {
        let after = after.unwrap_or_default();
        // PostgreSQL has no text with a NUL in it. No name has one either, so what follows it changes nothing.
        let after = after.split('\0').next().unwrap_or_default();
        values(query::<_, NameRow>(self, LIST_RINGS, params![&mount, after, limit]).await?)
    }

    async fn versions(
        &self,
        ring: RingId,
        from: Version,
    ) -> Result<Vec<VersionSummary>, StoreError> {
        values(query::<_, SummaryRow>(self, VERSIONS, params![&ring, from]).await?)
    }

    async fn version_rows(
        &self,
        ring: RingId,
        from: Version,
    ) -> Result<Vec<StoredVersion>, StoreError> {
        let rows: Vec<VersionRow> = query(self, VERSION_ROWS, params![&ring, from]).await?;
        let versions = rows.into_iter().filter_map(|row| row.of(ring).transpose());
        versions.collect()
    }

    async fn history(
        &self,
        mount: MountId,
        name: &KeyName,
        after: u64,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        values(query::<_, EventRow>(self, HISTORY, params![&mount, name, after, limit]).await?)
    }

    async fn events_of_request(&self, request_id: &str) -> Result<Vec<RecordedEvent>, StoreError> {
        if request_id.contains('\0') {
            return Ok(Vec::new());
        }
        values(query::<_, EventRow>(self, EVENTS_OF_REQUEST, params![request_id]).await?)
    }

    async fn due_for_rotation(
        &self,
        kind: DueKind,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueRing>, StoreError> {
        let is_searched = kind == DueKind::Searched;
        values(query::<_, DueRow>(self, DUE_RINGS, params![now, limit, is_searched]).await?)
    }
}

async fn create<S: SqlStore>(db: &mut Connection<S>, new: &RingCreation) -> Result<(), Failure> {
    if db
        .row::<(i64,)>(S::HOLD_MOUNT, params![&new.ring.mount])
        .await?
        .is_none()
    {
        return Err(StoreError::NotFound.into());
    }
    if let Some((replaced, read_at)) = new.replaces {
        // Of the same name, or the deletion would hit a ring that stands elsewhere.
        let params = params![&replaced, read_at, &new.ring.mount, &new.ring.name];
        if db.change(DELETE_NAMED_RING, params).await? == 0 {
            return Err(StoreError::Conflict.into());
        }
    }
    if_taken(insert_ring(db, &new.ring).await, StoreError::Exists)?;
    for version in &new.versions {
        insert_version(db, version).await?;
    }
    Ok(record::<S>(db, &new.event).await?)
}

/// Creates all of these rings in one transaction; a sync for each would take a large store hours.
#[cfg(feature = "test-support")]
pub(in crate::store) async fn create_many<S: SqlStore>(
    store: &S,
    rings: Vec<RingCreation>,
) -> Result<(), StoreError> {
    transaction(store, rings, |db, rings| {
        Box::pin(async move {
            for new in rings {
                create::<S>(db, new).await?;
            }
            Ok(())
        })
    })
    .await
}

async fn apply<S: SqlStore>(db: &mut Connection<S>, change: &RingChange) -> Result<(), Failure> {
    if update_ring(db, &change.ring, change.read_at).await? == 0 {
        return Err(StoreError::Conflict.into());
    }
    if let Some(added) = &change.added {
        if_taken(insert_version(db, added).await, StoreError::Conflict)?;
    }
    if let Some(replaced) = &change.replaced
        && update_version(db, replaced).await? == 0
    {
        return Err(StoreError::Conflict.into());
    }
    if let Some(oldest) = change.trimmed_below {
        db.change(TRIM_VERSIONS, params![&change.ring.id, oldest])
            .await?;
    }
    Ok(record::<S>(db, &change.event).await?)
}

struct OldRing {
    ring: RingId,
    read_at: Generation,
    event: HistoryEvent,
}

async fn delete<S: SqlStore>(db: &mut Connection<S>, old: &OldRing) -> Result<(), Failure> {
    if db
        .change(DELETE_RING, params![&old.ring, old.read_at])
        .await?
        == 0
    {
        return Err(StoreError::Conflict.into());
    }
    Ok(record::<S>(db, &old.event).await?)
}

async fn insert_ring<C: Statements>(db: &mut C, ring: &StoredRing) -> Result<u64, sqlx::Error> {
    db.change(INSERT_RING, &ring_params(ring)).await
}

async fn update_ring<C: Statements>(
    db: &mut C,
    ring: &StoredRing,
    read_at: Generation,
) -> Result<u64, sqlx::Error> {
    let mut params = ring_params(ring);
    params.push(read_at.into());
    db.change(UPDATE_RING, &params).await
}

fn ring_params(ring: &StoredRing) -> Vec<Param<'_>> {
    let (policy, journey) = (&ring.policy, &ring.journey);
    let params: &[Param<'_>] = params![
        &ring.id,
        &ring.mount,
        &ring.name,
        ring.key_type,
        ring.derived,
        ring.convergent,
        ring.created_at,
        ring.generation,
        ring.latest,
        ring.min_available,
        policy.min_decryption,
        policy.min_encryption,
        policy.deletion_allowed,
        policy.exportable,
        policy.allow_plaintext_backup,
        policy.auto_rotate_period.as_ref().map(Duration::as_secs),
        ring.due_at,
        &ring.mac,
        ring.kdf.number(),
        ring.key_size,
        ring.soft_deleted,
        journey.imported,
        journey.allow_rotation,
        journey.backed_up.map(|moment| moment.at),
        journey.backed_up.map(|moment| moment.version),
        journey.restored.map(|moment| moment.at),
        journey.restored.map(|moment| moment.version),
    ];
    params.to_vec()
}

async fn insert_version<C: Statements>(
    db: &mut C,
    version: &StoredVersion,
) -> Result<u64, sqlx::Error> {
    db.change(INSERT_VERSION, &version_params(version)).await
}

async fn update_version<C: Statements>(
    db: &mut C,
    version: &StoredVersion,
) -> Result<u64, sqlx::Error> {
    db.change(UPDATE_VERSION, &version_params(version)).await
}

fn version_params(version: &StoredVersion) -> Vec<Param<'_>> {
    let params: &[Param<'_>] = params![
        &version.ring,
        version.version,
        u32::from(version.origin.number()),
        &version.kek,
        &version.wrapped,
        &version.material,
        version.created_at,
        &version.mac,
        &version.public_key,
        &version.certificate_chain,
    ];
    params.to_vec()
}

/// Writes the event and lets other processes know.
async fn record<S: SqlStore>(
    db: &mut Connection<S>,
    event: &HistoryEvent,
) -> Result<(), sqlx::Error> {
    let params = params![
        event.at,
        &event.mount,
        &event.name,
        &event.ring,
        event.generation,
        event.action.word(),
        event.from_version,
        event.to_version,
        &event.settings,
        &event.by.actor,
        &event.by.accessor,
        &event.by.request_id,
        event.by.cause.word(),
        &event.by.reason,
    ];
    db.change(INSERT_EVENT, params).await?;
    announce::<S>(db).await
}

const INSERT_RING: &str = "
    INSERT INTO rings (
        id, mount_id, name, key_type, derived, convergent, created_at, generation, latest, min_available,
        min_decryption, min_encryption, deletion_allowed, exportable, allow_plaintext_backup, auto_rotate_seconds,
        due_at, mac, kdf, key_size, soft_deleted, imported, allow_rotation, backed_up_at, backed_up_version,
        restored_at, restored_version
    ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
        $23, $24, $25, $26, $27)";

const UPDATE_RING: &str = "
    UPDATE rings SET
        key_type = $4, derived = $5, convergent = $6, created_at = $7, generation = $8, latest = $9,
        min_available = $10, min_decryption = $11, min_encryption = $12, deletion_allowed = $13, exportable = $14,
        allow_plaintext_backup = $15, auto_rotate_seconds = $16, due_at = $17, mac = $18,
        kdf = $19, key_size = $20, soft_deleted = $21, imported = $22, allow_rotation = $23, backed_up_at = $24,
        backed_up_version = $25, restored_at = $26, restored_version = $27
    WHERE id = $1 AND mount_id = $2 AND name = $3 AND generation = $28";

const DELETE_RING: &str = "DELETE FROM rings WHERE id = $1 AND generation = $2";

const DELETE_NAMED_RING: &str =
    "DELETE FROM rings WHERE id = $1 AND generation = $2 AND mount_id = $3 AND name = $4";

const INSERT_VERSION: &str = "
    INSERT INTO ring_versions (
        ring_id, version, origin, kek, wrapped, material, created_at, mac, public_key, certificate_chain
    ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

const UPDATE_VERSION: &str = "
    UPDATE ring_versions SET
        origin = $3, kek = $4, wrapped = $5, material = $6, created_at = $7, mac = $8, public_key = $9,
        certificate_chain = $10
    WHERE ring_id = $1 AND version = $2";

const TRIM_VERSIONS: &str = "DELETE FROM ring_versions WHERE ring_id = $1 AND version < $2";

const INSERT_EVENT: &str = "
    INSERT INTO ring_history (
        at, mount_id, name, ring_id, generation, action, from_version, to_version, settings, actor, accessor,
        request_id, cause, reason
    ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";

const LOAD_RING: &str = "
    SELECT r.id, r.mount_id, r.name, r.key_type, r.derived, r.convergent, r.created_at, r.generation, r.latest,
        r.min_available, r.min_decryption, r.min_encryption, r.deletion_allowed, r.exportable,
        r.allow_plaintext_backup, r.auto_rotate_seconds, r.due_at, r.mac, r.kdf, r.key_size, r.soft_deleted,
        r.imported, r.allow_rotation, r.backed_up_at, r.backed_up_version, r.restored_at, r.restored_version,
        v.version, v.origin, v.kek, v.wrapped, v.material, v.created_at AS version_created_at,
        v.public_key, v.certificate_chain, v.mac AS version_mac
    FROM rings r LEFT JOIN ring_versions v ON v.ring_id = r.id AND v.version = COALESCE($3, r.latest)
    WHERE r.mount_id = $1 AND r.name = $2";

// The name left out is the reserved one.
const LIST_RINGS: &str = "
    SELECT name FROM rings WHERE mount_id = $1 AND name > $2 AND name <> 'import/wrapping-key'
    ORDER BY name LIMIT $3";

const VERSIONS: &str = "
    SELECT version, created_at, public_key, certificate_chain
    FROM ring_versions WHERE ring_id = $1 AND version >= $2 ORDER BY version";

const VERSION_ROWS: &str = "
    SELECT version, origin, kek, wrapped, material, created_at AS version_created_at, public_key,
        certificate_chain, mac AS version_mac
    FROM ring_versions WHERE ring_id = $1 AND version >= $2 ORDER BY version";

const HISTORY: &str = "
    SELECT sequence, at, mount_id, name, ring_id, generation, action, from_version, to_version, settings, actor,
        accessor, request_id, cause, reason
    FROM ring_history WHERE mount_id = $1 AND name = $2 AND sequence > $3 ORDER BY sequence LIMIT $4";

const EVENTS_OF_REQUEST: &str = "
    SELECT sequence, at, mount_id, name, ring_id, generation, action, from_version, to_version, settings, actor,
        accessor, request_id, cause, reason
    FROM ring_history WHERE request_id = $1 ORDER BY sequence";

// The numbers are those of RSA pairs.
const DUE_RINGS: &str = "
    SELECT r.mount_id, r.name, r.key_type, r.generation, r.due_at
    FROM rings r JOIN mounts m ON m.id = r.mount_id
    WHERE r.due_at <= $1 AND m.disabled_at IS NULL AND (r.key_type IN (3, 4, 9)) = $3
    ORDER BY r.due_at, r.id LIMIT $2";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::SqliteStore;

    #[tokio::test]
    async fn nothing_on_the_way_to_a_ring_or_a_page_is_searched_through() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("keys.db"))
            .await
            .unwrap();
        for statement in [
            LOAD_RING,
            LIST_RINGS,
            VERSIONS,
            VERSION_ROWS,
            UPDATE_VERSION,
            HISTORY,
            EVENTS_OF_REQUEST,
            DUE_RINGS,
            UPDATE_RING,
            TRIM_VERSIONS,
        ] {
            let steps = store.plan_of(statement).await;
            assert!(!steps.is_empty());
            let is_slow = |step: &String| step.starts_with("SCAN") || step.contains("TEMP B-TREE");
            assert!(!steps.iter().any(is_slow), "{statement}: {steps:?}");
        }
    }
}
