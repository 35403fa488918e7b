//! The last lines of a file, of which only those are believed that are signed or that the chain holds.

use keyring::audit_keys::ChainHash;

use super::super::chain::first_hash;
use super::super::line::{
    Checkpoint, Continued, Gap, Hex, Line, OpenIntent, Previous, SignedLine, Start, Unfinished,
};
use super::change::Change;
use super::{End, hash_of_unfinished};

/// The lines of a tail as they are read. Before the first signed line nothing is known of the chain.
#[derive(Debug)]
pub(super) struct Tail<'t> {
    bytes: &'t [u8],
    key: &'t [u8; 32],
    pub(super) chain: Option<[u8; 16]>,
    records: u64,
    hash: [u8; 32],
    open: Vec<OpenIntent>,
    /// Whether the chain takes no more records.
    closed: bool,
    /// Changes in records whose group is not closed.
    marks: Vec<Change>,
    /// Records whose group is not closed.
    grouped: u64,
    /// Whether a group has come that the chain does not hold: then it holds none after it either.
    broken: bool,
    /// Up to here the chain covers what was read.
    settled: usize,
}

/// Where a signed line says that the chain is.
#[derive(Debug)]
struct Base {
    chain: Hex<16>,
    records: u64,
    hash: [u8; 32],
    open: Vec<OpenIntent>,
    closed: bool,
}

impl<'t> Tail<'t> {
    pub(super) fn read(bytes: &'t [u8], key: &'t [u8; 32]) -> Self {
        let mut tail = Self {
            bytes,
            key,
            chain: None,
            records: 0,
            hash: [0; 32],
            open: Vec::new(),
            closed: false,
            marks: Vec::new(),
            grouped: 0,
            broken: false,
            settled: 0,
        };
        let mut at = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if let Some(whole) = line.strip_suffix(b"\n") {
                tail.line(whole, line, at);
            }
            at += line.len();
        }
        tail
    }

    fn line(&mut self, line: &[u8], with_end: &[u8], at: usize) {
        match Line::parse(line) {
            Line::Record(_) if self.chain.is_some() && !self.broken => {
                self.grouped += 1;
                self.marks.extend(Change::of(line));
            }
            Line::Group(records, hash) if self.holds(records, &hash, at) => {
                for mark in std::mem::take(&mut self.marks) {
                    self.mark(mark);
                }
                (self.records, self.hash) = (records, hash);
                self.settle(at + with_end.len());
            }
            Line::Signed(signed) => {
                if let Some(base) = self.base(&signed, with_end) {
                    self.chain = Some(base.chain.0);
                    (self.records, self.hash) = (base.records, base.hash);
                    (self.open, self.closed) = (base.open, base.closed);
                    self.settle(at + with_end.len());
                }
            }
            Line::Group(..) => {
                self.broken = true;
                self.marks.clear();
            }
            Line::Record(_) | Line::Foreign => {}
        }
    }

    /// Whether the chain holds the lines since it last covered everything.
    fn holds(&self, records: u64, hash: &[u8; 32], at: usize) -> bool {
        let follows = self.records.checked_add(self.grouped) == Some(records);
        if self.chain.is_none() || self.closed || self.broken || self.grouped == 0 || !follows {
            return false;
        }
        let mut after = ChainHash::resume(self.hash);
        after.extend(self.bytes.get(self.settled..at).unwrap_or_default());
        after.current() == *hash
    }

    fn mark(&mut self, mark: Change) {
        match mark {
            Change::Intent(intent) if self.open.len() < MAX_OPEN => self.open.push(intent),
            Change::Intent(_) => {}
            Change::Outcome(id) => self.open.retain(|intent| intent.request != id),
        }
    }

    /// What a signed line says, if it is signed and can stand here.
    fn base(&self, line: &SignedLine<'_>, with_end: &[u8]) -> Option<Base> {
        let (base, begins) = base_of(line, with_end)?;
        let follows = match begins {
            Begins::Chain(before) => before.is_none_or(|before| self.is_in(&before)),
            Begins::Nothing => self.is_in(&base.chain) && base.records >= self.records,
        };
        (follows && line.is_signed_by(self.key)).then_some(base)
    }

    fn is_in(&self, chain: &Hex<16>) -> bool {
        self.chain.is_none_or(|known| known == chain.0)
    }

    fn settle(&mut self, at: usize) {
        self.marks.clear();
        self.grouped = 0;
        self.broken = false;
        self.settled = at;
    }

    pub(super) fn end(self) -> End {
        let mut rest = self.bytes.get(self.settled..).unwrap_or_default().to_vec();
        let torn = rest.last().is_some_and(|byte| *byte != b'\n');
        if torn {
            rest.push(b'\n');
        }
        // An intent without a closed group was not acted on.
        End {
            previous: self.chain.map(|chain| Previous {
                chain: Hex(chain),
                records: self.records,
                hash: Hex(self.hash),
            }),
            unfinished: (!rest.is_empty()).then(|| Unfinished {
                bytes: u64::try_from(rest.len()).unwrap_or(u64::MAX),
                hash: Hex(hash_of_unfinished(&rest)),
            }),
            open: self.open,
            torn,
        }
    }
}

/// What a signed line begins.
#[derive(Debug)]
enum Begins {
    /// A chain, after that one.
    Chain(Option<Hex<16>>),
    Nothing,
}

fn base_of(line: &SignedLine<'_>, with_end: &[u8]) -> Option<(Base, Begins)> {
    if let Some(start) = line.body::<Start>() {
        let before = start.previous.map(|previous| previous.chain);
        let base = Base {
            chain: start.chain,
            records: 0,
            hash: first_hash(&start.chain.0).current(),
            open: start.open,
            closed: false,
        };
        return Some((base, Begins::Chain(before)));
    }
    let base = if let Some(line) = line.body::<Continued>() {
        Base {
            chain: line.chain,
            records: line.records,
            hash: line.hash.0,
            open: line.open,
            closed: false,
        }
    } else if let Some(line) = line.body::<Gap>() {
        Base {
            chain: line.chain,
            records: line.to,
            hash: line.hash.0,
            open: line.open,
            closed: false,
        }
    } else {
        let line = line.body::<Checkpoint>()?;
        let mut after = ChainHash::resume(line.hash.0);
        after.extend(with_end);
        Base {
            chain: line.chain,
            records: line.records,
            hash: after.current(),
            open: line.open,
            closed: line.closed,
        }
    };
    Some((base, Begins::Nothing))
}

/// No more changes are announced at once; of a forged crowd the first are taken.
const MAX_OPEN: usize = 4096;
