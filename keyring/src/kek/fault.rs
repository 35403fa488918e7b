//! What a PKCS#11 return value means, and so what is to be done about it.

use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};

use crate::kek::{KekError, KekSetupError};

/// One failed call, sorted by the remedy. Decided by the code, never by a text.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// Wrong data or broken device: only a canary on the same session tells. SoftHSM 2.6.1 answers
    /// `CKR_GENERAL_ERROR` to a wrong tag.
    #[error("the token failed: {0}")]
    Ambiguous(String),
    /// Throttled or occupied; the same call may succeed a little later.
    #[error("the token is busy: {0}")]
    Busy(String),
    /// The device, or the way to it, is gone.
    #[error("{0}")]
    Device(String),
    /// The login was lost, for instance in a restart of the HSM.
    #[error("the token lost the login")]
    LoggedOut,
    /// What was to be decrypted was not made by this key for this binding.
    #[error("a wrapped key does not open under its binding")]
    Rejected,
    /// A session or object handle died; new ones may work.
    #[error("the session with the token is gone: {0}")]
    Stale(String),
    /// No remedy here: a refused PIN, a wrong attribute, a code nobody foresaw.
    #[error("{0}")]
    Unusable(String),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Pkcs11(code, function) => classify(code, function),
            // Errors of the wrapper, not of the token; none of their texts holds data.
            other => Self::Unusable(format!("the PKCS#11 module answered nonsense: {other}")),
        }
    }
}

impl From<Fault> for KekSetupError {
    fn from(fault: Fault) -> Self {
        Self(fault.to_string())
    }
}

impl From<Fault> for KekError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Rejected => Self::Rejected,
            Fault::Ambiguous(_)
            | Fault::Busy(_)
            | Fault::Device(_)
            | Fault::LoggedOut
            | Fault::Stale(_)
            | Fault::Unusable(_) => Self::Unavailable(fault.to_string()),
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a code nobody foresaw makes the call unavailable; a new code of the crate changes nothing"
)]
fn classify(code: RvError, function: Function) -> Fault {
    let seen = format!("{code:?} in {function:?}");
    match (code, function) {
        (RvError::SessionHandleInvalid | RvError::SessionClosed, _)
        | (RvError::ObjectHandleInvalid | RvError::KeyHandleInvalid, _) => Fault::Stale(seen),
        (RvError::UserNotLoggedIn, _) => Fault::LoggedOut,
        (RvError::DeviceError | RvError::DeviceRemoved | RvError::DeviceMemory, _)
        | (RvError::TokenNotPresent | RvError::TokenNotRecognized | RvError::SlotIdInvalid, _)
        | (RvError::CryptokiNotInitialized | RvError::HostMemory, _) => {
            Fault::Device(format!("the token does not answer: {seen}"))
        }
        (RvError::FunctionFailed | RvError::OperationActive | RvError::SessionCount, _) => {
            Fault::Busy(seen)
        }
        (RvError::EncryptedDataInvalid | RvError::EncryptedDataLenRange, Function::Decrypt)
        | (RvError::UnknownErrorCode(CKR_AEAD_DECRYPT_FAILED), Function::Decrypt) => {
            Fault::Rejected
        }
        (RvError::GeneralError, Function::Decrypt) => Fault::Ambiguous(seen),
        // Nothing was to be judged in the data, so it is the session or what is behind it.
        (RvError::GeneralError, _) => Fault::Stale(seen),
        _ => Fault::Unusable(format!("the token refused: {seen}")),
    }
}

/// PKCS#11 3.0; the crate does not know it yet.
const CKR_AEAD_DECRYPT_FAILED: u64 = 0x42;
