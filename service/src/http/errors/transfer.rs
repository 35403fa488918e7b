//! What refused imports, exports, backups and certificates come to. The protocol answers most of them with 500.

use keyring::transfer::TransferError;
use keyring::transfer::certificate::ChainError;

use super::Problem;
use crate::http::operation::Operation;

impl Problem {
    /// Why a key was not brought in or given out.
    pub(super) fn transfer(operation: Operation, error: &TransferError) -> Self {
        let text = error.to_string();
        match error {
            TransferError::BelowMinimum
            | TransferError::NotCertified
            | TransferError::NotEncrypting
            | TransferError::NotExportable
            | TransferError::NotSigning
            | TransferError::NoPrivateKey
            | TransferError::OldConvergent(_)
            | TransferError::Request(_)
            | TransferError::VersionUnknown => Self::bad(text),
            TransferError::NoSuchVersion if is_about_certificates(operation) => Self::bad(text),
            TransferError::Chain(error) => match error {
                ChainError::OtherKey => Self::multi(text),
                ChainError::Certificate
                | ChainError::Empty
                | ChainError::FirstIsAuthority
                | ChainError::LastIsNoAuthority
                | ChainError::NotPem
                | ChainError::OtherType(_)
                | ChainError::SeveralLeaves => Self::bad(text),
            },
            TransferError::Byok(keyring::transfer::byok::ByokError::NotSupported) => {
                Self::bad(text)
            }
            TransferError::Agreement(_) => Self::bad(text),
            TransferError::AlreadyPrivate
            | TransferError::AlreadyPublic
            | TransferError::AutoRotationNotAllowed
            | TransferError::Backup(_)
            | TransferError::BackupDisallowed
            | TransferError::Byok(_)
            | TransferError::Convergent
            | TransferError::Exists
            | TransferError::Export(_)
            | TransferError::ExportDisallowed
            | TransferError::KeySize { .. }
            | TransferError::NameNotAllowed
            | TransferError::NoMatch
            | TransferError::NoPublicKey(_)
            | TransferError::NoSuchVersion
            | TransferError::NotImported
            | TransferError::NotThere(_)
            | TransferError::PublicNotTaken
            | TransferError::ReadKey(_)
            | TransferError::RestoreOver(_)
            | TransferError::VersionsNotTaken => Self::multi(text),
        }
    }
}

const fn is_about_certificates(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::CertificateRequest | Operation::CertificateSet
    )
}
