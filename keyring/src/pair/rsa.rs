//! RSA (RFC 8017): PSS and PKCS#1 v1.5 signatures; OAEP is beside it.

mod oaep;
mod parameters;

use aws_lc_rs::digest::Digest;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{
    KeySize, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
    PublicEncryptingKey,
};
use aws_lc_rs::signature::{
    KeyPair, ParsedPublicKey, RsaKeyPair, RsaParameters, RsaSignatureEncoding, UnparsedPublicKey,
};

use self::parameters::ForHash;
use super::error::Refused;
use super::{
    PairError, RsaScheme, SaltLength, SignError, SignatureOptions, VerifyError, standard_form,
};
use crate::algorithm::PairType;
use crate::hash::HashAlgorithm;
use crate::secret::SecretBytes;

pub(super) struct Rsa {
    private: Option<Private>,
    encrypting: OaepPublicEncryptingKey,
    spki: Box<[u8]>,
    /// The key once for each usual way of verifying: aws-lc-rs ties the way to it.
    verifying: Vec<(&'static RsaParameters, ParsedPublicKey)>,
}

/// The same key twice: aws-lc-rs has a type for each use.
pub(super) struct Private {
    signing: RsaKeyPair,
    decrypting: OaepPrivateDecryptingKey,
}

pub(super) fn generate(pair_type: PairType) -> Result<SecretBytes, PairError> {
    let pair = RsaKeyPair::generate(size(pair_type)?);
    let pkcs8 = pair.and_then(|pair| AsDer::<Pkcs8V1Der<'static>>::as_der(&pair));
    let pkcs8 = pkcs8.map_err(|_| PairError::Unavailable)?;
    Ok(SecretBytes::new(pkcs8.as_ref().to_vec()))
}

pub(super) fn from_pkcs8(pair_type: PairType, pkcs8: &[u8]) -> Result<(Rsa, Box<[u8]>), PairError> {
    let signing = RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| PairError::Malformed)?;
    let decrypting = PrivateDecryptingKey::from_pkcs8(pkcs8).map_err(|_| PairError::Malformed)?;
    let decrypting = OaepPrivateDecryptingKey::new(decrypting).map_err(|_| PairError::Malformed)?;
    let public_key = standard_form::public_key(signing.public_key())?;
    let private = Private {
        signing,
        decrypting,
    };
    Ok((Rsa::new(pair_type, Some(private), &public_key)?, public_key))
}

impl Rsa {
    pub(super) fn new(
        pair_type: PairType,
        private: Option<Private>,
        spki: &[u8],
    ) -> Result<Self, PairError> {
        let public = PublicEncryptingKey::from_der(spki).map_err(|_| PairError::Malformed)?;
        standard_form::check_canonical(&public, spki)?;
        if public.key_size_bits() != 8 * size(pair_type)?.len() {
            return Err(PairError::WrongType);
        }
        let modulus_len = public.key_size_bytes();
        let encrypting = OaepPublicEncryptingKey::new(public).map_err(|_| PairError::Malformed)?;
        let usual = parameters::usual(modulus_len);
        let verifying = usual.map(|way| ParsedPublicKey::new(way, spki).map(|key| (way, key)));
        Ok(Self {
            private,
            encrypting,
            spki: spki.into(),
            verifying: verifying
                .collect::<Result<_, _>>()
                .map_err(|_| PairError::Malformed)?,
        })
    }

    pub(super) fn has_private(&self) -> bool {
        self.private.is_some()
    }

    pub(super) fn modulus_len(&self) -> usize {
        self.encrypting.key_size_bytes()
    }

    pub(super) fn sign(&self, input: &[u8], how: &SignatureOptions) -> Result<Vec<u8>, SignError> {
        let private = self.private.as_ref().ok_or(SignError::NoPrivateKey)?;
        let hash = how.hash.ok_or(SignError::HashNotSupported)?;
        let parameters = parameters::for_hash(hash).ok_or(SignError::HashNotSupported)?;
        let encoding = self.encoding(parameters, how)?;
        let digest = digest_of(hash, input, how.prehashed)?;
        let mut signature = vec![0; self.modulus_len()];
        let signed = private
            .signing
            .sign_digest(encoding, &digest, &mut signature);
        signed.map(|()| signature).map_err(|_| SignError::Failed)
    }

