//! What a key version holds, sealed in software under a key that takes both the DEK and the store secret.
//!
//! `nonce(12) || ciphertext || tag(16)` of AES-256-GCM-SIV (RFC 8452). The HSM only ever sees the DEK, so
//! material of every size and kind fits.

use aes_gcm_siv::{AeadInOut, Aes256GcmSiv, KeyInit};
use zeroize::Zeroizing;

use crate::algorithm::TAG_LEN;
use crate::binding::{Binding, push_field};
use crate::derive;
use crate::entropy::{Entropy, EntropyError};
use crate::ids::SealId;
use crate::secret::{Dek, SecretBytes};

/// The secrets of one key version.
#[derive(Debug)]
pub struct Material {
    /// Bound into the ring's `aes256-gcm-siv` ciphertexts; goes where the key goes.
    pub seal_id: SealId,
    /// The cipher key, or PKCS#8.
    pub key: SecretBytes,
    /// The HMAC key that versions of every type have.
    pub hmac_key: SecretBytes,
}

impl Material {
    /// The fields behind their lengths, the format's name first.
    pub fn encode(&self) -> SecretBytes {
        let fields = [
            FORMAT,
            self.seal_id.as_bytes(),
            self.key.expose_secret(),
            self.hmac_key.expose_secret(),
        ];
        let length = fields.iter().map(|field| LENGTH_LEN + field.len()).sum();
        // Of the final size from the start: a buffer that grows leaves secrets behind.
        let mut out = Vec::with_capacity(length);
        for field in fields {
            push_field(&mut out, field);
        }
        SecretBytes::new(out)
    }

    /// Undoes [`encode`](Self::encode) and accepts nothing else.
    pub fn decode(record: &[u8]) -> Result<Self, RecordError> {
        let (format, rest) = split_field(record)?;
        let (seal_id, rest) = split_field(rest)?;
        let (key, rest) = split_field(rest)?;
        let (hmac_key, rest) = split_field(rest)?;
        if format != FORMAT || !rest.is_empty() {
            return Err(RecordError::Format);
        }
        Ok(Self {
            seal_id: seal_id.try_into().map_err(|_| RecordError::Format)?,
            key: SecretBytes::new(key.to_vec()),
            hmac_key: SecretBytes::new(hmac_key.to_vec()),
        })
    }
}

/// Why a record was not sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// There was no randomness for the nonce.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// It opened, so this program wrote it, but not in a format that this release knows.
    #[error("a sealed record has an unknown format")]
    Format,
    /// It was not sealed under this key for this place, or it was changed since.
    #[error("a sealed record does not open in its place")]
    Rejected,
}

