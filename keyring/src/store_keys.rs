//! The store's own keys, opened: the store secret that salts every version's material, and those that are records
//! of their own.

use std::sync::Arc;

use aws_lc_rs::hmac;

use crate::audit_keys::AuditKeys;
use crate::binding::{Binding, Origin, push_field};
use crate::identity_keys::IdentityKeys;
use crate::ids::{KekId, RingId, StoreId};
use crate::row_mac::RowMac;
use crate::secret::{Dek, SecretBytes};
use crate::version::Version;

/// What a secret of the store is for. Secrets are records of a reserved ring, whose id is all zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The store secret itself.
    StoreSecret,
    /// Key of the row MACs.
    RowMac,
    /// Key under which tokens and other credentials are hashed.
    TokenPepper,
    /// Key under which entries and what is known of credentials are sealed.
    Identity,
    /// Seed of the key that signs audit checkpoints.
    AuditSigning,
    /// Key under which audit logs show values that they must not show in the clear.
    AuditCorrelation,
}

impl Purpose {
    /// The purposes that have a record of their own; the store secret is in the header.
    pub const RECORDS: [Self; 5] = [
        Self::RowMac,
        Self::TokenPepper,
        Self::Identity,
        Self::AuditSigning,
        Self::AuditCorrelation,
    ];

    /// The words for it in sentences to operators.
    pub const fn words(self) -> &'static str {
        match self {
            Self::StoreSecret => "store secret",
            Self::RowMac => "key of the row MACs",
            Self::TokenPepper => "token pepper",
            Self::Identity => "identity key",
            Self::AuditSigning => "audit signing key",
            Self::AuditCorrelation => "audit correlation key",
        }
    }

    /// The number in stored rows and bindings, beside those of the key types.
    pub const fn number(self) -> u32 {
        match self {
            Self::StoreSecret => 30_000,
            Self::RowMac => 30_001,
            Self::TokenPepper => 30_002,
            Self::Identity => 30_003,
            Self::AuditSigning => 30_004,
            Self::AuditCorrelation => 30_005,
        }
    }

    /// What a secret of this purpose is tied to.
    pub fn binding(self, store: StoreId, kek: &KekId) -> Binding {
        Binding {
            store,
            ring: RingId::from_bytes([0; 16]),
            version: Version::FIRST,
            key_type: self.number(),
            origin: Origin::Generated,
            kek: kek.clone(),
        }
    }
}

/// The store's keys in memory.
#[derive(Debug)]
pub struct StoreKeys {
    /// The store they belong to.
    pub store: StoreId,
    /// Salts the key of every version's material.
    pub secret: Dek,
    /// Signs and checks rows.
    pub rows: RowMac,
    /// Hashes root tokens.
    pub tokens: TokenPepper,
    /// Hashes credentials and seals what is known of them.
    pub identity: Arc<IdentityKeys>,
    /// Signs audit checkpoints.
    pub audit: Arc<AuditKeys>,
}

/// Hashes root tokens, so that the store never holds one.
pub struct TokenPepper(hmac::Key);

impl TokenPepper {
    /// The pepper with this key.
    pub fn new(key: &SecretBytes) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.expose_secret()))
    }

    /// HMAC-SHA256 of the token under the pepper, with words in front that no other credential's hash has: a root token's
    /// row cannot stand for a token's, nor the other way round. Comparing hashes needs no constant time: who does not know
    /// the pepper cannot steer them.
    pub fn hash(&self, token: &[u8]) -> [u8; 32] {
        let mut front = Vec::with_capacity(32);
        push_field(&mut front, b"sealring-root-token-1");
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&front);
        context.update(token);
        context
            .sign()
            .as_ref()
            .try_into()
            .expect("HMAC-SHA256 is 32 bytes")
    }
}

impl std::fmt::Debug for TokenPepper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenPepper(..)")
    }
}
