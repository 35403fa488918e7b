//! What is sent again: it may go back in the log, never ahead, and must be what it was.

use super::super::line::{Continued, Hex, Resent, ResumedAt, Start};
use super::Verifier;

/// How far a log had come when some of it was sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    chain: [u8; 16],
    records: u64,
    hash: [u8; 32],
}

/// Where a file begins in its chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning<'l> {
    chain: [u8; 16],
    records: u64,
    sink: &'l str,
}

impl<'l> From<&'l Start> for Beginning<'l> {
    fn from(line: &'l Start) -> Self {
        Self {
            chain: line.chain.0,
            records: 0,
            sink: &line.sink,
        }
    }
}

impl<'l> From<&'l Continued> for Beginning<'l> {
    fn from(line: &'l Continued) -> Self {
        Self {
            chain: line.chain.0,
            records: line.records,
            sink: &line.sink,
        }
    }
}

impl Verifier {
    pub(super) fn resent(&mut self, line: Resent) {
        if let Some(chain) = self.chain {
            if line.sink != self.sink {
                self.find("what follows is sent again by another sink");
            }
            self.chains.reach(&chain, self.records);
            self.replays = true;
            // What is not reached again yet is further on.
            self.reached.get_or_insert(Reached {
                chain,
                records: self.records,
                hash: self.hash.current(),
            });
        }
        self.resent = Some(line);
    }

    /// Judges where what is sent again begins.
    pub(super) fn resume(&mut self, resent: &Resent, at: Beginning<'_>) {
        let named = ResumedAt {
            chain: Hex(at.chain),
            records: at.records,
        };
        if at.sink != resent.sink || resent.from.is_some_and(|from| from != named) {
            self.find("what is sent again does not begin where the line before says");
        }
        if self.chain.is_none() || at.records == 0 {
            return;
        }
        let (from, to) = (self.chains.reached(&at.chain), at.records);
        match from {
            None => self.find("what is sent again is of a chain that has not begun"),
            Some(reached) if reached < to => {
                let first = reached + 1;
                self.find(&format!(
                    "records {first} to {to} are missing before what is sent again"
                ));
            }
            Some(_) => {}
        }
    }

    /// Once the log is beyond where it had been, it must have come by there.
    pub(super) fn compare_with_reached(&mut self) {
        let Some(reached) = self.reached.filter(|at| self.chain == Some(at.chain)) else {
            return;
        };
        if self.records == reached.records && self.hash.current() == reached.hash {
            self.reached = None;
            self.replays = false;
        } else if self.records > reached.records {
            self.reached = None;
            self.replays = false;
            self.find("what is sent again is not what was sent before");
        }
    }
}
