//! Counts how often each version seals, without a store call for each: uses are booked in blocks, in advance,
//! so the stored count is never below the truth.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::error::{Error, ItemError};
use crate::ids::RingId;
use crate::opened::OpenVersion;
use crate::store::{KeyStore, StoreError};
use crate::transit::Address;
use crate::version::Version;

/// Uses of one version that are booked and left.
#[derive(Debug)]
pub struct Lease {
    at: Address,
    ring: RingId,
    version: Version,
    limits: Option<Limits>,
    left: AtomicI64,
    block: AtomicU64,
    renewed_at_micros: AtomicU64,
    renewing: AtomicBool,
    turn: tokio::sync::Mutex<()>,
    settlements: mpsc::UnboundedSender<Message>,
}

/// At how many uses a version is replaced, and at how many it refuses.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rotate the ring.
    pub rotate_at: u64,
    /// Refuse to seal.
    pub refuse_at: u64,
}

/// What the settling task is told.
#[derive(Debug)]
enum Message {
    Settle(Settlement),
    /// Answer when everything before this is settled.
    Flush(oneshot::Sender<()>),
}

/// What is left to book when a version leaves memory.
#[derive(Debug)]
struct Settlement {
    ring: RingId,
    version: Version,
    unused: u64,
}

/// Uses that were made while the store was away and are still to be booked. They outlive their leases.
#[derive(Debug, Default)]
struct Debts(Mutex<HashMap<(RingId, Version), u64>>);

impl Debts {
    /// Lets a version go on for this many uses; `false` if its ring owes too much already.
    fn lend(&self, ring: RingId, version: Version, uses: u64) -> bool {
        let mut debts = self.all();
        let owed = debts.iter().filter(|((debtor, _), _)| *debtor == ring);
        let owed: u64 = owed.map(|(_, uses)| uses).sum();
        if owed.saturating_add(uses) > MAX_OVERDRAFT {
            return false;
        }
        *debts.entry((ring, version)).or_default() += uses;
        true
    }

    /// Takes off what was booked or not used after all; answers what was more than the debt.
    fn pay(&self, ring: RingId, version: Version, uses: u64) -> u64 {
        let mut debts = self.all();
        let Some(owed) = debts.get_mut(&(ring, version)) else {
            return uses;
        };
        let paid = uses.min(*owed);
        *owed -= paid;
        if *owed == 0 {
            debts.remove(&(ring, version));
        }
        uses - paid
    }

    fn all(&self) -> MutexGuard<'_, HashMap<(RingId, Version), u64>> {
        // No method leaves the sums half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A version that has been used so often that its ring is to be rotated.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WornVersion {
    /// Its ring.
    pub at: Address,
    /// The version.
    pub version: Version,
}

impl Lease {
    /// Takes uses from what is booked; `false` if too few are left.
    fn take(&self, uses: i64) -> bool {
        if self.left.fetch_sub(uses, Ordering::AcqRel) >= uses {
            return true;
        }
        self.left.fetch_add(uses, Ordering::AcqRel);
        false
    }

    fn is_half_used(&self) -> bool {
        let half = self.block.load(Ordering::Relaxed) / 2;
        u64::try_from(self.left.load(Ordering::Relaxed)).unwrap_or(0) < half
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let unused = u64::try_from(*self.left.get_mut()).unwrap_or(0);
        if unused > 0 {
            // A closed channel means the process is ending; then the count stays too high, never too low.
            let settlement = Settlement {
                ring: self.ring,
                version: self.version,
                unused,
            };
            let _ = self.settlements.send(Message::Settle(settlement));
        }
    }
}

/// Books uses with the store.
#[derive(Debug)]
pub struct UsageLedger {
    store: Arc<dyn KeyStore>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    settlements: mpsc::UnboundedSender<Message>,
    worn: mpsc::Sender<WornVersion>,
    debts: Arc<Debts>,
    /// Held while debts are booked, so that none is booked twice.
    booking: tokio::sync::Mutex<()>,
}

/// The ledger's two streams, for its background work.
#[derive(Debug)]
pub struct LedgerStreams {
    settlements: mpsc::UnboundedReceiver<Message>,
    debts: Arc<Debts>,
    /// Versions to be replaced.
    pub worn: mpsc::Receiver<WornVersion>,
}

