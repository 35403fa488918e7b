//! The end of a file that an earlier start wrote: where its chain ended, what a crash left behind, which changes are open.

mod change;
mod tail;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use keyring::audit_keys::ChainHash;
use keyring::clock::Timestamp;

use self::tail::Tail;
use super::line::{Continued, FORMAT, Line, OpenIntent, Previous, ResumedAt, Start, Unfinished};

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

/// Reads how a file of this length ends. What is torn is counted with the line feed that will close it. Only what this key
/// has signed is believed: others may have been at the file while nobody wrote to it.
pub(super) fn end_of(file: &File, length: u64, key: &[u8; 32]) -> io::Result<End> {
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
        let tail = Tail::read(bytes.get(skipped..).unwrap_or_default(), key);
        if tail.chain.is_some() || from == 0 {
            return Ok(tail.end());
        }
        if window >= MAX_WINDOW {
            tracing::error!("an audit file does not end as one that this service wrote");
            return Ok(End {
                torn: !bytes.ends_with(b"\n"),
                ..End::default()
            });
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

/// The hash a start line gives of what a crash left behind.
pub(super) fn hash_of_unfinished(bytes: &[u8]) -> [u8; 32] {
    let mut hash = ChainHash::start(FORMAT.as_bytes());
    hash.extend(bytes);
    hash.current()
}

const FIRST_WINDOW: u64 = 1 << 20;
/// A signed line stands before every 10,001st record.
const MAX_WINDOW: u64 = 256 << 20;
/// No first line is longer.
const FIRST_LINE: u64 = 64 << 10;
