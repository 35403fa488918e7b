//! Certificates of key pairs: requests for them, and the chains that come back.

use super::configure::unadorned;
use super::event::{What, event};
use super::{ATTEMPTS, Lifecycle, blocking};
use crate::algorithm::PairType;
use crate::error::Error;
use crate::hash::HashAlgorithm;
use crate::history::{Action, Provenance};
use crate::pair::{Marshaling, Pair, RsaScheme, SaltLength, SignatureOptions};
use crate::policy::RuleViolation;
use crate::ring::{StoredRing, StoredVersion};
use crate::store::{RingChange, StoreError};
use crate::transfer::TransferError;
use crate::transfer::certificate::{check_chain, sign_request};
use crate::transfer::export::certificate_chain_text;
use crate::transit::Address;

impl Lifecycle {
    /// A certification request (RFC 2986) for a version's key, in PEM: like the template but for key and signature.
    pub(crate) async fn request_certificate(
        &self,
        at: &Address,
        (asked, template): (i64, &str),
    ) -> Result<String, Error> {
        let ring = self.read(at).await?.ring;
        let pair_type = may_certify(&ring)?;
        let row = self.asked_row(&ring, asked).await?;
        let material = self.keys.open_version(&ring, &row).await?;
        if material.key.is_empty() {
            return Err(TransferError::NoPrivateKey.into());
        }
        let template = template.to_owned();
        let work = move || {
            let pair = Pair::from_pkcs8(pair_type, material.key.expose_secret());
            let pair = pair.map_err(|_| Error::Integrity("ring_versions.material"))?;
            let how = as_in_certificates(pair_type);
            let sign = |message: &[u8]| pair.sign(message, &how);
            let request = sign_request(pair_type, &template, pair.public_key(), &sign);
            request.map_err(|error| Error::from(TransferError::from(error)))
        };
        blocking(work).await
    }

    /// Keeps the certificates of a version's key, the leaf first, in PEM.
    pub(crate) async fn set_certificate(
        &self,
        at: &Address,
        (asked, pems): (i64, &str),
        by: &Provenance,
    ) -> Result<(), Error> {
        let place = self.place(at);
        let _turn = place.slot.changing.lock().await;
        for _ in 0..ATTEMPTS {
            let ring = self.read(at).await?.ring;
            let pair_type = may_certify(&ring)?;
            let row = self.asked_row(&ring, asked).await?;
            let public_key = row.public_key.as_deref().unwrap_or_default();
            let chain = check_chain(pair_type, pems, public_key).map_err(TransferError::from)?;
            let chain = certificate_chain_text(&chain).map_err(TransferError::from)?;
            let row = self.keys.store.rows.signed_version(StoredVersion {
                certificate_chain: Some(chain),
                ..row
            });
            let next = self.signed(ring.changed());
            let span = (Some(row.version), Some(row.version));
            let what = What {
                action: Action::Certify,
                span,
                settings: &[],
            };
            let event = event(&next, self.keys.clock.now(), by, what);
            let change = RingChange {
                replaced: Some(row),
                ..unadorned(ring.generation, next, event)
            };
            match self.commit(&place, change, by, None).await {
                Err(Error::StoreUnavailable(StoreError::Conflict)) => {}
                result => return result,
            }
        }
        Err(Error::Busy)
    }
}

fn may_certify(ring: &StoredRing) -> Result<PairType, Error> {
    let pair = ring
        .key_type
        .pair()
        .ok_or(Error::Unsupported(ring.key_type))?;
    if ring.derived {
        return Err(RuleViolation::DerivedNotCertified.into());
    }
    Ok(pair)
}

/// How certificates are signed: with the hash of the curve's size, and PKCS#1 v1.5.
const fn as_in_certificates(pair: PairType) -> SignatureOptions {
    let hash = match pair {
        PairType::EcdsaP384 => HashAlgorithm::Sha2_384,
        PairType::EcdsaP521 => HashAlgorithm::Sha2_512,
        PairType::EcdsaP256
        | PairType::Ed25519
        | PairType::MlDsa44
        | PairType::MlDsa65
        | PairType::MlDsa87
        | PairType::Rsa2048
        | PairType::Rsa3072
        | PairType::Rsa4096 => HashAlgorithm::Sha2_256,
    };
    SignatureOptions {
        hash: Some(hash),
        prehashed: false,
        scheme: RsaScheme::Pkcs1v15,
        salt: SaltLength::Auto,
        marshaling: Marshaling::Asn1,
    }
}
