//! The chain of one start: numbers records, closes groups, signs checkpoints.

use std::sync::Arc;

use keyring::audit_keys::{AuditKeys, ChainHash};
use keyring::clock::Timestamp;
use keyring::store::audit::AuditHead;

use super::group::{Group, Position};
use super::intake::{Filled, Mark};
use super::line::{
    self, Body as _, Checkpoint, Continued, FORMAT, Gap, Head, Hex, OpenIntent, Reason, Resent,
    ResumedAt, Start, Time,
};
use super::recovery::End;

/// Who writes a chain, and since when.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) chain: [u8; 16],
    pub(super) node: String,
    pub(super) started_at: Timestamp,
    pub(super) keys: Arc<AuditKeys>,
}

/// The chain while it grows.
#[derive(Debug)]
pub(super) struct Chain {
    origin: Origin,
    hash: ChainHash,
    position: Position,
    open: Vec<OpenIntent>,
    signed_records: u64,
    closed: bool,
}

/// Whether a group is followed by a checkpoint, unless there are so many records that it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// It is not.
    Nothing,
    /// By one.
    Checkpoint,
    /// By the last one, after which the chain takes no more records.
    Closing,
}

impl Origin {
    /// The line that begins this chain in a sink.
    pub(super) fn start_line(&self, sink: &str, end: End) -> Vec<u8> {
        self.signed(&Start {
            format: FORMAT.to_owned(),
            node: self.node.clone(),
            chain: Hex(self.chain),
            time: Time(self.started_at),
            public_key: Hex(self.keys.public_key()),
            sink: sink.to_owned(),
            previous: end.previous,
            unfinished: end.unfinished,
            open: end.open,
        })
    }

    /// The line that goes on with this chain in a new file of a sink.
    pub(super) fn continued_line(
        &self,
        sink: &str,
        at: Timestamp,
        reason: Reason,
        position: &Position,
    ) -> Vec<u8> {
        self.signed(&Continued {
            format: FORMAT.to_owned(),
            node: self.node.clone(),
            chain: Hex(self.chain),
            started: Time(self.started_at),
            time: Time(at),
            public_key: Hex(self.keys.public_key()),
            sink: sink.to_owned(),
            reason,
            records: position.records,
            hash: Hex(position.hash),
            open: position.open.to_vec(),
        })
    }

    /// The line that says which records a sink misses.
    pub(super) fn gap_line(
        &self,
        sink: &str,
        at: Timestamp,
        from: u64,
        position: &Position,
    ) -> Vec<u8> {
        self.signed(&Gap {
            chain: Hex(self.chain),
            sink: sink.to_owned(),
            time: Time(at),
            from,
            to: position.records,
            hash: Hex(position.hash),
            open: position.open.to_vec(),
        })
    }

    /// The line after which a spool file comes again.
    pub(super) fn resent_line(
        &self,
        sink: &str,
        at: Timestamp,
        from: Option<ResumedAt>,
    ) -> Vec<u8> {
        self.signed(&Resent {
            sink: sink.to_owned(),
            time: Time(at),
            from,
        })
    }

    fn signed<B: line::Body>(&self, body: &B) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        line::push_signed(&mut out, &self.keys, body);
        out
    }

    fn head(&self, position: &Position, at: Timestamp) -> AuditHead {
        let mut head = AuditHead {
            chain: self.chain,
            node: self.node.clone(),
            started_at: self.started_at,
            records: position.records,
            hash: position.hash,
            at,
            signature: Vec::new(),
        };
        let body = line::body_text(&Head::of(&head));
        head.signature = self.keys.sign(&line::message(Head::KIND, &body)).to_vec();
        head
    }
}

/// The hash of a chain before its first record.
pub(super) fn first_hash(chain: &[u8; 16]) -> ChainHash {
    let mut context = FORMAT.as_bytes().to_vec();
    context.extend_from_slice(chain);
    ChainHash::start(&context)
}

impl Chain {
    /// A chain without records, after changes that an earlier one left open.
    pub(super) fn new(origin: Origin, open: Vec<OpenIntent>) -> Self {
        let hash = first_hash(&origin.chain);
        Self {
            position: Position {
                records: 0,
                hash: hash.current(),
                open: open.as_slice().into(),
            },
            hash,
            origin,
            open,
            signed_records: 0,
            closed: false,
        }
    }

