//! What the engine answers, as statuses and texts: every error and every operation, matched one by one.

use keyring::algorithm::KeyType;
use keyring::error::{Error, ItemError};
use keyring::name::MountPath;
use keyring::pair::OaepError;
use keyring::policy::RuleViolation;
use keyring::setup::{SetupError, UnsealError};
use keyring::store::StoreError;
use keyring::transit::MountError;

use super::{Problem, TagWork};
use crate::gate::{OpenError, ShareRefusal, UnsealFailure};
use crate::http::operation::Operation;

impl Problem {
    /// The engine's answer to an operation on what has this name, a ring or a mount.
    pub(in crate::http) fn engine(operation: Operation, name: &str, error: Error) -> Self {
        match error {
            Error::Rule(violation) => Self::rule(operation, name, &violation),
            Error::TooManyItems { .. } => Self::bad(error.to_string()),
            Error::Transfer(error) => Self::transfer(operation, &error),
            Error::Unsupported(key_type) => Self::unsupported(operation, key_type),
            Error::Item(item) => Self::item(operation, item),
            Error::NotFound => Self::not_found(operation, name),
            Error::Busy => Self::unavailable("too much work is waiting; try again"),
            Error::ShareFull => Self::share_full(),
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
            .unknown()
            .warned(&error),
            Error::Entropy(source) => Self::without_entropy(source),
            Error::Worker => Self::internal("the request broke off").alarmed(&error),
            Error::Integrity(_) => Self::internal(
                "stored key data failed its integrity check; an operator must look at it",
            )
            .alarmed(&error),
        }
    }

    #[expect(clippy::too_many_lines, reason = "one row for each operation")]
    fn not_found(operation: Operation, name: &str) -> Self {
        match operation {
            Operation::Encrypt => Self {
                lacks_ring: true,
                ..Self::bad("encryption key not found")
            },
            Operation::DataKeyPlaintext
            | Operation::DataKeyWrapped
            | Operation::Decrypt
            | Operation::Hmac
            | Operation::Rewrap => Self::bad("encryption key not found"),
            Operation::Sign => Self::bad("signing key not found"),
            Operation::Verify => Self::nothing_to_check_with(TagWork::Verify),
            Operation::Backup => Self::multi(format!("key \"{name}\" not found")),
            Operation::ByokExport => Self::multi("no such source key for export"),
            Operation::CertificateRequest | Operation::CertificateSet => {
                Self::bad(format!("key with provided name '{name}' not found"))
            }
            Operation::DeriveKey => Self::bad("base key not found"),
            Operation::KeyConfigure => {
                Self::bad(format!("no existing key named {name} could be found"))
            }
            Operation::KeyDelete => Self::bad(format!(
                "error deleting policy {name}: could not delete key; not found"
            )),
            Operation::KeyRotate => Self::bad("key not found"),
            Operation::KeyTrim => Self::bad("invalid key name"),
            Operation::AuthMethod
            | Operation::AuthMountDisable
            | Operation::AuthMountEnable
            | Operation::AuthMountList
            | Operation::AuthMountRead
            | Operation::AuthMountTune
            | Operation::AuthMountTuneRead
            | Operation::CacheConfigRead
            | Operation::CacheConfigWrite
            | Operation::Capabilities
            | Operation::Hash
            | Operation::Export
            | Operation::Health
            | Operation::Import
            | Operation::ImportVersion
            | Operation::Initialise
            | Operation::InitStatus
            | Operation::KeyCreate
            | Operation::KeyHistory
            | Operation::KeyList
            | Operation::KeyRead
            | Operation::KeysConfigRead
            | Operation::KeysConfigWrite
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
            | Operation::PluginReload
            | Operation::PolicyDelete
            | Operation::PolicyList
            | Operation::PolicyRead
            | Operation::PolicyWrite
            | Operation::QuotaConfigRead
            | Operation::QuotaConfigWrite
            | Operation::QuotaDelete
            | Operation::QuotaList
            | Operation::QuotaRead
            | Operation::QuotaWrite
            | Operation::Random
            | Operation::AuditDeviceChange
            | Operation::AuditDevices
            | Operation::AuditHash
            | Operation::KeySoftDelete
            | Operation::KeySoftRestore
            | Operation::Restore
            | Operation::Seal
            | Operation::SealStatus
            | Operation::TokenAccessors
            | Operation::TokenCreate
            | Operation::TokenLookup
            | Operation::TokenRenew
            | Operation::TokenRevoke
            | Operation::TokenRole
            | Operation::TokenTidy
            | Operation::Unseal
            | Operation::Unwrap
            | Operation::Wrap
            | Operation::WrapLookUp
            | Operation::WrappingKey
            | Operation::WrapRenew => Self::absent(),
        }
    }

