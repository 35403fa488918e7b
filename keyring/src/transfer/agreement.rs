//! A symmetric key from two pairs on one curve: ECDH (SP 800-56A), then HKDF-SHA256 (RFC 5869).

use aws_lc_rs::agreement::{
    Algorithm, ECDH_P256, ECDH_P384, ECDH_P521, PrivateKey, UnparsedPublicKey, agree,
};
use zeroize::Zeroizing;

use super::form::{ReadKeyError, type_name};
use super::public_key::{PublicKey, read_public_pem};
use crate::algorithm::PairType;
use crate::derive::subkey;
use crate::secret::SecretBytes;

/// No key was agreed on. The texts are the protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgreementError {
    /// A pair that is on no curve with ECDH.
    #[error("base key type {0} does not support key agreement")]
    NotSupported(&'static str),
    /// The peer's key is not a public key in PEM.
    #[error("failed to parse supplied peer public key PEM: {0}")]
    Peer(ReadKeyError),
    /// The peer's key is of another kind.
    #[error("supplied peer public key is not an ECDSA key")]
    PeerType,
    /// The peer's key is on another curve.
    #[error("base private key type {0} does not match peer public key curve")]
    PeerCurve(&'static str),
    /// The private key is not one of its kind.
    #[error("the base key is not valid")]
    Base,
}

/// `HKDF[-, ""](ECDH(private, peer), length)`: of `length` bytes, at most 8160. The private key is PKCS#8, the
/// peer's public key PKIX PEM.
pub fn agreed_key(
    pair: PairType,
    pkcs8: &[u8],
    peer_pem: &str,
    length: usize,
) -> Result<SecretBytes, AgreementError> {
    let algorithm = ecdh(pair).ok_or(AgreementError::NotSupported(type_name(pair)))?;
    let peer = read_public_pem(pair, peer_pem).map_err(|error| peer_error(pair, error))?;
    let point = PublicKey::of(&peer).map_err(AgreementError::Peer)?;
    let private = PrivateKey::from_private_key_der(algorithm, pkcs8);
    let private = private.map_err(|_| AgreementError::Base)?;
    let peer = UnparsedPublicKey::new(algorithm, point.bytes());
    agree(&private, peer, AgreementError::PeerType, |shared| {
        let mut key = Zeroizing::new(vec![0; length]);
        subkey(shared, b"", &mut key);
        Ok(SecretBytes::new(std::mem::take(&mut *key)))
    })
}

fn ecdh(pair: PairType) -> Option<&'static Algorithm> {
    match pair {
        PairType::EcdsaP256 => Some(&ECDH_P256),
        PairType::EcdsaP384 => Some(&ECDH_P384),
        PairType::EcdsaP521 => Some(&ECDH_P521),
        PairType::Ed25519
        | PairType::MlDsa44
        | PairType::MlDsa65
        | PairType::MlDsa87
        | PairType::Rsa2048
        | PairType::Rsa3072
        | PairType::Rsa4096 => None,
    }
}

const fn peer_error(pair: PairType, error: ReadKeyError) -> AgreementError {
    match error {
        ReadKeyError::OtherCurve { .. } => AgreementError::PeerCurve(type_name(pair)),
        ReadKeyError::OtherSize { .. } | ReadKeyError::OtherType { .. } => AgreementError::PeerType,
        ReadKeyError::Private(_) | ReadKeyError::Public(_) => AgreementError::Peer(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::export::public_key_text;
    use super::super::private_key::{ec_from_scalar, public_of};
    use super::super::samples::sample;
    use super::*;

    const CURVES: [PairType; 3] = [
        PairType::EcdsaP256,
        PairType::EcdsaP384,
        PairType::EcdsaP521,
    ];

    #[test]
    fn both_sides_come_to_the_same_key() {
        for pair in CURVES {
            let other = ec_from_scalar(pair, &[3; 32]).unwrap();
            for length in [16, 32] {
                let one = agreed_key(
                    pair,
                    sample(pair),
                    &pem(pair, other.expose_secret()),
                    length,
                );
                let two = agreed_key(
                    pair,
                    other.expose_secret(),
                    &pem(pair, sample(pair)),
                    length,
                );
                let (one, two) = (one.unwrap(), two.unwrap());
                assert_eq!(one.expose_secret(), two.expose_secret());
                assert_eq!(one.len(), length);
                assert_ne!(one.expose_secret(), vec![0; length]);
            }
        }
    }

    #[test]
    fn the_key_is_hkdf_over_the_x_coordinate() {
        // With the private key 1, the shared point is the peer's own.
        let pair = PairType::EcdsaP256;
        let one = ec_from_scalar(pair, &[1]).unwrap();
        let spki = public_of(pair, sample(pair)).unwrap();
        let x = &PublicKey::of(&spki).unwrap().bytes()[1..33];
        let mut expected = [0; 32];
        hkdf::Hkdf::<sha2::Sha256>::new(None, x)
            .expand(&[], &mut expected)
            .unwrap();
        let agreed = agreed_key(pair, one.expose_secret(), &pem(pair, sample(pair)), 32).unwrap();
        assert_eq!(agreed.expose_secret(), expected);
    }

    #[test]
    fn a_peer_of_another_kind_is_refused_in_the_protocols_words() {
        let base = PairType::EcdsaP256;
        for (pair, text, expected) in [
            (
                PairType::Ed25519,
                pem(base, sample(base)),
                "base key type ed25519 does not support key agreement",
            ),
            (
                base,
                pem(PairType::Rsa2048, sample(PairType::Rsa2048)),
                "supplied peer public key is not an ECDSA key",
            ),
            (
                base,
                pem(PairType::EcdsaP384, sample(PairType::EcdsaP384)),
                "base private key type ecdsa-p256 does not match peer public key curve",
            ),
            (
                base,
                String::new(),
                "failed to parse supplied peer public key PEM: error parsing public key: not in PEM format",
            ),
        ] {
            let refused = agreed_key(pair, sample(pair), &text, 32).unwrap_err();
            assert_eq!(refused.to_string(), expected);
        }
    }

    fn pem(pair: PairType, pkcs8: &[u8]) -> String {
        public_key_text(pair, &public_of(pair, pkcs8).unwrap()).unwrap()
    }
}