impl UsageLedger {
    /// A ledger with this store behind it.
    pub fn new(
        store: Arc<dyn KeyStore>,
        clock: Arc<dyn Clock>,
        limits: Limits,
    ) -> (Self, LedgerStreams) {
        let (settlements, settlements_out) = mpsc::unbounded_channel();
        let (worn, worn_out) = mpsc::channel(WORN_AT_ONCE);
        let debts = Arc::new(Debts::default());
        let streams = LedgerStreams {
            settlements: settlements_out,
            debts: Arc::clone(&debts),
            worn: worn_out,
        };
        (
            Self {
                store,
                clock,
                limits,
                settlements,
                worn,
                debts,
                booking: tokio::sync::Mutex::default(),
            },
            streams,
        )
    }

    /// An empty lease for a version that has just been opened. `limited` versions wear out.
    pub fn lease(&self, at: &Address, ring: RingId, version: Version, limited: bool) -> Lease {
        Lease {
            at: at.clone(),
            ring,
            version,
            limits: limited.then_some(self.limits),
            left: AtomicI64::new(0),
            block: AtomicU64::new(SMALLEST_BLOCK),
            renewed_at_micros: AtomicU64::new(0),
            renewing: AtomicBool::new(false),
            turn: tokio::sync::Mutex::new(()),
            settlements: self.settlements.clone(),
        }
    }

    /// Takes uses of a version. Touches the store only when a block is used up; at half a block the next one
    /// is booked in the background.
    pub async fn take(
        self: &Arc<Self>,
        version: &Arc<OpenVersion>,
        uses: usize,
        runtime: &tokio::runtime::Handle,
    ) -> Result<(), Error> {
        let uses = i64::try_from(uses).unwrap_or(i64::MAX);
        let lease = &version.lease;
        if lease.take(uses) {
            if lease.is_half_used() && !lease.renewing.swap(true, Ordering::AcqRel) {
                self.renew_in_background(version, runtime);
            }
            return Ok(());
        }
        let (ledger, version) = (Arc::clone(self), Arc::clone(version));
        let task = runtime.spawn(async move { ledger.take_in_turn(&version.lease, uses).await });
        task.await.map_err(|_| Error::Worker)?
    }

    async fn take_in_turn(&self, lease: &Lease, uses: i64) -> Result<(), Error> {
        let _turn = lease.turn.lock().await;
        // Requests that come without a turn may take from what is booked here, so one booking may not do.
        for _ in 0..BOOKINGS_PER_TURN {
            if lease.take(uses) {
                return Ok(());
            }
            self.book(lease, uses.unsigned_abs()).await?;
        }
        if lease.take(uses) {
            Ok(())
        } else {
            Err(Error::Busy)
        }
    }

    /// Returns when everything that left memory so far is settled and what was used without the store is booked,
    /// or cannot be.
    pub async fn flush(&self) {
        let (done, settled) = oneshot::channel();
        if self.settlements.send(Message::Flush(done)).is_ok() {
            // An error means the settling task has ended, and nothing is left to wait for.
            let _ = settled.await;
        }
        self.book_debts().await;
    }

    /// Books what was used while the store was away; to be called when it answers.
    pub fn book_debts_in_background(self: &Arc<Self>, runtime: &tokio::runtime::Handle) {
        if self.debts.all().is_empty() || self.booking.try_lock().is_err() {
            return;
        }
        let ledger = Arc::clone(self);
        runtime.spawn(async move { ledger.book_debts().await });
    }

    async fn book_debts(&self) {
        let _turn = self.booking.lock().await;
        let debts: Vec<_> = self
            .debts
            .all()
            .iter()
            .map(|(key, uses)| (*key, *uses))
            .collect();
        for ((ring, version), uses) in debts {
            match self.store.lease_usage(ring, version, uses).await {
                // What is gone needs no count.
                Ok(_) | Err(StoreError::NotFound) => {
                    self.debts.pay(ring, version, uses);
                }
                Err(error) => {
                    return tracing::debug!(%error, "uses made without the store could not be booked yet");
                }
            }
        }
    }

    fn renew_in_background(
        self: &Arc<Self>,
        version: &Arc<OpenVersion>,
        runtime: &tokio::runtime::Handle,
    ) {
        let (ledger, version) = (Arc::clone(self), Arc::clone(version));
        runtime.spawn(async move {
            let lease = &version.lease;
            let turn = lease.turn.lock().await;
            if lease.is_half_used()
                && let Err(error) = ledger.book(lease, 0).await
            {
                tracing::debug!(%error, "booking uses in advance failed; the next request tries again");
            }
            drop(turn);
            lease.renewing.store(false, Ordering::Release);
        });
    }

