//! One throw-away pair of each kind, made once for a test run.

use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    EcdsaKeyPair, Ed25519KeyPair, ML_DSA_44_SIGNING, ML_DSA_65_SIGNING, ML_DSA_87_SIGNING,
    PqdsaKeyPair, PqdsaSigningAlgorithm,
};

use super::private_key::ecdsa;
use crate::algorithm::PairType;

/// Its private key, as aws-lc writes PKCS#8.
pub(super) fn sample(pair: PairType) -> &'static [u8] {
    static PAIRS: LazyLock<Vec<(PairType, Vec<u8>)>> =
        LazyLock::new(|| PairType::ALL.map(|pair| (pair, generate(pair))).into());
    let (_, pkcs8) = PAIRS.iter().find(|(kind, _)| *kind == pair).unwrap();
    pkcs8
}

fn generate(pair: PairType) -> Vec<u8> {
    match pair {
        PairType::EcdsaP256 | PairType::EcdsaP384 | PairType::EcdsaP521 => {
            let key = EcdsaKeyPair::generate(ecdsa(pair).unwrap()).unwrap();
            key.to_pkcs8v1().unwrap().as_ref().to_vec()
        }
        PairType::Ed25519 => {
            let key = Ed25519KeyPair::generate().unwrap();
            key.to_pkcs8().unwrap().as_ref().to_vec()
        }
        PairType::MlDsa44 => ml_dsa(&ML_DSA_44_SIGNING),
        PairType::MlDsa65 => ml_dsa(&ML_DSA_65_SIGNING),
        PairType::MlDsa87 => ml_dsa(&ML_DSA_87_SIGNING),
        PairType::Rsa2048 => rsa(KeySize::Rsa2048),
        PairType::Rsa3072 => rsa(KeySize::Rsa3072),
        PairType::Rsa4096 => rsa(KeySize::Rsa4096),
    }
}

fn ml_dsa(algorithm: &'static PqdsaSigningAlgorithm) -> Vec<u8> {
    let key = PqdsaKeyPair::generate(algorithm).unwrap();
    key.to_pkcs8v1().unwrap().as_ref().to_vec()
}

fn rsa(size: KeySize) -> Vec<u8> {
    let key = RsaKeyPair::generate(size).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    der.as_ref().to_vec()
}
