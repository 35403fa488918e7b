//! What signed lines say.

use keyring::clock::Timestamp;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::super::encode::{from_hex, hex, parse_time, time_text};

/// Bytes written as lower-case hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::audit) struct Hex<const N: usize>(pub(in crate::audit) [u8; N]);

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex(&self.0))
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        from_hex(&text)
            .map(Self)
            .ok_or_else(|| D::Error::custom("not hexadecimal of the right length"))
    }
}

/// An instant as RFC 3339 with microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::audit) struct Time(pub(in crate::audit) Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&time_text(self.0))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        parse_time(&text)
            .map(Self)
            .ok_or_else(|| D::Error::custom("not a time"))
    }
}

/// A change that was announced and whose outcome is not written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenIntent {
    /// The request that asked for it.
    #[serde(serialize_with = "write_id", deserialize_with = "read_id")]
    pub request: Uuid,
    /// When it asked.
    #[serde(
        rename = "time",
        serialize_with = "write_time",
        deserialize_with = "read_time"
    )]
    pub at: Timestamp,
    /// The operation's word.
    pub operation: String,
    /// The mount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount: Option<String>,
    /// The key's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

fn write_id<S: Serializer>(id: &Uuid, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&id.hyphenated())
}

fn read_id<'de, D: Deserializer<'de>>(from: D) -> Result<Uuid, D::Error> {
    let text = String::deserialize(from)?;
    Uuid::parse_str(&text).map_err(|_| D::Error::custom("not an id"))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn write_time<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    Time(*at).serialize(to)
}

fn read_time<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    Time::deserialize(from).map(|time| time.0)
}

/// A body that is signed, with the word its line begins with.
pub(in crate::audit) trait Body: Serialize + DeserializeOwned {
    const KIND: &'static str;
}

/// A chain begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::audit) struct Start {
    pub(in crate::audit) format: String,
    pub(in crate::audit) node: String,
    pub(in crate::audit) chain: Hex<16>,
    pub(in crate::audit) time: Time,
    pub(in crate::audit) public_key: Hex<32>,
    pub(in crate::audit) sink: String,
    /// Where the chain before this one ended in this sink, if its end was found.
    pub(in crate::audit) previous: Option<Previous>,
    /// What a crash left after that end.
    pub(in crate::audit) unfinished: Option<Unfinished>,
    /// Changes announced before that end without an outcome.
    pub(in crate::audit) open: Vec<OpenIntent>,
}

/// The end of the chain before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::audit) struct Previous {
    pub(in crate::audit) chain: Hex<16>,
    pub(in crate::audit) records: u64,
    pub(in crate::audit) hash: Hex<32>,
}

/// Bytes after the last line that the chain covers: nobody was answered on their strength.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::audit) struct Unfinished {
    pub(in crate::audit) bytes: u64,
    pub(in crate::audit) hash: Hex<32>,
}

/// A file goes on with a chain that began in another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::audit) struct Continued {
    pub(in crate::audit) format: String,
    pub(in crate::audit) node: String,
    pub(in crate::audit) chain: Hex<16>,
    pub(in crate::audit) started: Time,
    pub(in crate::audit) time: Time,
    pub(in crate::audit) public_key: Hex<32>,
    pub(in crate::audit) sink: String,
    pub(in crate::audit) reason: Reason,
    pub(in crate::audit) records: u64,
    pub(in crate::audit) hash: Hex<32>,
    pub(in crate::audit) open: Vec<OpenIntent>,
}

/// Why a file goes on where another ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::audit) enum Reason {
    /// The file before was cut short or written to by somebody else.
    Altered,
    /// The file before was found to be somewhere else, and something or nothing at its path.
    Moved,
    /// The file before was deleted.
    Removed,
    /// The file before was full or old enough.
    Rotated,
    /// The file before could not be synced.
    SyncFailed,
}

/// How far a chain has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::audit) struct Checkpoint {
    pub(in crate::audit) chain: Hex<16>,
    pub(in crate::audit) time: Time,
    pub(in crate::audit) records: u64,
    pub(in crate::audit) hash: Hex<32>,
    pub(in crate::audit) open: Vec<OpenIntent>,
    /// Whether the chain ends here in order: no record follows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(in crate::audit) closed: bool,
}

/// Records that this sink misses because it was away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::audit) struct Gap {
    pub(in crate::audit) chain: Hex<16>,
    pub(in crate::audit) sink: String,
    pub(in crate::audit) time: Time,
    /// The first record that is missing.
    pub(in crate::audit) from: u64,
    /// The last one.
    pub(in crate::audit) to: u64,
    /// The chain's hash after it.
    pub(in crate::audit) hash: Hex<32>,
    pub(in crate::audit) open: Vec<OpenIntent>,
}

/// What follows was sent to this collector before, and comes again from the beginning of a spool file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::audit) struct Resent {
    pub(in crate::audit) sink: String,
    pub(in crate::audit) time: Time,
    /// Where that file begins, if its first line says so.
    pub(in crate::audit) from: Option<ResumedAt>,
}

/// A position at which a file begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::audit) struct ResumedAt {
    pub(in crate::audit) chain: Hex<16>,
    pub(in crate::audit) records: u64,
}

/// A checkpoint as the store keeps it, and as `sealring audit head` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::audit) struct Head {
    pub(in crate::audit) chain: Hex<16>,
    pub(in crate::audit) node: String,
    pub(in crate::audit) started: Time,
    pub(in crate::audit) records: u64,
    pub(in crate::audit) hash: Hex<32>,
    pub(in crate::audit) time: Time,
}

impl Body for Start {
    const KIND: &'static str = "start";
}

impl Body for Continued {
    const KIND: &'static str = "continued";
}

impl Body for Checkpoint {
    const KIND: &'static str = "checkpoint";
}

impl Body for Gap {
    const KIND: &'static str = "gap";
}

impl Body for Resent {
    const KIND: &'static str = "resent";
}

impl Body for Head {
    const KIND: &'static str = "head";
}