    pub(super) fn verify(
        &self,
        input: &[u8],
        signature: &[u8],
        how: &SignatureOptions,
    ) -> Result<bool, VerifyError> {
        let hash = how.hash.ok_or(VerifyError::HashNotSupported)?;
        let ways = self.ways(hash, how)?;
        let digest = digest_of(hash, input, how.prehashed)?;
        Ok(ways
            .into_iter()
            .any(|way| self.verifies(way, &digest, signature)))
    }

    fn encoding(
        &self,
        parameters: &'static ForHash,
        how: &SignatureOptions,
    ) -> Result<&'static RsaSignatureEncoding, SignError> {
        match how.scheme {
            RsaScheme::Pkcs1v15 => Ok(parameters.pkcs1_signing),
            RsaScheme::Unknown => Err(SignError::Scheme),
            RsaScheme::Pss => {
                let longest = parameters.longest_salt(self.modulus_len());
                let salt = exact_salt(how.salt, parameters, longest)?.unwrap_or(longest);
                parameters.pss_signing(salt).ok_or(SignError::Failed)
            }
        }
    }

    /// Every way in which this signature may have been made.
    fn ways(
        &self,
        hash: HashAlgorithm,
        how: &SignatureOptions,
    ) -> Result<Vec<&'static RsaParameters>, Refused> {
        let parameters = match how.scheme {
            RsaScheme::Pkcs1v15 => {
                let way = parameters::pkcs1_verifying(hash).ok_or(Refused::HashNotSupported)?;
                return Ok(vec![way]);
            }
            RsaScheme::Pss => parameters::for_hash(hash).ok_or(Refused::HashNotSupported)?,
            RsaScheme::Unknown => return Err(Refused::Scheme),
        };
        let longest = parameters.longest_salt(self.modulus_len());
        let salts = exact_salt(how.salt, parameters, longest)?.map_or_else(
            || parameters.likely_salts(self.modulus_len()),
            |salt| vec![salt],
        );
        let ways = salts.into_iter();
        Ok(ways
            .filter_map(|salt| parameters.pss_verifying(salt))
            .collect())
    }

    fn verifies(&self, way: &'static RsaParameters, digest: &Digest, signature: &[u8]) -> bool {
        let usual = self.verifying.iter().find(|(usual, _)| *usual == way);
        usual
            .map_or_else(
                || UnparsedPublicKey::new(way, &self.spki).verify_digest(digest, signature),
                |(_, key)| key.verify_digest_sig(digest, signature),
            )
            .is_ok()
    }
}

/// How long the salt has to be; `None` if any will do.
fn exact_salt(
    salt: SaltLength,
    parameters: &ForHash,
    longest: usize,
) -> Result<Option<usize>, Refused> {
    match salt {
        SaltLength::Auto | SaltLength::Bytes(0) => Ok(None),
        SaltLength::Hash => Ok(Some(parameters.hash.output_len())),
        SaltLength::Bytes(asked) => {
            let length = usize::try_from(asked).ok();
            let length = length.filter(|length| *length <= longest);
            length.map(Some).ok_or(Refused::SaltLength(asked))
        }
    }
}

fn digest_of(hash: HashAlgorithm, input: &[u8], prehashed: bool) -> Result<Digest, Refused> {
    let algorithm = parameters::digest(hash).ok_or(Refused::HashNotSupported)?;
    if prehashed {
        Digest::import_less_safe(input, algorithm).map_err(|_| Refused::DigestLength)
    } else {
        Ok(aws_lc_rs::digest::digest(algorithm, input))
    }
}

fn size(pair_type: PairType) -> Result<KeySize, PairError> {
    match pair_type {
        PairType::Rsa2048 => Ok(KeySize::Rsa2048),
        PairType::Rsa3072 => Ok(KeySize::Rsa3072),
        PairType::Rsa4096 => Ok(KeySize::Rsa4096),
        PairType::EcdsaP256
        | PairType::EcdsaP384
        | PairType::EcdsaP521
        | PairType::Ed25519
        | PairType::MlDsa44
        | PairType::MlDsa65
        | PairType::MlDsa87 => Err(PairError::WrongType),
    }
}
