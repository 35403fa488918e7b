//! Checks a log: every line against the chain, every signature against the key, every chain against its head.

mod bounded;
mod chains;
mod files;
mod finding;
mod resend;
mod signed;

use std::io::{self, BufRead};

use keyring::audit_keys::ChainHash;

use self::bounded::MAX_LINE;
pub(super) use self::chains::Chains;
pub(super) use self::files::{in_order, open};
pub(super) use self::finding::{Finding, Place};
use self::resend::Reached;
use super::chain::CHECKPOINT_RECORDS;
use super::line::{Line, Resent, Unfinished};
use super::recovery::hash_of_unfinished;

/// Reads the files of one sink in their order.
#[derive(Debug)]
pub(super) struct Verifier {
    /// The key that must have signed; found in the first header if it was not given.
    key: Option<[u8; 32]>,
    chain: Option<[u8; 16]>,
    sink: String,
    records: u64,
    hash: ChainHash,
    /// Lines since the chain last covered everything.
    pending: Vec<u8>,
    pending_records: u64,
    pending_from: u64,
    unsigned: u64,
    /// Whether the last checkpoint closed the chain.
    closed: bool,
    last_signature: Option<[u8; 64]>,
    /// Just before what is sent again.
    resent: Option<Resent>,
    /// Where the log was when something was sent again, until it is there again.
    reached: Option<Reached>,
    /// Whether what is read was sent before.
    replays: bool,
    file: String,
    line: u64,
    pub(super) chains: Chains,
    pub(super) report: Report,
}

/// What a log was found to be.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) records: u64,
    pub(super) checkpoints: u64,
    /// Of the last checkpoint.
    pub(super) signed_until: Option<String>,
    /// Records after it.
    pub(super) unsigned: u64,
    pub(super) findings: Vec<Finding>,
    /// How many findings there were beyond those that are kept.
    pub(super) more: u64,
    pub(super) notes: Vec<String>,
}

impl Verifier {
    pub(super) fn new(key: Option<[u8; 32]>, chains: Chains) -> Self {
        Self {
            key,
            chain: None,
            sink: String::new(),
            records: 0,
            hash: ChainHash::resume([0; 32]),
            pending: Vec::new(),
            pending_records: 0,
            pending_from: 0,
            unsigned: 0,
            closed: false,
            last_signature: None,
            resent: None,
            reached: None,
            replays: false,
            file: String::new(),
            line: 0,
            chains,
            report: Report::default(),
        }
    }

    /// Reads one file; tells how far it is.
    pub(super) fn read(
        &mut self,
        name: &str,
        mut from: impl BufRead,
        has_prefixes: bool,
        mut progress: impl FnMut(u64),
    ) -> io::Result<()> {
        name.clone_into(&mut self.file);
        self.line = 0;
        let mut line = Vec::with_capacity(4096);
        loop {
            line.clear();
            let read = bounded::read_line(&mut from, &mut line)?;
            if read == 0 {
                return Ok(());
            }
            self.line += 1;
            if read > MAX_LINE {
                self.find("this line is longer than any that is written");
            }
            self.line(if has_prefixes {
                without_prefix(&line)
            } else {
                &line
            });
            progress(read);
        }
    }

    fn line(&mut self, with_end: &[u8]) {
        // Without its line feed it is nothing yet.
        let line = with_end
            .strip_suffix(b"\n")
            .map_or(Line::Foreign, Line::parse);
        match line {
            Line::Record(number) => self.record(number, with_end),
            Line::Group(records, hash) => self.group(records, hash),
            Line::Signed(signed) => self.signed(&signed, with_end),
            Line::Foreign => self.keep(with_end),
        }
        if !matches!(line, Line::Signed(_)) && self.resent.take().is_some() {
            self.find("what is sent again does not begin with the first line of a file");
        }
    }

    fn keep(&mut self, line: &[u8]) {
        if self.pending.len().saturating_add(line.len()) > MAX_PENDING {
            self.find("there is more without the end of a group than any group holds");
            self.clear_pending();
        }
        if self.pending.is_empty() {
            self.pending_from = self.line;
        }
        self.pending.extend_from_slice(line);
    }

