//! Why a command did not do what it was asked, told apart by what mends it.

use std::error::Error;
use std::process::ExitCode;

use keyring::kek::KekSetupError;
use keyring::setup::SetupError;
use keyring::store::StoreError;
use keyring::store::sql::StoreSetupError;

use crate::config::Mistakes;
use crate::gate::OpenError;
use crate::identity::entries::EntryError;

/// Why a command ended early. The sentence is for the operator and holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What was read is not what was written.
    #[error("{0}")]
    Data(String),
    /// Somebody has to change the set-up: waiting does not mend it.
    #[error("{0}")]
    SetUp(String),
    /// Something this process needs is away; trying again may help.
    #[error("{0}")]
    Unavailable(String),
    /// Anything else.
    #[error("{0}")]
    Unexpected(String),
    /// The command line asks for something that makes no sense.
    #[error("{0}")]
    Usage(String),
}

impl Failure {
    /// The process's exit status, in the terms of `sysexits.h`.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Data(_) => ExitCode::from(EX_DATAERR),
            Self::SetUp(_) => ExitCode::from(EX_CONFIG),
            Self::Unavailable(_) => ExitCode::from(EX_UNAVAILABLE),
            Self::Unexpected(_) => ExitCode::FAILURE,
            Self::Usage(_) => ExitCode::from(EX_USAGE),
        }
    }

    /// What was tried, with the error and its causes.
    pub fn unexpected(tried: &str, error: &dyn Error) -> Self {
        Self::Unexpected(format!("{tried}: {}", chain(error)))
    }
}

/// The exit status for what the parser of the command line has to say: help and version were asked for, all else is a mistake.
pub fn of_command_line(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        ExitCode::from(EX_USAGE)
    } else {
        ExitCode::SUCCESS
    }
}

impl From<KekSetupError> for Failure {
    fn from(error: KekSetupError) -> Self {
        Self::SetUp(chain(&error))
    }
}

impl From<Mistakes> for Failure {
    fn from(mistakes: Mistakes) -> Self {
        Self::SetUp(mistakes.to_string())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Engine(error) => error.into(),
            OpenError::Audit(error) => Self::SetUp(chain(&error)),
            OpenError::Identity(EntryError::Store(error)) => error.into(),
            OpenError::Identity(error) => Self::SetUp(chain(&error)),
        }
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        let sentence = chain(&error);
        match error {
            SetupError::AlreadyInitialised
            | SetupError::Integrity(_)
            | SetupError::MissingSecret(_)
            | SetupError::NotInitialised
            | SetupError::OtherKek { .. }
            | SetupError::Sealed
            | SetupError::Shares => Self::SetUp(sentence),
            SetupError::Entropy(_) | SetupError::Kek(_) => Self::Unavailable(sentence),
            SetupError::Store(error) => error.into(),
            SetupError::Workers => Self::Unexpected(sentence),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let sentence = chain(&error);
        match error {
            StoreError::Corrupt(_) => Self::SetUp(sentence),
            StoreError::OutcomeUnknown | StoreError::Unavailable(_) => Self::Unavailable(sentence),
            StoreError::Conflict | StoreError::Exists | StoreError::NotFound => {
                Self::Unexpected(sentence)
            }
        }
    }
}

impl From<StoreSetupError> for Failure {
    fn from(error: StoreSetupError) -> Self {
        let sentence = chain(&error);
        match error {
            StoreSetupError::Unreachable(_) => Self::Unavailable(sentence),
            StoreSetupError::Unusable(_) => Self::SetUp(sentence),
        }
    }
}

/// An error and its causes in one sentence, without what a cause only repeats.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut sentence = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !sentence.contains(&text) {
            sentence = format!("{sentence}: {text}");
        }
        next = cause.source();
    }
    sentence
}

const EX_USAGE: u8 = 64;
const EX_DATAERR: u8 = 65;
const EX_UNAVAILABLE: u8 = 69;
const EX_CONFIG: u8 = 78;
