//! What failed signatures and HMACs come to: each kind of work has words of its own in the protocol.

use keyring::error::{ItemError, TagFault};
use keyring::pair::{SignError, VerifyError};

use super::Problem;

/// What is done with signatures and HMACs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum TagWork {
    /// HMACs are made.
    Hmac,
    /// Signatures are made.
    Sign,
    /// Signatures are checked.
    Verify,
    /// HMACs are checked.
    VerifyHmac,
}

impl Problem {
    /// The one item of a single request failed.
    pub(in crate::http) fn tag(work: TagWork, error: ItemError) -> Self {
        let text = Self::tag_text(work, error);
        if is_as_if_internal(work, error) {
            Self::multi(text)
        } else {
            Self::bad(text)
        }
    }

    /// There is no ring to check with: for HMACs in the words of making them.
    pub(in crate::http) fn nothing_to_check_with(work: TagWork) -> Self {
        Self::bad(match work {
            TagWork::Hmac | TagWork::VerifyHmac => "encryption key not found",
            TagWork::Sign | TagWork::Verify => "signature verification key not found",
        })
    }

    /// The text of an item's failure.
    pub(in crate::http) fn tag_text(work: TagWork, error: ItemError) -> String {
        match error {
            ItemError::Context(_) => "failed to base64-decode context".to_owned(),
            ItemError::MissingContext => format!("error deriving key: {error}"),
            ItemError::MissingInput => match work {
                TagWork::Hmac | TagWork::VerifyHmac => "missing input for HMAC".to_owned(),
                TagWork::Sign | TagWork::Verify => "missing input".to_owned(),
            },
            ItemError::Tag(fault) => fault_text(work, fault).to_owned(),
            ItemError::TooNew => match work {
                TagWork::Hmac | TagWork::VerifyHmac => "invalid HMAC: version is too new",
                TagWork::Sign | TagWork::Verify => "invalid signature: version is too new",
            }
            .to_owned(),
            ItemError::TooOld if work == TagWork::VerifyHmac => {
                "cannot verify HMAC: version is too old (disallowed by policy)".to_owned()
            }
            ItemError::VersionAboveLatest { latest } if work == TagWork::Hmac => {
                format!("key version does not exist; latest key version is {latest}")
            }
            ItemError::VersionBelowMinimum if work == TagWork::Hmac => {
                "cannot generate HMAC: version is too old (disallowed by policy)".to_owned()
            }
            ItemError::VersionNegative if work == TagWork::Hmac => {
                "key version does not exist (cannot be negative)".to_owned()
            }
            ItemError::VersionAboveLatest { .. } => {
                "requested version for signing is higher than the latest key version".to_owned()
            }
            ItemError::VersionBelowMinimum => {
                "requested version for signing is less than the minimum encryption key version"
                    .to_owned()
            }
            ItemError::VersionNegative => "requested version for signing is negative".to_owned(),
            ItemError::AssociatedData(_)
            | ItemError::Authentication(_)
            | ItemError::Ciphertext(_)
            | ItemError::Input(_)
            | ItemError::MissingCiphertext
            | ItemError::NoSuchVersion
            | ItemError::NotAead(_)
            | ItemError::Oaep(_)
            | ItemError::Plaintext(_)
            | ItemError::Sign(_)
            | ItemError::TooLong
            | ItemError::TooOld
            | ItemError::UsageExhausted
            | ItemError::Verify(_) => error.to_string(),
        }
    }
}

const fn fault_text(work: TagWork, fault: TagFault) -> &'static str {
    match (work, fault) {
        (TagWork::Hmac | TagWork::VerifyHmac, TagFault::NoPrefix) => {
            "invalid HMAC to verify: no prefix"
        }
        (TagWork::Hmac | TagWork::VerifyHmac, TagFault::WrongFields) => {
            "invalid HMAC: wrong number of fields"
        }
        (TagWork::Hmac | TagWork::VerifyHmac, TagFault::BadVersion) => {
            "invalid HMAC: version number could not be decoded"
        }
        (TagWork::Hmac | TagWork::VerifyHmac, TagFault::BadBase64) => {
            "unable to decode verification HMAC as base64"
        }
        (TagWork::Sign | TagWork::Verify, TagFault::NoPrefix) => "invalid signature: no prefix",
        (TagWork::Sign | TagWork::Verify, TagFault::WrongFields) => {
            "invalid signature: wrong number of fields"
        }
        (TagWork::Sign | TagWork::Verify, TagFault::BadVersion) => {
            "invalid signature: version number could not be decoded"
        }
        (TagWork::Sign | TagWork::Verify, TagFault::BadBase64) => "invalid base64 signature value",
    }
}

/// Whether the protocol answers it with 500, though it is the caller's mistake.
const fn is_as_if_internal(work: TagWork, error: ItemError) -> bool {
    match error {
        ItemError::MissingContext => true,
        ItemError::NoSuchVersion
        | ItemError::VersionAboveLatest { .. }
        | ItemError::VersionBelowMinimum
        | ItemError::VersionNegative => matches!(work, TagWork::Sign),
        ItemError::Sign(error) => match error {
            SignError::NoPrivateKey
            | SignError::SaltLength(_)
            | SignError::Scheme
            | SignError::Failed => true,
            SignError::DigestLength | SignError::HashNotSupported => false,
        },
        ItemError::Verify(error) => match error {
            VerifyError::SaltLength(_) | VerifyError::Scheme => true,
            VerifyError::DigestLength
            | VerifyError::ExtraData
            | VerifyError::HashNotSupported
            | VerifyError::SignatureInvalid => false,
        },
        ItemError::AssociatedData(_)
        | ItemError::Authentication(_)
        | ItemError::Ciphertext(_)
        | ItemError::Context(_)
        | ItemError::Input(_)
        | ItemError::MissingCiphertext
        | ItemError::MissingInput
        | ItemError::NotAead(_)
        | ItemError::Oaep(_)
        | ItemError::Plaintext(_)
        | ItemError::Tag(_)
        | ItemError::TooLong
        | ItemError::TooNew
        | ItemError::TooOld
        | ItemError::UsageExhausted => false,
    }
}
