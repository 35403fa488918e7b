//! One data request: its items decoded into chunks of work, and what came of each.
//!
//! A job owns its bytes, so it can move to a worker thread, and wipes them when it is dropped. Its items lie
//! in chunks that are small enough to yield between and independent enough to run in parallel.

use std::ops::Range;

use smallvec::SmallVec;

use crate::algorithm::TAG_LEN;
use crate::base64::decode_append;
use crate::ciphertext;
use crate::error::ItemError;
use crate::secret::{WipedBytes, WipedText};
use crate::version::Version;

/// A plaintext to seal; all texts are base64, empty for none.
#[derive(Clone, Copy, Debug, Default)]
pub struct SealInput<'a> {
    /// Base64 of the plaintext.
    pub plaintext: &'a str,
    /// Base64 of the context, for rings that derive.
    pub context: &'a str,
    /// Base64 of the associated data.
    pub associated_data: &'a str,
    /// The version to seal with; 0 for the latest.
    pub key_version: i64,
}

/// A ciphertext to open, or to open and seal again.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenInput<'a> {
    /// The ciphertext in its text form.
    pub ciphertext: &'a str,
    /// Base64 of the context, for rings that derive.
    pub context: &'a str,
    /// Base64 of the associated data.
    pub associated_data: &'a str,
    /// For rewrap: base64 of other associated data to seal with; absent to keep the same.
    pub new_associated_data: Option<&'a str>,
    /// For rewrap: the version to seal with; 0 for the latest.
    pub key_version: i64,
}

/// The items of one request, in order. An item that cannot be decoded keeps its place and its error.
#[derive(Debug, Default)]
pub struct Job {
    pub(crate) chunks: SmallVec<[Chunk; 1]>,
}

impl Job {
    /// A job without items.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a plaintext.
    pub fn push_plaintext(&mut self, input: &SealInput<'_>) {
        let texts = [input.context, input.associated_data, input.plaintext];
        let chunk = self.chunk_for(texts.iter().map(|text| decoded_bound(text)).sum());
        let item = chunk.decode_plaintext(input);
        chunk.items.push(item);
    }

    /// Adds a ciphertext.
    pub fn push_ciphertext(&mut self, input: &OpenInput<'_>) {
        let new_data = input.new_associated_data.unwrap_or_default();
        let texts = [
            input.context,
            input.associated_data,
            new_data,
            input.ciphertext,
        ];
        let chunk = self.chunk_for(texts.iter().map(|text| decoded_bound(text)).sum());
        let item = chunk.decode_ciphertext(input);
        chunk.items.push(item);
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.items.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// What comes of the items where a ring that were made for them, with its first version only, could seal none of
    /// them; `None` if it could seal any.
    pub fn refused_by_new_ring(&self, derived: bool) -> Option<Outcomes> {
        let refused = |chunk: &Chunk| {
            let errors = chunk.items.iter().map(|item| match item {
                Ok(item) => item.refused_by_new_ring(derived).map(Err),
                Err(error) => Some(Err(*error)),
            });
            Some(ChunkOutcome {
                text: WipedText::new(WipedBytes::with_capacity(0))?,
                items: errors.collect::<Option<_>>()?,
            })
        };
        let chunks = self.chunks.iter().map(refused);
        Some(Outcomes {
            chunks: chunks.collect::<Option<_>>()?,
        })
    }

    /// How many bytes the items hold.
    pub(crate) fn bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.arena.len()).sum()
    }

    /// Every item that could be decoded.
    pub(crate) fn items(&self) -> impl Iterator<Item = &Item> {
        self.chunks
            .iter()
            .flat_map(|chunk| chunk.items.iter().flatten())
    }

    /// The last chunk if it has room for one more item with this many bytes, else a new one. A chunk's buffer
    /// never grows: growing would leave a copy of it behind, unwiped.
    fn chunk_for(&mut self, bytes: usize) -> &mut Chunk {
        let needed = bytes + TAG_LEN;
        let has_room = self
            .chunks
            .last()
            .is_some_and(|chunk| chunk.has_room_for(needed));
        if !has_room {
            let capacity = if self.chunks.is_empty() {
                needed
            } else {
                needed.max(CHUNK_BYTES)
            };
            self.chunks.push(Chunk::with_capacity(capacity));
        }
        self.chunks
            .last_mut()
            .expect("a chunk was just added if there was none")
    }
}

/// A few items and the one buffer their bytes are in.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) arena: WipedBytes,
    pub(crate) items: SmallVec<[Result<Item, ItemError>; 1]>,
}

