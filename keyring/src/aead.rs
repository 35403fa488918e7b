//! Seals and opens with each key type's cipher.

use std::fmt;

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, AES_256_GCM_SIV, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce,
    UnboundKey,
};
use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305, XNonce};
use zeroize::{Zeroize, Zeroizing};

use crate::algorithm::{KeyType, TAG_LEN};
use crate::ids::SealId;
use crate::version::Version;

/// One cipher with its key: `seal(K, N, A, P) -> C || T` (RFC 5116). The key is wiped on drop.
pub struct Cipher {
    key_type: KeyType,
    keyed: Keyed,
}

impl Cipher {
    /// The key type's cipher under this key.
    pub fn new(key_type: KeyType, key: &[u8]) -> Result<Self, KeyLengthError> {
        let keyed = match key_type {
            KeyType::Aes128Gcm96 => aws_lc(&AES_128_GCM, key),
            KeyType::Aes256Gcm96 => aws_lc(&AES_256_GCM, key),
            KeyType::Aes256GcmSiv => aws_lc(&AES_256_GCM_SIV, key),
            KeyType::ChaCha20Poly1305 => aws_lc(&CHACHA20_POLY1305, key),
            KeyType::XChaCha20Poly1305 => xchacha(key),
        }?;
        Ok(Self { key_type, keyed })
    }

    /// Which cipher this is.
    pub const fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// Encrypts the buffer in place and answers the tag. On an error the buffer is as it was.
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
    key_type: KeyType,
    seal_id: &SealId,
    version: Version,
    caller: &'a [u8],
    scratch: &'a mut Vec<u8>,
) -> &'a [u8] {
    match key_type {
        KeyType::Aes256GcmSiv => {
            scratch.clear();
            scratch.extend_from_slice(SIV_FORMAT);
            scratch.extend_from_slice(seal_id.as_bytes());
            scratch.extend_from_slice(&version.number().to_be_bytes());
            scratch.extend_from_slice(caller);
            scratch
        }
        KeyType::Aes128Gcm96
        | KeyType::Aes256Gcm96
        | KeyType::ChaCha20Poly1305
        | KeyType::XChaCha20Poly1305 => caller,
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
