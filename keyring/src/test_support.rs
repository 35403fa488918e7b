//! What tests need and production does not.

pub mod softhsm;
