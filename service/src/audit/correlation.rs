//! Which fields are written as keyed hashes, so that records can be correlated without showing what they are about.

use std::sync::Arc;

use keyring::audit_keys::AuditKeys;

use super::encode::push_text;
use super::record::push_keyed_hash;
use crate::config::audit::Correlate;

/// The fields that are hashed, and the key they are hashed under.
#[derive(Debug)]
pub(super) struct Correlation {
    keys: Arc<AuditKeys>,
    pub(super) accessor: bool,
    pub(super) display_name: bool,
    pub(super) source: bool,
}

impl Correlation {
    pub(super) fn new(keys: Arc<AuditKeys>, fields: Correlate) -> Self {
        let Correlate {
            accessor,
            display_name,
            source,
        } = fields;
        Self {
            keys,
            accessor,
            display_name,
            source,
        }
    }

    /// Appends a name as a JSON text: its keyed hash if so wanted, else as it is.
    pub(super) fn push_name(&self, out: &mut Vec<u8>, hashed: bool, name: &str) {
        if hashed {
            out.push(b'"');
            self.push(out, name.as_bytes());
            out.push(b'"');
        } else {
            push_text(out, name);
        }
    }

    /// Appends a value's keyed hash.
    pub(super) fn push(&self, out: &mut Vec<u8>, value: &[u8]) {
        push_keyed_hash(out, &self.keys.correlate(value));
    }
}
