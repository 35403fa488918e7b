//! Key pairs: what a version of an asymmetric ring signs and verifies with and, if RSA, encrypts with.

mod ecdsa;
mod ed25519;
mod error;
mod ml_dsa;
mod options;
mod rsa;
mod standard_form;

use std::fmt;

use self::ecdsa::Ecdsa;
use self::ed25519::Ed25519;
pub use self::error::{OaepError, PairError, SignError, VerifyError};
use self::ml_dsa::MlDsa;
pub use self::options::{Marshaling, OaepHash, RsaScheme, SaltLength, SignatureOptions};
use self::rsa::Rsa;
use crate::algorithm::PairType;
use crate::secret::SecretBytes;

/// A key pair, or only its public half, ready for use: parsed once, used any number of times.
/// The private key lies on aws-lc's heap, which wipes what it frees.
pub struct Pair {
    kind: PairType,
    public_key: Box<[u8]>,
    key: Key,
}

impl Pair {
    /// A new pair's PKCS#8 (RFC 5958), the form in which a version's material holds it. RSA: e = 65537;
    /// ML-DSA: the seed (RFC 9881). The randomness is aws-lc's, which takes no other.
    pub fn generate(pair_type: PairType) -> Result<SecretBytes, PairError> {
        if pair_type.is_rsa() {
            rsa::generate(pair_type)
        } else if pair_type.is_ecdsa() {
            ecdsa::generate(pair_type)
        } else if pair_type == PairType::Ed25519 {
            ed25519::generate()
        } else {
            ml_dsa::generate(pair_type)
        }
    }

    /// The pair in this PKCS#8, as [`generate`](Self::generate) or an import gives it. An ML-DSA key without
    /// its seed is refused: it could not be written out again.
    pub fn from_pkcs8(pair_type: PairType, pkcs8: &[u8]) -> Result<Self, PairError> {
        standard_form::check_pkcs8(pair_type, pkcs8)?;
        let (key, public_key) = if pair_type.is_rsa() {
            rsa::from_pkcs8(pair_type, pkcs8).map(|(key, der)| (Key::Rsa(key), der))
        } else if pair_type.is_ecdsa() {
            ecdsa::from_pkcs8(pair_type, pkcs8).map(|(key, der)| (Key::Ecdsa(key), der))
        } else if pair_type == PairType::Ed25519 {
            ed25519::from_pkcs8(pkcs8).map(|(key, der)| (Key::Ed25519(key), der))
        } else {
            ml_dsa::from_pkcs8(pair_type, pkcs8).map(|(key, der)| (Key::MlDsa(key), der))
        }?;
        Ok(Self {
            kind: pair_type,
            public_key,
            key,
        })
    }

    /// Only the public half, from a DER `SubjectPublicKeyInfo` (RFC 5280) in the one form that
    /// [`public_key`](Self::public_key) gives: points uncompressed, nothing behind the end.
    pub fn from_public_key(pair_type: PairType, spki: &[u8]) -> Result<Self, PairError> {
        standard_form::check_public_key(pair_type, spki)?;
        let key = if pair_type.is_rsa() {
            Rsa::new(pair_type, None, spki).map(Key::Rsa)
        } else if pair_type.is_ecdsa() {
            Ecdsa::new(pair_type, None, spki).map(Key::Ecdsa)
        } else if pair_type == PairType::Ed25519 {
            Ed25519::new(None, spki).map(Key::Ed25519)
        } else {
            MlDsa::new(pair_type, None, spki).map(Key::MlDsa)
        }?;
        Ok(Self {
            kind: pair_type,
            public_key: spki.into(),
            key,
        })
    }

    /// The Ed25519 pair with this seed (RFC 8032 section 5.1.5), for derived keys.
    pub fn from_ed25519_seed(seed: &[u8; 32]) -> Result<Self, PairError> {
        let (key, public_key) = ed25519::from_seed(seed)?;
        Ok(Self {
            kind: PairType::Ed25519,
            public_key,
            key: Key::Ed25519(key),
        })
    }

