//! Who has to know of the changes the engine makes by itself, before and after: the audit log of the service.

use std::fmt;

use async_trait::async_trait;

use crate::error::Error;
use crate::history::Cause;
use crate::ids::MountId;
use crate::name::KeyName;
use crate::version::Version;

/// A rotation the engine is about to make by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessedChange {
    /// Names this attempt in both records and, if it succeeds, in the history of the ring. A UUID (RFC 9562).
    pub request_id: String,
    /// The mount the ring is on.
    pub mount: MountId,
    /// The ring's name.
    pub name: KeyName,
    /// Why it is rotated: [`Cause::Timer`] or [`Cause::Usage`].
    pub cause: Cause,
}

/// What became of it.
#[derive(Debug)]
pub enum WitnessedOutcome {
    /// It failed, and is tried again later.
    Failed(Error),
    /// Nothing was to be done any more: another node was faster, or the ring was changed otherwise.
    NotNeeded,
    /// A version was added.
    Rotated {
        /// The latest version before.
        from: Version,
        /// The latest version after.
        to: Version,
    },
}

/// The witness cannot record what is intended, so it must not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the change could not be recorded beforehand")]
pub struct Refused;

/// Records the changes the engine makes by itself.
#[async_trait]
pub trait ChangeWitness: Send + Sync + fmt::Debug {
    /// Records what is about to happen. If refused it does not happen, and is tried again later.
    async fn intent(&self, change: &WitnessedChange) -> Result<(), Refused>;

    /// Records what became of a change whose intent was recorded.
    async fn outcome(&self, change: &WitnessedChange, outcome: &WitnessedOutcome);
}

/// Permits everything and records nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwitnessed;

#[async_trait]
impl ChangeWitness for Unwitnessed {
    async fn intent(&self, _: &WitnessedChange) -> Result<(), Refused> {
        Ok(())
    }

    async fn outcome(&self, _: &WitnessedChange, _: &WitnessedOutcome) {}
}
