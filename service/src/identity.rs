//! Who may do what.

pub mod glob;
pub mod methods;
