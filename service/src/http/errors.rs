//! From what went wrong to a status and a text: the one place where that is decided.

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use keyring::error::{Error, ItemError};
use keyring::name::MountPath;
use keyring::policy::RuleViolation;
use keyring::store::StoreError;
use keyring::transit::MountError;

use super::fields::FieldFault;
use super::json::JsonFault;
use super::operation::Operation;
use super::path::PathFault;
use super::route::{RouteFault, VerbFault};
use crate::detached::NotRun;

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(super) status: StatusCode,
    pub(super) message: Message,
    pub(super) cause: Option<Cause>,
}

/// What an operator is told of a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Something is away and may come back.
    Passing(String),
    /// Something is wrong and stays so.
    Standing(String),
}

/// What an error answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// Nothing: an empty list of errors.
    Empty,
    /// A text in the form Go's multierror gives to what a handler did not expect.
    Multi(Cow<'static, str>),
    /// A text as it is.
    Plain(Cow<'static, str>),
    /// A text that is followed by the request's id, for whoever looks into the log.
    WithRequestId(&'static str),
}

impl Problem {
    pub(super) const fn new(status: StatusCode, message: Message) -> Self {
        Self {
            status,
            message,
            cause: None,
        }
    }

    /// A mistake of the caller.
    pub(super) fn bad(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Message::Plain(text.into()))
    }

    /// A mistake that the protocol answers as if it were the server's.
    pub(super) fn multi(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Message::Multi(text.into()),
        )
    }

    /// Nothing there.
    pub(super) const fn absent() -> Self {
        Self::new(StatusCode::NOT_FOUND, Message::Empty)
    }

    /// Cannot be answered now; the caller is asked to come back.
    pub(super) const fn unavailable(text: &'static str) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Message::Plain(Cow::Borrowed(text)),
        )
    }

    /// Something is wrong with this server.
    pub(super) const fn internal(text: &'static str) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Message::WithRequestId(text),
        )
    }

    /// No token, or none that is known.
    pub(crate) const fn permission_denied() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            Message::Plain(Cow::Borrowed("permission denied")),
        )
    }

    /// More than this node takes on at once.
    pub(super) const fn busy() -> Self {
        Self::unavailable("too many requests are in flight; try again")
    }

    /// No mount there, in the words that the command line looks for.
    pub(super) fn preflight_denied(path: &MountPath) -> Self {
        let text = format!(
            "preflight capability check returned 403, please ensure client's policies grant access to path \"{path}/\""
        );
        Self::new(StatusCode::FORBIDDEN, Message::Plain(text.into()))
    }

    /// The engine's answer to an operation on what has this name, a ring or a mount.
    pub(super) fn engine(operation: Operation, name: &str, error: Error) -> Self {
        match error {
            Error::Rule(violation) => Self::rule(name, &violation),
            Error::Item(item) => Self::item(operation, item),
            Error::NotFound => Self::not_found(operation, name),
            Error::Busy => Self::unavailable("too much work is waiting; try again"),
            Error::Stale => Self::unavailable(
                "the key store has been out of reach for too long; nothing was done; try again",
            ),
            Error::StoreUnavailable(source) => {
                let text = "the key store is unavailable; nothing was changed; try again";
                Self::unavailable(text).warned(&source)
            }
            Error::KekUnavailable(source) => {
                let text = "the key-encryption key is unavailable; nothing was changed; try again";
                Self::unavailable(text).warned(&source)
            }
            Error::OutcomeUnknown => Self::unavailable(
                "the key store broke off: the change may or may not have been made; read the key to see",
            )
            .warned(&error),
            Error::Entropy(source) => {
                Self::internal("the system's random source failed; nothing was done")
                    .alarmed(&source)
            }
            Error::Worker => Self::internal("the request broke off").alarmed(&error),
            Error::Integrity(_) => Self::internal(
                "stored key data failed its integrity check; an operator must look at it",
            )
            .alarmed(&error),
        }
    }

    /// The same problem, to be told to the operator too.
    fn warned(self, cause: &dyn fmt::Display) -> Self {
        Self {
            cause: Some(Cause::Passing(cause.to_string())),
            ..self
        }
    }

    /// The same problem, to be told to the operator as one that does not go away.
    pub(super) fn alarmed(self, cause: &dyn fmt::Display) -> Self {
        Self {
            cause: Some(Cause::Standing(cause.to_string())),
            ..self
        }
    }

    fn not_found(operation: Operation, name: &str) -> Self {
        match operation {
            Operation::DataKeyPlaintext
            | Operation::DataKeyWrapped
            | Operation::Decrypt
            | Operation::Encrypt
            | Operation::Rewrap => Self::bad("encryption key not found"),
            Operation::KeyConfigure => {
                Self::bad(format!("no existing key named {name} could be found"))
            }
            Operation::KeyDelete => Self::bad(format!(
                "error deleting policy {name}: could not delete key; not found"
            )),
            Operation::KeyRotate => Self::bad("key not found"),
            Operation::KeyTrim => Self::bad("invalid key name"),
            Operation::CapabilitiesSelf
            | Operation::Health
            | Operation::Initialise
            | Operation::InitStatus
            | Operation::KeyCreate
            | Operation::KeyHistory
            | Operation::KeyList
            | Operation::KeyRead
            | Operation::Leader
            | Operation::Limits
            | Operation::Metrics
            | Operation::MountDisable
            | Operation::MountEnable
            | Operation::MountList
            | Operation::MountOfPath
            | Operation::MountRead
            | Operation::MountTune
            | Operation::MountTuneRead
            | Operation::MountsVisible
            | Operation::SealStatus
            | Operation::TokenLookupSelf => Self::absent(),
        }
    }

    fn rule(name: &str, violation: &RuleViolation) -> Self {
        match violation {
            RuleViolation::DeletionNotAllowed => {
                Self::bad(format!("error deleting policy {name}: {violation}"))
            }
            RuleViolation::VersionsExhausted => Self::bad(violation.to_string()).alarmed(violation),
            RuleViolation::ConvergentNeedsDerived
            | RuleViolation::IfVersion { .. }
            | RuleViolation::MinDecryptionAboveLatest { .. }
            | RuleViolation::MinDecryptionBelowAvailable
            | RuleViolation::MinDecryptionNegative
            | RuleViolation::MinEncryptionAboveLatest { .. }
            | RuleViolation::MinEncryptionBelowAvailable
            | RuleViolation::MinEncryptionNegative
            | RuleViolation::MinimumsCrossed { .. }
            | RuleViolation::PeriodTooShort { .. }
            | RuleViolation::TrimAboveMinDecryption
            | RuleViolation::TrimAboveMinEncryption
            | RuleViolation::TrimBackwards
            | RuleViolation::TrimMissing
            | RuleViolation::TrimNegative
            | RuleViolation::TrimWithoutMinEncryption
            | RuleViolation::TrimZero => Self::bad(violation.to_string()),
        }
    }

    /// The one item of a single request failed.
    pub(super) fn item(operation: Operation, item: ItemError) -> Self {
        match blame(operation, item) {
            Blame::Caller => Self::bad(item_text(operation, item)),
            Blame::Server => Self::multi(item_text(operation, item)),
        }
    }

    /// The engine's answer to a change of mounts.
    pub(super) fn mount(path: &MountPath, error: MountError) -> Self {
        match error {
            MountError::InUse => Self::bad(format!("path is already in use at {path}/")),
            MountError::NotFound => Self::bad(format!("no mount entry found at {path}/")),
            MountError::Store(StoreError::OutcomeUnknown) => Self::unavailable(
                "the key store broke off: the change may or may not have been made; list the mounts to see",
            )
            .warned(&StoreError::OutcomeUnknown),
            MountError::Store(source @ StoreError::Corrupt(_)) => Self::internal(
                "stored mounts failed their integrity check; an operator must look at it",
            )
            .alarmed(&source),
            MountError::Store(
                source @ (StoreError::Conflict
                | StoreError::Exists
                | StoreError::NotFound
                | StoreError::Unavailable(_)),
            ) => {
                let text = "the key store is unavailable; nothing was changed; try again";
                Self::unavailable(text).warned(&source)
            }
        }
    }
}

