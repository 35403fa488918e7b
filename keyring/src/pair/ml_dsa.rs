//! ML-DSA, pure and with an empty context (FIPS 204).

use aws_lc_rs::signature::{
    KeyPair, ML_DSA_44, ML_DSA_44_SIGNING, ML_DSA_65, ML_DSA_65_SIGNING, ML_DSA_87,
    ML_DSA_87_SIGNING, ParsedPublicKey, PqdsaKeyPair, PqdsaSigningAlgorithm,
    PqdsaVerificationAlgorithm,
};

use super::{PairError, SignError, standard_form};
use crate::algorithm::PairType;
use crate::secret::SecretBytes;

pub(super) struct MlDsa {
    private: Option<PqdsaKeyPair>,
    public: ParsedPublicKey,
}

pub(super) fn generate(pair_type: PairType) -> Result<SecretBytes, PairError> {
    let (signing, _) = parameters(pair_type)?;
    let pkcs8 = PqdsaKeyPair::generate(signing).and_then(|pair| pair.to_pkcs8v1());
    let pkcs8 = pkcs8.map_err(|_| PairError::Unavailable)?;
    Ok(SecretBytes::new(pkcs8.as_ref().to_vec()))
}

pub(super) fn from_pkcs8(
    pair_type: PairType,
    pkcs8: &[u8],
) -> Result<(MlDsa, Box<[u8]>), PairError> {
    let (signing, _) = parameters(pair_type)?;
    let pair = PqdsaKeyPair::from_pkcs8(signing, pkcs8).map_err(|_| PairError::Malformed)?;
    // Only a pair that knows its seed can be written.
    pair.to_pkcs8v1().map_err(|_| PairError::Malformed)?;
    let public_key = standard_form::public_key(pair.public_key())?;
    Ok((MlDsa::new(pair_type, Some(pair), &public_key)?, public_key))
}

impl MlDsa {
    pub(super) fn new(
        pair_type: PairType,
        private: Option<PqdsaKeyPair>,
        spki: &[u8],
    ) -> Result<Self, PairError> {
        let (_, verifying) = parameters(pair_type)?;
        let public = ParsedPublicKey::new(verifying, spki).map_err(|_| PairError::Malformed)?;
        standard_form::check_canonical(&public, spki)?;
        Ok(Self { private, public })
    }

    pub(super) fn has_private(&self) -> bool {
        self.private.is_some()
    }

    pub(super) fn sign(&self, input: &[u8]) -> Result<Vec<u8>, SignError> {
        let private = self.private.as_ref().ok_or(SignError::NoPrivateKey)?;
        let mut signature = vec![0; private.algorithm().signature_len()];
        let signed = private.sign(input, &mut signature);
        signed.map(|_| signature).map_err(|_| SignError::Failed)
    }

    pub(super) fn verify(&self, input: &[u8], signature: &[u8]) -> bool {
        self.public.verify_sig(input, signature).is_ok()
    }
}

fn parameters(
    pair_type: PairType,
) -> Result<
    (
        &'static PqdsaSigningAlgorithm,
        &'static PqdsaVerificationAlgorithm,
    ),
    PairError,
> {
    match pair_type {
        PairType::MlDsa44 => Ok((&ML_DSA_44_SIGNING, &ML_DSA_44)),
        PairType::MlDsa65 => Ok((&ML_DSA_65_SIGNING, &ML_DSA_65)),
        PairType::MlDsa87 => Ok((&ML_DSA_87_SIGNING, &ML_DSA_87)),
        PairType::EcdsaP256
        | PairType::EcdsaP384
        | PairType::EcdsaP521
        | PairType::Ed25519
        | PairType::Rsa2048
        | PairType::Rsa3072
        | PairType::Rsa4096 => Err(PairError::WrongType),
    }
}
