//! A role id and a secret id.

pub mod checked_id;
pub mod role;
pub mod secret_id;
