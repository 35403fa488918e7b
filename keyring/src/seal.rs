//! Seals, opens and rewraps the items of a chunk with the keys of one ring. Synchronous and pure: keys,
//! versions and nonces are arguments.

use smallvec::SmallVec;
use std::sync::Arc;
use zeroize::Zeroizing;

use crate::aead::{Cipher, bind_associated_data};
use crate::algorithm::{CipherType, PairType, TAG_LEN};
use crate::base64::{encode_append, encoded_len};
use crate::ciphertext::{self, CiphertextError};
use crate::derive::{ConvergentKeys, counter_subkey, subkey};
use crate::error::{Error, ItemError};
use crate::job::{Chunk, ChunkOutcome, Item, Parts};
use crate::opened::{OpenKey, OpenRing, OpenVersion};
use crate::pair::{OaepHash, Pair};
use crate::ring::Kdf;
use crate::secret::{SecretBytes, WipedBytes, WipedText};
use crate::version::Version;

/// What to do with each item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Encrypt,
    Decrypt,
    Rewrap,
}

/// A ring with those of its versions a job needs.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) ring: Arc<OpenRing>,
    /// In order of their numbers.
    pub(crate) versions: SmallVec<[Arc<OpenVersion>; 2]>,
}

impl Keys {
    /// Refuses more items than one answer has room for, where each becomes as long as a key pair makes it.
    pub(crate) fn fit_answer(&self, items: usize) -> Result<(), Error> {
        match self.ring.key_type.pair().map(PairType::blocks_in_answer) {
            Some(at_most) if items > at_most => Err(Error::TooManyItems { at_most }),
            Some(_) | None => Ok(()),
        }
    }

    pub(crate) fn version(&self, number: Version) -> Result<&OpenVersion, ItemError> {
        let version = self
            .place(number)
            .and_then(|place| self.versions.get(place));
        version.map(Arc::as_ref).ok_or(ItemError::NoSuchVersion)
    }

    /// Where in `versions` this one is.
    pub(crate) fn place(&self, number: Version) -> Option<usize> {
        self.versions
            .binary_search_by_key(&number, |version| version.version)
            .ok()
    }
}

/// Does the chunk's work. `nonces` holds one nonce for each item that seals, in order.
pub(crate) fn run(verb: Verb, keys: &Keys, chunk: &mut Chunk, nonces: &[u8]) -> ChunkOutcome {
    let mut work = Work {
        keys,
        nonces: nonces.chunks_exact(nonce_len(&keys.ring).max(1)),
        text: WipedBytes::with_capacity(text_bound(chunk, &keys.ring)),
        scratch: Vec::with_capacity(SCRATCH),
    };
    let Chunk {
        arena,
        items: wanted,
    } = chunk;
    let mut items = SmallVec::with_capacity(wanted.len());
    for item in wanted {
        let start = work.text.len();
        let done = item.as_mut().map_err(|error| *error).and_then(|item| {
            let parts = Chunk::parts(arena, item).ok_or(ItemError::TooLong)?;
            work.item(verb, item, parts)
        });
        items.push(done.map(|version| (start..work.text.len(), version)));
    }
    let text = WipedText::new(work.text).expect("prefixes and base64 are ASCII");
    ChunkOutcome { text, items }
}

/// The texts of a chunk in at most this many bytes, so that the buffer never grows and leaves no copy.
fn text_bound(chunk: &Chunk, ring: &OpenRing) -> usize {
    let overhead = match ring.key_type.cipher() {
        Some(_) => TEXT_OVERHEAD,
        None => TEXT_OVERHEAD + LONGEST_RSA_BLOCK,
    };
    let bodies = chunk
        .items
        .iter()
        .flatten()
        .map(|item| encoded_len(item.body.len() + overhead));
    bodies.sum()
}

/// Length of the nonces that the ring's ciphertexts begin with; RSA has none.
pub(crate) fn nonce_len(ring: &OpenRing) -> usize {
    ring.key_type.cipher().map_or(0, CipherType::nonce_len)
}

struct Work<'a> {
    keys: &'a Keys,
    nonces: std::slice::ChunksExact<'a, u8>,
    text: WipedBytes,
    scratch: Vec<u8>,
}

