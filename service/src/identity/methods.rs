//! The ways to log in.

pub mod jose;
