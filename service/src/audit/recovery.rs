//! The end of a file that an earlier start wrote: where its chain ended, what a crash left behind, which changes are open.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use keyring::audit_keys::ChainHash;
use keyring::clock::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::chain::first_hash;
use super::encode::parse_time;
use super::line::{
    Checkpoint, Continued, FORMAT, Gap, Hex, Line, OpenIntent, Previous, ResumedAt, SignedLine,
    Start, Unfinished,
};

/// How a file ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct End {
    /// The last position of the last chain.
    pub(super) previous: Option<Previous>,
    /// What stands after that.
    pub(super) unfinished: Option<Unfinished>,
    /// Changes announced without an outcome.
    pub(super) open: Vec<OpenIntent>,
    /// Whether the last line is cut off.
    pub(super) torn: bool,
}

/// Reads how a file of this length ends. What is torn is counted with the line feed that will close it.
pub(super) fn end_of(file: &File, length: u64) -> io::Result<End> {
    let mut window = FIRST_WINDOW;
    loop {
        let from = length.saturating_sub(window);
        let bytes = read_from(file, from, length)?;
        // A window that begins within a line sees only the rest of it.
        let skipped = match from {
            0 => 0,
            _ => bytes
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(bytes.len(), |at| at + 1),
        };
        let mut tail = Tail::default();
        tail.read(bytes.get(skipped..).unwrap_or_default());
        if tail.chain.is_some() || from == 0 {
            return Ok(tail.end());
        }
        window = window.saturating_mul(4);
    }
}

/// What the first line of a file says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beginning {
    pub(super) at: Timestamp,
    pub(super) from: ResumedAt,
}

/// When the first line of a file was written.
pub(super) fn began(file: &File) -> Option<Timestamp> {
    beginning(file).map(|beginning| beginning.at)
}

/// How a file begins. The signature is not checked.
pub(super) fn beginning(file: &File) -> Option<Beginning> {
    let bytes = read_from(file, 0, FIRST_LINE).ok()?;
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    let Line::Signed(line) = Line::parse(line) else {
        return None;
    };
    let start = line.body().map(|start: Start| Beginning {
        at: start.time.0,
        from: ResumedAt {
            chain: start.chain,
            records: 0,
        },
    });
    start.or_else(|| {
        line.body().map(|continued: Continued| Beginning {
            at: continued.time.0,
            from: ResumedAt {
                chain: continued.chain,
                records: continued.records,
            },
        })
    })
}

fn read_from(file: &File, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(to.saturating_sub(from)).unwrap_or_default()];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let at = from + u64::try_from(filled).unwrap_or_default();
        match file.read_at(rest, at)? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// The lines of a tail as they are read. Before the first signed line nothing is known of the chain.
#[derive(Debug, Default)]
struct Tail {
    chain: Option<[u8; 16]>,
    records: u64,
    hash: [u8; 32],
    open: Vec<OpenIntent>,
    /// Changes in records whose group is not closed.
    marks: Vec<Change>,
    rest: Vec<u8>,
}

#[derive(Debug)]
enum Change {
    Intent(OpenIntent),
    Outcome(Uuid),
}

impl Tail {
    fn read(&mut self, bytes: &[u8]) {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(line);
            if let Some(whole) = line.strip_suffix(b"\n") {
                self.line(whole, line);
            }
        }
    }

    fn line(&mut self, line: &[u8], with_end: &[u8]) {
        match Line::parse(line) {
            Line::Record(_) => self.marks.extend(Change::of(line)),
            Line::Group(records, hash) => {
                for mark in std::mem::take(&mut self.marks) {
                    match mark {
                        Change::Intent(intent) => self.open.push(intent),
                        Change::Outcome(id) => self.open.retain(|intent| intent.request != id),
                    }
                }
                (self.records, self.hash) = (records, hash);
                self.settle();
            }
            Line::Signed(signed) => self.signed(&signed, with_end),
            Line::Foreign => {}
        }
    }

    fn signed(&mut self, line: &SignedLine<'_>, with_end: &[u8]) {
        if let Some(Start { chain, open, .. }) = line.body() {
            let hash = first_hash(&chain.0).current();
            self.base(chain, 0, hash, open);
        } else if let Some(Continued {
            chain,
            records,
            hash,
            open,
            ..
        }) = line.body()
        {
            self.base(chain, records, hash.0, open);
        } else if let Some(Gap {
            chain,
            to,
            hash,
            open,
            ..
        }) = line.body()
        {
            self.base(chain, to, hash.0, open);
        } else if let Some(Checkpoint {
            chain,
            records,
            hash,
            open,
            ..
        }) = line.body()
        {
            let mut after = ChainHash::resume(hash.0);
            after.extend(with_end);
            self.base(chain, records, after.current(), open);
        }
    }

    fn base(&mut self, chain: Hex<16>, records: u64, hash: [u8; 32], open: Vec<OpenIntent>) {
        self.chain = Some(chain.0);
        (self.records, self.hash, self.open) = (records, hash, open);
        self.settle();
    }

    /// Up to here the chain covers what was read.
    fn settle(&mut self) {
        self.marks.clear();
        self.rest.clear();
    }

    fn end(mut self) -> End {
        let torn = self.rest.last().is_some_and(|byte| *byte != b'\n');
        if torn {
            self.rest.push(b'\n');
        }
        // An intent without a closed group was not acted on.
        End {
            previous: self.chain.map(|chain| Previous {
                chain: Hex(chain),
                records: self.records,
                hash: Hex(self.hash),
            }),
            unfinished: (!self.rest.is_empty()).then(|| Unfinished {
                bytes: u64::try_from(self.rest.len()).unwrap_or(u64::MAX),
                hash: Hex(hash_of_unfinished(&self.rest)),
            }),
            open: self.open,
            torn,
        }
    }
}

/// The hash a start line gives of what a crash left behind.
pub(super) fn hash_of_unfinished(bytes: &[u8]) -> [u8; 32] {
    let mut hash = ChainHash::start(FORMAT.as_bytes());
    hash.extend(bytes);
    hash.current()
}

/// What recovery needs of a record.
#[derive(Debug, Deserialize)]
struct ChangeRecord<'l> {
    time: &'l str,
    kind: &'l str,
    request: &'l str,
    operation: String,
    #[serde(default)]
    mount: Option<String>,
    #[serde(default)]
    key: Option<String>,
}

impl Change {
    /// What a record says of a change, if it is about one.
    fn of(line: &[u8]) -> Option<Self> {
        let record: ChangeRecord<'_> = serde_json::from_slice(line).ok()?;
        let request = Uuid::parse_str(record.request).ok()?;
        match record.kind {
            "intent" => Some(Self::Intent(OpenIntent {
                request,
                at: parse_time(record.time)?,
                operation: record.operation,
                mount: record.mount,
                key: record.key,
            })),
            "outcome" => Some(Self::Outcome(request)),
            _ => None,
        }
    }
}

const FIRST_WINDOW: u64 = 1 << 20;
/// No first line is longer.
const FIRST_LINE: u64 = 64 << 10;
