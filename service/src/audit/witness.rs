//! Records of what the engine does by itself: rotations by timer and by use.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use keyring::clock::Clock;
use keyring::transit::Transit;
use keyring::witness::{ChangeWitness, Refused, WitnessedChange, WitnessedOutcome};
use uuid::Uuid;

use super::{Amount, Answer, AuditLog, Kind, Outcome, Record, Source};

/// Writes an intent and an outcome for each rotation. Refuses while there is no log yet: the engine opens first, as the
/// log's keys are in its store, and tries again.
#[derive(Debug)]
pub struct AuditWitness {
    clock: Arc<dyn Clock>,
    log: OnceLock<(Arc<AuditLog>, Weak<Transit>)>,
}

impl AuditWitness {
    /// A witness that waits for its log.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            log: OnceLock::new(),
        }
    }

    /// Gives it the log, and the engine for the names of mounts.
    pub fn set_log(&self, log: &Arc<AuditLog>, transit: &Arc<Transit>) {
        drop(self.log.set((Arc::clone(log), Arc::downgrade(transit))));
    }

    async fn write(&self, change: &WitnessedChange, kind: Kind, told: Told) -> Result<(), Refused> {
        let (log, transit) = self.log.get().ok_or(Refused)?;
        let mounts = transit.upgrade().map(|transit| transit.mounts());
        let mount = mounts.as_deref().and_then(|mounts| {
            mounts
                .iter()
                .find(|mount| mount.id == change.mount)
                .map(|mount| mount.path.as_str())
        });
        let record = Record {
            at: self.clock.now(),
            kind,
            request: Uuid::parse_str(&change.request_id).unwrap_or_default(),
            who: None,
            source: Source::default(),
            operation: "key_rotate",
            mount,
            key: Some(change.name.as_str()),
            versions: told.versions,
            amount: Amount {
                items: 1,
                ..Amount::default()
            },
            answer: told.answer,
            cause: Some(change.cause.word()),
            reason: None,
            recovered: false,
            made: None,
        };
        let ticket = log.submit_synced(&record).map_err(|_| Refused)?;
        ticket.await.map_err(|_| Refused)
    }
}

/// What is known of a rotation.
#[derive(Default)]
struct Told {
    answer: Option<Answer>,
    versions: Option<(keyring::version::Version, keyring::version::Version)>,
}

#[async_trait]
impl ChangeWitness for AuditWitness {
    async fn intent(&self, change: &WitnessedChange) -> Result<(), Refused> {
        self.write(change, Kind::Intent, Told::default()).await
    }

    async fn outcome(&self, change: &WitnessedChange, outcome: &WitnessedOutcome) {
        let (outcome, versions) = match outcome {
            WitnessedOutcome::Failed(_) => (Outcome::Failed, None),
            WitnessedOutcome::NotNeeded => (Outcome::Refused, None),
            WitnessedOutcome::Rotated { from, to } => (Outcome::Done, Some((*from, *to))),
        };
        let answer = Some(Answer {
            outcome,
            status: None,
            took: Duration::ZERO,
        });
        let told = Told { answer, versions };
        if self.write(change, Kind::Outcome, told).await.is_err() {
            tracing::error!(key = %change.name, "the outcome of a rotation was not recorded; the next start makes up for it");
        }
    }
}
