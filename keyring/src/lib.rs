//! Guards versioned key rings: creates, wraps, opens, rotates and uses them.

pub mod aead;
pub mod algorithm;
pub mod base64;
pub mod binding;
pub mod ciphertext;
pub mod clock;
pub mod derive;
pub mod entropy;
pub mod history;
pub mod ids;
pub mod kek;
pub mod mount;
pub mod name;
pub mod policy;
pub mod ring;
pub mod secret;
pub mod store;
#[cfg(feature = "test-support")]
pub mod test_support;
pub mod version;
