//! Signatures and HMACs: makes and checks them with the keys of one ring. The texts of both are
//! `vault:v<version>:<base64>`.
//!
//! Signatures are always made and checked on the worker threads: one of a long RSA key takes as long as thousands of
//! encryptions. A batch gives other work its turn between few items.

use base64_simd::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::algorithm::PairType;
use crate::base64::decode_append;
use crate::ciphertext::{self, CiphertextError};
use crate::data::{DataPath, Use};
use crate::derive::subkey;
use crate::error::{Error, ItemError, TagFault};
use crate::hash::HashAlgorithm;
use crate::opened::{OpenKey, OpenVersion};
use crate::pair::{Marshaling, Pair, SignatureOptions};
use crate::seal::Keys;
use crate::secret::SecretBytes;
use crate::transit::Address;
use crate::version::Version;

/// What is made of an input, or checked against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagKind {
    /// A signature by a key pair.
    Signature(SignatureOptions),
    /// An HMAC under the key that versions of every type have.
    Hmac(HashAlgorithm),
}

impl TagKind {
    /// Whether its base64 is the URL-safe one without padding (RFC 4648 section 5).
    const fn is_url_safe(self) -> bool {
        match self {
            Self::Signature(how) => matches!(how.marshaling, Marshaling::Jws),
            Self::Hmac(_) => false,
        }
    }
}

/// What a caller brings to be signed, or checked.
#[derive(Debug)]
pub struct TagInput {
    input: SecretBytes,
    context: SecretBytes,
}

impl TagInput {
    /// Decodes an input and its context, both base64; empty for none.
    pub fn decode(input: &str, context: &str) -> Result<Self, ItemError> {
        Ok(Self {
            input: decoded(input).map_err(ItemError::Input)?,
            context: decoded(context).map_err(ItemError::Context)?,
        })
    }
}

/// An input with the signature or HMAC that is to be checked.
#[derive(Debug)]
pub struct TaggedInput {
    input: TagInput,
    version: Version,
    tag: Vec<u8>,
}

impl TaggedInput {
    /// Takes the text of a signature or an HMAC apart.
    pub fn decode(input: TagInput, tag: &str, kind: TagKind) -> Result<Self, ItemError> {
        let parsed = ciphertext::parse(tag).map_err(|error| ItemError::Tag(fault(error)))?;
        let payload = parsed.payload_base64.as_bytes();
        let tag = if kind.is_url_safe() {
            URL_SAFE_NO_PAD.decode_to_vec(payload).ok()
        } else {
            let mut tag = Vec::new();
            decode_append(payload, &mut tag).is_ok().then_some(tag)
        };
        Ok(Self {
            input,
            version: parsed.version,
            tag: tag.ok_or(ItemError::Tag(TagFault::BadBase64))?,
        })
    }
}

/// Inputs to be signed, or to get an HMAC, in order. An item that could not be decoded keeps its place and its error.
#[derive(Debug)]
pub struct TagJob {
    /// What is made of each.
    pub kind: TagKind,
    /// The version to make it with; 0 for the latest.
    pub key_version: i64,
    /// The inputs.
    pub items: Vec<Result<TagInput, ItemError>>,
}

/// Signatures or HMACs to be checked, in order.
#[derive(Debug)]
pub struct CheckJob {
    /// What each is.
    pub kind: TagKind,
    /// The inputs with what is said to belong to them.
    pub items: Vec<Result<TaggedInput, ItemError>>,
}

/// A signature or an HMAC.
#[derive(Debug)]
pub struct Tag {
    /// Its text. ASCII.
    pub text: String,
    /// The version that made it.
    pub version: Version,
    /// Base64 of the public key that checks it, if that was derived.
    pub public_key: Option<String>,
}

impl DataPath {
    /// Signs each input, or makes its HMAC.
    pub(crate) async fn tag(
        &self,
        at: &Address,
        job: TagJob,
    ) -> Result<Vec<Result<Tag, ItemError>>, Error> {
        let asked = job.key_version;
        let keys = self
            .tag_keys(at, job.kind, || [Use::sealing(asked)].into_iter())
            .await?;
        let kind = job.kind;
        if let TagKind::Signature(_) = kind {
            keys.fit_answer(job.items.len())?;
        }
        let effort = Effort::of(kind, &keys, size(job.items.iter().flatten()), 1);
        let work = move |item: Result<TagInput, ItemError>| make(&keys, kind, asked, &item?);
        self.each(effort, job.items, work).await
    }

