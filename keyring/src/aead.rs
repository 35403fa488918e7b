//! Seals and opens with each key type's cipher.

use std::fmt;

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, AES_256_GCM_SIV, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce,
    UnboundKey,
};
use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305, XNonce};
use zeroize::{Zeroize, Zeroizing};

use crate::algorithm::{CipherType, TAG_LEN};
use crate::ids::SealId;
use crate::version::Version;

/// One cipher with its key: `seal(K, N, A, P) -> C || T` (RFC 5116). The key is wiped on drop.
pub struct Cipher {
    key_type: CipherType,
    keyed: Keyed,
}

impl Cipher {
    /// The key type's cipher under this key.
    pub fn new(key_type: CipherType, key: &[u8]) -> Result<Self, KeyLengthError> {
        let keyed = match key_type {
            CipherType::Aes128Gcm96 => aws_lc(&AES_128_GCM, key),
            CipherType::Aes256Gcm96 => aws_lc(&AES_256_GCM, key),
            CipherType::Aes256GcmSiv => aws_lc(&AES_256_GCM_SIV, key),
            CipherType::ChaCha20Poly1305 => aws_lc(&CHACHA20_POLY1305, key),
            CipherType::XChaCha20Poly1305 => xchacha(key),
        }?;
        Ok(Self { key_type, keyed })
    }

    /// Which cipher this is.
    pub const fn key_type(&self) -> CipherType {
        self.key_type
    }

    /// Encrypts the buffer in place and answers the tag. Never twice under one nonce, unless the cipher is
    /// AES-GCM-SIV.
    pub fn seal(
        &self,
        nonce: &[u8],
        associated_data: &[u8],
        in_out: &mut [u8],
    ) -> Result<[u8; TAG_LEN], SealError> {
        match &self.keyed {
            Keyed::AwsLc(key) => {
                let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError)?;
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(associated_data), in_out);
                tag.ok()
                    .and_then(|tag| tag.as_ref().try_into().ok())
                    .ok_or(SealError)
            }
            Keyed::XChaCha(key) => {
                let nonce = XNonce::try_from(nonce).map_err(|_| SealError)?;
                let cipher = keyed_xchacha(key);
                let tag = cipher.encrypt_inout_detached(&nonce, associated_data, in_out.into());
                tag.map(Into::into).map_err(|_| SealError)
            }
        }
    }

    /// Decrypts `body || tag` in place and answers the length of the plaintext at its beginning.
    /// On an error the whole buffer is zero, so that nothing unauthenticated can be read from it.
    pub fn open(
        &self,
        nonce: &[u8],
        associated_data: &[u8],
        in_out: &mut [u8],
    ) -> Result<usize, OpenError> {
        let opened = self.open_in_place(nonce, associated_data, in_out);
        if opened.is_err() {
            in_out.zeroize();
        }
        opened
    }

    fn open_in_place(
        &self,
        nonce: &[u8],
        associated_data: &[u8],
        in_out: &mut [u8],
    ) -> Result<usize, OpenError> {
        match &self.keyed {
            Keyed::AwsLc(key) => {
                let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| OpenError)?;
                let plaintext = key.open_in_place(nonce, Aad::from(associated_data), in_out);
                plaintext
                    .map(|plaintext| plaintext.len())
                    .map_err(|_| OpenError)
            }
            Keyed::XChaCha(key) => {
                let nonce = XNonce::try_from(nonce).map_err(|_| OpenError)?;
                let (body, tag) = in_out.split_last_chunk_mut::<TAG_LEN>().ok_or(OpenError)?;
                let cipher = keyed_xchacha(key);
                let length = body.len();
                let opened = cipher.decrypt_inout_detached(
                    &nonce,
                    associated_data,
                    body.into(),
                    (&*tag).into(),
                );
                opened.map(|()| length).map_err(|_| OpenError)
            }
        }
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cipher({}, ..)", self.key_type)
    }
}