impl Work<'_> {
    fn item(
        &mut self,
        verb: Verb,
        item: &Item,
        mut parts: Parts<'_>,
    ) -> Result<Version, ItemError> {
        let Some(cipher) = self.keys.ring.key_type.cipher() else {
            return self.item_by_pair(verb, item, &parts);
        };
        match verb {
            Verb::Encrypt => {
                let body = 0..parts.body_len;
                self.seal(cipher, item, &mut parts, body)
            }
            Verb::Decrypt => {
                let (version, plaintext) = self.open(cipher, item, &mut parts)?;
                encode_append(
                    parts.body_and_tag.get(plaintext).unwrap_or_default(),
                    &mut self.text,
                );
                Ok(version)
            }
            Verb::Rewrap => {
                // Before opening: an item that cannot be sealed again must not be opened.
                self.keys.ring.sealing_version(item.seal_with)?;
                let (_, plaintext) = self.open(cipher, item, &mut parts)?;
                parts.associated_data = parts.new_associated_data;
                self.seal(cipher, item, &mut parts, plaintext)
            }
        }
    }

    /// Seals the plaintext at `body`, in place, and appends the ciphertext's text.
    fn seal(
        &mut self,
        cipher: CipherType,
        item: &Item,
        parts: &mut Parts<'_>,
        body: std::ops::Range<usize>,
    ) -> Result<Version, ItemError> {
        let ring = &self.keys.ring;
        let number = ring.sealing_version(item.seal_with)?;
        let version = self.keys.version(number)?;
        let key = ItemKey::of(ring, cipher, version, parts.context)?;
        let tag_end = body.end + TAG_LEN;
        let sealed = parts
            .body_and_tag
            .get_mut(body.start..tag_end)
            .ok_or(ItemError::TooLong)?;
        let (text, tag_place) = sealed.split_at_mut(body.len());
        let mut nonce = [0; LONGEST_NONCE];
        let nonce = nonce
            .get_mut(..cipher.nonce_len())
            .ok_or(ItemError::TooLong)?;
        match &key {
            ItemKey::Convergent(keys, _) => keys.nonce(text, parts.associated_data, nonce),
            ItemKey::Shared(_) | ItemKey::Derived(_) => {
                nonce.copy_from_slice(self.nonces.next().ok_or(ItemError::TooLong)?);
            }
        }
        let bound = bind_associated_data(
            cipher,
            &version.seal_id,
            number,
            parts.associated_data,
            &mut self.scratch,
        );
        let tag = key
            .cipher()
            .seal(nonce, bound, text)
            .map_err(|_| ItemError::TooLong)?;
        tag_place.copy_from_slice(&tag);
        ciphertext::write(number, nonce, sealed, &mut self.text);
        Ok(number)
    }

    /// Opens the ciphertext in place and answers where the plaintext is.
    fn open(
        &mut self,
        cipher: CipherType,
        item: &Item,
        parts: &mut Parts<'_>,
    ) -> Result<(Version, std::ops::Range<usize>), ItemError> {
        let ring = &self.keys.ring;
        let number = ring.opening_version(item.sealed_with.ok_or(ItemError::MissingCiphertext)?)?;
        let version = self.keys.version(number)?;
        let key = ItemKey::of(ring, cipher, version, parts.context)?;
        let body = parts
            .body_and_tag
            .get_mut(..parts.body_len)
            .ok_or(ItemError::TooLong)?;
        let nonce_len = cipher.nonce_len();
        let (nonce, sealed) = body
            .split_at_mut_checked(nonce_len)
            .ok_or(CiphertextError::TooShort)?;
        let bound = bind_associated_data(
            cipher,
            &version.seal_id,
            number,
            parts.associated_data,
            &mut self.scratch,
        );
        let opened = key.cipher().open(nonce, bound, sealed);
        let length = opened.map_err(|_| ItemError::Authentication(cipher))?;
        Ok((number, nonce_len..nonce_len + length))
    }
}