    /// Ed25519: seed || public key, 64 bytes, the root of derivation and the exported form. `None` for other
    /// types and without a private half.
    pub fn ed25519_seed_and_public(&self) -> Option<SecretBytes> {
        match &self.key {
            Key::Ed25519(key) => key.seed_and_public(),
            Key::Ecdsa(_) | Key::MlDsa(_) | Key::Rsa(_) => None,
        }
    }

    /// Which kind of pair this is.
    pub fn pair_type(&self) -> PairType {
        self.kind
    }

    /// Whether the private half is there too.
    pub fn has_private(&self) -> bool {
        match &self.key {
            Key::Ecdsa(key) => key.has_private(),
            Key::Ed25519(key) => key.has_private(),
            Key::MlDsa(key) => key.has_private(),
            Key::Rsa(key) => key.has_private(),
        }
    }

    /// The public half as DER `SubjectPublicKeyInfo` (RFC 5280).
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// Ed25519: the public key's 32 bytes (RFC 8032). `None` for other types.
    pub fn raw_ed25519_public(&self) -> Option<&[u8]> {
        match &self.key {
            Key::Ed25519(key) => Some(key.raw_public()),
            Key::Ecdsa(_) | Key::MlDsa(_) | Key::Rsa(_) => None,
        }
    }

    /// The signature of this input. Ed25519 and ML-DSA sign the input itself, whatever the options say.
    pub fn sign(&self, input: &[u8], how: &SignatureOptions) -> Result<Vec<u8>, SignError> {
        match &self.key {
            Key::Ecdsa(key) => key.sign(input, how),
            Key::Ed25519(key) => key.sign(input),
            Key::MlDsa(key) => key.sign(input),
            Key::Rsa(key) => key.sign(input, how),
        }
    }

    /// Whether this is a signature of this input. The error is for what no key could answer.
    pub fn verify(
        &self,
        input: &[u8],
        signature: &[u8],
        how: &SignatureOptions,
    ) -> Result<bool, VerifyError> {
        match &self.key {
            Key::Ecdsa(key) => key.verify(input, signature, how),
            Key::Ed25519(key) => Ok(key.verify(input, signature)),
            Key::MlDsa(key) => Ok(key.verify(input, signature)),
            Key::Rsa(key) => key.verify(input, signature, how),
        }
    }

    /// RSA: encrypts with OAEP (RFC 8017 section 7.1), an empty label, and MGF1 over the same hash. At most
    /// modulus length - 2 * hash length - 2 bytes.
    pub fn oaep_encrypt(&self, plaintext: &[u8], hash: OaepHash) -> Result<Vec<u8>, OaepError> {
        self.rsa()?.oaep_encrypt(plaintext, hash)
    }

    /// RSA: undoes [`oaep_encrypt`](Self::oaep_encrypt).
    pub fn oaep_decrypt(
        &self,
        ciphertext: &[u8],
        hash: OaepHash,
    ) -> Result<SecretBytes, OaepError> {
        self.rsa()?.oaep_decrypt(ciphertext, hash)
    }

    /// RSA: length of the modulus, and so of signatures and ciphertexts, in bytes. `None` for other types.
    pub fn modulus_len(&self) -> Option<usize> {
        self.rsa().ok().map(Rsa::modulus_len)
    }

    fn rsa(&self) -> Result<&Rsa, OaepError> {
        match &self.key {
            Key::Rsa(key) => Ok(key),
            Key::Ecdsa(_) | Key::Ed25519(_) | Key::MlDsa(_) => Err(OaepError::NotRsa),
        }
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pair({:?}, ..)", self.kind)
    }
}