    /// The public key that each version of a ring derives for a context, in base64.
    pub(crate) async fn derived_public_keys(
        &self,
        at: &Address,
        context: SecretBytes,
    ) -> Result<Vec<(Version, String)>, Error> {
        let latest = self.keys_for(at, || [Use::sealing(0)].into_iter()).await?;
        let numbers = latest.ring.min_decryption.number()..=latest.ring.latest.number();
        let uses = || {
            numbers
                .clone()
                .map(|number| Use::opening(Version::new(number)))
        };
        let keys = self.keys_for(at, uses).await?;
        let derive = move || {
            let derived = keys
                .versions
                .iter()
                .filter_map(|version| match &version.key {
                    OpenKey::Root(root) => {
                        let pair = derived_pair(root, context.expose_secret()).ok()?;
                        Some((
                            version.version,
                            STANDARD.encode_to_string(pair.raw_ed25519_public()?),
                        ))
                    }
                    OpenKey::Hmac | OpenKey::Pair(_) | OpenKey::Ready(_) => None,
                });
            derived.collect()
        };
        self.workers.run(derive).await
    }

    /// Whether each signature or HMAC belongs to its input.
    pub(crate) async fn check(
        &self,
        at: &Address,
        job: CheckJob,
    ) -> Result<Vec<Result<bool, ItemError>>, Error> {
        let items = job.items.iter().flatten();
        let uses: Vec<Use> = items.map(|item| Use::opening(Some(item.version))).collect();
        let keys = self.tag_keys(at, job.kind, || uses.iter().copied()).await?;
        let inputs = job.items.iter().flatten().map(|item| &item.input);
        let kind = job.kind;
        let effort = Effort::of(kind, &keys, size(inputs), CHECKS_PER_TURN);
        let work = move |item: Result<TaggedInput, ItemError>| check(&keys, kind, &item?);
        self.each(effort, job.items, work).await
    }

    async fn tag_keys<I: Iterator<Item = Use>>(
        &self,
        at: &Address,
        kind: TagKind,
        uses: impl Fn() -> I + Send + Sync,
    ) -> Result<Keys, Error> {
        let keys = self.keys_for(at, uses).await?;
        match kind {
            TagKind::Signature(_) if !keys.ring.key_type.signs() => {
                Err(Error::Unsupported(keys.ring.key_type))
            }
            TagKind::Hmac(_) | TagKind::Signature(_) => Ok(keys),
        }
    }

    /// Does the work of each item, where it is cheapest.
    async fn each<T, R>(
        &self,
        effort: Effort,
        items: Vec<T>,
        work: impl Fn(T) -> R + Send + Sync + 'static,
    ) -> Result<Vec<R>, Error>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        let is_short = items.len() <= CHEAP_ITEMS && effort.bytes <= self.settings.inline_bytes;
        if effort.is_cheap && is_short {
            Ok(items.into_iter().map(work).collect())
        } else {
            let turns = self
                .workers
                .run_in_turns(items, effort.items_per_turn, work);
            turns.await
        }
    }
}

/// How much work a job's items are.
#[derive(Clone, Copy, Debug)]
struct Effort {
    is_cheap: bool,
    bytes: usize,
    /// Few enough that other work need not wait for them much longer than for one signature of a long RSA key.
    items_per_turn: usize,
}

impl Effort {
    /// RSA checks much faster than it signs.
    fn of(kind: TagKind, keys: &Keys, bytes: usize, rsa_items: usize) -> Self {
        let items_per_turn = match (kind, keys.ring.key_type.pair()) {
            (TagKind::Hmac(_), _) => CHEAP_ITEMS,
            (TagKind::Signature(_), Some(pair)) if pair.is_rsa() => rsa_items,
            (TagKind::Signature(_), Some(PairType::EcdsaP256 | PairType::Ed25519)) => 32,
            (TagKind::Signature(_), Some(_) | None) => 4,
        };
        Self {
            is_cheap: matches!(kind, TagKind::Hmac(_)),
            bytes,
            items_per_turn,
        }
    }
}

