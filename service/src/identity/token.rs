//! Tokens: their text, what is known of them, and the verbs that make, find, renew and revoke them.

pub mod body;
pub mod create;
pub mod entry;
pub(crate) mod flights;
pub mod grant;
pub mod issue;
pub mod lookup;
pub mod registry;
pub mod renew;
pub mod revoke;
pub mod role;
pub mod text;