/// RSA encrypts and decrypts whole blocks, so nothing can be done in place.
impl Work<'_> {
    fn item_by_pair(
        &mut self,
        verb: Verb,
        item: &Item,
        parts: &Parts<'_>,
    ) -> Result<Version, ItemError> {
        if !(parts.associated_data.is_empty() && parts.new_associated_data.is_empty()) {
            return Err(ItemError::NotAead(self.keys.ring.key_type));
        }
        let body = parts.body_and_tag.get(..parts.body_len).unwrap_or_default();
        match verb {
            Verb::Encrypt => self.seal_block(item, body),
            Verb::Decrypt => {
                let (version, plaintext) = self.open_block(item, body)?;
                encode_append(plaintext.expose_secret(), &mut self.text);
                Ok(version)
            }
            Verb::Rewrap => {
                self.keys.ring.sealing_version(item.seal_with)?;
                let (_, plaintext) = self.open_block(item, body)?;
                self.seal_block(item, plaintext.expose_secret())
            }
        }
    }

    fn seal_block(&mut self, item: &Item, plaintext: &[u8]) -> Result<Version, ItemError> {
        let number = self.keys.ring.sealing_version(item.seal_with)?;
        let sealed = self.pair(number)?.oaep_encrypt(plaintext, OaepHash::Sha256);
        let sealed = sealed.map_err(ItemError::Oaep)?;
        ciphertext::write(number, &[], &sealed, &mut self.text);
        Ok(number)
    }

    fn open_block(&self, item: &Item, sealed: &[u8]) -> Result<(Version, SecretBytes), ItemError> {
        let named = item.sealed_with.ok_or(ItemError::MissingCiphertext)?;
        let number = self.keys.ring.opening_version(named)?;
        let plaintext = self.pair(number)?.oaep_decrypt(sealed, OaepHash::Sha256);
        Ok((number, plaintext.map_err(ItemError::Oaep)?))
    }

    fn pair(&self, number: Version) -> Result<&Pair, ItemError> {
        match &self.keys.version(number)?.key {
            OpenKey::Pair(pair) => Ok(pair),
            OpenKey::Hmac | OpenKey::Ready(_) | OpenKey::Root(_) => Err(ItemError::NoSuchVersion),
        }
    }
}

/// The cipher of one item: the version's own, or one derived from the item's context.
enum ItemKey<'a> {
    Shared(&'a Cipher),
    Derived(Cipher),
    Convergent(ConvergentKeys, Cipher),
}

impl<'a> ItemKey<'a> {
    fn of(
        ring: &OpenRing,
        cipher_type: CipherType,
        version: &'a OpenVersion,
        context: &[u8],
    ) -> Result<Self, ItemError> {
        let root = match &version.key {
            OpenKey::Ready(cipher) => return Ok(Self::Shared(cipher)),
            OpenKey::Root(root) => root.expose_secret(),
            OpenKey::Hmac | OpenKey::Pair(_) => return Err(ItemError::NoSuchVersion),
        };
        if context.is_empty() {
            return Err(ItemError::MissingContext);
        }
        if ring.convergent {
            let keys = ConvergentKeys::derive(root, context, cipher_type.key_len());
            let cipher = cipher(cipher_type, keys.cipher_key());
            return Ok(Self::Convergent(keys, cipher));
        }
        let mut derived = Zeroizing::new([0; LONGEST_KEY]);
        let derived = derived
            .get_mut(..cipher_type.key_len())
            .ok_or(ItemError::TooLong)?;
        match ring.kdf {
            Kdf::Counter => counter_subkey(root, context, derived),
            Kdf::Hkdf => subkey(root, context, derived),
        }
        Ok(Self::Derived(cipher(cipher_type, derived)))
    }

    fn cipher(&self) -> &Cipher {
        match self {
            Self::Shared(cipher) => cipher,
            Self::Derived(cipher) | Self::Convergent(_, cipher) => cipher,
        }
    }
}

fn cipher(cipher_type: CipherType, key: &[u8]) -> Cipher {
    Cipher::new(cipher_type, key).expect("the key was derived with the type's length")
}

const LONGEST_NONCE: usize = 24;
const LONGEST_KEY: usize = 32;
/// The ciphertext of the longest RSA key, in bytes.
const LONGEST_RSA_BLOCK: usize = 512;
/// `vault:v4294967295:`, a nonce and a tag.
const TEXT_OVERHEAD: usize = 18 + LONGEST_NONCE + TAG_LEN;
/// Enough for what is bound into a ciphertext whose caller brings little or no associated data.
const SCRATCH: usize = 96;
