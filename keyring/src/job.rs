//! One data request: its items decoded into slices of work, and what came of each.
//!
//! A job owns its bytes, so it can move to a worker thread, and wipes them when it is dropped. Its items lie
//! in chunks that are small enough to yield between and independent enough to run in parallel.

use std::ops::Range;

use smallvec::SmallVec;
use zeroize::Zeroizing;

use crate::error::ItemError;
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
pub struct Job {}

impl Job {
    /// A job without items.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a plaintext.
    pub fn push_plaintext(&mut self, _input: &SealInput<'_>) {}

    /// Adds a ciphertext.
    pub fn push_ciphertext(&mut self, _input: &OpenInput<'_>) {}

    /// How many items there are.
    pub fn len(&self) -> usize {
        0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        true
    }
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
    chunks: SmallVec<[ChunkOutcome; 1]>,
}

#[derive(Debug)]
struct ChunkOutcome {
    text: Zeroizing<String>,
    items: SmallVec<[Result<(Range<usize>, Version), ItemError>; 1]>,
}

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