fn make(keys: &Keys, kind: TagKind, asked: i64, item: &TagInput) -> Result<Tag, ItemError> {
    let number = keys.ring.sealing_version(asked)?;
    let version = keys.version(number)?;
    let input = item.input.expose_secret();
    let (tag, public_key) = match kind {
        TagKind::Hmac(hash) => {
            let tag = hash.hmac(version.hmac_key.expose_secret(), input);
            (tag.as_bytes().to_vec(), None)
        }
        TagKind::Signature(how) => {
            let pair = ItemPair::of(version, item)?;
            let signature = pair.get().sign(input, &how).map_err(ItemError::Sign)?;
            (signature, pair.derived_public())
        }
    };
    Ok(Tag {
        text: text(number, &tag, kind),
        version: number,
        public_key,
    })
}

fn check(keys: &Keys, kind: TagKind, item: &TaggedInput) -> Result<bool, ItemError> {
    let number = keys.ring.opening_version(item.version)?;
    let version = keys.version(number)?;
    let input = item.input.input.expose_secret();
    match kind {
        TagKind::Hmac(hash) => {
            let expected = hash.hmac(version.hmac_key.expose_secret(), input);
            Ok(expected.is(&item.tag))
        }
        TagKind::Signature(how) => {
            let pair = ItemPair::of(version, &item.input)?;
            let valid = pair.get().verify(input, &item.tag, &how);
            valid.map_err(ItemError::Verify)
        }
    }
}

/// The pair of one item: the version's own, or one derived from the item's context.
enum ItemPair<'a> {
    Shared(&'a Pair),
    Derived(Box<Pair>),
}

impl<'a> ItemPair<'a> {
    fn of(version: &'a OpenVersion, item: &TagInput) -> Result<Self, ItemError> {
        match &version.key {
            OpenKey::Pair(pair) => Ok(Self::Shared(pair)),
            OpenKey::Root(root) => {
                let pair = derived_pair(root, item.context.expose_secret())?;
                Ok(Self::Derived(Box::new(pair)))
            }
            OpenKey::Hmac | OpenKey::Ready(_) => Err(ItemError::NoSuchVersion),
        }
    }

    fn get(&self) -> &Pair {
        match self {
            Self::Shared(pair) => pair,
            Self::Derived(pair) => pair,
        }
    }

    fn derived_public(&self) -> Option<String> {
        match self {
            Self::Shared(_) => None,
            Self::Derived(pair) => pair
                .raw_ed25519_public()
                .map(|raw| STANDARD.encode_to_string(raw)),
        }
    }
}

/// The Ed25519 pair of a context: its seed is the first 32 bytes of HKDF, as Vault has it.
pub(crate) fn derived_pair(root: &SecretBytes, context: &[u8]) -> Result<Pair, ItemError> {
    if context.is_empty() {
        return Err(ItemError::MissingContext);
    }
    let mut seed = Zeroizing::new([0; 32]);
    subkey(root.expose_secret(), context, seed.as_mut_slice());
    Ok(Pair::from_ed25519_seed(&seed).expect("any 32 bytes are a seed"))
}

fn text(version: Version, tag: &[u8], kind: TagKind) -> String {
    let mut text = Vec::new();
    ciphertext::write_prefix(version, &mut text);
    if kind.is_url_safe() {
        URL_SAFE_NO_PAD.encode_append(tag, &mut text);
    } else {
        STANDARD.encode_append(tag, &mut text);
    }
    String::from_utf8(text).expect("prefixes and base64 are ASCII")
}

fn decoded(text: &str) -> Result<SecretBytes, crate::base64::Base64Error> {
    // Of the final size from the start: a buffer that grows leaves a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 4 * 3 + 3));
    decode_append(text.as_bytes(), &mut bytes)?;
    Ok(SecretBytes::new(std::mem::take(&mut *bytes)))
}

fn fault(error: CiphertextError) -> TagFault {
    match error {
        CiphertextError::NoPrefix => TagFault::NoPrefix,
        CiphertextError::VersionNumber => TagFault::BadVersion,
        CiphertextError::WrongFields => TagFault::WrongFields,
        CiphertextError::NotBase64 | CiphertextError::TooShort => TagFault::BadBase64,
    }
}

/// How many bytes the inputs are.
fn size<'a>(inputs: impl Iterator<Item = &'a TagInput>) -> usize {
    inputs.map(|item| item.input.len()).sum()
}

/// How many RSA signatures are checked in a turn; one that is wrong may take half a millisecond.
const CHECKS_PER_TURN: usize = 8;
/// How many HMACs are made where the request is; each takes about a microsecond.
const CHEAP_ITEMS: usize = 128;
