//! What stands below `auth/`: tokens, and what all auth methods share.

pub(in crate::http) mod token_params;
