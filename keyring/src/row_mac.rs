//! MACs of stored rows: a row edited by hand, or brought from another ring, is seen before it is used.

use aws_lc_rs::hmac;

use crate::binding::push_field;
use crate::policy::RingPolicy;
use crate::ring::{Journey, Kdf, Moment, StoredRing, StoredVersion};
use crate::version::Version;

/// HMAC-SHA256 over a row's fields, each behind its length, under a key of the store.
pub struct RowMac(hmac::Key);

impl RowMac {
    /// The MAC under this key.
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The ring with its MAC set to what its fields call for.
    #[must_use]
    pub fn signed_ring(&self, ring: StoredRing) -> StoredRing {
        StoredRing {
            mac: self.sign(&ring_fields(&ring)),
            ..ring
        }
    }

    /// The version with its MAC set to what its fields call for.
    #[must_use]
    pub fn signed_version(&self, version: StoredVersion) -> StoredVersion {
        StoredVersion {
            mac: self.sign(&version_fields(&version)),
            ..version
        }
    }

    /// Whether the ring's MAC is the one its fields call for.
    pub fn accepts_ring(&self, ring: &StoredRing) -> bool {
        hmac::verify(&self.0, &ring_fields(ring), &ring.mac).is_ok()
    }

    /// Whether the version's MAC is the one its fields call for.
    pub fn accepts_version(&self, version: &StoredVersion) -> bool {
        hmac::verify(&self.0, &version_fields(version), &version.mac).is_ok()
    }

    fn sign(&self, fields: &[u8]) -> [u8; 32] {
        let tag = hmac::sign(&self.0, fields);
        tag.as_ref().try_into().expect("HMAC-SHA256 is 32 bytes")
    }
}

impl std::fmt::Debug for RowMac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RowMac(..)")
    }
}

/// Every field is named, so that a new one does not compile until somebody has decided whether it is covered.
fn ring_fields(ring: &StoredRing) -> Vec<u8> {
    let StoredRing {
        id,
        mount,
        name,
        key_type,
        derived,
        convergent,
        kdf,
        key_size,
        created_at,
        generation,
        latest,
        min_available,
        policy,
        soft_deleted,
        journey,
        due_at: _, // follows from the settings; moved without a new generation
        mac: _,
    } = ring;
    let mut out = Vec::with_capacity(256);
    push_field(&mut out, b"sealring-ring-row-1");
    push_field(&mut out, id.as_bytes());
    push_field(&mut out, mount.as_bytes());
    push_field(&mut out, name.as_str().as_bytes());
    push_field(&mut out, &key_type.number().to_be_bytes());
    push_field(&mut out, &[u8::from(*derived), u8::from(*convergent)]);
    push_field(&mut out, &created_at.micros().to_be_bytes());
    push_field(&mut out, &generation.0.to_be_bytes());
    push_field(&mut out, &latest.number().to_be_bytes());
    push_field(&mut out, &number(*min_available));
    push_policy(&mut out, policy);
    let later = Later {
        kdf: *kdf,
        key_size: *key_size,
        soft_deleted: *soft_deleted,
        journey,
    };
    push_later(&mut out, &later);
    out
}

/// What rings have had since the second format.
#[derive(PartialEq)]
struct Later<'a> {
    kdf: Kdf,
    key_size: Option<u32>,
    soft_deleted: bool,
    journey: &'a Journey,
}

/// A ring that has none of it is covered as it was before, so that rows of earlier releases keep their MACs. No row
/// of one format can pass for one of the other: the number of fields differs.
fn push_later(out: &mut Vec<u8>, later: &Later<'_>) {
    let none = Later {
        kdf: Kdf::Hkdf,
        key_size: None,
        soft_deleted: false,
        journey: &Journey::default(),
    };
    if *later == none {
        return;
    }
    let Journey {
        imported,
        allow_rotation,
        backed_up,
        restored,
    } = later.journey;
    push_field(out, b"sealring-ring-row-2");
    push_field(out, &later.kdf.number().to_be_bytes());
    push_field(
        out,
        &later
            .key_size
            .map_or_else(Vec::new, |size| size.to_be_bytes().to_vec()),
    );
    push_field(
        out,
        &[
            u8::from(later.soft_deleted),
            u8::from(*imported),
            u8::from(*allow_rotation),
        ],
    );
    for moment in [backed_up, restored] {
        push_field(out, &moment.map_or_else(Vec::new, moment_bytes));
    }
}

fn moment_bytes(moment: Moment) -> Vec<u8> {
    let mut bytes = moment.at.micros().to_be_bytes().to_vec();
    bytes.extend_from_slice(&moment.version.number().to_be_bytes());
    bytes
}

fn push_policy(out: &mut Vec<u8>, policy: &RingPolicy) {
    let RingPolicy {
        min_decryption,
        min_encryption,
        deletion_allowed,
        exportable,
        allow_plaintext_backup,
        auto_rotate_period,
    } = policy;
    push_field(out, &min_decryption.number().to_be_bytes());
    push_field(out, &number(*min_encryption));
    push_field(
        out,
        &[
            u8::from(*deletion_allowed),
            u8::from(*exportable),
            u8::from(*allow_plaintext_backup),
        ],
    );
    push_field(
        out,
        &auto_rotate_period
            .map_or(0, |period| period.as_secs())
            .to_be_bytes(),
    );
}

fn version_fields(row: &StoredVersion) -> Vec<u8> {
    let StoredVersion {
        ring,
        version,
        origin,
        kek,
        wrapped,
        material,
        created_at,
        public_key,
        certificate_chain,
        mac: _,
    } = row;
    let mut out = Vec::with_capacity(384);
    push_field(&mut out, b"sealring-version-row-1");
    push_field(&mut out, ring.as_bytes());
    push_field(&mut out, &version.number().to_be_bytes());
    push_field(&mut out, &[origin.number()]);
    push_field(&mut out, kek.as_str().as_bytes());
    push_field(&mut out, wrapped.as_bytes());
    push_field(&mut out, material);
    push_field(&mut out, &created_at.micros().to_be_bytes());
    // As with rings: a version that has neither is covered as it was before.
    if public_key.is_some() || certificate_chain.is_some() {
        push_field(&mut out, b"sealring-version-row-2");
        // Which of them are there: an empty one is not one that is absent.
        let present = [public_key.is_some(), certificate_chain.is_some()];
        push_field(&mut out, &present.map(u8::from));
        push_field(&mut out, public_key.as_deref().unwrap_or_default());
        let chain = certificate_chain.as_deref().unwrap_or_default();
        push_field(&mut out, chain.as_bytes());
    }
    out
}

fn number(version: Option<Version>) -> [u8; 4] {
    version.map_or(0, Version::number).to_be_bytes()
}
