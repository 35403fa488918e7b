//! Checks a log: every line against the chain, every signature against the key, every chain against its head.

mod chains;
mod files;
mod finding;

use std::io::{self, BufRead};

use keyring::audit_keys::ChainHash;

pub(super) use self::chains::Chains;
pub(super) use self::files::{in_order, open};
pub(super) use self::finding::{Finding, Place};
use super::chain::CHECKPOINT_RECORDS;
use super::chain::first_hash;
use super::line::{
    Checkpoint, Continued, Gap, Line, Reason, Resent, SignedLine, Start, Unfinished,
};
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
    last_signature: Option<[u8; 64]>,
    resent: bool,
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
            last_signature: None,
            resent: false,
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
            let read = from.read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(());
            }
            self.line += 1;
            self.line(if has_prefixes {
                without_prefix(&line)
            } else {
                &line
            });
            progress(u64::try_from(read).unwrap_or_default());
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
        if self.resent && !matches!(line, Line::Signed(_)) {
            self.resent = false;
            self.find("what is sent again does not begin with the first line of a file");
        }
    }

    fn keep(&mut self, line: &[u8]) {
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
        self.unsigned += self.pending_records;
        if self.unsigned > CHECKPOINT_RECORDS * 3 {
            self.find("no checkpoint for too many records");
            self.unsigned = 0;
        }
        self.adopt(records, hash);
    }

    fn adopt(&mut self, records: u64, hash: [u8; 32]) {
        self.records = records;
        self.hash = ChainHash::resume(hash);
        self.clear_pending();
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

    fn signed(&mut self, line: &SignedLine<'_>, with_end: &[u8]) {
        let start: Option<Start> = line.body();
        let continued: Option<Continued> = line.body();
        self.settle(start.as_ref().and_then(|start| start.unfinished.as_ref()));
        let named = start.as_ref().map(|start| start.public_key.0);
        let named = named.or(continued.as_ref().map(|continued| continued.public_key.0));
        let key = *self.key.get_or_insert(named.unwrap_or_default());
        if named.is_some_and(|named| named != key) {
            return self.find("the header names another key");
        }
        if !line.is_signed_by(&key) {
            return self.find("the signature is not the key's");
        }
        if self.last_signature.replace(*line.signature()) == Some(*line.signature()) {
            return self.find("this line is here twice");
        }
        let is_resent = std::mem::take(&mut self.resent);
        if let Some(start) = start {
            self.start(&start, is_resent);
        } else if let Some(continued) = continued {
            self.continued(&continued, is_resent);
        } else if is_resent {
            self.find("what is sent again does not begin with the first line of a file");
        } else if let Some(checkpoint) = line.body::<Checkpoint>() {
            self.checkpoint(&checkpoint, with_end);
        } else if let Some(gap) = line.body::<Gap>() {
            self.gap(&gap);
        } else if line.body::<Resent>().is_some() {
            self.resent = true;
        } else {
            self.find("this line does not belong in a log");
        }
    }

    fn start(&mut self, start: &Start, is_resent: bool) {
        if !is_resent {
            self.check_previous(start);
            if self.chains.has_begun(&start.chain.0) {
                self.find("this chain has begun before");
            }
        }
        self.chain = Some(start.chain.0);
        start.sink.clone_into(&mut self.sink);
        self.adopt(0, first_hash(&start.chain.0).current());
        self.unsigned = 0;
        self.chains.begin(start.chain.0, &start.node, start.time.0);
    }

    fn check_previous(&mut self, start: &Start) {
        let Some(chain) = self.chain else {
            if start.previous.is_some() {
                self.note("an earlier chain is in a file that was not given");
            }
            return;
        };
        match &start.previous {
            None => self.note("the chain that begins here does not say where the one before ended"),
            Some(previous) if previous.chain.0 != chain => {
                self.find("the chain before this one is missing");
            }
            Some(previous) if previous.records != self.records => {
                let (had, has) = (previous.records, self.records);
                self.find(&format!(
                    "the chain before had {had} records when this one began, and has {has}"
                ));
            }
            Some(previous) if previous.hash.0 != self.hash.current() => {
                self.find("the end of the chain before is not what it was when this one began");
            }
            Some(_) => {}
        }
    }

    fn continued(&mut self, line: &Continued, is_resent: bool) {
        let follows = self.chain == Some(line.chain.0)
            && self.records == line.records
            && self.hash.current() == line.hash.0;
        if let (Some(chain), false, false) = (self.chain, follows, is_resent) {
            let (has, from) = (self.records, line.records);
            if chain != line.chain.0 {
                self.find("the file goes on with another chain than the file before");
            } else if has < from {
                let first = has + 1;
                self.find(&format!(
                    "records {first} to {from} are missing before this file"
                ));
            } else {
                self.find("the file does not go on where the file before ended");
            }
        }
        if self.chain.is_none() {
            let before = line.records;
            match line.reason {
                Reason::Rotated if before == 0 => {}
                Reason::Rotated | Reason::Moved => {
                    self.note(&format!("records up to {before} are in a file that was not given"));
                }
                Reason::Altered | Reason::Removed | Reason::SyncFailed => self.find(&format!(
                    "the service found the file before this one {}; records up to {before} were in it",
                    line.reason.found()
                )),
            }
            self.chains.begin(line.chain.0, &line.node, line.started.0);
        }
        self.chain = Some(line.chain.0);
        line.sink.clone_into(&mut self.sink);
        self.adopt(line.records, line.hash.0);
    }

    fn checkpoint(&mut self, line: &Checkpoint, with_end: &[u8]) {
        let (records, hash) = (line.records, line.hash.0);
        if self.chain != Some(line.chain.0) {
            return self.find("a checkpoint of another chain");
        }
        if records != self.records || hash != self.hash.current() {
            let place = Place {
                records: Some((1, records)),
                ..self.place()
            };
            let text = "the log before this checkpoint is not what was signed";
            self.report.add(place, text.to_owned());
        }
        self.chains.checkpoint(&line.chain.0, records, &hash);
        self.report.checkpoints += 1;
        self.report.signed_until = Some(super::encode::time_text(line.time.0));
        self.unsigned = 0;
        let mut after = ChainHash::resume(hash);
        after.extend(with_end);
        self.adopt(records, after.current());
    }

    fn gap(&mut self, line: &Gap) {
        let (from, to) = (line.from, line.to);
        if self.chain != Some(line.chain.0) || line.sink != self.sink {
            return self.find("a gap of another log");
        }
        if from != self.records + 1 || to < from {
            self.find(&format!(
                "a gap from record {from}, where record {} belongs",
                self.records + 1
            ));
        }
        self.note(&format!(
            "records {from} to {to} are not in this log: the sink was away, as a signed line says"
        ));
        self.chains.gap(&line.chain.0, from, to);
        self.adopt(to, line.hash.0);
    }

    /// After the last file.
    pub(super) fn finish(mut self) -> (Report, Option<[u8; 32]>) {
        self.settle(None);
        if self.chain.is_none() {
            self.find("there is no header: this is no audit log, or its beginning is gone");
        }
        let last = self.chain.unwrap_or_default();
        self.chains.end(&last, self.records);
        for text in self.chains.missing() {
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

impl Reason {
    const fn found(self) -> &'static str {
        match self {
            Self::Altered => "cut short or written to by somebody else",
            Self::Moved => "moved away",
            Self::Removed => "deleted",
            Self::Rotated => "full or old enough",
            Self::SyncFailed => "impossible to sync",
        }
    }
}

/// A line without what syslog put before it.
fn without_prefix(line: &[u8]) -> &[u8] {
    let at = line.windows(2).position(|pair| pair == b"{\"");
    at.and_then(|at| line.get(at..)).unwrap_or(line)
}

const KEPT_FINDINGS: usize = 10;