    /// The ring's keys cannot do what is asked of them.
    fn unsupported(operation: Operation, key_type: KeyType) -> Self {
        let certifies = matches!(
            operation,
            Operation::CertificateRequest | Operation::CertificateSet
        );
        Self::bad(if operation.opens() {
            format!("message decryption not supported for key type {key_type}")
        } else if operation == Operation::Sign {
            format!("key type {key_type} does not support signing")
        } else if operation == Operation::Verify {
            format!("key type {key_type} does not support verification")
        } else if certifies {
            format!("key type '{key_type}' does not support signing")
        } else if operation == Operation::DeriveKey {
            format!("key type {key_type} does not support key agreement")
        } else {
            format!("message encryption not supported for key type {key_type}")
        })
    }

    fn rule(operation: Operation, name: &str, violation: &RuleViolation) -> Self {
        match violation {
            RuleViolation::SoftDeleted => {
                if operation.refuses_set_aside_plainly() {
                    Self::bad(violation.to_string())
                } else {
                    Self::multi(violation.to_string())
                }
            }
            RuleViolation::ConvergenceNotSupported(_)
            | RuleViolation::DerivationNotSupported(_)
            | RuleViolation::ImportedNotRotated(_)
            | RuleViolation::KeySizeMissing => Self::multi(violation.to_string()),
            RuleViolation::DeletionNotAllowed => {
                Self::bad(format!("error deleting policy {name}: {violation}"))
            }
            RuleViolation::VersionsExhausted => Self::bad(violation.to_string()).alarmed(violation),
            RuleViolation::ConvergentNeedsDerived
            | RuleViolation::DerivedNotCertified
            | RuleViolation::IfVersion { .. }
            | RuleViolation::KeySizeNotTaken(_)
            | RuleViolation::KeySizeOutOfRange(_)
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
            | RuleViolation::TrimWithoutMinEncryption
            | RuleViolation::TrimZero => Self::bad(violation.to_string()),
        }
    }

    /// The one item of a single request failed.
    pub(in crate::http) fn item(operation: Operation, item: ItemError) -> Self {
        match blame(operation, item) {
            Blame::Caller => Self::bad(item_text(operation, item, 0)),
            Blame::Server => Self::multi(item_text(operation, item, 0)),
        }
    }

    /// Why this node could not be opened or closed.
    pub(in crate::http) fn setup(error: SetupError) -> Self {
        match error {
            SetupError::Store(source) => {
                let text = "the key store is unavailable; try again";
                Self::unavailable(text).warned(&source)
            }
            SetupError::Kek(source) => {
                let text = "the key-encryption key is unavailable; try again";
                Self::unavailable(text).warned(&source)
            }
            SetupError::AlreadyInitialised
            | SetupError::Entropy(_)
            | SetupError::Integrity(_)
            | SetupError::MissingSecret(_)
            | SetupError::NotInitialised
            | SetupError::OtherKek { .. }
            | SetupError::Sealed
            | SetupError::Shares
            | SetupError::Workers => Self::internal("this node cannot be opened").alarmed(&error),
        }
    }

    /// Why a share did not open the store.
    pub(in crate::http) fn unseal(failure: UnsealFailure) -> Self {
        match failure {
            UnsealFailure::Open(OpenError::Engine(error))
            | UnsealFailure::Unseal(UnsealError::Setup(error)) => Self::setup(error),
            UnsealFailure::Open(error @ (OpenError::Audit(_) | OpenError::Identity(_))) => {
                Self::internal("this node cannot be opened").alarmed(&error)
            }
            UnsealFailure::Share(ShareRefusal::Full) => Self::unavailable(
                "unlock shares of too many sets are waiting; give all shares at once in 'keys'",
            ),
            UnsealFailure::Share(ShareRefusal::Share(_)) => Self::bad("invalid key"),
            UnsealFailure::Unseal(
                error @ (UnsealError::Malformed | UnsealError::Rejected | UnsealError::TooFew),
            ) => Self::bad(error.to_string()),
        }
    }

