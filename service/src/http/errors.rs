//! From what went wrong to a status and a text: the one place where that is decided.

mod engine;
mod identity;
mod logins;
mod methods;
mod policies;
mod quotas;
mod tags;
mod tokens;
mod transfer;

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use keyring::name::MountPath;

use super::fields::FieldFault;
use super::json::JsonFault;
use super::path::PathFault;
use super::route::{RouteFault, VerbFault};
use crate::audit::NotRecorded;
use crate::detached::NotRun;

pub(super) use self::engine::{Blame, blame, item_text};
pub(super) use self::tags::TagWork;

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(super) status: StatusCode,
    pub(super) message: Message,
    pub(super) cause: Option<Cause>,
    /// After how many seconds to come back, where that is known.
    pub(super) retry_after: Option<u64>,
    /// Whether nobody knows if the change was made.
    pub(super) leaves_unknown: bool,
    /// Whether a ring to encrypt with is missing, which may be created.
    pub(super) lacks_ring: bool,
    /// Whether the answer goes out without waiting for its record: the framework drops the connection with the next wait.
    pub(super) is_urgent: bool,
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
            retry_after: None,
            leaves_unknown: false,
            lacks_ring: false,
            is_urgent: false,
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

    /// The store is sealed.
    pub(super) const fn sealed() -> Self {
        Self::unavailable("Vault is sealed")
    }

    /// More than this node takes on at once.
    pub(super) const fn busy() -> Self {
        Self::unavailable("too many requests are in flight; try again")
    }

    /// The caller has as much of this under way as one may; others may go on.
    pub(super) fn share_full() -> Self {
        Self::later("too much of your work is waiting; nothing was done; try again")
    }

    /// The caller has as much of something as one may.
    pub(super) fn later(text: impl Into<Cow<'static, str>>) -> Self {
        let message = Message::Plain(text.into());
        Self {
            retry_after: Some(1),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, message)
        }
    }

    /// A change was made, or was not, and the record of it could not be written.
    pub(super) const fn outcome_unrecorded() -> Self {
        Self::unavailable(
            "outcome unknown: the audit log could not be written after the request; read to see what was done",
        )
    }

    /// No mount there, in the words that the command line looks for.
    pub(super) fn preflight_denied(path: &MountPath) -> Self {
        let text = format!(
            "preflight capability check returned 403, please ensure client's policies grant access to path \"{path}/\""
        );
        Self::new(StatusCode::FORBIDDEN, Message::Plain(text.into()))
    }

    /// The same problem, to be answered at once.
    pub(super) fn at_once(self) -> Self {
        Self {
            is_urgent: true,
            ..self
        }
    }

    /// The same problem, after which nobody knows if the change was made.
    fn unknown(self) -> Self {
        Self {
            leaves_unknown: true,
            ..self
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
}

impl From<NotRecorded> for Problem {
    fn from(_: NotRecorded) -> Self {
        Self::unavailable("the audit log cannot be written; nothing is answered until it can")
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
            NotRun::ShareFull => Self::share_full(),
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