/// The associated data under which a ring's ciphertexts are sealed: for `aes256-gcm-siv`
/// `"sealring-siv-1" || seal id || be32(version) || caller's`, so that a ciphertext belongs to one
/// version of one ring; for Vault's types the caller's alone, as Vault has it.
/// `scratch` is overwritten and can be used again for the next item.
pub fn bind_associated_data<'a>(
    key_type: CipherType,
    seal_id: &SealId,
    version: Version,
    caller: &'a [u8],
    scratch: &'a mut Vec<u8>,
) -> &'a [u8] {
    match key_type {
        CipherType::Aes256GcmSiv => {
            scratch.clear();
            scratch.extend_from_slice(SIV_FORMAT);
            scratch.extend_from_slice(seal_id.as_bytes());
            scratch.extend_from_slice(&version.number().to_be_bytes());
            scratch.extend_from_slice(caller);
            scratch
        }
        CipherType::Aes128Gcm96
        | CipherType::Aes256Gcm96
        | CipherType::ChaCha20Poly1305
        | CipherType::XChaCha20Poly1305 => caller,
    }
}

/// The key does not have the length its cipher takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key does not have its cipher's length")]
pub struct KeyLengthError;

/// Nothing was sealed: the nonce does not have the cipher's length, or the message is longer than it allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the nonce or the message does not have a length the cipher allows")]
pub struct SealError;

/// The message was not sealed under this key, nonce and associated data. Says no more than that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message authentication failed")]
pub struct OpenError;

enum Keyed {
    /// Holds the expanded key on aws-lc's heap, which wipes what it frees.
    AwsLc(LessSafeKey),
    /// Boxed, so that moving the cipher leaves no copy of the key behind.
    XChaCha(Box<Zeroizing<[u8; 32]>>),
}

fn aws_lc(
    algorithm: &'static aws_lc_rs::aead::Algorithm,
    key: &[u8],
) -> Result<Keyed, KeyLengthError> {
    let key = UnboundKey::new(algorithm, key).map_err(|_| KeyLengthError)?;
    Ok(Keyed::AwsLc(LessSafeKey::new(key)))
}

fn keyed_xchacha(key: &[u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.into())
}

fn xchacha(key: &[u8]) -> Result<Keyed, KeyLengthError> {
    let mut boxed = Box::new(Zeroizing::new([0; 32]));
    if key.len() != boxed.len() {
        return Err(KeyLengthError);
    }
    boxed.copy_from_slice(key);
    Ok(Keyed::XChaCha(boxed))
}

