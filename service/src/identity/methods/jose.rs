//! Signed tokens (RFC 7515, RFC 7519): taken apart, verified and read. Pure: neither time nor keys are fetched here.
//!
//! Only signatures by public keys are known; `none` and shared secrets are not even parsed to something. The signature
//! is verified before a claim is looked at, and claims are read once, so that what was verified is what is used.

pub mod claims;
pub mod jws;
pub mod key;
pub mod key_set;
pub(super) mod strict_json;
pub mod times;

#[cfg(test)]
mod tests;