    /// The engine's answer to a change of mounts.
    pub(in crate::http) fn mount(path: &MountPath, error: MountError) -> Self {
        match error {
            MountError::InUse => Self::bad(format!("path is already in use at {path}/")),
            MountError::NotFound => Self::bad(format!("no mount entry found at {path}/")),
            MountError::Store(StoreError::OutcomeUnknown) => Self::unavailable(
                "the key store broke off: the change may or may not have been made; list the mounts to see",
            )
            .unknown()
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
pub(in crate::http) enum Blame {
    /// 400.
    Caller,
    /// 500: in truth the caller's too, but the protocol has it so.
    Server,
}

pub(in crate::http) const fn blame(operation: Operation, item: ItemError) -> Blame {
    match item {
        // Rewrap has no associated data in the protocol, so there is no such tradition to follow.
        ItemError::AssociatedData(_) if matches!(operation, Operation::Rewrap) => Blame::Caller,
        ItemError::AssociatedData(_) | ItemError::Oaep(_) => Blame::Server,
        ItemError::Authentication(_)
        | ItemError::Ciphertext(_)
        | ItemError::Context(_)
        | ItemError::Input(_)
        | ItemError::MissingContext
        | ItemError::MissingCiphertext
        | ItemError::MissingInput
        | ItemError::NoSuchVersion
        | ItemError::NotAead(_)
        | ItemError::Plaintext(_)
        | ItemError::Sign(_)
        | ItemError::Tag(_)
        | ItemError::TooLong
        | ItemError::TooNew
        | ItemError::TooOld
        | ItemError::UsageExhausted
        | ItemError::VersionAboveLatest { .. }
        | ItemError::VersionBelowMinimum
        | ItemError::Verify(_)
        | ItemError::VersionNegative => Blame::Caller,
    }
}

/// The text of an item's failure.
pub(in crate::http) fn item_text(operation: Operation, item: ItemError, index: usize) -> String {
    match item {
        ItemError::NotAead(key_type) => {
            format!("'[{index}].associated_data' provided for non-AEAD cipher suite {key_type}")
        }
        ItemError::Oaep(OaepError::NoPrivateKey) => item.to_string(),
        ItemError::Oaep(error) if operation.opens() => {
            format!("failed to RSA decrypt the ciphertext: {error}")
        }
        ItemError::Oaep(error) => format!("failed to RSA encrypt the plaintext: {error}"),
        ItemError::Context(_)
            if matches!(
                operation,
                Operation::DataKeyPlaintext | Operation::DataKeyWrapped
            ) =>
        {
            "failed to base64-decode context".to_owned()
        }
        ItemError::AssociatedData(error) => {
            format!("unable to get associated_data/additional_data from factory[{index}]: {error}")
        }
        ItemError::Authentication(_)
        | ItemError::Ciphertext(_)
        | ItemError::Context(_)
        | ItemError::Input(_)
        | ItemError::MissingContext
        | ItemError::MissingCiphertext
        | ItemError::MissingInput
        | ItemError::NoSuchVersion
        | ItemError::Plaintext(_)
        | ItemError::Sign(_)
        | ItemError::Tag(_)
        | ItemError::TooLong
        | ItemError::TooNew
        | ItemError::TooOld
        | ItemError::UsageExhausted
        | ItemError::VersionAboveLatest { .. }
        | ItemError::VersionBelowMinimum
        | ItemError::Verify(_)
        | ItemError::VersionNegative => item.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Message;
    use super::*;

    fn answer(operation: Operation, error: Error) -> (u16, String) {
        let problem = Problem::engine(operation, "orders", error);
        let text = match problem.message {
            Message::Empty => String::new(),
            Message::Multi(text) | Message::Plain(text) => text.into_owned(),
            Message::WithRequestId(text) => text.to_owned(),
        };
        (problem.status.as_u16(), text)
    }

    #[test]
    fn what_is_not_found_is_said_in_each_operations_words() {
        for (operation, status, text) in [
            (Operation::Encrypt, 400, "encryption key not found"),
            (Operation::DataKeyWrapped, 400, "encryption key not found"),
            (Operation::KeyRead, 404, ""),
            (Operation::KeyRotate, 400, "key not found"),
            (Operation::KeyTrim, 400, "invalid key name"),
            (
                Operation::KeyConfigure,
                400,
                "no existing key named orders could be found",
            ),
            (
                Operation::KeyDelete,
                400,
                "error deleting policy orders: could not delete key; not found",
            ),
        ] {
            let expected = (status, text.to_owned());
            assert_eq!(answer(operation, Error::NotFound), expected);
        }
    }

    #[test]
    fn what_may_come_back_is_503_in_words_of_its_own() {
        let away = || StoreError::Unavailable("password=hunter2".to_owned());
        let errors = [
            Error::Busy,
            Error::Stale,
            Error::OutcomeUnknown,
            Error::StoreUnavailable(away()),
            Error::KekUnavailable(keyring::kek::KekError::Rejected),
        ];
        let mut texts = Vec::new();
        for error in errors {
            let (status, text) = answer(Operation::KeyRotate, error);
            assert_eq!(status, 503, "{text}");
            assert!(!text.contains("hunter2"), "{text}");
            texts.push(text);
        }
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), 5);
    }

    #[test]
    fn broken_data_is_told_to_the_operator_and_not_to_the_caller() {
        let error = Error::Integrity("rings.mac");
        let problem = Problem::engine(Operation::Encrypt, "orders", error);
        assert_eq!(problem.status.as_u16(), 500);
        assert!(!format!("{:?}", problem.message).contains("rings.mac"));
        assert!(format!("{:?}", problem.cause).contains("rings.mac"));
    }
}