const SIV_FORMAT: &[u8] = b"sealring-siv-1";

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    #[test]
    fn a_key_of_another_length_is_refused() {
        for key_type in CipherType::ALL {
            for length in [0, 15, 16, 17, 24, 31, 32, 33, 64] {
                let made = Cipher::new(key_type, &vec![1; length]);
                assert_eq!(
                    made.is_ok(),
                    length == key_type.key_len(),
                    "{key_type} with {length} bytes"
                );
            }
        }
    }

    #[test]
    fn a_nonce_of_another_length_is_refused() {
        for key_type in CipherType::ALL {
            let cipher = cipher(key_type);
            for length in [0, 8, 11, 12, 13, 16, 23, 24, 25] {
                let nonce = vec![2; length];
                let fits = length == key_type.nonce_len();
                assert_eq!(
                    cipher.seal(&nonce, b"", &mut [0; 4]).is_ok(),
                    fits,
                    "{key_type} with {length} bytes"
                );
                let mut body = [7; 32];
                assert_eq!(cipher.open(&nonce, b"", &mut body), Err(OpenError));
                assert_eq!(body, [0; 32]);
            }
        }
    }

    #[test]
    fn less_than_a_tag_is_refused() {
        for key_type in CipherType::ALL {
            for length in 0..TAG_LEN {
                let mut body = vec![7; length];
                assert_eq!(
                    cipher(key_type).open(&nonce(key_type), b"", &mut body),
                    Err(OpenError)
                );
                assert_eq!(body, vec![0; length]);
            }
        }
    }

    #[test]
    fn every_flipped_bit_fails_and_leaves_no_plaintext() {
        let plaintext = b"not for everybody";
        for key_type in CipherType::ALL {
            let (nonce, data) = (nonce(key_type), b"data".to_vec());
            let sealed = sealed(key_type, &nonce, &data, plaintext);
            let message = [nonce.as_slice(), &data, &sealed].concat();
            for bit in 0..8 * message.len() {
                let mut changed = message.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                let (nonce, rest) = changed.split_at_mut(nonce.len());
                let (data, body) = rest.split_at_mut(data.len());
                assert_eq!(
                    cipher(key_type).open(nonce, data, body),
                    Err(OpenError),
                    "{key_type}, bit {bit}"
                );
                assert!(body.iter().all(|byte| *byte == 0), "{key_type}, bit {bit}");
            }
        }
    }

    #[test]
    fn no_cipher_opens_what_another_sealed() {
        for one in CipherType::ALL {
            for other in CipherType::ALL {
                let mut body = sealed(one, &nonce(one), b"", b"text");
                let opened = cipher(other).open(&nonce(other), b"", &mut body);
                assert_eq!(opened.is_ok(), one == other, "{one} and {other}");
            }
        }
    }

    #[test]
    fn a_cipher_does_not_print_its_key() {
        assert_eq!(
            format!("{:?}", cipher(CipherType::XChaCha20Poly1305)),
            "Cipher(xchacha20-poly1305, ..)"
        );
        assert_eq!(
            format!("{:?}", cipher(CipherType::Aes256GcmSiv)),
            "Cipher(aes256-gcm-siv, ..)"
        );
    }

    #[test]
    fn only_our_own_type_binds_its_place() {
        let (seal_id, mut scratch) = (
            SealId::from_bytes([9; 16]),
            b"left over from the item before".to_vec(),
        );
        for key_type in CipherType::ALL {
            let bound = bind_associated_data(
                key_type,
                &seal_id,
                Version::FIRST,
                b"caller's",
                &mut scratch,
            );
            if key_type == CipherType::Aes256GcmSiv {
                assert_eq!(
                    bound,
                    [
                        b"sealring-siv-1".as_slice(),
                        &[9; 16],
                        &[0, 0, 0, 1],
                        b"caller's"
                    ]
                    .concat()
                );
            } else {
                assert_eq!(bound, b"caller's");
            }
        }
    }

    proptest! {
        #[test]
        fn open_undoes_seal(
            key_type in select(&CipherType::ALL),
            key in vec(any::<u8>(), 32),
            nonce in vec(any::<u8>(), 24),
            data in vec(any::<u8>(), 0..64),
            plaintext in vec(any::<u8>(), 0..600),
        ) {
            let cipher = Cipher::new(key_type, &key[..key_type.key_len()]).unwrap();
            let nonce = &nonce[..key_type.nonce_len()];
            let mut buffer = plaintext.clone();
            let tag = cipher.seal(nonce, &data, &mut buffer).unwrap();
            prop_assert_eq!(buffer.len(), plaintext.len());
            buffer.extend_from_slice(&tag);
            prop_assert_eq!(cipher.open(nonce, &data, &mut buffer), Ok(plaintext.len()));
            prop_assert_eq!(&buffer[..plaintext.len()], plaintext);
        }

        #[test]
        fn another_key_nonce_or_data_fails(
            key_type in select(&CipherType::ALL),
            change in 0..3,
            at in any::<proptest::sample::Index>(),
            difference in 1..=u8::MAX,
        ) {
            let mut parts = [key(key_type), nonce(key_type), b"data".to_vec()];
            let mut buffer = sealed(key_type, &parts[1], &parts[2], b"plaintext");
            let part = &mut parts[usize::try_from(change).unwrap()];
            let at = at.index(part.len());
            part[at] ^= difference;
            let cipher = Cipher::new(key_type, &parts[0]).unwrap();
            prop_assert_eq!(cipher.open(&parts[1], &parts[2], &mut buffer), Err(OpenError));
            prop_assert!(buffer.iter().all(|byte| *byte == 0));
        }
    }

    fn key(key_type: CipherType) -> Vec<u8> {
        vec![1; key_type.key_len()]
    }

    fn nonce(key_type: CipherType) -> Vec<u8> {
        vec![2; key_type.nonce_len()]
    }

    fn cipher(key_type: CipherType) -> Cipher {
        Cipher::new(key_type, &key(key_type)).unwrap()
    }

    fn sealed(key_type: CipherType, nonce: &[u8], data: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let mut body = plaintext.to_vec();
        let tag = cipher(key_type).seal(nonce, data, &mut body).unwrap();
        body.extend_from_slice(&tag);
        body
    }
}
