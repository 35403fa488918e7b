//! The lines that are not records: what opens a file or a chain, closes a group, and is signed.
//!
//! A signed line is `{"KIND":BODY,"signature":"HEX"}`; what is signed is the format's name, KIND and BODY as written.

use std::io::Write as _;

use keyring::audit_keys::{self, AuditKeys};
use keyring::clock::Timestamp;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::encode::{from_hex, hex, parse_time, push_hex, push_number, time_text};

/// The format's name; a number of its own for each format that verifiers must tell apart.
pub(super) const FORMAT: &str = "sealring-audit-1";

/// Bytes written as lower-case hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Hex<const N: usize>(pub(super) [u8; N]);

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
pub(super) struct Time(pub(super) Timestamp);

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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
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
pub(super) trait Body: Serialize + DeserializeOwned {
    const KIND: &'static str;
}

/// A chain begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Start {
    pub(super) format: String,
    pub(super) node: String,
    pub(super) chain: Hex<16>,
    pub(super) time: Time,
    pub(super) public_key: Hex<32>,
    pub(super) sink: String,
    /// Where the chain before this one ended in this sink, if its end was found.
    pub(super) previous: Option<Previous>,
    /// What a crash left after that end.
    pub(super) unfinished: Option<Unfinished>,
    /// Changes announced before that end without an outcome.
    pub(super) open: Vec<OpenIntent>,
}

/// The end of the chain before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Previous {
    pub(super) chain: Hex<16>,
    pub(super) records: u64,
    pub(super) hash: Hex<32>,
}

/// Bytes after the last line that the chain covers: nobody was answered on their strength.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unfinished {
    pub(super) bytes: u64,
    pub(super) hash: Hex<32>,
}

/// A file goes on with a chain that began in another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Continued {
    pub(super) format: String,
    pub(super) node: String,
    pub(super) chain: Hex<16>,
    pub(super) started: Time,
    pub(super) time: Time,
    pub(super) public_key: Hex<32>,
    pub(super) sink: String,
    pub(super) reason: Reason,
    pub(super) records: u64,
    pub(super) hash: Hex<32>,
    pub(super) open: Vec<OpenIntent>,
}

/// Why a file goes on where another ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reason {
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
pub(super) struct Checkpoint {
    pub(super) chain: Hex<16>,
    pub(super) time: Time,
    pub(super) records: u64,
    pub(super) hash: Hex<32>,
    pub(super) open: Vec<OpenIntent>,
}

/// Records that this sink misses because it was away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gap {
    pub(super) chain: Hex<16>,
    pub(super) sink: String,
    pub(super) time: Time,
    /// The first record that is missing.
    pub(super) from: u64,
    /// The last one.
    pub(super) to: u64,
    /// The chain's hash after it.
    pub(super) hash: Hex<32>,
    pub(super) open: Vec<OpenIntent>,
}

/// What follows was sent to this collector before, and comes again from the beginning of a spool file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Resent {
    pub(super) sink: String,
    pub(super) time: Time,
}

/// A checkpoint as the store keeps it, and as `sealring audit head` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) chain: Hex<16>,
    pub(super) node: String,
    pub(super) started: Time,
    pub(super) records: u64,
    pub(super) hash: Hex<32>,
    pub(super) time: Time,
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

/// Appends a signed line.
pub(super) fn push_signed<B: Body>(out: &mut Vec<u8>, keys: &AuditKeys, body: &B) {
    let text = body_text(body);
    let signature = keys.sign(&message(B::KIND, &text));
    push_with_signature(out, B::KIND, &text, &signature);
}

/// Appends a line with a signature that was made before.
pub(super) fn push_with_signature(out: &mut Vec<u8>, kind: &str, body: &[u8], signature: &[u8]) {
    write!(out, "{{\"{kind}\":").expect("memory takes what is written to it");
    out.extend_from_slice(body);
    out.extend_from_slice(SIGNATURE);
    push_hex(out, signature);
    out.extend_from_slice(b"\"}\n");
}

/// A body as it is written and signed.
pub(super) fn body_text<B: Body>(body: &B) -> Vec<u8> {
    serde_json::to_vec(body).expect("a body always prints to memory")
}

