//! What entries and tokens come to, as statuses and texts.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use keyring::entropy::EntropyError;
use keyring::store::StoreError;

use super::{Message, Problem};
use crate::identity::entries::EntryError;
use crate::identity::token::issue::IssueError;
use crate::identity::token::lookup::LookupError;
use crate::identity::token::registry::Refusal;

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
            .unknown()
            .warned(error),
            StoreError::Conflict | StoreError::Exists | StoreError::NotFound => {
                Self::unavailable("others changed the same thing at the same time; try again")
            }
            StoreError::Corrupt(_) => Self::tampered(error),
        }
    }

    /// No such token, where one is looked up.
    pub(in crate::http) const fn bad_token() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            Message::Plain(Cow::Borrowed("bad token")),
        )
    }

    /// A policy does not allow it.
    pub(in crate::http) const fn multi_denied() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            Message::Multi(Cow::Borrowed("permission denied")),
        )
    }

    /// What the store has of tokens and the like was changed by somebody else.
    pub(super) fn tampered(cause: &dyn std::fmt::Display) -> Self {
        Self::internal(
            "stored identity data failed its integrity check; an operator must look at it",
        )
        .alarmed(cause)
    }

    /// Nothing random could be had.
    pub(super) fn without_entropy(cause: EntropyError) -> Self {
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

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied => Self::permission_denied(),
            Refusal::Tampered => Self::tampered(&refusal),
            Refusal::Unavailable => Self::unavailable(
                "the store is unavailable, and this token is not known here; try again",
            )
            .warned(&refusal),
        }
    }
}

impl From<LookupError> for Problem {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::Store(error) => Self::identity_store(&error),
            LookupError::Tampered => Self::tampered(&error),
        }
    }
}

impl From<IssueError> for Problem {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Entropy(error) => Self::without_entropy(error),
            IssueError::Store(error) => Self::identity_store(&error),
            IssueError::ParentFull => Self::later(error.to_string()),
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
