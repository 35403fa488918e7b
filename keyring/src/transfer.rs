//! The forms in which keys travel: PKCS#8 and PKIX, BYOK blobs, export texts, backups, certificates. Pure: no
//! store, no clock. Inside, a pair's private key is always PKCS#8 DER and its public key always PKIX DER.

pub mod agreement;
pub mod backup;
pub mod byok;
pub mod certificate;
mod error;
pub mod export;
mod form;
pub mod private_key;
pub mod public_key;
#[cfg(test)]
mod samples;

pub use error::TransferError;
pub use form::{ReadKeyError, pair_name};
