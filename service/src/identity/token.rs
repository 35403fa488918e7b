//! Tokens: their text, what is known of them, and the verbs that make, find, renew and revoke them.

pub mod body;
pub mod grant;
pub mod text;
