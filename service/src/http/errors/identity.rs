//! What entries and tokens come to, as statuses and texts.

use keyring::entropy::EntropyError;
use keyring::store::StoreError;

use super::Problem;
use crate::identity::entries::EntryError;
use crate::identity::token::issue::IssueError;

impl Problem {
    /// The store did not do what identity asked of it.
    pub(in crate::http) fn identity_store(error: &StoreError) -> Self {
        match error {
            StoreError::Unavailable(source) => {
                Self::unavailable("the store is unavailable; nothing was changed; try again")
                    .warned(source)
            }
            StoreError::OutcomeUnknown => Self::unavailable(
                "the store broke off: the change may or may not have been made; read to see",
            )
            .warned(error),
            StoreError::Conflict | StoreError::Exists | StoreError::NotFound => {
                Self::unavailable("others changed the same thing at the same time; try again")
            }
            StoreError::Corrupt(_) => Self::tampered(error),
        }
    }

    fn tampered(cause: &dyn std::fmt::Display) -> Self {
        Self::internal(
            "stored identity data failed its integrity check; an operator must look at it",
        )
        .alarmed(cause)
    }

    fn without_entropy(cause: EntropyError) -> Self {
        Self::internal("the system's random source failed; nothing was done").alarmed(&cause)
    }
}

impl From<EntryError> for Problem {
    fn from(error: EntryError) -> Self {
        match error {
            EntryError::Entropy(error) => Self::without_entropy(error),
            EntryError::Store(error) => Self::identity_store(&error),
            EntryError::Tampered(_) => Self::tampered(&error),
        }
    }
}

impl From<IssueError> for Problem {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Entropy(error) => Self::without_entropy(error),
            IssueError::Store(error) => Self::identity_store(&error),
            IssueError::Tampered => Self::tampered(&error),
            IssueError::BatchRoot
            | IssueError::BatchUses
            | IssueError::Choice(_)
            | IssueError::NoAddress
            | IssueError::ParentGone
            | IssueError::PastMax(_)
            | IssueError::RootByLogin
            | IssueError::Taken
            | IssueError::TooDeep
            | IssueError::TooLong => Self::bad(error.to_string()),
        }
    }
}
