//! A name and a password.

pub mod lockout;
pub mod password;
