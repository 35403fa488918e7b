//! Auth methods, mounted.

pub mod mount;
