//! Base64 as the protocol has it (RFC 4648 section 4).

/// Stub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("illegal base64 data at input byte {offset}")]
pub struct Base64Error {
    /// Where.
    pub offset: usize,
}
