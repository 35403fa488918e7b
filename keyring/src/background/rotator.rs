//! Rotates what is due or worn. Every node does; the store lets one of them win.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::patience::Patience;
use crate::entropy::EntropyError;
use crate::error::Error;
use crate::history::{Cause, Provenance};
use crate::ids::RequestId;
use crate::lifecycle::{Lifecycle, RotateIf};
use crate::store::DueRing;
use crate::transit::Address;
use crate::usage::WornVersion;
use crate::version::Version;
use crate::witness::{ChangeWitness, Refused, WitnessedChange, WitnessedOutcome};

/// Rotates what is due or worn.
#[derive(Debug)]
pub(crate) struct Rotator {
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) worn: mpsc::Receiver<WornVersion>,
    pub(crate) witness: Arc<dyn ChangeWitness>,
    pub(crate) patience: Patience,
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
        let due = self.lifecycle.store.due_for_rotation(now, DUE_AT_ONCE);
        let due = match due.await {
            Ok(due) => due,
            Err(error) => {
                return tracing::debug!(%error, "rings due for rotation could not be read");
            }
        };
        let is_overdue = |ring: &&DueRing| ring.due_at.plus(Duration::from_secs(1)) < now;
        let overdue = due.iter().filter(is_overdue).count();
        let observer = &self.lifecycle.keys.observer;
        observer.rotations_overdue(u64::try_from(overdue).unwrap_or(u64::MAX));
        let began = Instant::now();
        let due = due.into_iter().map(|ring| {
            let DueRing { mount, name, .. } = ring;
            let which = RotateIf::Generation(ring.generation);
            (Address { mount, name }, which)
        });
        let due: Vec<_> = due
            .filter(|(at, _)| self.patience.allows(at, began))
            .collect();
        let this = &*self;
        let tried: Vec<_> = futures_util::stream::iter(due)
            .map(|(at, which)| async move {
                let done = this.rotate(&at, which, Cause::Timer).await;
                (at, done)
            })
            .buffer_unordered(ROTATIONS_AT_ONCE)
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
            self.rotate(&worn.at, which, Cause::Usage).await;
        }
    }

    /// Rotates one ring before the witness's eyes; whether there is nothing left to do.
    async fn rotate(&self, at: &Address, which: RotateIf, cause: Cause) -> bool {
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
        let outcome = outcome_of(self.lifecycle.rotate(at, which, &by).await);
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
