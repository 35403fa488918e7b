//! What tests and benches of this and other packages need and no build for production has.

pub mod bulk;
pub mod engine;
pub mod entropy;
pub mod faulty_store;
pub mod own_memory;
pub mod postgres;
pub mod probe;
pub mod softhsm;