    /// Books the next block and at least this many uses.
    async fn book(&self, lease: &Lease, at_least: u64) -> Result<(), Error> {
        let block = self.next_block(lease).max(at_least);
        let call = self.store.lease_usage(lease.ring, lease.version, block);
        // A store that hangs must not hold up warm requests. If it books after all, the count is too high,
        // never too low.
        let late = |_| Err(StoreError::Unavailable("no answer in time".to_owned()));
        match timeout(BOOKING_DEADLINE, call).await.unwrap_or_else(late) {
            Ok(total) => self.admit(lease, block, total).await,
            Err(StoreError::NotFound) => Err(Error::NotFound),
            Err(StoreError::Unavailable(_) | StoreError::OutcomeUnknown) => {
                self.overdraw(lease, block)
            }
            Err(error @ (StoreError::Conflict | StoreError::Corrupt(_) | StoreError::Exists)) => {
                Err(error.into())
            }
        }
    }

    async fn admit(&self, lease: &Lease, block: u64, total: u64) -> Result<(), Error> {
        if let Some(limits) = lease.limits {
            if total >= limits.rotate_at {
                // Nobody listening means the process is ending; a full queue, that a later booking tells again.
                let _ = self.worn.try_send(WornVersion {
                    at: lease.at.clone(),
                    version: lease.version,
                });
            }
            if total > limits.refuse_at {
                let _ = self
                    .store
                    .return_usage(lease.ring, lease.version, block)
                    .await;
                return Err(ItemError::UsageExhausted.into());
            }
        }
        lease
            .left
            .fetch_add(i64::try_from(block).unwrap_or(i64::MAX), Ordering::AcqRel);
        Ok(())
    }

    /// Lets a version go on while the store is away, up to a bound; booked when the store is back.
    fn overdraw(&self, lease: &Lease, block: u64) -> Result<(), Error> {
        if !self.debts.lend(lease.ring, lease.version, block) {
            return Err(Error::Stale);
        }
        lease
            .left
            .fetch_add(i64::try_from(block).unwrap_or(i64::MAX), Ordering::AcqRel);
        Ok(())
    }

    /// Blocks grow while one does not last a second, and shrink when one lasts a minute.
    fn next_block(&self, lease: &Lease) -> u64 {
        let now = u64::try_from(self.clock.uptime().as_micros()).unwrap_or(u64::MAX);
        let before = lease.renewed_at_micros.swap(now, Ordering::Relaxed);
        let block = lease.block.load(Ordering::Relaxed);
        let lasted = Duration::from_micros(now.saturating_sub(before));
        let next = if before == 0 {
            block
        } else if lasted < Duration::from_secs(1) {
            block.saturating_mul(4).min(LARGEST_BLOCK)
        } else if lasted > Duration::from_mins(1) {
            (block / 2).max(SMALLEST_BLOCK)
        } else {
            block
        };
        lease.block.store(next, Ordering::Relaxed);
        next
    }
}

impl LedgerStreams {
    /// Splits off the stream of settlements and books them one by one, in a task of its own.
    pub fn settle(self, store: Arc<dyn KeyStore>) -> mpsc::Receiver<WornVersion> {
        let (mut settlements, debts) = (self.settlements, self.debts);
        tokio::spawn(async move {
            while let Some(message) = settlements.recv().await {
                match message {
                    Message::Settle(settlement) => {
                        settle_one(store.as_ref(), &debts, &settlement).await;
                    }
                    // Who asked may have given up waiting.
                    Message::Flush(done) => drop(done.send(())),
                }
            }
        });
        self.worn
    }
}

async fn settle_one(store: &dyn KeyStore, debts: &Debts, settlement: &Settlement) {
    let Settlement {
        ring,
        version,
        unused,
    } = *settlement;
    // What was never booked cannot be given back.
    let booked = debts.pay(ring, version, unused);
    if booked == 0 {
        return;
    }
    if let Err(error) = store.return_usage(ring, version, booked).await {
        tracing::warn!(%error, "uses that were not made could not be given back; the count stays too high");
    }
}

const SMALLEST_BLOCK: u64 = 1 << 10;
const LARGEST_BLOCK: u64 = 1 << 22;
const MAX_OVERDRAFT: u64 = 1 << 28;
const BOOKING_DEADLINE: Duration = Duration::from_millis(250);
const BOOKINGS_PER_TURN: usize = 8;
const WORN_AT_ONCE: usize = 1024;