/// Whose fault the failure of an item is; decides the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// 400.
    Caller,
    /// 500: in truth the caller's too, but the protocol has it so.
    Server,
}

pub(super) const fn blame(operation: Operation, item: ItemError) -> Blame {
    match item {
        // Rewrap has no associated data in the protocol, so there is no such tradition to follow.
        ItemError::AssociatedData(_) if matches!(operation, Operation::Rewrap) => Blame::Caller,
        ItemError::AssociatedData(_) => Blame::Server,
        ItemError::Authentication(_)
        | ItemError::Ciphertext(_)
        | ItemError::Context(_)
        | ItemError::MissingContext
        | ItemError::MissingCiphertext
        | ItemError::NoSuchVersion
        | ItemError::Plaintext(_)
        | ItemError::TooLong
        | ItemError::TooNew
        | ItemError::TooOld
        | ItemError::UsageExhausted
        | ItemError::VersionAboveLatest
        | ItemError::VersionBelowMinimum
        | ItemError::VersionNegative => Blame::Caller,
    }
}

/// The text of an item's failure.
pub(super) fn item_text(operation: Operation, item: ItemError) -> String {
    match item {
        ItemError::Context(_)
            if matches!(
                operation,
                Operation::DataKeyPlaintext | Operation::DataKeyWrapped
            ) =>
        {
            "failed to base64-decode context".to_owned()
        }
        ItemError::AssociatedData(error) => {
            format!("unable to get associated_data/additional_data from factory[0]: {error}")
        }
        ItemError::Authentication(_)
        | ItemError::Ciphertext(_)
        | ItemError::Context(_)
        | ItemError::MissingContext
        | ItemError::MissingCiphertext
        | ItemError::NoSuchVersion
        | ItemError::Plaintext(_)
        | ItemError::TooLong
        | ItemError::TooNew
        | ItemError::TooOld
        | ItemError::UsageExhausted
        | ItemError::VersionAboveLatest
        | ItemError::VersionBelowMinimum
        | ItemError::VersionNegative => item.to_string(),
    }
}

