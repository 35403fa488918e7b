//! Rotates what is due or worn. Every node does; the store lets one of them win.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::patience::Patience;
use crate::algorithm::KeyType;
use crate::entropy::EntropyError;
use crate::error::Error;
use crate::history::{Cause, Provenance};
use crate::ids::RequestId;
use crate::key_search::{FoundPair, searched};
use crate::lifecycle::{Lifecycle, RotateIf};
use crate::store::{DueKind, DueRing};
use crate::transit::Address;
use crate::usage::WornVersion;
use crate::version::Version;
use crate::witness::{ChangeWitness, Refused, WitnessedChange, WitnessedOutcome};

/// Rotates what is due, of one kind, or worn. There is one for each kind, so that no search for a key delays other
/// rings.
#[derive(Debug)]
pub(crate) struct Rotator {
    pub(crate) kind: DueKind,
    pub(crate) overdue: Arc<Overdue>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) worn: mpsc::Receiver<WornVersion>,
    pub(crate) witness: Arc<dyn ChangeWitness>,
    pub(crate) patience: Patience,
}

/// The number of overdue rings of each kind.
#[derive(Debug, Default)]
pub(crate) struct Overdue {
    quick: AtomicU64,
    searched: AtomicU64,
}

impl Overdue {
    /// Notes how many there are of a kind; how many there are of both.
    fn note(&self, kind: DueKind, count: usize) -> u64 {
        let of_kind = match kind {
            DueKind::Quick => &self.quick,
            DueKind::Searched => &self.searched,
        };
        of_kind.store(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
        let (quick, searched) = (&self.quick, &self.searched);
        quick
            .load(Ordering::Relaxed)
            .saturating_add(searched.load(Ordering::Relaxed))
    }
}

impl Rotator {
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut ticks = interval(ROTATION_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stop.changed() => return,
                _ = ticks.tick() => self.rotate_due().await,
                Some(worn) = self.worn.recv() => self.rotate_worn(worn).await,
            }
        }
    }

    async fn rotate_due(&mut self) {
        let now = self.lifecycle.keys.clock.now();
        let due = self
            .lifecycle
            .store
            .due_for_rotation(self.kind, now, DUE_AT_ONCE);
        let due = match due.await {
            Ok(due) => due,
            Err(error) => {
                return tracing::debug!(%error, "rings due for rotation could not be read");
            }
        };
        let is_overdue = |ring: &&DueRing| ring.due_at.plus(Duration::from_secs(1)) < now;
        let overdue = due.iter().filter(is_overdue).count();
        let overdue = self.overdue.note(self.kind, overdue);
        if self.kind == DueKind::Quick {
            self.lifecycle.keys.observer.rotations_overdue(overdue);
        }
        let began = Instant::now();
        let due = due.into_iter().map(|ring| {
            let DueRing { mount, name, .. } = ring;
            let which = RotateIf::Generation(ring.generation);
            (Address { mount, name }, which, ring.key_type)
        });
        let due: Vec<_> = due
            .filter(|(at, ..)| self.patience.allows(at, began))
            .collect();
        let at_once = match self.kind {
            DueKind::Quick => ROTATIONS_AT_ONCE,
            DueKind::Searched => 1,
        };
        let this = &*self;
        let tried: Vec<_> = futures_util::stream::iter(due)
            .take_while(|_| std::future::ready(!this.is_stopping()))
            .map(|(at, which, key_type)| async move {
                let done = this.rotate_due_ring(&at, which, key_type).await;
                (at, done)
            })
            .buffer_unordered(at_once)
            .collect()
            .await;
        for (at, done) in tried {
            self.patience.note(&at, done, Instant::now());
        }
    }

    /// Rotates what was told worn so far, each ring once: every booking near the limit tells again.
    async fn rotate_worn(&mut self, first: WornVersion) {
        let mut worn = HashSet::from([first]);
        while let Ok(next) = self.worn.try_recv() {
            worn.insert(next);
        }
        for worn in &worn {
            let which = RotateIf::Version(i64::from(worn.version.number()));
            self.rotate(&worn.at, (which, None), Cause::Usage).await;
        }
    }

    fn is_stopping(&self) -> bool {
        self.lifecycle.keys.searches.is_closed()
    }

    /// Rotates one ring by timer; whether there is nothing left to do. A key is searched for before anything is announced.
    async fn rotate_due_ring(&self, at: &Address, which: RotateIf, key_type: KeyType) -> bool {
        let found = match searched(key_type) {
            None => None,
            Some(pair_type) => match self.lifecycle.keys.searches.for_timer(pair_type).await {
                Ok(found) => Some(found),
                Err(_) if self.is_stopping() => return false,
                Err(error) => {
                    tracing::warn!(key = %at.name, %error, "no key was found for a rotation");
                    return false;
                }
            },
        };
        self.rotate(at, (which, found.as_ref()), Cause::Timer).await
    }

    /// Rotates one ring before the witness's eyes; whether there is nothing left to do.
    async fn rotate(
        &self,
        at: &Address,
        with: (RotateIf, Option<&FoundPair>),
        cause: Cause,
    ) -> bool {
        let key = &at.name;
        let change = match self.intend(at, cause).await {
            Ok(change) => change,
            Err(why) => {
                tracing::warn!(%key, %why, "a rotation is not made; it is tried again");
                return false;
            }
        };
        let by = Provenance {
            request_id: Some(change.request_id.clone()),
            ..Provenance::service(cause)
        };
        let outcome = outcome_of(self.lifecycle.rotate(at, with, &by).await);
        if let WitnessedOutcome::Failed(error) = &outcome {
            tracing::warn!(%key, %error, "a rotation failed; it is tried again");
        }
        self.witness.outcome(&change, &outcome).await;
        !matches!(outcome, WitnessedOutcome::Failed(_))
    }

    /// Has the witness record what is about to happen.
    async fn intend(&self, at: &Address, cause: Cause) -> Result<WitnessedChange, NotMade> {
        let request_id = RequestId::generate(self.lifecycle.keys.entropy.as_ref())?;
        let change = WitnessedChange {
            request_id: request_id.to_string(),
            mount: at.mount,
            name: at.name.clone(),
            cause,
        };
        self.witness.intent(&change).await?;
        Ok(change)
    }
}

/// Why a rotation is not even tried.
#[derive(Debug, thiserror::Error)]
enum NotMade {
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error(transparent)]
    Refused(#[from] Refused),
}

fn outcome_of(result: Result<Option<(Version, Version)>, Error>) -> WitnessedOutcome {
    match result {
        Ok(Some((from, to))) => WitnessedOutcome::Rotated { from, to },
        // A rule violation says that the version is no longer the latest.
        Ok(None) | Err(Error::Rule(_)) => WitnessedOutcome::NotNeeded,
        Err(error) => WitnessedOutcome::Failed(error),
    }
}

const ROTATION_INTERVAL: Duration = Duration::from_millis(250);
const DUE_AT_ONCE: u32 = 1000;
const ROTATIONS_AT_ONCE: usize = 4;
