//! A KEK in a file, for development and tests.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::binding::Binding;
use crate::entropy::Entropy;
use crate::ids::KekId;
use crate::kek::private_file::{self, PrivateFileError};
use crate::kek::{Kek, KekError, KekSetupError, WrappedDek, hex};
use crate::secret::Dek;

/// A KEK whose 32 bytes lie in a file of mode 0600. It protects against a stolen database, not against
/// whoever reads the disk.
pub struct SoftwareKek {
    id: KekId,
    key: LessSafeKey,
    entropy: Arc<dyn Entropy>,
}

impl SoftwareKek {
    /// Writes a new random key to a file that must not exist yet, and opens it.
    pub fn create(path: &Path, entropy: Arc<dyn Entropy>) -> Result<Self, KekSetupError> {
        let mut key = Zeroizing::new([0; 32]);
        entropy
            .fill(key.as_mut_slice())
            .map_err(|error| KekSetupError(error.to_string()))?;
        private_file::create(path, spell(&key).as_bytes())
            .map_err(|error| in_file(path, &error))?;
        Self::from_key(&key, entropy)
    }

    /// Opens the key in this file, unless somebody else could have read or exchanged it.
    pub fn open(path: &Path, entropy: Arc<dyn Entropy>) -> Result<Self, KekSetupError> {
        let bytes = private_file::read(path, FILE_LENGTH).map_err(|error| in_file(path, &error))?;
        let key = parse(&bytes).ok_or_else(|| {
            KekSetupError(format!(
                "the KEK file {} does not hold a KEK",
                path.display()
            ))
        })?;
        Self::from_key(&key, entropy)
    }

    fn from_key(key: &[u8; 32], entropy: Arc<dyn Entropy>) -> Result<Self, KekSetupError> {
        let cipher = UnboundKey::new(&AES_256_GCM, key).map_err(|_| {
            KekSetupError("the software KEK was not accepted by AES-256-GCM".to_owned())
        })?;
        Ok(Self {
            id: id_of(key),
            key: LessSafeKey::new(cipher),
            entropy,
        })
    }
}

#[async_trait]
impl Kek for SoftwareKek {
    fn id(&self) -> &KekId {
        &self.id
    }

    async fn wrap_dek(&self, dek: &Dek, binding: &Binding) -> Result<WrappedDek, KekError> {
        let mut nonce = [0; 12];
        self.entropy
            .fill(&mut nonce)
            .map_err(|error| KekError::Unavailable(error.to_string()))?;
        let mut body = Zeroizing::new(*dek.expose_secret());
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(binding.encode()),
                body.as_mut_slice(),
            )
            .map_err(|_| KekError::Unavailable("AES-256-GCM failed to encrypt".to_owned()))?;
        WrappedDek::from_bytes([nonce.as_slice(), body.as_slice(), tag.as_ref()].concat())
            .ok_or_else(|| {
                KekError::Unavailable("AES-256-GCM gave a ciphertext of another length".to_owned())
            })
    }

    async fn unwrap_dek(&self, wrapped: &WrappedDek, binding: &Binding) -> Result<Dek, KekError> {
        let (nonce, sealed) = wrapped
            .as_bytes()
            .split_first_chunk::<12>()
            .ok_or(KekError::Rejected)?;
        let mut opened = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let dek = self
            .key
            .open_in_place(nonce, Aad::from(binding.encode()), &mut opened)
            .map_err(|_| KekError::Rejected)?;
        Dek::from_slice(dek).ok_or(KekError::Rejected)
    }
}

impl fmt::Debug for SoftwareKek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoftwareKek")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Names the key without telling anything about it: HMAC-SHA-256 under the key, cut to 8 bytes.
fn id_of(key: &[u8; 32]) -> KekId {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), ID_LABEL);
    let (short, _) = tag.as_ref().split_at(8);
    KekId::parse(&format!("software:{}", hex::encode(short).as_str()))
        .expect("hex is printable and short")
}

fn spell(key: &[u8; 32]) -> Zeroizing<String> {
    Zeroizing::new([MAGIC, hex::encode(key).as_str(), "\n"].concat())
}

fn parse(bytes: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let text = std::str::from_utf8(bytes).ok()?;
    hex::decode_32(text.strip_prefix(MAGIC)?.strip_suffix('\n')?)
}

fn in_file(path: &Path, error: &PrivateFileError) -> KekSetupError {
    KekSetupError(format!("the KEK file {} {error}", path.display()))
}

const MAGIC: &str = "sealring-software-kek-1\n";
const FILE_LENGTH: u64 = 24 + 64 + 1;
const ID_LABEL: &[u8] = b"sealring-software-kek-id-1";
