//! What refused imports, exports, backups and certificates come to. The protocol answers most of them with 500.

use keyring::transfer::TransferError;
use keyring::transfer::byok::ByokError;
use keyring::transfer::certificate::ChainError;

use super::Problem;
use crate::http::operation::Operation;

impl Problem {
    /// Why a key was not brought in or given out.
    pub(super) fn transfer(operation: Operation, error: &TransferError) -> Self {
        if *error == TransferError::NotExportable && operation == Operation::ByokExport {
            return Self::bad("key is not exportable");
        }
        let text = error.to_string();
        if is_plain(operation, error) {
            Self::bad(text)
        } else {
            Self::multi(text)
        }
    }
}

/// Whether it is answered with 400, as the caller's mistake that it is.
fn is_plain(operation: Operation, error: &TransferError) -> bool {
    match error {
        TransferError::Agreement(_)
        | TransferError::BelowMinimum
        | TransferError::NotCertified
        | TransferError::NotEncrypting
        | TransferError::NotExportable
        | TransferError::NotSigning
        | TransferError::NoPrivateKey
        | TransferError::OldConvergent(_)
        | TransferError::Request(_)
        | TransferError::VersionUnknown => true,
        TransferError::Byok(error) => *error == ByokError::NotSupported,
        TransferError::Chain(error) => *error != ChainError::OtherKey,
        TransferError::NoSuchVersion => is_about_certificates(operation),
        TransferError::AlreadyPrivate
        | TransferError::AlreadyPublic
        | TransferError::AutoRotationNotAllowed
        | TransferError::Backup(_)
        | TransferError::BackupDisallowed
        | TransferError::Convergent
        | TransferError::DestinationAside
        | TransferError::Exists
        | TransferError::Export(_)
        | TransferError::ExportDisallowed
        | TransferError::KeySize { .. }
        | TransferError::NameNotAllowed
        | TransferError::NoMatch
        | TransferError::NoPublicKey(_)
        | TransferError::NotImported
        | TransferError::NotThere(_)
        | TransferError::PublicNotTaken
        | TransferError::ReadKey(_)
        | TransferError::RestoreOver(_)
        | TransferError::SourceAside
        | TransferError::VersionsNotTaken => false,
    }
}

const fn is_about_certificates(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::CertificateRequest | Operation::CertificateSet
    )
}
