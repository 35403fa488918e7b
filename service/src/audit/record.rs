//! What a record may say: a struct of permitted fields, never a request with things removed.

use std::net::IpAddr;
use std::time::Duration;

use keyring::clock::Timestamp;
use keyring::version::Version;
use uuid::Uuid;

use super::correlation::Correlation;
use super::encode::{push_hex, push_number, push_text, push_time};
use super::who::Who;

/// Words that are written, one for each variant.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// The word that is written.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

words! {
    /// What a record is about.
    Kind {
        /// A request that changes nothing, and its outcome.
        Request => "request",
        /// A change that is about to be made.
        Intent => "intent",
        /// How a change went.
        Outcome => "outcome",
    }
}

words! {
    /// How it went.
    Outcome {
        /// The policies do not allow it, or nobody knows the token.
        Denied => "denied",
        /// Done.
        Done => "done",
        /// This server could not do it.
        Failed => "failed",
        /// Some of its items failed.
        Partial => "partial",
        /// The request asks for something that cannot be done.
        Refused => "refused",
        /// Nobody knows whether the change was made.
        Unknown => "unknown",
    }
}

words! {
    /// The version of TLS a request came over.
    Tls {
        /// TLS 1.2 (RFC 5246).
        V1_2 => "1.2",
        /// TLS 1.3 (RFC 8446).
        V1_3 => "1.3",
    }
}

/// One record. Everything it can say is here; texts are borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// When the request's head had arrived.
    pub at: Timestamp,
    /// What the record is about.
    pub kind: Kind,
    /// The request, or for what the service does by itself an id made for it. Intent and outcome share it.
    pub request: Uuid,
    /// Who asked; absent for strangers.
    pub who: Option<&'a Who>,
    /// Where the request came from.
    pub source: Source<'a>,
    /// The operation's word; `none` for a request that led to no operation.
    pub operation: &'a str,
    /// The mount, without a slash at the end.
    pub mount: Option<&'a str>,
    /// The key's name, or the name of what else was worked on.
    pub key: Option<&'a str>,
    /// The lowest and the highest key version used; for a change the latest before and after.
    pub versions: Option<(Version, Version)>,
    /// How much was worked on.
    pub amount: Amount,
    /// The answer; absent in an intent.
    pub answer: Option<Answer>,
    /// Why a change was made.
    pub cause: Option<&'a str>,
    /// The caller's own words on why.
    pub reason: Option<&'a str>,
    /// Whether this was found out by a later start, from the history.
    pub recovered: bool,
    /// The accessor of the token that the answer gives out.
    pub made: Option<&'a str>,
}

/// Where a request came from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Source<'a> {
    /// The peer's address; absent on a Unix socket.
    pub address: Option<IpAddr>,
    /// The listener's name; empty for what the service does by itself.
    pub listener: &'a str,
    /// The version of TLS; absent without TLS.
    pub tls: Option<Tls>,
}

/// How much a request worked on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Items.
    pub items: usize,
    /// Items that failed.
    pub failed: usize,
    /// Bytes of the request's body.
    pub bytes_in: usize,
    /// Bytes of the answer's body.
    pub bytes_out: usize,
}

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it went.
    pub outcome: Outcome,
    /// The HTTP status; absent for what the service does by itself.
    pub status: Option<u16>,
    /// From the head's arrival to the answer.
    pub took: Duration,
}

impl Outcome {
    /// What a status says of a request with so many failed items.
    pub const fn of_status(status: u16, failed: usize) -> Self {
        match status {
            401 | 403 => Self::Denied,
            400..500 => Self::Refused,
            500.. => Self::Failed,
            _ if failed > 0 => Self::Partial,
            _ => Self::Done,
        }
    }
}

impl Record<'_> {
    /// Appends the record without its opening brace and number, which the chain puts before it.
    pub(super) fn encode(&self, correlation: &Correlation, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"time\":\"");
        push_time(out, self.at);
        word(out, b"\",\"kind\":\"", self.kind.word());
        out.extend_from_slice(b"\",\"request\":\"");
        let mut id = Uuid::encode_buffer();
        out.extend_from_slice(self.request.hyphenated().encode_lower(&mut id).as_bytes());
        out.push(b'"');
        if let Some(who) = self.who {
            out.extend_from_slice(who.fields());
        }
        self.source.encode(correlation, out);
        text(out, b",\"operation\":", Some(self.operation));
        text(out, b",\"mount\":", self.mount);
        text(out, b",\"key\":", self.key);
        self.encode_work(out);
        if let Some(answer) = &self.answer {
            answer.encode(out);
        }
        text(out, b",\"cause\":", self.cause);
        text(out, b",\"reason\":", self.reason);
        if let Some(made) = self.made {
            out.extend_from_slice(b",\"made\":");
            correlation.push_name(out, correlation.accessor, made);
        }
        if self.recovered {
            out.extend_from_slice(b",\"recovered\":true");
        }
        out.extend_from_slice(b"}\n");
    }

    fn encode_work(&self, out: &mut Vec<u8>) {
        if let Some((low, high)) = self.versions {
            out.extend_from_slice(b",\"versions\":[");
            push_number(out, u64::from(low.number()));
            out.push(b',');
            push_number(out, u64::from(high.number()));
            out.push(b']');
        }
        if self.answer.is_none() {
            return;
        }
        for (name, amount) in [
            (&b",\"items\":"[..], self.amount.items),
            (b",\"failed\":", self.amount.failed),
            (b",\"bytes_in\":", self.amount.bytes_in),
            (b",\"bytes_out\":", self.amount.bytes_out),
        ] {
            number(out, name, amount);
        }
    }
}

impl Source<'_> {
    fn encode(&self, correlation: &Correlation, out: &mut Vec<u8>) {
        if let Some(address) = self.address {
            out.extend_from_slice(b",\"source\":\"");
            if correlation.source {
                correlation.push(out, address.to_string().as_bytes());
            } else {
                push_address(out, address);
            }
            out.push(b'"');
        }
        if !self.listener.is_empty() {
            text(out, b",\"listener\":", Some(self.listener));
        }
        if let Some(tls) = self.tls {
            word(out, b",\"tls\":\"", tls.word());
            out.push(b'"');
        }
    }
}

impl Answer {
    fn encode(&self, out: &mut Vec<u8>) {
        if let Some(status) = self.status {
            number(out, b",\"status\":", usize::from(status));
        }
        word(out, b",\"outcome\":\"", self.outcome.word());
        out.extend_from_slice(b"\",\"micros\":");
        push_number(
            out,
            u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX),
        );
    }
}

fn push_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                push_number(out, u64::from(octet));
            }
        }
        IpAddr::V6(address) => out.extend_from_slice(address.to_string().as_bytes()),
    }
}

fn text(out: &mut Vec<u8>, name: &[u8], value: Option<&str>) {
    if let Some(value) = value {
        out.extend_from_slice(name);
        push_text(out, value);
    }
}

fn word(out: &mut Vec<u8>, before: &[u8], word: &str) {
    out.extend_from_slice(before);
    out.extend_from_slice(word.as_bytes());
}

fn number(out: &mut Vec<u8>, name: &[u8], value: usize) {
    out.extend_from_slice(name);
    push_number(out, u64::try_from(value).unwrap_or(u64::MAX));
}

/// Appends a keyed hash the way records show it.
pub(super) fn push_keyed_hash(out: &mut Vec<u8>, hash: &[u8; 32]) {
    out.extend_from_slice(b"hmac-sha256:");
    push_hex(out, hash);
}
