//! Which fields are written as keyed hashes, so that records can be correlated without showing what they are about.

use std::sync::Arc;

use keyring::audit_keys::AuditKeys;

use super::record::push_keyed_hash;
use crate::config::audit::Correlate;

/// The fields that are hashed, and the key they are hashed under.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one for each field, in any combination"
)]
pub(super) struct Correlation {
    keys: Arc<AuditKeys>,
    pub(super) accessor: bool,
    pub(super) context: bool,
    pub(super) display_name: bool,
    pub(super) source: bool,
}

impl Correlation {
    pub(super) fn new(keys: Arc<AuditKeys>, fields: Correlate) -> Self {
        let Correlate {
            accessor,
            context,
            display_name,
            source,
        } = fields;
        Self {
            keys,
            accessor,
            context,
            display_name,
            source,
        }
    }

    /// Appends a value's keyed hash.
    pub(super) fn push(&self, out: &mut Vec<u8>, value: &[u8]) {
        push_keyed_hash(out, &self.keys.correlate(value));
    }
}
