//! Gives keys out: in the clear where the ring allows it, wrapped for another key, or their public halves.

use super::Lifecycle;
use crate::algorithm::{CipherType, KeyType, PairType};
use crate::error::Error;
use crate::policy::RuleViolation;
use crate::record::Material;
use crate::ring::{StoredRing, StoredVersion};
use crate::secret::SecretBytes;
use crate::transfer::TransferError;
use crate::transfer::byok::{self, ByokError, ImportHash};
use crate::transfer::export::{
    ExportError, ExportFormat, ExportKind, bytes_text, private_text, public_text,
};
use crate::transit::{Address, Exported, VersionChoice};
use crate::version::Version;

impl Lifecycle {
    pub(crate) async fn export(
        &self,
        at: &Address,
        (kind, format): (ExportKind, ExportFormat),
        choice: VersionChoice,
    ) -> Result<Exported, Error> {
        let ring = self.read(at).await?.ring;
        may_export(&ring, kind)?;
        let mut keys = Vec::new();
        let mut seal_id = None;
        for row in self.chosen(&ring, choice).await? {
            let text = if kind.is_public() {
                public(&ring, &row, kind, format)?
            } else {
                let material = self.keys.open_version(&ring, &row).await?;
                seal_id = Some(material.seal_id);
                private(&ring, &material, kind, format)?
            };
            keys.push((row.version, text));
        }
        let seal_id = seal_id.filter(|_| kind == ExportKind::EncryptionKey && binds_seal_id(&ring));
        Ok(Exported {
            key_type: ring.key_type,
            keys,
            seal_id,
        })
    }

    /// The keys of one ring, wrapped for the RSA key of another.
    pub(crate) async fn byok_export(
        &self,
        (source, destination): (&Address, &Address),
        choice: VersionChoice,
        hash: ImportHash,
    ) -> Result<Exported, Error> {
        let wrapping = self.read(destination).await?;
        let latest = self.latest(&wrapping)?;
        let is_rsa = wrapping.ring.key_type.pair().is_some_and(PairType::is_rsa);
        let spki = latest.public_key.as_deref().filter(|_| is_rsa);
        let spki = spki.ok_or(TransferError::Byok(ByokError::NotRsa))?;
        let ring = self.read(source).await?.ring;
        if wrapping.ring.soft_deleted {
            return Err(TransferError::DestinationAside.into());
        }
        if ring.soft_deleted {
            return Err(TransferError::SourceAside.into());
        }
        if !ring.policy.exportable {
            return Err(TransferError::NotExportable.into());
        }
        let mut keys = Vec::new();
        let mut seal_id = None;
        for row in self.chosen(&ring, choice).await? {
            let material = self.keys.open_version(&ring, &row).await?;
            seal_id = Some(material.seal_id);
            let wrapped = byok::wrap(&material.key, spki, hash, self.entropy());
            let wrapped = wrapped.map_err(TransferError::from)?;
            keys.push((row.version, SecretBytes::new(wrapped.into_bytes())));
        }
        Ok(Exported {
            key_type: ring.key_type,
            keys,
            seal_id: seal_id.filter(|_| binds_seal_id(&ring)),
        })
    }

    /// The rows of the versions chosen, in order.
    pub(super) async fn chosen(
        &self,
        ring: &StoredRing,
        choice: VersionChoice,
    ) -> Result<Vec<StoredVersion>, Error> {
        let minimum = ring.policy.min_decryption;
        let number = match choice {
            VersionChoice::All => {
                let rows = self.store.version_rows(ring.id, minimum).await?;
                for row in &rows {
                    self.keys.check_version(ring, row)?;
                }
                return Ok(rows);
            }
            VersionChoice::Latest => ring.latest,
            VersionChoice::One(number) => Version::from_asked(number)
                .filter(|number| *number <= ring.latest)
                .ok_or(TransferError::VersionUnknown)?,
        };
        if number < minimum {
            return Err(TransferError::BelowMinimum.into());
        }
        Ok(vec![self.version_row(ring, number).await?])
    }
}

fn may_export(ring: &StoredRing, kind: ExportKind) -> Result<(), Error> {
    if ring.soft_deleted {
        return Err(RuleViolation::SoftDeleted.into());
    }
    if !kind.is_public() && !ring.policy.exportable {
        return Err(TransferError::NotExportable.into());
    }
    let refusal = match kind {
        ExportKind::EncryptionKey if !ring.key_type.encrypts() => TransferError::NotEncrypting,
        ExportKind::SigningKey if !ring.key_type.signs() => TransferError::NotSigning,
        ExportKind::CertificateChain if !ring.key_type.signs() => TransferError::NotCertified,
        ExportKind::CertificateChain
        | ExportKind::EncryptionKey
        | ExportKind::HmacKey
        | ExportKind::PublicKey
        | ExportKind::SigningKey => return Ok(()),
    };
    Err(refusal.into())
}

fn public(
    ring: &StoredRing,
    row: &StoredVersion,
    kind: ExportKind,
    format: ExportFormat,
) -> Result<SecretBytes, TransferError> {
    let text = if kind == ExportKind::CertificateChain {
        let chain = row.certificate_chain.clone();
        chain.ok_or(ExportError::NoCertificateChain)?
    } else {
        let pair = ring.key_type.pair();
        let pair = pair.ok_or(TransferError::NoPublicKey(ring.key_type))?;
        public_text(pair, row.public_key.as_deref().unwrap_or_default(), format)?
    };
    Ok(SecretBytes::new(text.into_bytes()))
}

fn private(
    ring: &StoredRing,
    material: &Material,
    kind: ExportKind,
    format: ExportFormat,
) -> Result<SecretBytes, TransferError> {
    if kind == ExportKind::HmacKey {
        return Ok(bytes_text(material.hmac_key.expose_secret(), format)?);
    }
    let key = material.key.expose_secret();
    Ok(match ring.key_type {
        KeyType::Cipher(_) | KeyType::Hmac => bytes_text(key, format)?,
        KeyType::Pair(pair) => private_text(pair, (!key.is_empty()).then_some(key), format)?,
    })
}

/// Whether ciphertexts open only together with the ring's seal id.
pub(super) const fn binds_seal_id(ring: &StoredRing) -> bool {
    matches!(ring.key_type, KeyType::Cipher(CipherType::Aes256GcmSiv))
}
