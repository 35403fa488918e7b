//! A store in front of another one, which a test can take away, hold up, and have tell lies.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::Semaphore;

use crate::clock::Timestamp;
use crate::history::{HistoryEvent, RecordedEvent};
use crate::ids::{MountId, RingId};
use crate::kek::WrappedDek;
use crate::mount::{Mount, MountSettings};
use crate::name::{KeyName, MountPath};
use crate::ring::StoredVersion;
use crate::store::identity::CredentialHash;
use crate::store::{
    ChangeFeed, Changes, Cursor, DueKind, DueRing, HeaderStore, KeyStore, LoadedRing, MountStore,
    RingChange, RingCreation, RingStore, StoreError, StoreHeader, StoredRootToken, StoredSecret,
    UsageStore, VersionSummary, With,
};
use crate::version::{Generation, Version};

mod identity;

/// What a test does to a row after it was read.
pub type Edit = Arc<dyn Fn(&mut LoadedRing) + Send + Sync>;

/// What a test does to each version's row when all of a ring's are read.
pub type RowEdit = Arc<dyn Fn(&mut StoredVersion) + Send + Sync>;

/// The store.
pub struct FaultyStore {
    inner: Arc<dyn KeyStore>,
    away: AtomicBool,
    loses_answers: AtomicBool,
    rewound: AtomicBool,
    loads: AtomicU64,
    leases: AtomicU64,
    edit: Mutex<Option<Edit>>,
    row_edit: Mutex<Option<RowEdit>>,
    gates: Mutex<HashMap<Moment, Arc<Gate>>>,
}

/// Where a call can be held up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// A change is made and not yet answered.
    AfterChange,
    /// A ring is read and not yet answered.
    AfterLoad,
    /// The mounts are read and not yet answered.
    AfterMounts,
    /// A change is asked for.
    BeforeChange,
    /// Uses are asked for.
    BeforeLease,
    /// A ring is asked for.
    BeforeLoad,
}

/// A place where calls wait until the test lets them go.
#[derive(Debug)]
pub struct Gate {
    arrived: Semaphore,
    open: Semaphore,
}

impl Gate {
    /// Returns when one more call has arrived.
    pub async fn arrived(&self) {
        let arrived = self.arrived.acquire().await;
        arrived.expect("nobody closes it").forget();
    }

    /// How many calls have arrived that nobody took note of.
    pub fn waiting(&self) -> usize {
        self.arrived.available_permits()
    }

    /// Lets one call go.
    pub fn open(&self) {
        self.open.add_permits(1);
    }

    async fn pass(&self) {
        self.arrived.add_permits(1);
        if let Ok(pass) = self.open.acquire().await {
            pass.forget();
        }
    }
}

impl FaultyStore {
    /// A store in front of this one, honest until told otherwise.
    pub fn over(inner: Arc<dyn KeyStore>) -> Self {
        Self {
            inner,
            away: AtomicBool::new(false),
            loses_answers: AtomicBool::new(false),
            rewound: AtomicBool::new(false),
            loads: AtomicU64::new(0),
            leases: AtomicU64::new(0),
            edit: Mutex::default(),
            row_edit: Mutex::default(),
            gates: Mutex::default(),
        }
    }

    /// The store behind this one, for a look at the truth.
    pub fn truth(&self) -> &dyn KeyStore {
        self.inner.as_ref()
    }

    /// The store behind this one, for a node that shall not see the faults.
    pub fn behind(&self) -> Arc<dyn KeyStore> {
        Arc::clone(&self.inner)
    }

    /// Takes the store away, or brings it back.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// Has changes be made and their answers be lost.
    pub fn set_loses_answers(&self, loses: bool) {
        self.loses_answers.store(loses, Ordering::SeqCst);
    }

    /// Has the stream of changes end where it began, as if an older copy had taken the store's place.
    pub fn set_rewound(&self, rewound: bool) {
        self.rewound.store(rewound, Ordering::SeqCst);
    }

    /// Has every ring that is read from now on be edited.
    pub fn set_edit(&self, edit: Option<Edit>) {
        *self.edit() = edit;
    }

    /// Has every row be edited that is read together with all others of its ring.
    pub fn set_row_edit(&self, edit: Option<RowEdit>) {
        *self.row_edit() = edit;
    }