/// Where an item's parts are in its chunk's buffer. The body comes last, with room for a tag behind it.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) context: Range<usize>,
    pub(crate) associated_data: Range<usize>,
    pub(crate) new_associated_data: Option<Range<usize>>,
    pub(crate) body: Range<usize>,
    /// The version a ciphertext names; absent for a plaintext.
    pub(crate) sealed_with: Option<Version>,
    /// The version a caller asks for; 0 for the latest.
    pub(crate) seal_with: i64,
}

impl Item {
    /// Why a ring with its first version only would not seal it.
    fn refused_by_new_ring(&self, derived: bool) -> Option<ItemError> {
        if self.seal_with < 0 {
            Some(ItemError::VersionNegative)
        } else if self.seal_with > i64::from(Version::FIRST.number()) {
            Some(ItemError::VersionAboveLatest {
                latest: Version::FIRST,
            })
        } else if derived && self.context.is_empty() {
            Some(ItemError::MissingContext)
        } else {
            None
        }
    }
}

impl Chunk {
    fn with_capacity(capacity: usize) -> Self {
        Self {
            arena: WipedBytes::with_capacity(capacity),
            items: SmallVec::new(),
        }
    }

    fn has_room_for(&self, bytes: usize) -> bool {
        self.items.len() < CHUNK_ITEMS && self.arena.capacity() - self.arena.len() >= bytes
    }

    fn decode_plaintext(&mut self, input: &SealInput<'_>) -> Result<Item, ItemError> {
        // In this order errors come out as the protocol has them: the plaintext's before the context's.
        let body = decode_append(input.plaintext.as_bytes(), &mut self.arena)
            .map_err(ItemError::Plaintext)?;
        self.reserve_tag();
        let context =
            decode_append(input.context.as_bytes(), &mut self.arena).map_err(ItemError::Context)?;
        let associated_data = decode_append(input.associated_data.as_bytes(), &mut self.arena)
            .map_err(ItemError::AssociatedData)?;
        Ok(Item {
            context,
            associated_data,
            new_associated_data: None,
            body,
            sealed_with: None,
            seal_with: input.key_version,
        })
    }

    fn decode_ciphertext(&mut self, input: &OpenInput<'_>) -> Result<Item, ItemError> {
        if input.ciphertext.is_empty() {
            return Err(ItemError::MissingCiphertext);
        }
        let parsed = ciphertext::parse(input.ciphertext)?;
        let body = parsed.decode_append(&mut self.arena)?;
        self.reserve_tag();
        let context =
            decode_append(input.context.as_bytes(), &mut self.arena).map_err(ItemError::Context)?;
        let mut decode = |text: &str| {
            decode_append(text.as_bytes(), &mut self.arena).map_err(ItemError::AssociatedData)
        };
        let associated_data = decode(input.associated_data)?;
        let new_associated_data = input.new_associated_data.map(decode).transpose()?;
        Ok(Item {
            context,
            associated_data,
            new_associated_data,
            body,
            sealed_with: Some(parsed.version),
            seal_with: input.key_version,
        })
    }

    fn reserve_tag(&mut self) {
        self.arena.extend_from_slice(&[0; TAG_LEN]);
    }

    /// One item's parts: its body and the tag's place to change, all else to read.
    pub(crate) fn parts<'a>(arena: &'a mut [u8], item: &Item) -> Option<Parts<'a>> {
        let (body, rest) = arena
            .get_mut(item.body.start..)?
            .split_at_mut_checked(item.body.len() + TAG_LEN)?;
        let rest_start = item.body.end + TAG_LEN;
        let part = |range: &Range<usize>| {
            rest.get(range.start.checked_sub(rest_start)?..range.end.checked_sub(rest_start)?)
        };
        let associated_data = part(&item.associated_data)?;
        Some(Parts {
            context: part(&item.context)?,
            associated_data,
            new_associated_data: match &item.new_associated_data {
                Some(range) => part(range)?,
                None => associated_data,
            },
            body_and_tag: body,
            body_len: item.body.len(),
        })
    }
}

/// One item's bytes.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) context: &'a [u8],
    pub(crate) associated_data: &'a [u8],
    pub(crate) new_associated_data: &'a [u8],
    pub(crate) body_and_tag: &'a mut [u8],
    pub(crate) body_len: usize,
}

/// What came of one item.
#[derive(Clone, Copy, Debug)]
pub struct Done<'a> {
    /// The ciphertext in its text form, or base64 of the plaintext. ASCII.
    pub text: &'a str,
    /// The version that sealed or opened.
    pub version: Version,
}

