//! Bodies of chunks (RFC 9112, section 7.1), passed by their lengths.

use super::{At, line, pass};

/// A body of chunks as far as it has been read.
#[derive(Debug)]
pub(super) enum Chunks {
    /// In a chunk of which so many bytes are left.
    Data(u64),
    /// In the line break behind a chunk.
    End,
    /// In a line behind the last chunk; whether something is in it.
    Trailer(bool),
    /// In the size of a chunk, of which this is read, or behind it.
    Size { read: u64, is_whole: bool },
}

impl Default for Chunks {
    fn default() -> Self {
        Self::Size {
            read: 0,
            is_whole: false,
        }
    }
}

impl Chunks {
    /// Reads on, and says how far and what comes next if the body is over.
    pub(super) fn read(&mut self, bytes: &[u8]) -> (usize, Option<At>) {
        if let Self::Data(left) = self {
            let passed = pass(left, bytes.len());
            if *left == 0 {
                *self = Self::End;
            }
            return (passed, None);
        }
        let (passed, ends) = line(bytes);
        for byte in bytes.iter().take(passed) {
            if !self.says(*byte) {
                return (passed, Some(At::Beyond));
            }
        }
        let next = ends.then(|| self.ends_line()).flatten();
        (passed, next)
    }

    /// Takes a byte of a line; false if a size is too large.
    fn says(&mut self, byte: u8) -> bool {
        match self {
            Self::Trailer(is_filled) => *is_filled |= !matches!(byte, b'\r' | b'\n'),
            Self::Size { read, is_whole } if !*is_whole => match char::from(byte).to_digit(16) {
                None => *is_whole = true,
                Some(digit) => match read.checked_mul(16) {
                    None => return false,
                    Some(sixteenfold) => *read = sixteenfold | u64::from(digit),
                },
            },
            Self::Data(_) | Self::End | Self::Size { .. } => {}
        }
        true
    }

    fn ends_line(&mut self) -> Option<At> {
        *self = match *self {
            Self::Trailer(false) => return Some(At::default()),
            Self::Trailer(true) | Self::Size { read: 0, .. } => Self::Trailer(false),
            Self::Size { read, .. } => Self::Data(read),
            Self::Data(_) | Self::End => Self::default(),
        };
        None
    }
}