/// What is signed.
pub(super) fn message(kind: &str, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(FORMAT.len() + kind.len() + body.len() + 2);
    for part in [FORMAT.as_bytes(), b"\n", kind.as_bytes(), b"\n", body] {
        message.extend_from_slice(part);
    }
    message
}

/// Appends the line that closes a group.
pub(super) fn push_group(out: &mut Vec<u8>, records: u64, hash: &[u8; 32]) {
    out.extend_from_slice(GROUP);
    push_number(out, records);
    out.extend_from_slice(b",\"hash\":\"");
    push_hex(out, hash);
    out.extend_from_slice(b"\"}\n");
}

/// A line, told apart by how it begins. None includes its line feed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'l> {
    /// A record with its number.
    Record(u64),
    /// The end of a group: the number of its last record, and the chain's hash.
    Group(u64, [u8; 32]),
    /// A signed line.
    Signed(SignedLine<'l>),
    /// Nothing that this format has.
    Foreign,
}

/// A signed line in its parts; nothing is verified yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SignedLine<'l> {
    pub(super) kind: &'l str,
    body: &'l [u8],
    signature: [u8; 64],
}

impl<'l> Line<'l> {
    /// The line, without its line feed.
    pub(super) fn parse(line: &'l [u8]) -> Self {
        let parsed = if let Some(rest) = line.strip_prefix(RECORD) {
            parse_record(rest)
        } else if let Some(rest) = line.strip_prefix(GROUP) {
            parse_group(rest)
        } else {
            SignedLine::parse(line).map(Self::Signed)
        };
        parsed.unwrap_or(Self::Foreign)
    }
}

fn parse_record(rest: &[u8]) -> Option<Line<'_>> {
    let (number, rest) = leading_number(rest)?;
    (rest.starts_with(b",\"") && rest.ends_with(b"}")).then_some(Line::Record(number))
}

fn parse_group(rest: &[u8]) -> Option<Line<'_>> {
    let (records, rest) = leading_number(rest)?;
    let hash = rest.strip_prefix(b",\"hash\":\"")?.strip_suffix(b"\"}")?;
    Some(Line::Group(
        records,
        from_hex(std::str::from_utf8(hash).ok()?)?,
    ))
}

/// A number without leading zeros.
fn leading_number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at_checked(digits)?;
    if number.first() == Some(&b'0') && digits > 1 {
        return None;
    }
    let number = std::str::from_utf8(number).ok()?.parse().ok()?;
    Some((number, rest))
}

impl<'l> SignedLine<'l> {
    fn parse(line: &'l [u8]) -> Option<Self> {
        let rest = line.strip_prefix(b"{\"")?;
        let end = rest.iter().position(|byte| *byte == b'"')?;
        let (kind, rest) = rest.split_at_checked(end)?;
        let rest = rest.strip_prefix(b"\":")?.strip_suffix(b"\"}")?;
        let (rest, signature) = rest.split_at_checked(rest.len().checked_sub(128)?)?;
        Some(Self {
            kind: std::str::from_utf8(kind).ok()?,
            body: rest.strip_suffix(SIGNATURE)?,
            signature: from_hex(std::str::from_utf8(signature).ok()?)?,
        })
    }

    /// The body, if the line is of its kind. Nothing is verified.
    pub(super) fn body<B: Body>(&self) -> Option<B> {
        (self.kind == B::KIND)
            .then(|| serde_json::from_slice(self.body).ok())
            .flatten()
    }

    /// Whether this key signed the line.
    pub(super) fn is_signed_by(&self, public_key: &[u8; 32]) -> bool {
        let message = message(self.kind, self.body);
        audit_keys::verify(public_key, &message, &self.signature)
    }

    /// The signature's bytes.
    pub(super) const fn signature(&self) -> &[u8; 64] {
        &self.signature
    }
}

const RECORD: &[u8] = b"{\"n\":";
const GROUP: &[u8] = b"{\"group\":";
const SIGNATURE: &[u8] = b",\"signature\":\"";

/// How a record's line begins: a brace and its number.
pub(super) fn push_record_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(RECORD);
    push_number(out, number);
    out.push(b',');
}
