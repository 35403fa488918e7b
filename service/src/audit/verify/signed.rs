//! Signed lines: whose they are, and whether they stand where they say.

use keyring::audit_keys::ChainHash;

use super::super::chain::first_hash;
use super::super::encode::time_text;
use super::super::line::{Checkpoint, Continued, Gap, Reason, Resent, SignedLine, Start};
use super::{Place, Verifier};

impl Verifier {
    pub(super) fn signed(&mut self, line: &SignedLine<'_>, with_end: &[u8]) {
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
        let resent = self.resent.take();
        if let Some(start) = start {
            self.start(&start, resent.as_ref());
        } else if let Some(continued) = continued {
            self.continued(&continued, resent.as_ref());
        } else if resent.is_some() {
            self.find("what is sent again does not begin with the first line of a file");
        } else if let Some(checkpoint) = line.body::<Checkpoint>() {
            self.checkpoint(&checkpoint, with_end);
        } else if let Some(gap) = line.body::<Gap>() {
            self.gap(&gap);
        } else if let Some(resent) = line.body::<Resent>() {
            self.resent(resent);
        } else {
            self.find("this line does not belong in a log");
        }
    }

    fn start(&mut self, start: &Start, resent: Option<&Resent>) {
        let has_begun = self.chains.has_begun(&start.chain.0);
        if let Some(resent) = resent {
            self.resume(resent, start.into());
        }
        if resent.is_none() || !has_begun {
            self.check_previous(start);
        }
        if has_begun && !self.replays {
            self.find("this chain has begun before");
        }
        if self.unsigned > 0 && resent.is_none() {
            self.note(&format!(
                "no checkpoint of the chain before signs its last {} records: only the start here does",
                self.unsigned
            ));
        }
        self.closed = false;
        self.leave_chain();
        self.chain = Some(start.chain.0);
        start.sink.clone_into(&mut self.sink);
        self.adopt(0, first_hash(&start.chain.0).current());
        self.unsigned = 0;
        self.chains.begin(start.chain.0, &start.node, start.time.0);
    }

    fn leave_chain(&mut self) {
        if let Some(chain) = self.chain {
            self.chains.reach(&chain, self.records);
        }
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

    fn continued(&mut self, line: &Continued, resent: Option<&Resent>) {
        if let Some(resent) = resent {
            self.resume(resent, line.into());
        }
        let follows = self.chain == Some(line.chain.0)
            && self.records == line.records
            && self.hash.current() == line.hash.0;
        if let (Some(chain), false, false) = (self.chain, follows, resent.is_some()) {
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
        if resent.is_some() {
            self.unsigned = 0;
            self.closed = false;
        }
        self.leave_chain();
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
        self.report.signed_until = Some(time_text(line.time.0));
        self.unsigned = 0;
        self.closed = line.closed;
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
        // A checkpoint may be among what is missing.
        self.unsigned = 0;
        self.chains.gap(&line.chain.0, from, to);
        self.adopt(to, line.hash.0);
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
