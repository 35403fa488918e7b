//! Why a key was not brought in or given out.

use super::agreement::AgreementError;
use super::backup::BackupError;
use super::byok::ByokError;
use super::certificate::{ChainError, RequestError};
use super::export::ExportError;
use super::form::ReadKeyError;
use crate::algorithm::KeyType;
use crate::name::KeyName;
use crate::pair::SignError;
use crate::policy::RuleViolation;

/// Nothing was brought in or given out. Texts are the protocol's where it has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// No shared key came of an agreement.
    #[error(transparent)]
    Agreement(#[from] AgreementError),
    /// A private key for a version that has one.
    #[error("private key imported, key version cannot be updated")]
    AlreadyPrivate,
    /// A public key for a version that has one.
    #[error("cannot add a public key to a key version that already has a public key set")]
    AlreadyPublic,
    /// A rotation period for a ring that may not be rotated.
    #[error("allow_rotation must be set to true if auto-rotation is enabled")]
    AutoRotationNotAllowed,
    /// A backup that cannot be read.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// A ring that may not be backed up.
    #[error("plaintext backup is disallowed on the policy")]
    BackupDisallowed,
    /// Below the minimum version for decryption.
    #[error("version for export is below minimum decryption version")]
    BelowMinimum,
    /// A blob that was not made for the wrapping key, or a key that cannot be wrapped.
    #[error(transparent)]
    Byok(#[from] ByokError),
    /// A chain that the version cannot have.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A ring that encrypts convergently takes no keys but its own.
    #[error("import_version cannot be used on keys with convergent encryption enabled")]
    Convergent,
    /// The ring whose key was to wrap others is set aside.
    #[error("for destination key: {}", RuleViolation::SoftDeleted)]
    DestinationAside,
    /// A ring of that name is there.
    #[error(
        "the import path cannot be used with an existing key; use import-version to rotate an existing imported key"
    )]
    Exists,
    /// No text for what was asked.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// A ring that does not give its keys out, asked for a backup.
    #[error("exporting is disallowed on the policy")]
    ExportDisallowed,
    /// A key of a length its type does not have.
    #[error("error importing key: invalid key size {length} bytes for key type {key_type}")]
    KeySize {
        /// How long it is, in bytes.
        length: usize,
        /// The type.
        key_type: KeyType,
    },
    /// The name in a backup is not one that a ring can have.
    #[error("key names cannot be paths")]
    NameNotAllowed,
    /// A private key that is not the one of the public key that is there.
    #[error("cannot import key, key pair does not match")]
    NoMatch,
    /// A request for a certificate, of a version that cannot sign it.
    #[error("could not create the csr: requested version does not contain a private part")]
    NoPrivateKey,
    /// A public key to be exported from a type that has none.
    #[error("unknown key type {0} for export type public-key")]
    NoPublicKey(KeyType),
    /// There is no such version.
    #[error("no such key version")]
    NoSuchVersion,
    /// Certificates of a type that has none.
    #[error("certificate chain not supported for keys that do not support signing")]
    NotCertified,
    /// Encryption keys of a type that does not encrypt.
    #[error("encryption not supported for the key")]
    NotEncrypting,
    /// The ring does not give its keys out.
    #[error("private key material is not exportable")]
    NotExportable,
    /// The ring made its keys itself.
    #[error("the import_version endpoint can only be used with an imported key")]
    NotImported,
    /// Signing keys of a type that does not sign.
    #[error("signing not supported for the key")]
    NotSigning,
    /// There is no ring to add a version to.
    #[error("no key found with name {0}; to import a new key, use the import/ endpoint")]
    NotThere(KeyName),
    /// A convergent version whose nonces are made as nobody should make them any more.
    #[error("refusing to support decryption with old convergent encryption key: version {0}")]
    OldConvergent(u32),
    /// A public key for a type that has none, or derives from the private one.
    #[error("provided type does not support public_key import")]
    PublicNotTaken,
    /// A key that is not of the ring's type, or damaged.
    #[error("error importing key: {0}")]
    ReadKey(#[from] ReadKeyError),
    /// No request for a certificate came of the template.
    #[error(transparent)]
    Request(#[from] RequestError<SignError>),
    /// A ring of that name is there, and was not to be replaced.
    #[error("key \"{0}\" already exists")]
    RestoreOver(KeyName),
    /// The ring whose keys were to be wrapped is set aside.
    #[error("for source key: {}", RuleViolation::SoftDeleted)]
    SourceAside,
    /// Above the latest version, or trimmed away.
    #[error("version does not exist or cannot be found")]
    VersionUnknown,
    /// A version was named for a type that has no halves.
    #[error("provided type does not support importing key versions")]
    VersionsNotTaken,
}