/// What came of each item of a job, in the same order.
#[derive(Debug, Default)]
pub struct Outcomes {
    pub(crate) chunks: SmallVec<[ChunkOutcome; 1]>,
}

/// What came of the items of one chunk: their texts in one buffer, wiped on drop.
#[derive(Debug)]
pub(crate) struct ChunkOutcome {
    pub(crate) text: WipedText,
    pub(crate) items: SmallVec<[ItemOutcome; 1]>,
}

/// How many items there were, how they went, and which versions sealed or opened them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many items there were.
    pub items: usize,
    /// How many of them failed.
    pub failed: usize,
    /// The lowest and the highest version that sealed or opened; absent if none did.
    pub versions: Option<(Version, Version)>,
}

impl Summary {
    fn add_version(&mut self, version: Version) {
        let (low, high) = self.versions.unwrap_or((version, version));
        self.versions = Some((low.min(version), high.max(version)));
    }

    /// Counts one item more: the version that did it, or that it failed.
    pub fn add(&mut self, version: Option<Version>) {
        self.items += 1;
        match version {
            Some(version) => self.add_version(version),
            None => self.failed += 1,
        }
    }

    /// One item that was done with this version.
    pub fn of_one(version: Version) -> Self {
        Self {
            items: 1,
            failed: 0,
            versions: Some((version, version)),
        }
    }
}

/// Where an item's text is in its chunk's, and the version that sealed or opened it.
pub(crate) type ItemOutcome = Result<(Range<usize>, Version), ItemError>;

impl Outcomes {
    /// How many items there are.
    pub fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.items.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Length of all texts together in bytes, to reserve a buffer.
    pub fn text_len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.text.len()).sum()
    }

    /// What an audit record says of them.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for item in self.chunks.iter().flat_map(|chunk| &chunk.items) {
            summary.items += 1;
            match item {
                Ok((_, version)) => summary.add_version(*version),
                Err(_) => summary.failed += 1,
            }
        }
        summary
    }

    /// Each item's outcome, in order.
    pub fn iter(&self) -> impl Iterator<Item = Result<Done<'_>, ItemError>> {
        self.chunks.iter().flat_map(|chunk| {
            chunk.items.iter().map(|item| match item {
                Ok((range, version)) => Ok(Done {
                    text: chunk.text.get(range.clone()).unwrap_or_default(),
                    version: *version,
                }),
                Err(error) => Err(*error),
            })
        })
    }
}

/// An upper bound of what a text decodes to; also enough for a ciphertext with its prefix.
fn decoded_bound(text: &str) -> usize {
    text.len().div_ceil(4) * 3
}

/// Items in one chunk: some 20 microseconds of work.
const CHUNK_ITEMS: usize = 128;
/// Bytes in one chunk beyond the first, unless an item is larger.
const CHUNK_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn job(items: &[(&str, &str, i64)]) -> Job {
        let mut job = Job::new();
        for (plaintext, context, key_version) in items.iter().copied() {
            job.push_plaintext(&SealInput {
                plaintext,
                context,
                associated_data: "",
                key_version,
            });
        }
        job
    }

    #[test]
    fn a_new_ring_refuses_only_jobs_of_which_it_could_seal_nothing() {
        let bad = ("*", "", 0);
        for (items, derived) in [
            (vec![("YQ==", "", 0)], false),
            (vec![("YQ==", "", 1)], false),
            (vec![bad, ("", "Yg==", 0), bad], true),
        ] {
            assert!(
                job(&items).refused_by_new_ring(derived).is_none(),
                "{items:?}"
            );
        }
        let items = [bad, ("", "", -1), ("", "", 2), ("", "", 0), ("", "*", 0)];
        let refused = job(&items).refused_by_new_ring(true).unwrap();
        let errors: Vec<_> = refused.iter().map(Result::unwrap_err).collect();
        assert!(
            matches!(
                errors.as_slice(),
                [
                    ItemError::Plaintext(_),
                    ItemError::VersionNegative,
                    ItemError::VersionAboveLatest { .. },
                    ItemError::MissingContext,
                    ItemError::Context(_),
                ]
            ),
            "{errors:?}"
        );
    }

    #[test]
    fn every_item_of_a_long_refused_job_keeps_its_place() {
        let items = vec![("*", "", 0); 1000];
        assert_eq!(job(&items).refused_by_new_ring(false).unwrap().len(), 1000);
    }
}
