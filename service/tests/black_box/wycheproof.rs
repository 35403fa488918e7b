//! Project Wycheproof's attacks and corner cases, each as a client would try it: import the key, then decrypt,
//! verify or make an HMAC. The suites at the primitives are in the package `keyring`; here it is shown that nothing
//! between the wire and them gives an attack its chance.
//!
//! What the protocol cannot express is counted with its reason. Without `SEALRING_FULL=1` only some groups of each
//! suite are run.

mod ciphers;
mod derivation;
mod hmacs;
mod key_wrap;
mod ml_dsa;
mod rings;
mod rsa;
mod signatures;
mod tally;
