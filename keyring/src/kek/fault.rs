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
        if let Error::Pkcs11(code, function) = error {
            return classify(code, function);
        }
        // Errors of the wrapper, not of the token; none of their texts holds data.
        Self::Unusable(format!("the PKCS#11 module answered nonsense: {error}"))
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
    reason = "a code nobody foresaw makes the call unavailable"
)]
fn classify(code: RvError, function: Function) -> Fault {
    let seen = format!("{code:?} in {function:?}");
    match code {
        RvError::GeneralError if matches!(function, Function::Decrypt) => Fault::Ambiguous(seen),
        // Apart from decryption there is no data to judge: it is the session, or what is behind it.
        RvError::GeneralError
        | RvError::KeyHandleInvalid
        | RvError::ObjectHandleInvalid
        | RvError::SessionClosed
        | RvError::SessionHandleInvalid => Fault::Stale(seen),
        RvError::UserNotLoggedIn => Fault::LoggedOut,
        RvError::CryptokiNotInitialized
        | RvError::DeviceError
        | RvError::DeviceMemory
        | RvError::DeviceRemoved
        | RvError::HostMemory
        | RvError::SlotIdInvalid
        | RvError::TokenNotPresent
        | RvError::TokenNotRecognized => {
            Fault::Device(format!("the token does not answer: {seen}"))
        }
        RvError::FunctionFailed | RvError::OperationActive | RvError::SessionCount => {
            Fault::Busy(seen)
        }
        RvError::EncryptedDataInvalid
        | RvError::EncryptedDataLenRange
        | RvError::UnknownErrorCode(CKR_AEAD_DECRYPT_FAILED)
            if matches!(function, Function::Decrypt) =>
        {
            Fault::Rejected
        }
        _ => Fault::Unusable(format!("the token refused: {seen}")),
    }
}

/// PKCS#11 3.0; the crate does not know it yet.
const CKR_AEAD_DECRYPT_FAILED: u64 = 0x42;

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of error classes, row by row.
    #[test]
    fn every_code_has_its_remedy() {
        let remedy = |code, function| match classify(code, function) {
            Fault::Ambiguous(_) => "ask the canary",
            Fault::Busy(_) => "wait and retry",
            Fault::Device(_) => "leave alone",
            Fault::LoggedOut => "log in",
            Fault::Rejected => "reject the row",
            Fault::Stale(_) => "reopen",
            Fault::Unusable(_) => "give up",
        };
        let decrypt = [
            (RvError::SessionHandleInvalid, "reopen"),
            (RvError::SessionClosed, "reopen"),
            (RvError::ObjectHandleInvalid, "reopen"),
            (RvError::KeyHandleInvalid, "reopen"),
            (RvError::UserNotLoggedIn, "log in"),
            (RvError::DeviceError, "leave alone"),
            (RvError::DeviceRemoved, "leave alone"),
            (RvError::TokenNotPresent, "leave alone"),
            (RvError::FunctionFailed, "wait and retry"),
            (RvError::OperationActive, "wait and retry"),
            (RvError::EncryptedDataInvalid, "reject the row"),
            (RvError::EncryptedDataLenRange, "reject the row"),
            (RvError::UnknownErrorCode(0x42), "reject the row"),
            (RvError::GeneralError, "ask the canary"),
            (RvError::MechanismInvalid, "give up"),
            (RvError::VendorDefined(0x8000_0001), "give up"),
        ];
        for (code, expected) in decrypt {
            assert_eq!(remedy(code, Function::Decrypt), expected, "{code:?}");
        }
    }

    #[test]
    fn only_a_decryption_can_reject_a_row() {
        for code in [
            RvError::EncryptedDataInvalid,
            RvError::EncryptedDataLenRange,
        ] {
            assert!(matches!(
                classify(code, Function::Encrypt),
                Fault::Unusable(_)
            ));
        }
        assert!(matches!(
            classify(RvError::GeneralError, Function::Encrypt),
            Fault::Stale(_)
        ));
        assert!(matches!(
            classify(RvError::GeneralError, Function::DecryptInit),
            Fault::Stale(_)
        ));
    }
}