    pub(super) fn position(&self) -> &Position {
        &self.position
    }

    /// Whether records have come since the last checkpoint.
    pub(super) fn has_unsigned(&self) -> bool {
        self.position.records > self.signed_records
    }

    /// Whether it takes no more records.
    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Chains what buffers hold, and clears them. A head, if a checkpoint was made: because it is due, or because there
    /// are many records since the last. A chain is closed even if all its records are signed, but not if it has none. Nothing if there is nothing to write.
    pub(super) fn group(
        &mut self,
        filled: &mut [Filled],
        at: Timestamp,
        due: Due,
    ) -> Option<(Group, Option<AuditHead>)> {
        let before = self.position.clone();
        let mut bytes = Vec::with_capacity(room_for(filled));
        let mut waves = Vec::new();
        for buffer in filled {
            self.number(buffer, &mut bytes);
            waves.extend(buffer.wave.take());
            buffer.clear();
        }
        if self.position.records > before.records {
            self.hash.extend(&bytes);
            self.position.hash = self.hash.current();
            line::push_group(&mut bytes, self.position.records, &self.position.hash);
        }
        let unsigned = self.position.records - self.signed_records;
        self.closed = due == Due::Closing;
        let signs = match due {
            Due::Nothing => unsigned >= CHECKPOINT_RECORDS,
            Due::Checkpoint => unsigned > 0,
            Due::Closing => self.position.records > 0,
        };
        let head = signs.then(|| self.checkpoint(at, &mut bytes));
        let after = self.position.clone();
        (!bytes.is_empty()).then_some((
            Group {
                bytes,
                before,
                after,
                waves,
            },
            head,
        ))
    }

    fn number(&mut self, buffer: &mut Filled, bytes: &mut Vec<u8>) {
        let mut rest = buffer.bytes.as_slice();
        let mut at = 0;
        let mut changed = false;
        for encoded in buffer.lines.drain(..) {
            let Some((record, others)) = rest.split_at_checked(encoded.end - at) else {
                break;
            };
            (rest, at) = (others, encoded.end);
            self.position.records += 1;
            line::push_record_number(bytes, self.position.records);
            bytes.extend_from_slice(record);
            if let Some(mark) = encoded.mark {
                self.mark(mark);
                changed = true;
            }
        }
        if changed {
            self.position.open = self.open.as_slice().into();
        }
    }

    fn mark(&mut self, mark: Mark) {
        match mark {
            Mark::Intent(intent) => self.open.push(*intent),
            Mark::Outcome(request) => self.open.retain(|intent| intent.request != request),
        }
    }

    fn checkpoint(&mut self, at: Timestamp, bytes: &mut Vec<u8>) -> AuditHead {
        let line = self.origin.signed(&Checkpoint {
            chain: Hex(self.origin.chain),
            time: Time(at),
            records: self.position.records,
            hash: Hex(self.position.hash),
            open: self.open.clone(),
            closed: self.closed,
        });
        let head = self.origin.head(&self.position, at);
        self.hash.extend(&line);
        self.position.hash = self.hash.current();
        self.signed_records = self.position.records;
        bytes.extend_from_slice(&line);
        head
    }
}

impl Head {
    /// What is signed of a head.
    pub(super) fn of(head: &AuditHead) -> Self {
        Self {
            chain: Hex(head.chain),
            node: head.node.clone(),
            started: Time(head.started_at),
            records: head.records,
            hash: Hex(head.hash),
            time: Time(head.at),
        }
    }
}

fn room_for(filled: &[Filled]) -> usize {
    let records: usize = filled
        .iter()
        .map(|buffer| buffer.bytes.len() + buffer.lines.len() * NUMBER_ROOM)
        .sum();
    records + LINE_ROOM
}

/// A group that brings as many records beyond the last checkpoint is followed by one.
pub(super) const CHECKPOINT_RECORDS: u64 = 10_000;
/// Room for the number before a record.
const NUMBER_ROOM: usize = 32;
/// Room for the line that closes a group.
const LINE_ROOM: usize = 128;
