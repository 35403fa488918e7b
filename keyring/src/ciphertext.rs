//! The text form of a ciphertext: `vault:v3:<base64>`.

/// Stub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CiphertextError {
    /// Stub.
    #[error("invalid ciphertext: no prefix")]
    NoPrefix,
}
