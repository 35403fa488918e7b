//! History events and the stream of changes as rows.

use sqlx::FromRow;

use super::{generation, known, unsigned, version};
use crate::clock::Timestamp;
use crate::history::{Action, Cause, HistoryEvent, Provenance, RecordedEvent};
use crate::ids::{MountId, RingId};
use crate::name::KeyName;
use crate::store::identity::CredentialHash;
use crate::store::{ChangedRing, Changes, Cursor, StoreError};

#[derive(FromRow)]
pub(in crate::store) struct EventRow {
    sequence: i64,
    at: i64,
    mount_id: Vec<u8>,
    name: String,
    ring_id: Vec<u8>,
    generation: i64,
    action: String,
    from_version: Option<i64>,
    to_version: Option<i64>,
    settings: String,
    actor: String,
    accessor: Option<String>,
    request_id: Option<String>,
    cause: String,
    reason: Option<String>,
}

impl TryFrom<EventRow> for RecordedEvent {
    type Error = StoreError;

    fn try_from(row: EventRow) -> Result<Self, StoreError> {
        let from_version = row
            .from_version
            .map(|number| version(number, "ring_history.from_version"));
        let to_version = row
            .to_version
            .map(|number| version(number, "ring_history.to_version"));
        let by = Provenance {
            actor: row.actor,
            accessor: row.accessor,
            request_id: row.request_id,
            cause: known(Cause::from_word(&row.cause), "ring_history.cause")?,
            reason: row.reason,
        };
        let event = HistoryEvent {
            at: Timestamp::from_micros(row.at),
            mount: known(
                MountId::try_from(&*row.mount_id).ok(),
                "ring_history.mount_id",
            )?,
            name: known(KeyName::of_row(&row.name), "ring_history.name")?,
            ring: known(RingId::try_from(&*row.ring_id).ok(), "ring_history.ring_id")?,
            generation: generation(row.generation, "ring_history.generation")?,
            action: known(Action::from_word(&row.action), "ring_history.action")?,
            from_version: from_version.transpose()?,
            to_version: to_version.transpose()?,
            settings: row.settings,
            by,
        };
        Ok(Self {
            sequence: unsigned(row.sequence, "ring_history.sequence")?,
            event,
        })
    }
}

/// One change of the stream, beside what holds for all of them; alone if there is none.
#[derive(FromRow)]
pub(in crate::store) struct ChangeRow {
    #[sqlx(flatten)]
    pub(in crate::store) state: StreamRow,
    #[sqlx(flatten)]
    pub(in crate::store) ring: ChangedRingRow,
    /// A token that was revoked.
    pub(in crate::store) revoked: Option<Vec<u8>>,
}

/// What a poll tells beside the changes.
#[derive(Clone, Copy, FromRow)]
pub(in crate::store) struct StreamRow {
    #[sqlx(flatten)]
    pub(in crate::store) next: CursorRow,
    mounts_epoch: i64,
    identity_epoch: i64,
    sealed: bool,
}

impl StreamRow {
    /// What the poll answers, of these changes.
    pub(in crate::store) fn changes(
        self,
        rings: Vec<ChangedRing>,
        revoked: Vec<CredentialHash>,
    ) -> Result<Changes, StoreError> {
        Ok(Changes {
            rings,
            mounts_epoch: unsigned(self.mounts_epoch, "mounts_epoch.epoch")?,
            identity_epoch: unsigned(self.identity_epoch, "identity_epoch.epoch")?,
            revoked,
            sealed: self.sealed,
            next: self.next.try_into()?,
        })
    }
}

/// Where the stream ends.
#[derive(Clone, Copy, FromRow)]
pub(in crate::store) struct CursorRow {
    next_ring: i64,
    next_revocation: i64,
}

impl TryFrom<CursorRow> for Cursor {
    type Error = StoreError;

    fn try_from(row: CursorRow) -> Result<Self, StoreError> {
        Ok(Self {
            rings: unsigned(row.next_ring, "ring_history")?,
            revocations: unsigned(row.next_revocation, "revocations")?,
        })
    }
}

/// A ring that was changed, if the change was to a ring.
#[derive(FromRow)]
pub(in crate::store) struct ChangedRingRow {
    mount_id: Option<Vec<u8>>,
    name: Option<String>,
    ring_id: Option<Vec<u8>>,
    generation: Option<i64>,
}

impl TryFrom<ChangedRingRow> for Option<ChangedRing> {
    type Error = StoreError;

    fn try_from(row: ChangedRingRow) -> Result<Self, StoreError> {
        let Some(ring) = row.ring_id else {
            return Ok(None);
        };
        let mount = row.mount_id.and_then(|id| MountId::try_from(&*id).ok());
        Ok(Some(ChangedRing {
            mount: known(mount, "ring_history.mount_id")?,
            name: known(
                row.name.as_deref().and_then(KeyName::of_row),
                "ring_history.name",
            )?,
            ring: known(RingId::try_from(&*ring).ok(), "ring_history.ring_id")?,
            generation: generation(row.generation.unwrap_or(-1), "ring_history.generation")?,
        }))
    }
}