/// Seals the material under [`derive::material_key`], for the place that the binding names.
pub fn seal_material(
    material: &Material,
    dek: &Dek,
    store_secret: &[u8; 32],
    binding: &Binding,
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, RecordError> {
    seal_secret(
        &material.encode(),
        &derive::material_key(dek, store_secret),
        &binding.encode(),
        entropy,
    )
}

/// Undoes [`seal_material`] for the same DEK, store secret and binding.
pub fn open_material(
    sealed: &[u8],
    dek: &Dek,
    store_secret: &[u8; 32],
    binding: &Binding,
) -> Result<Material, RecordError> {
    let record = open_secret(
        sealed,
        &derive::material_key(dek, store_secret),
        &binding.encode(),
    )?;
    Material::decode(record.expose_secret())
}

/// Seals a small secret under a key: `nonce(12) || ciphertext || tag(16)`.
pub fn seal_secret(
    secret: &SecretBytes,
    key: &[u8; 32],
    associated_data: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, RecordError> {
    // Of the final size from the start: a buffer that grows leaves secrets behind.
    let mut sealed = Vec::with_capacity(NONCE_LEN + secret.len() + TAG_LEN);
    let mut nonce = [0; NONCE_LEN];
    entropy.fill(&mut nonce)?;
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(secret.expose_secret());
    let body = sealed.get_mut(NONCE_LEN..).unwrap_or_default();
    let tag = Aes256GcmSiv::new(key.into())
        .encrypt_inout_detached(&nonce.into(), associated_data, body.into())
        .expect("no record comes near 64 GiB");
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

/// Undoes [`seal_secret`] for the same key and associated data.
pub fn open_secret(
    sealed: &[u8],
    key: &[u8; 32],
    associated_data: &[u8],
) -> Result<SecretBytes, RecordError> {
    let (nonce, rest) = sealed
        .split_first_chunk::<NONCE_LEN>()
        .ok_or(RecordError::Rejected)?;
    let (body, tag) = rest
        .split_last_chunk::<TAG_LEN>()
        .ok_or(RecordError::Rejected)?;
    let mut secret = Zeroizing::new(body.to_vec());
    Aes256GcmSiv::new(key.into())
        .decrypt_inout_detached(
            nonce.into(),
            associated_data,
            secret.as_mut_slice().into(),
            tag.into(),
        )
        .map_err(|_| RecordError::Rejected)?;
    Ok(SecretBytes::new(std::mem::take(&mut *secret)))
}

/// The first field and what follows it.
fn split_field(record: &[u8]) -> Result<(&[u8], &[u8]), RecordError> {
    let (length, rest) = record
        .split_first_chunk::<LENGTH_LEN>()
        .ok_or(RecordError::Format)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| RecordError::Format)?;
    rest.split_at_checked(length).ok_or(RecordError::Format)
}

const FORMAT: &[u8] = b"sealring-material-1";
const LENGTH_LEN: usize = 4;
const NONCE_LEN: usize = 12;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::entropy::SystemEntropy;

    #[test]
    fn a_record_is_sealed_under_a_fresh_nonce() {
        let secret = SecretBytes::new(b"secret".to_vec());
        let sealed = [(); 2].map(|()| seal_secret(&secret, &[1; 32], b"", &SystemEntropy).unwrap());
        assert_ne!(sealed[0], sealed[1]);
        assert_eq!(sealed[0].len(), NONCE_LEN + secret.len() + TAG_LEN);
    }

    #[test]
    fn every_flipped_bit_of_a_record_is_rejected() {
        let sealed = seal_secret(
            &SecretBytes::new(b"secret".to_vec()),
            &[1; 32],
            b"place",
            &SystemEntropy,
        )
        .unwrap();
        for bit in 0..8 * sealed.len() {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                open_secret(&changed, &[1; 32], b"place").map(|_| ()),
                Err(RecordError::Rejected),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn without_randomness_nothing_is_sealed() {
        let sealed = seal_secret(&SecretBytes::new(b"secret".to_vec()), &[1; 32], b"", &Dry);
        assert_eq!(sealed, Err(RecordError::Entropy(EntropyError)));
    }

    #[test]
    fn material_does_not_print() {
        let material = material(SealId::from_bytes([1; 16]), b"secret", b"secret");
        let printed = format!("{material:?}");
        assert!(
            printed.contains("SecretBytes(..)") && !printed.contains("115"),
            "{printed}"
        );
    }

    proptest! {
        #[test]
        fn decode_undoes_encode(
            seal_id in any::<[u8; 16]>(),
            key in vec(any::<u8>(), 0..100),
            hmac_key in vec(any::<u8>(), 0..100),
        ) {
            let encoded = material(SealId::from_bytes(seal_id), &key, &hmac_key).encode();
            let decoded = Material::decode(encoded.expose_secret()).unwrap();
            prop_assert_eq!(decoded.seal_id.as_bytes(), &seal_id);
            prop_assert_eq!(decoded.key.expose_secret(), key);
            prop_assert_eq!(decoded.hmac_key.expose_secret(), hmac_key);
        }

        #[test]
        fn decode_accepts_nothing_that_encode_would_not_produce(
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            cut in any::<bool>(),
        ) {
            let encoded = material(SealId::from_bytes([1; 16]), &[2; 5], &[3; 4]).encode();
            let mut changed = encoded.expose_secret().to_vec();
            let at = at.index(changed.len());
            changed[at] = byte;
            if cut {
                changed.truncate(at);
            }
            if let Ok(decoded) = Material::decode(&changed) {
                let again = decoded.encode();
                prop_assert_eq!(again.expose_secret(), changed);
            }
        }
    }

    fn material(seal_id: SealId, key: &[u8], hmac_key: &[u8]) -> Material {
        Material {
            seal_id,
            key: SecretBytes::new(key.to_vec()),
            hmac_key: SecretBytes::new(hmac_key.to_vec()),
        }
    }

    #[derive(Debug)]
    struct Dry;

    impl Entropy for Dry {
        fn fill(&self, _: &mut [u8]) -> Result<(), EntropyError> {
            Err(EntropyError)
        }

        fn fill_repeatable(&self, _: &mut [u8]) {}
    }
}