impl From<JsonFault> for Problem {
    fn from(fault: JsonFault) -> Self {
        Self::bad(fault.to_string())
    }
}

impl From<FieldFault> for Problem {
    fn from(fault: FieldFault) -> Self {
        Self::bad(format!("Field validation failed: {fault}"))
    }
}

impl From<NotRun> for Problem {
    fn from(error: NotRun) -> Self {
        match error {
            NotRun::Busy => Self::busy(),
            NotRun::BrokeOff => {
                Self::internal("the request broke off; a change may have been made")
            }
        }
    }
}

impl From<PathFault> for Problem {
    fn from(fault: PathFault) -> Self {
        match fault {
            PathFault::Escape => Self::bad("invalid URL escape"),
            PathFault::NotApi => Self::absent(),
            PathFault::Relative => Self::bad("relative paths not supported"),
        }
    }
}

impl From<VerbFault> for Problem {
    fn from(fault: VerbFault) -> Self {
        match fault {
            VerbFault::List => Self::new(StatusCode::BAD_REQUEST, Message::Empty),
            VerbFault::Method => Self::new(StatusCode::METHOD_NOT_ALLOWED, Message::Empty),
        }
    }
}

impl From<RouteFault> for Problem {
    fn from(fault: RouteFault) -> Self {
        match fault {
            RouteFault::DataKeyForm => Self::bad("Invalid path, must be 'plaintext' or 'wrapped'"),
            RouteFault::TrailingSlash => Self::bad("cannot write to a path ending in '/'"),
            RouteFault::UnknownMount(path) => {
                let path = path.map(|path| format!(" \"{path}\"")).unwrap_or_default();
                let text = format!("no handler for route{path}. route entry not found.");
                Self::new(StatusCode::NOT_FOUND, Message::Plain(text.into()))
            }
            RouteFault::UnsupportedOperation => Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                Message::Multi("unsupported operation".into()),
            ),
            RouteFault::UnsupportedPath => Self::new(
                StatusCode::NOT_FOUND,
                Message::Multi("unsupported path".into()),
            ),
        }
    }
}