    /// How often a ring was asked for.
    pub fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    /// How often uses were asked for.
    pub fn leases(&self) -> u64 {
        self.leases.load(Ordering::SeqCst)
    }

    /// Holds up every call at this moment.
    pub fn hold(&self, moment: Moment) -> Arc<Gate> {
        let gate = Arc::new(Gate {
            arrived: Semaphore::new(0),
            open: Semaphore::new(0),
        });
        self.gates().insert(moment, Arc::clone(&gate));
        gate
    }

    /// Lets all calls at this moment go, now and from now on.
    pub fn release(&self, moment: Moment) {
        if let Some(gate) = self.gates().remove(&moment) {
            gate.open.close();
        }
    }

    async fn pass(&self, moment: Moment) {
        let gate = self.gates().get(&moment).cloned();
        if let Some(gate) = gate {
            gate.pass().await;
        }
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the test took it away".to_owned()));
        }
        Ok(())
    }

    fn edit(&self) -> MutexGuard<'_, Option<Edit>> {
        self.edit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn row_edit(&self) -> MutexGuard<'_, Option<RowEdit>> {
        self.row_edit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gates(&self) -> MutexGuard<'_, HashMap<Moment, Arc<Gate>>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl RingStore for FaultyStore {
    async fn create_ring(&self, new: &RingCreation) -> Result<(), StoreError> {
        self.pass(Moment::BeforeChange).await;
        self.check()?;
        self.inner.create_ring(new).await?;
        self.pass(Moment::AfterChange).await;
        if self.loses_answers.load(Ordering::SeqCst) {
            return Err(StoreError::OutcomeUnknown);
        }
        Ok(())
    }

    async fn load_ring(
        &self,
        mount: MountId,
        name: &KeyName,
        with: With,
    ) -> Result<Option<LoadedRing>, StoreError> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        self.pass(Moment::BeforeLoad).await;
        self.check()?;
        let mut loaded = self.inner.load_ring(mount, name, with).await?;
        self.pass(Moment::AfterLoad).await;
        let edit = self.edit().clone();
        if let (Some(edit), Some(loaded)) = (edit, loaded.as_mut()) {
            edit(loaded);
        }
        Ok(loaded)
    }

    async fn change_ring(&self, change: &RingChange) -> Result<(), StoreError> {
        self.pass(Moment::BeforeChange).await;
        self.check()?;
        self.inner.change_ring(change).await?;
        self.pass(Moment::AfterChange).await;
        if self.loses_answers.load(Ordering::SeqCst) {
            return Err(StoreError::OutcomeUnknown);
        }
        Ok(())
    }

    async fn delete_ring(
        &self,
        ring: RingId,
        read_at: Generation,
        event: &HistoryEvent,
    ) -> Result<(), StoreError> {
        self.check()?;
        self.inner.delete_ring(ring, read_at, event).await
    }

    async fn list_rings(
        &self,
        mount: MountId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<KeyName>, StoreError> {
        self.check()?;
        self.inner.list_rings(mount, after, limit).await
    }

    async fn versions(
        &self,
        ring: RingId,
        from: Version,
    ) -> Result<Vec<VersionSummary>, StoreError> {
        let rows = self.version_rows(ring, from).await?;
        Ok(rows.into_iter().map(VersionSummary::from).collect())
    }

    async fn version_rows(
        &self,
        ring: RingId,
        from: Version,
    ) -> Result<Vec<StoredVersion>, StoreError> {
        self.check()?;
        let mut rows = self.inner.version_rows(ring, from).await?;
        if let Some(edit) = self.row_edit().as_ref() {
            for row in &mut rows {
                edit(row);
            }
        }
        Ok(rows)
    }

    async fn history(
        &self,
        mount: MountId,
        name: &KeyName,
        after: u64,
        limit: u32,
    ) -> Result<Vec<RecordedEvent>, StoreError> {
        self.check()?;
        self.inner.history(mount, name, after, limit).await
    }

    async fn events_of_request(&self, request_id: &str) -> Result<Vec<RecordedEvent>, StoreError> {
        self.check()?;
        self.inner.events_of_request(request_id).await
    }

    async fn due_for_rotation(
        &self,
        kind: DueKind,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueRing>, StoreError> {
        self.check()?;
        self.inner.due_for_rotation(kind, now, limit).await
    }
}

#[async_trait]
impl MountStore for FaultyStore {
    async fn mounts(&self) -> Result<Vec<Mount>, StoreError> {
        self.check()?;
        let mounts = self.inner.mounts().await;
        self.pass(Moment::AfterMounts).await;
        mounts
    }

    async fn enable_mount(&self, mount: &Mount) -> Result<(), StoreError> {
        self.check()?;
        self.inner.enable_mount(mount).await
    }

    async fn tune_mount(
        &self,
        mount: MountId,
        before: &MountSettings,
        after: &MountSettings,
    ) -> Result<(), StoreError> {
        self.check()?;
        self.inner.tune_mount(mount, before, after).await
    }

    async fn disable_mount(&self, path: &MountPath, at: Timestamp) -> Result<bool, StoreError> {
        self.check()?;
        self.inner.disable_mount(path, at).await
    }

    async fn restore_mount(&self, path: &MountPath) -> Result<(), StoreError> {
        self.check()?;
        self.inner.restore_mount(path).await
    }

    async fn purge_mounts(&self, disabled_before: Timestamp) -> Result<u64, StoreError> {
        self.check()?;
        self.inner.purge_mounts(disabled_before).await
    }
}

#[async_trait]
impl UsageStore for FaultyStore {
    async fn lease_usage(
        &self,
        ring: RingId,
        version: Version,
        uses: u64,
    ) -> Result<u64, StoreError> {
        self.leases.fetch_add(1, Ordering::SeqCst);
        self.pass(Moment::BeforeLease).await;
        self.check()?;
        self.inner.lease_usage(ring, version, uses).await
    }

    async fn return_usage(
        &self,
        ring: RingId,
        version: Version,
        uses: u64,
    ) -> Result<(), StoreError> {
        self.check()?;
        self.inner.return_usage(ring, version, uses).await
    }

    async fn usage(&self, ring: RingId, from: Version) -> Result<Vec<(Version, u64)>, StoreError> {
        self.check()?;
        self.inner.usage(ring, from).await
    }
}

#[async_trait]
impl ChangeFeed for FaultyStore {
    async fn end(&self) -> Result<Cursor, StoreError> {
        self.check()?;
        self.inner.end().await
    }

    async fn changes_since(&self, cursor: Cursor) -> Result<Changes, StoreError> {
        self.check()?;
        let mut changes = self.inner.changes_since(cursor).await?;
        if self.rewound.load(Ordering::SeqCst) {
            changes.next = Cursor::START;
        }
        Ok(changes)
    }

    async fn hint(&self) {
        self.inner.hint().await;
    }

    fn reconnect(&self) {
        self.inner.reconnect();
    }
}

#[async_trait]
impl HeaderStore for FaultyStore {
    async fn header(&self) -> Result<Option<StoreHeader>, StoreError> {
        self.check()?;
        self.inner.header().await
    }

    async fn initialise(
        &self,
        header: &StoreHeader,
        secrets: &[StoredSecret],
        mount: &Mount,
    ) -> Result<(), StoreError> {
        self.check()?;
        self.inner.initialise(header, secrets, mount).await
    }

    async fn secrets(&self) -> Result<Vec<StoredSecret>, StoreError> {
        self.check()?;
        self.inner.secrets().await
    }

    async fn root_tokens(&self) -> Result<Vec<StoredRootToken>, StoreError> {
        self.check()?;
        self.inner.root_tokens().await
    }

    async fn replace_root_tokens(&self, token: &StoredRootToken) -> Result<(), StoreError> {
        self.check()?;
        self.inner.replace_root_tokens(token).await
    }

    async fn revoke_root_token(
        &self,
        hash: CredentialHash,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.check()?;
        self.inner.revoke_root_token(hash, at).await
    }

    async fn seal(&self) -> Result<(), StoreError> {
        self.check()?;
        self.inner.seal().await
    }

    async fn unseal(&self, live: &WrappedDek) -> Result<(), StoreError> {
        self.check()?;
        self.inner.unseal(live).await
    }
}
