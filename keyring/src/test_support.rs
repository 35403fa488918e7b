//! What tests of this and other packages need and no build for production has.

pub mod postgres;
