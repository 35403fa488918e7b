//! What tests and benches of this and other packages need and no build for production has.

pub mod bulk;
pub mod engine;
pub mod probe;
pub mod softhsm;