enum Key {
    Ecdsa(Ecdsa),
    Ed25519(Ed25519),
    MlDsa(MlDsa),
    Rsa(Rsa),
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use aws_lc_rs::encoding::AsRawBytes;
    use aws_lc_rs::signature::{ML_DSA_65_SIGNING, PqdsaKeyPair};
    use der::Encode;
    use der::asn1::{ObjectIdentifier, OctetStringRef};
    use pkcs8::PrivateKeyInfoRef;
    use spki::AlgorithmIdentifierRef;

    use super::*;
    use crate::hash::HashAlgorithm;

    #[test]
    fn every_type_verifies_what_it_signed_and_nothing_else() {
        for pair in pairs() {
            let how = SignatureOptions::default();
            let signature = pair.sign(b"input", &how).unwrap();
            assert_eq!(
                pair.verify(b"input", &signature, &how),
                Ok(true),
                "{pair:?}"
            );
            assert_eq!(
                pair.verify(b"other", &signature, &how),
                Ok(false),
                "{pair:?}"
            );
            let mut changed = signature.clone();
            *changed.last_mut().unwrap() ^= 1;
            assert_eq!(pair.verify(b"input", &changed, &how), Ok(false), "{pair:?}");
        }
    }

    #[test]
    fn the_public_half_verifies_and_does_nothing_else() {
        for pair in pairs() {
            let public = Pair::from_public_key(pair.pair_type(), pair.public_key()).unwrap();
            assert!(pair.has_private() && !public.has_private());
            assert_eq!(public.public_key(), pair.public_key());
            assert_eq!(public.pair_type(), pair.pair_type());
            assert_eq!(public.modulus_len(), pair.modulus_len());
            assert_eq!(public.raw_ed25519_public(), pair.raw_ed25519_public());
            assert!(public.ed25519_seed_and_public().is_none());

            let how = SignatureOptions::default();
            let signature = pair.sign(b"", &how).unwrap();
            assert_eq!(public.verify(b"", &signature, &how), Ok(true), "{pair:?}");
            assert_eq!(public.sign(b"", &how), Err(SignError::NoPrivateKey));
            if pair.pair_type().is_rsa() {
                let sealed = public.oaep_encrypt(b"text", OaepHash::Sha256).unwrap();
                let opened = public.oaep_decrypt(&sealed, OaepHash::Sha256);
                assert_eq!(opened.err(), Some(OaepError::NoPrivateKey));
                let opened = pair.oaep_decrypt(&sealed, OaepHash::Sha256).unwrap();
                assert_eq!(opened.expose_secret(), b"text");
            }
        }
    }

    #[test]
    fn a_key_of_another_type_is_refused() {
        for (one, pkcs8) in KEYS.iter() {
            let public = pair(*one).public_key;
            for other in PairType::ALL.into_iter().filter(|other| other != one) {
                let refused = Pair::from_pkcs8(other, pkcs8.expose_secret()).err();
                assert_eq!(refused, Some(PairError::WrongType), "{one:?} as {other:?}");
                let refused = Pair::from_public_key(other, &public).err();
                assert_eq!(refused, Some(PairError::WrongType), "{one:?} as {other:?}");
            }
        }
    }

    #[test]
    fn a_key_that_is_cut_or_followed_by_something_is_refused() {
        for (pair_type, pkcs8) in KEYS.iter() {
            let public = pair(*pair_type).public_key;
            for bytes in [pkcs8.expose_secret(), &public] {
                let longer = [bytes, &[0]].concat();
                for wrong in [&longer, &bytes[..bytes.len() - 1], &[]] {
                    let refused = Pair::from_pkcs8(*pair_type, wrong).err();
                    assert_eq!(refused, Some(PairError::Malformed), "{pair_type:?}");
                    let refused = Pair::from_public_key(*pair_type, wrong).err();
                    assert_eq!(refused, Some(PairError::Malformed), "{pair_type:?}");
                }
            }
        }
    }

