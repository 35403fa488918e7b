//! Guards versioned key rings: creates, wraps, opens, rotates and uses them.

pub mod aead;
pub mod algorithm;
pub mod base64;
pub mod binding;
pub mod ciphertext;
pub mod clock;
pub mod derive;
pub mod entropy;
pub mod error;
pub mod history;
pub mod ids;
pub mod job;
pub mod kek;
pub mod mount;
pub mod name;
pub mod observer;
pub mod policy;
pub mod ring;
pub mod secret;
pub mod setup;
pub mod store;
pub mod transit;
#[cfg(feature = "test-support")]
pub mod test_support;
pub mod version;
