//! Who may do what: tokens, policies, and what administrators write about them.

pub mod cidr;
pub mod entries;
#[cfg(test)]
mod fixtures;
pub mod policy_set;
pub mod token;
pub mod token_params;
pub mod ttl;