    #[test]
    fn a_compressed_point_is_refused() {
        let public = pair(PairType::EcdsaP256).public_key;
        let (header, point) = public.split_at(public.len() - 65);
        let mut compressed = [header, &[2 + (point[64] & 1)], &point[1..33]].concat();
        compressed[1] -= 32;
        compressed[24] -= 32;
        let refused = Pair::from_public_key(PairType::EcdsaP256, &compressed).err();
        assert_eq!(refused, Some(PairError::Malformed));
    }

    #[test]
    fn an_ml_dsa_key_without_its_seed_is_refused() {
        let pair = PqdsaKeyPair::generate(&ML_DSA_65_SIGNING).unwrap();
        let expanded = pair.private_key().as_raw_bytes().unwrap();
        let expanded = OctetStringRef::new(expanded.as_ref())
            .unwrap()
            .to_der()
            .unwrap();
        let algorithm = AlgorithmIdentifierRef {
            oid: ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.18"),
            parameters: None,
        };
        let info = PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(&expanded).unwrap());
        let pkcs8 = info.to_der().unwrap();
        assert!(PqdsaKeyPair::from_pkcs8(&ML_DSA_65_SIGNING, &pkcs8).is_ok());
        let refused = Pair::from_pkcs8(PairType::MlDsa65, &pkcs8).err();
        assert_eq!(refused, Some(PairError::Malformed));
    }

    #[test]
    fn a_pair_prints_its_type_and_nothing_else() {
        assert_eq!(
            format!("{:?}", pair(PairType::Ed25519)),
            "Pair(Ed25519, ..)"
        );
        assert_eq!(
            format!("{:?}", pair(PairType::Rsa2048)),
            "Pair(Rsa2048, ..)"
        );
    }

    #[test]
    fn a_pair_can_be_used_from_every_thread() {
        fn shared<T: Send + Sync>(_: &T) {}
        shared(&pair(PairType::MlDsa44));
    }

    #[test]
    fn the_seed_is_the_whole_ed25519_pair() {
        let pair = pair(PairType::Ed25519);
        let both = pair.ed25519_seed_and_public().expect("a private half");
        let (seed, public) = both.expose_secret().split_first_chunk().unwrap();
        assert_eq!(Some(public), pair.raw_ed25519_public());
        let again = Pair::from_ed25519_seed(seed).unwrap();
        assert_eq!(again.public_key(), pair.public_key());
        let how = SignatureOptions::default();
        assert_eq!(again.sign(b"", &how), pair.sign(b"", &how));
        for other in pairs().filter(|pair| pair.pair_type() != PairType::Ed25519) {
            assert!(other.ed25519_seed_and_public().is_none());
            assert!(other.raw_ed25519_public().is_none());
        }
    }

    #[test]
    fn a_hash_made_beforehand_comes_to_the_same() {
        for pair in pairs().filter(|pair| !signs_the_input_itself(pair)) {
            for hash in HashAlgorithm::ALL {
                check_hash_made_beforehand(&pair, hash, RsaScheme::Pss);
                check_hash_made_beforehand(&pair, hash, RsaScheme::Pkcs1v15);
            }
        }
    }

    fn check_hash_made_beforehand(pair: &Pair, hash: HashAlgorithm, scheme: RsaScheme) {
        let (whole, before) = (how(hash, false, scheme), how(hash, true, scheme));
        let digest = hash.digest(b"input");
        if pair.pair_type().is_rsa() && !signed_by_rsa(hash) {
            let refused = Err(SignError::HashNotSupported);
            assert_eq!(pair.sign(b"input", &whole), refused, "{hash:?}");
            assert_eq!(pair.sign(&digest, &before), refused, "{hash:?}");
            return;
        }
        let signature = pair.sign(b"input", &whole).unwrap();
        assert_eq!(pair.verify(&digest, &signature, &before), Ok(true));
        let signature = pair.sign(&digest, &before).unwrap();
        assert_eq!(pair.verify(b"input", &signature, &whole), Ok(true));
        assert_eq!(pair.verify(b"other", &signature, &whole), Ok(false));
    }

    #[test]
    fn ed25519_and_ml_dsa_heed_no_options() {
        for pair in pairs().filter(signs_the_input_itself) {
            let strange = SignatureOptions {
                hash: None,
                prehashed: true,
                scheme: RsaScheme::Pkcs1v15,
                salt: SaltLength::Bytes(9999),
                marshaling: Marshaling::Jws,
            };
            let signature = pair.sign(b"input", &strange).unwrap();
            let verified = pair.verify(b"input", &signature, &SignatureOptions::default());
            assert_eq!(verified, Ok(true), "{pair:?}");
        }
    }

    #[test]
    fn ecdsa_takes_a_digest_of_every_length_that_its_order_can_express() {
        for pair in pairs().filter(|pair| pair.pair_type().is_ecdsa()) {
            let how = SignatureOptions {
                hash: None,
                prehashed: true,
                ..Default::default()
            };
            for length in [0, 1, 20, 31, 32, 33, 48, 49, 64, 65, 200] {
                let digest = vec![7; length];
                let too_long = pair.pair_type() == PairType::EcdsaP521 && length > 64;
                let signature = pair.sign(&digest, &how);
                assert_eq!(signature.is_err(), too_long, "{pair:?} with {length} bytes");
                let Ok(signature) = signature else {
                    assert_eq!(signature, Err(SignError::DigestLength));
                    let refused = pair.verify(&digest, b"", &how);
                    assert_eq!(refused, Err(VerifyError::DigestLength));
                    continue;
                };
                assert_eq!(pair.verify(&digest, &signature, &how), Ok(true));
            }
            let how = SignatureOptions {
                hash: None,
                ..Default::default()
            };
            assert_eq!(pair.sign(b"", &how), Err(SignError::HashNotSupported));
            assert_eq!(
                pair.verify(b"", b"", &how),
                Err(VerifyError::HashNotSupported)
            );
        }
    }

    #[test]
    fn jws_writes_both_numbers_in_full_length() {
        for (pair_type, length) in [
            (PairType::EcdsaP256, 64),
            (PairType::EcdsaP384, 96),
            (PairType::EcdsaP521, 132),
        ] {
            let pair = pair(pair_type);
            let jws = SignatureOptions {
                marshaling: Marshaling::Jws,
                ..Default::default()
            };
            // About one number in 256 begins with a zero byte.
            for count in 0_u16..600 {
                let input = count.to_be_bytes();
                let signature = pair.sign(&input, &jws).unwrap();
                assert_eq!(signature.len(), length, "{pair_type:?}");
                assert_eq!(pair.verify(&input, &signature, &jws), Ok(true));
                let asn1 = pair.verify(&input, &signature, &SignatureOptions::default());
                assert!(asn1.is_err(), "{pair_type:?}");
            }
            for wrong in [0, length - 2, length - 1, length + 1, length + 2] {
                assert_eq!(pair.verify(b"", &vec![1; wrong], &jws), Ok(false));
            }
        }
    }

    #[test]
    fn ecdsa_says_what_is_wrong_with_the_der() {
        let pair = pair(PairType::EcdsaP256);
        let how = SignatureOptions::default();
        let mut signature = pair.sign(b"", &how).unwrap();
        for (wrong, error) in [
            (b"".as_slice(), VerifyError::SignatureInvalid),
            (b"\x30\x00", VerifyError::SignatureInvalid),
            (b"\x30\x03\x02\x01\x01", VerifyError::SignatureInvalid),
            (
                b"\x30\x07\x02\x02\x00\x01\x02\x01\x01",
                VerifyError::SignatureInvalid,
            ),
            (
                b"\x30\x09\x02\x01\x01\x02\x01\x01\x02\x01\x01",
                VerifyError::SignatureInvalid,
            ),
            (
                b"\x30\x80\x02\x01\x01\x02\x01\x01\x00\x00",
                VerifyError::SignatureInvalid,
            ),
            (
                b"\x30\x06\x02\x01\x01\x02\x01\x01\x00",
                VerifyError::ExtraData,
            ),
        ] {
            assert_eq!(pair.verify(b"", wrong, &how), Err(error), "{wrong:02x?}");
        }
        let negative = b"\x30\x06\x02\x01\xff\x02\x01\x01";
        assert_eq!(pair.verify(b"", negative, &how), Ok(false));
        signature.push(0);
        assert_eq!(
            pair.verify(b"", &signature, &how),
            Err(VerifyError::ExtraData)
        );
    }

    #[test]
    fn rsa_salts_are_as_long_as_asked_and_no_longer_than_fits() {
        for (pair_type, modulus_len) in [
            (PairType::Rsa2048, 256),
            (PairType::Rsa3072, 384),
            (PairType::Rsa4096, 512),
        ] {
            let pair = pair(pair_type);
            assert_eq!(pair.modulus_len(), Some(modulus_len));
            let longest = u32::try_from(modulus_len).unwrap() - 32 - 2;
            let all = [
                SaltLength::Hash,
                SaltLength::Bytes(1),
                SaltLength::Bytes(20),
                SaltLength::Bytes(32),
                SaltLength::Bytes(longest),
                SaltLength::Auto,
                SaltLength::Bytes(0),
            ];
            for (place, one) in all.into_iter().enumerate() {
                let signature = pair.sign(b"", &salted(one)).unwrap();
                assert_eq!(signature.len(), modulus_len);
                for (at, other) in all.into_iter().enumerate() {
                    // Hash is 32 bytes; Auto signs with the longest and finds all but 1.
                    let auto = |place| place == 5 || place == 6;
                    let same = place == at
                        || [place, at].iter().all(|at| [0, 3].contains(at))
                        || [place, at].iter().all(|at| [4, 5, 6].contains(at))
                        || (auto(at) && place != 1);
                    let verified = pair.verify(b"", &signature, &salted(other));
                    assert_eq!(verified, Ok(same), "{one:?} as {other:?}");
                }
            }
            for wrong in [longest + 1, 65_536, u32::MAX] {
                let wrong_salt = salted(SaltLength::Bytes(wrong));
                assert_eq!(
                    pair.sign(b"", &wrong_salt),
                    Err(SignError::SaltLength(wrong))
                );
                let refused = pair.verify(b"", b"", &wrong_salt);
                assert_eq!(refused, Err(VerifyError::SaltLength(wrong)));
            }
        }
    }

    #[test]
    fn rsa_refuses_what_it_cannot_sign() {
        let pair = pair(PairType::Rsa2048);
        for scheme in [RsaScheme::Pss, RsaScheme::Pkcs1v15] {
            let none = SignatureOptions {
                hash: None,
                prehashed: true,
                scheme,
                ..Default::default()
            };
            assert_eq!(pair.sign(b"", &none), Err(SignError::HashNotSupported));
            assert_eq!(
                pair.verify(b"", b"", &none),
                Err(VerifyError::HashNotSupported)
            );
            for length in [0, 31, 33] {
                let before = how(HashAlgorithm::Sha2_256, true, scheme);
                let digest = vec![1; length];
                assert_eq!(pair.sign(&digest, &before), Err(SignError::DigestLength));
                let refused = pair.verify(&digest, b"", &before);
                assert_eq!(refused, Err(VerifyError::DigestLength));
            }
            for hash in HashAlgorithm::ALL {
                let verified = pair.verify(b"", b"no signature", &how(hash, false, scheme));
                let old = hash == HashAlgorithm::Sha1 && scheme == RsaScheme::Pkcs1v15;
                let expected = if signed_by_rsa(hash) || old {
                    Ok(false)
                } else {
                    Err(VerifyError::HashNotSupported)
                };
                assert_eq!(verified, expected, "{hash:?}");
            }
        }
        let pss = pair.sign(b"", &SignatureOptions::default()).unwrap();
        let pkcs1 = how(HashAlgorithm::Sha2_256, false, RsaScheme::Pkcs1v15);
        assert_eq!(pair.verify(b"", &pss, &pkcs1), Ok(false));
    }

    #[test]
    fn oaep_opens_what_it_sealed_up_to_the_longest() {
        let pair = pair(PairType::Rsa2048);
        for (hash, longest) in [
            (OaepHash::Sha1, 256 - 40 - 2),
            (OaepHash::Sha256, 256 - 64 - 2),
            (OaepHash::Sha384, 256 - 96 - 2),
            (OaepHash::Sha512, 256 - 128 - 2),
        ] {
            for length in [0, 1, longest] {
                let plaintext = vec![5; length];
                let mut sealed = pair.oaep_encrypt(&plaintext, hash).unwrap();
                let opened = pair.oaep_decrypt(&sealed, hash).unwrap();
                assert_eq!(opened.expose_secret(), plaintext, "{hash:?}");
                sealed[100] ^= 1;
                let opened = pair.oaep_decrypt(&sealed, hash).err();
                assert_eq!(opened, Some(OaepError::Failed));
                let opened = pair.oaep_decrypt(&sealed[1..], hash).err();
                assert_eq!(opened, Some(OaepError::Failed));
            }
            let sealed = pair.oaep_encrypt(&vec![5; longest + 1], hash);
            assert_eq!(sealed, Err(OaepError::TooLong));
        }
        let sealed = pair.oaep_encrypt(b"text", OaepHash::Sha256).unwrap();
        let opened = pair.oaep_decrypt(&sealed, OaepHash::Sha384).err();
        assert_eq!(opened, Some(OaepError::Failed));
    }

    #[test]
    fn only_rsa_encrypts() {
        for pair in pairs().filter(|pair| !pair.pair_type().is_rsa()) {
            let sealed = pair.oaep_encrypt(b"", OaepHash::Sha256);
            assert_eq!(sealed, Err(OaepError::NotRsa), "{pair:?}");
            let opened = pair.oaep_decrypt(b"", OaepHash::Sha256).err();
            assert_eq!(opened, Some(OaepError::NotRsa), "{pair:?}");
            assert_eq!(pair.modulus_len(), None);
        }
    }

    static KEYS: LazyLock<Vec<(PairType, SecretBytes)>> = LazyLock::new(|| {
        let generated = PairType::ALL.into_iter();
        generated
            .map(|pair_type| (pair_type, Pair::generate(pair_type).unwrap()))
            .collect()
    });

    fn pairs() -> impl Iterator<Item = Pair> {
        KEYS.iter()
            .map(|(pair_type, pkcs8)| Pair::from_pkcs8(*pair_type, pkcs8.expose_secret()).unwrap())
    }

    fn pair(pair_type: PairType) -> Pair {
        pairs().find(|pair| pair.pair_type() == pair_type).unwrap()
    }

    fn signs_the_input_itself(pair: &Pair) -> bool {
        !pair.pair_type().is_rsa() && !pair.pair_type().is_ecdsa()
    }

    fn signed_by_rsa(hash: HashAlgorithm) -> bool {
        use HashAlgorithm::{Sha2_256, Sha2_384, Sha2_512};
        [Sha2_256, Sha2_384, Sha2_512].contains(&hash)
    }

    fn how(hash: HashAlgorithm, prehashed: bool, scheme: RsaScheme) -> SignatureOptions {
        SignatureOptions {
            hash: Some(hash),
            prehashed,
            scheme,
            ..Default::default()
        }
    }

    fn salted(salt: SaltLength) -> SignatureOptions {
        SignatureOptions {
            salt,
            ..Default::default()
        }
    }
}