    fn record(&mut self, number: u64, line: &[u8]) {
        self.keep(line);
        self.pending_records += 1;
        self.report.records += 1;
        let expected = self.records + self.pending_records;
        if number != expected && self.chain.is_some() {
            self.find(&format!(
                "record {number} stands where record {expected} belongs"
            ));
            // Later records are judged by this one, so that one hole is one finding.
            self.records = number.saturating_sub(self.pending_records);
        }
    }

    fn group(&mut self, records: u64, hash: [u8; 32]) {
        let from = self.records + 1;
        if self.chain.is_none() {
            self.find("the log does not begin with a header");
            self.chain = Some([0; 16]);
        } else if self.pending_records == 0 {
            self.find("the end of a group without records");
        } else {
            self.hash.extend(&self.pending);
            if self.hash.current() != hash || self.records + self.pending_records != records {
                let place = self.place_from_pending(from, records);
                self.report
                    .add(place, "these lines are not what was written".to_owned());
            }
        }
        if std::mem::take(&mut self.closed) {
            self.find("records stand after the checkpoint that closed their chain");
        }
        if self.unsigned >= CHECKPOINT_RECORDS {
            self.find("a checkpoint is missing before this group");
            self.unsigned = 0;
        }
        self.unsigned += self.pending_records;
        self.adopt(records, hash);
    }

    fn adopt(&mut self, records: u64, hash: [u8; 32]) {
        self.records = records;
        self.hash = ChainHash::resume(hash);
        self.clear_pending();
        self.compare_with_reached();
    }

    fn clear_pending(&mut self) {
        self.pending.clear();
        self.pending_records = 0;
    }

    /// Lines that no group holds, where the chain should cover everything.
    fn settle(&mut self, allowed: Option<&Unfinished>) {
        if self.pending.is_empty() && allowed.is_none() {
            return;
        }
        let is_allowed = allowed.is_some_and(|unfinished| {
            u64::try_from(self.pending.len()) == Ok(unfinished.bytes)
                && hash_of_unfinished(&self.pending) == unfinished.hash.0
        });
        let (from, to) = (self.records + 1, self.records + self.pending_records);
        if is_allowed {
            let text = "a crash cut a group off here; the next start says so";
            self.note(text);
        } else if self.pending.is_empty() {
            self.find("what a crash left here, as the next line says, is gone");
        } else {
            let place = self.place_from_pending(from, to);
            let text = "these lines belong to no group: added, or the group's end is gone or not yet written";
            self.report.add(place, text.to_owned());
        }
        self.clear_pending();
    }

    /// After the last file.
    pub(super) fn finish(mut self) -> (Report, Option<[u8; 32]>) {
        self.settle(None);
        if self.chain.is_none() {
            self.find("there is no header: this is no audit log, or its beginning is gone");
        }
        let last = self.chain.unwrap_or_default();
        self.chains.reach(&last, self.records);
        for text in self.chains.missing(&last) {
            self.find(&text);
        }
        for text in self.chains.uncovered() {
            self.report.notes.push(text);
        }
        self.report.unsigned = self.unsigned;
        (self.report, self.key)
    }

    fn place(&self) -> Place {
        Place {
            file: self.file.clone(),
            lines: (self.line, self.line),
            records: None,
        }
    }

    fn place_from_pending(&self, from: u64, to: u64) -> Place {
        Place {
            // A group may have begun in the file before.
            lines: (self.pending_from.min(self.line), self.line),
            records: (from <= to).then_some((from, to)),
            ..self.place()
        }
    }

    fn find(&mut self, text: &str) {
        self.report.add(self.place(), text.to_owned());
    }

    fn note(&mut self, text: &str) {
        let place = self.place();
        self.report.notes.push(format!("{place}: {text}"));
    }
}

impl Report {
    fn add(&mut self, place: Place, text: String) {
        if self.findings.len() < KEPT_FINDINGS {
            self.findings.push(Finding { place, text });
        } else {
            self.more += 1;
        }
    }
}

/// A line without what syslog put before it.
fn without_prefix(line: &[u8]) -> &[u8] {
    let at = line.windows(2).position(|pair| pair == b"{\"");
    at.and_then(|at| line.get(at..)).unwrap_or(line)
}

const KEPT_FINDINGS: usize = 10;
/// More than the buffers of a busy node hold at once.
const MAX_PENDING: usize = 256 << 20;
