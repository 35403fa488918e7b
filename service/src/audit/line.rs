//! The lines that are not records: what opens a file or a chain, closes a group, and is signed.
//!
//! A signed line is `{"KIND":BODY,"signature":"HEX"}`; what is signed is the format's name, KIND and BODY as written.

mod body;

use std::io::Write as _;

use keyring::audit_keys::{self, AuditKeys};

pub use self::body::OpenIntent;
pub(super) use self::body::{
    Body, Checkpoint, Continued, Gap, Head, Hex, Previous, Reason, Resent, ResumedAt, Start, Time,
    Unfinished,
};
use super::encode::{from_hex, push_hex, push_number};

/// The format's name; a number of its own for each format that verifiers must tell apart.
pub(super) const FORMAT: &str = "sealring-audit-1";

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
