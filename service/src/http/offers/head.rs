//! Heads of requests: what they say of their bodies, and the offers in them.

use super::chunks::Chunks;
use super::{At, line};

/// A head as far as it has been read.
#[derive(Debug, Default)]
pub(super) struct Head {
    has_request_line: bool,
    line: Line,
    length: Option<u64>,
    is_chunked: bool,
}

/// A line as far as it has been read.
#[derive(Debug, Default)]
enum Line {
    /// Nothing is in it.
    #[default]
    Empty,
    /// The digits of `Content-Length`; absent if they are no number.
    Length(Option<u64>),
    /// The name of a header.
    Name(Name),
    /// The options of `Connection`, with so many letters of the word read.
    Options(usize),
    /// It says nothing of interest.
    Passed,
}

/// The first letters of a header's name, in lower case.
#[derive(Debug, Default)]
struct Name {
    letters: [u8; TRANSFER_ENCODING.len()],
    length: usize,
}

const CONNECTION: &[u8] = b"connection";
const CONTENT_LENGTH: &[u8] = b"content-length";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding";
const WORD: &[u8] = b"upgrade";
/// Beyond any word: the option is another one.
const ANOTHER_WORD: usize = usize::MAX;

impl Head {
    /// Reads on to the end of the line, and says how far that was and what comes next if it is no head any more.
    pub(super) fn conceal(&mut self, bytes: &mut [u8]) -> (usize, Option<At>) {
        let (passed, is_whole) = line(bytes);
        for byte in bytes.iter_mut().take(passed) {
            self.read(byte);
            if matches!(self.line, Line::Passed) {
                break;
            }
        }
        let next = is_whole.then(|| self.ends_line()).flatten();
        (passed, next)
    }

    fn read(&mut self, byte: &mut u8) {
        match &mut self.line {
            Line::Passed => {}
            Line::Empty => self.begins_line(*byte),
            Line::Length(length) => *length = with_digit(*length, *byte),
            Line::Name(_) if *byte == b':' => self.ends_name(),
            Line::Name(name) => {
                if !name.push(*byte) {
                    self.line = Line::Passed;
                }
            }
            Line::Options(read) => {
                *read = next_letter(*read, *byte);
                if *read == WORD.len() {
                    *byte = b'-';
                    *read = ANOTHER_WORD;
                }
            }
        }
    }

    fn begins_line(&mut self, byte: u8) {
        if matches!(byte, b'\r' | b'\n') {
            return;
        }
        if !self.has_request_line {
            self.has_request_line = true;
            self.line = Line::Passed;
            return;
        }
        let mut name = Name::default();
        name.push(byte);
        self.line = Line::Name(name);
    }

    fn ends_name(&mut self) {
        let Line::Name(name) = &self.line else {
            return;
        };
        self.line = match name.letters.get(..name.length) {
            Some(CONNECTION) => Line::Options(0),
            Some(CONTENT_LENGTH) => Line::Length(Some(0)),
            Some(TRANSFER_ENCODING) => {
                // The framework takes no other coding than chunks.
                self.is_chunked = true;
                Line::Passed
            }
            Some(_) | None => Line::Passed,
        };
    }

    fn ends_line(&mut self) -> Option<At> {
        match std::mem::take(&mut self.line) {
            Line::Empty if self.has_request_line => Some(self.body()),
            Line::Empty | Line::Name(_) | Line::Options(_) | Line::Passed => None,
            // The framework refuses what has two lengths, or none that is a number.
            Line::Length(None) => Some(At::Beyond),
            Line::Length(Some(_)) if self.length.is_some() => Some(At::Beyond),
            Line::Length(length) => {
                self.length = length;
                None
            }
        }
    }

    fn body(&self) -> At {
        match self.length {
            _ if self.is_chunked => At::Chunks(Chunks::default()),
            None | Some(0) => At::default(),
            Some(length) => At::Body(length),
        }
    }
}

impl Name {
    /// Takes a letter; false if no name of interest is that long.
    fn push(&mut self, letter: u8) -> bool {
        let Some(place) = self.letters.get_mut(self.length) else {
            return false;
        };
        *place = letter.to_ascii_lowercase();
        self.length += 1;
        true
    }
}

/// The number with a digit more. White space may stand around it.
fn with_digit(number: Option<u64>, byte: u8) -> Option<u64> {
    match byte {
        b' ' | b'\t' | b'\r' | b'\n' => number,
        b'0'..=b'9' => number?.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    }
}

/// How many letters of the word are read with this one.
fn next_letter(read: usize, byte: u8) -> usize {
    match byte {
        b',' => 0,
        b' ' | b'\t' if read == 0 => 0,
        _ if WORD.get(read) == Some(&byte.to_ascii_lowercase()) => read + 1,
        _ => ANOTHER_WORD,
    }
}
