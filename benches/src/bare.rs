//! Signatures by `aws-lc-rs` alone, as a program would make them that knows its one key.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1,
    ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1, ECDSA_P521_SHA512_ASN1_SIGNING,
    ED25519, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, ML_DSA_44, ML_DSA_44_SIGNING,
    ML_DSA_65, ML_DSA_65_SIGNING, ML_DSA_87, ML_DSA_87_SIGNING, ParsedPublicKey, PqdsaKeyPair,
    PqdsaSigningAlgorithm, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_SHA256, RsaEncoding, RsaKeyPair, RsaParameters, RsaPssSaltLength, RsaSignatureEncoding,
    VerificationAlgorithm,
};
use keyring::algorithm::PairType;
use keyring::pair::RsaScheme;

/// A key as `aws-lc-rs` has it, parsed once, with what it verifies with.
#[derive(Debug)]
pub struct Bare {
    signing: Signing,
    public: ParsedPublicKey,
}

#[derive(Debug)]
enum Signing {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    MlDsa(PqdsaKeyPair),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
}

impl Bare {
    /// The pair with this PKCS#8 and `SubjectPublicKeyInfo`.
    pub fn new(pair_type: PairType, scheme: RsaScheme, pkcs8: &[u8], spki: &[u8]) -> Self {
        let (signing, verifying): (_, &'static dyn VerificationAlgorithm) =
            match (pair_type, scheme) {
                (PairType::EcdsaP256, _) => (
                    ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8),
                    &ECDSA_P256_SHA256_ASN1,
                ),
                (PairType::EcdsaP384, _) => (
                    ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING, pkcs8),
                    &ECDSA_P384_SHA384_ASN1,
                ),
                (PairType::EcdsaP521, _) => (
                    ecdsa(&ECDSA_P521_SHA512_ASN1_SIGNING, pkcs8),
                    &ECDSA_P521_SHA512_ASN1,
                ),
                (PairType::Ed25519, _) => (ed25519(pkcs8), &ED25519),
                (PairType::MlDsa44, _) => (ml_dsa(&ML_DSA_44_SIGNING, pkcs8), &ML_DSA_44),
                (PairType::MlDsa65, _) => (ml_dsa(&ML_DSA_65_SIGNING, pkcs8), &ML_DSA_65),
                (PairType::MlDsa87, _) => (ml_dsa(&ML_DSA_87_SIGNING, pkcs8), &ML_DSA_87),
                (
                    PairType::Rsa2048 | PairType::Rsa3072 | PairType::Rsa4096,
                    RsaScheme::Pkcs1v15,
                ) => (rsa(&RSA_PKCS1_SHA256, pkcs8), &RSA_PKCS1_2048_8192_SHA256),
                (PairType::Rsa2048 | PairType::Rsa3072 | PairType::Rsa4096, _) => {
                    (rsa(&PSS_SIGNING, pkcs8), &PSS_VERIFYING)
                }
            };
        let public = ParsedPublicKey::new(verifying, spki).expect("a public key");
        Self { signing, public }
    }

    /// Signs. RSA and P-256 with SHA-256, P-384 with SHA-384, P-521 with SHA-512.
    pub fn sign(&self, input: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.signing {
            Signing::Ecdsa(key) => {
                let signature = key.sign(&random, input).expect("the key signs");
                signature.as_ref().to_vec()
            }
            Signing::Ed25519(key) => key.sign(input).as_ref().to_vec(),
            Signing::MlDsa(key) => {
                let mut signature = vec![0; key.algorithm().signature_len()];
                key.sign(input, &mut signature).expect("the key signs");
                signature
            }
            Signing::Rsa(key, encoding) => {
                let mut signature = vec![0; key.public_modulus_len()];
                let signed = key.sign(*encoding, &random, input, &mut signature);
                signed.expect("the key signs");
                signature
            }
        }
    }

    /// Verifies a signature, which must be one. RSA-PSS: with a salt of the longest length that fits, with which the
    /// engine signs unless told otherwise.
    pub fn verify(&self, input: &[u8], signature: &[u8]) {
        let verified = self.public.verify_sig(input, signature);
        verified.expect("the signature is one");
    }
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm, pkcs8: &[u8]) -> Signing {
    Signing::Ecdsa(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8).expect("a key"))
}

fn ed25519(pkcs8: &[u8]) -> Signing {
    Signing::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8).expect("a key"))
}

fn ml_dsa(algorithm: &'static PqdsaSigningAlgorithm, pkcs8: &[u8]) -> Signing {
    Signing::MlDsa(PqdsaKeyPair::from_pkcs8(algorithm, pkcs8).expect("a key"))
}

fn rsa(encoding: &'static dyn RsaEncoding, pkcs8: &[u8]) -> Signing {
    Signing::Rsa(RsaKeyPair::from_pkcs8(pkcs8).expect("a key"), encoding)
}

static PSS_SIGNING: RsaSignatureEncoding =
    RSA_PSS_SHA256.with_pss_salt_length(RsaPssSaltLength::Max);
static PSS_VERIFYING: RsaParameters =
    RSA_PSS_2048_8192_SHA256.with_pss_salt_length(RsaPssSaltLength::Max);
