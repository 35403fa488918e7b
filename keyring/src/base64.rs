//! Base64 as the protocol has it (RFC 4648 section 4).
//!
//! What callers send is read as Go's `base64.StdEncoding` reads it, down to the offset in the error, because
//! clients see both. What this service wrote itself, ciphertexts, has one spelling only.

use std::ops::Range;

use base64_simd::STANDARD;
use zeroize::Zeroize;

/// Not base64 at this byte, counted as Go counts. Says nothing of the byte itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("illegal base64 data at input byte {offset}")]
pub struct Base64Error {
    /// Where reading stopped, in bytes from the start of the text.
    pub offset: usize,
}

/// Not base64, or not the one spelling an encoder gives these bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not canonical base64")]
pub struct NotCanonical;

/// Appends the decoded bytes and answers where they are; appends nothing on an error. Padding is required,
/// unused trailing bits are ignored, and so are `\r` and `\n` anywhere.
pub fn decode_append(text: &[u8], out: &mut Vec<u8>) -> Result<Range<usize>, Base64Error> {
    if let Ok(range) = decode_canonical_append(text, out) {
        return Ok(range);
    }
    let start = out.len();
    let decoded = decode_lenient(text, out);
    if decoded.is_err() {
        out.get_mut(start..).into_iter().for_each(Zeroize::zeroize);
        out.truncate(start);
    }
    decoded.map(|()| start..out.len())
}

/// Appends the decoded bytes and answers where they are, if the text is exactly what
/// [`encode_append`] makes of them; appends nothing if not.
pub fn decode_canonical_append(
    text: &[u8],
    out: &mut Vec<u8>,
) -> Result<Range<usize>, NotCanonical> {
    let start = out.len();
    // The library reserves exactly what it needs, which for a batch means a new block for every item.
    out.reserve(STANDARD.estimated_decoded_length(text.len()));
    STANDARD
        .decode_append(text, out)
        .map_err(|_| NotCanonical)?;
    Ok(start..out.len())
}

/// Appends the bytes as base64 with padding.
pub fn encode_append(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(encoded_len(bytes.len()));
    STANDARD.encode_append(bytes, out);
}

/// How many characters this many bytes encode to.
pub const fn encoded_len(length: usize) -> usize {
    length.div_ceil(3) * 4
}

/// Go's `decodeQuantum`, one character at a time.
fn decode_lenient(text: &[u8], out: &mut Vec<u8>) -> Result<(), Base64Error> {
    let mut group = Group::default();
    let mut next = 0;
    while let Some(&byte) = text.get(next) {
        next += 1;
        match (sextet(byte), byte) {
            (Some(sextet), _) => group.push(sextet, out),
            (None, b'\r' | b'\n') => {}
            (None, b'=') => {
                read_padding(text, next, group.filled)?;
                group.flush(out);
                return Ok(());
            }
            (None, _) => return Err(Base64Error { offset: next - 1 }),
        }
    }
    // Go subtracts the characters it holds from the end of the input, newlines between them or not.
    if group.filled == 0 {
        Ok(())
    } else {
        Err(Base64Error {
            offset: text.len() - group.filled,
        })
    }
}

/// Reads on behind a first `=` that follows `filled` characters of a group. Nothing may come after the padding.
fn read_padding(text: &[u8], mut next: usize, filled: usize) -> Result<(), Base64Error> {
    if filled < 2 {
        return Err(Base64Error { offset: next - 1 });
    }
    if filled == 2 {
        next = skip_newlines(text, next);
        match text.get(next) {
            Some(b'=') => next += 1,
            Some(_) => return Err(Base64Error { offset: next - 1 }),
            None => return Err(Base64Error { offset: text.len() }),
        }
    }
    next = skip_newlines(text, next);
    if next < text.len() {
        Err(Base64Error { offset: next })
    } else {
        Ok(())
    }
}

fn skip_newlines(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    from + rest
        .iter()
        .take_while(|byte| matches!(byte, b'\r' | b'\n'))
        .count()
}

/// Up to four characters of six bits each.
#[derive(Default)]
struct Group {
    bits: u32,
    filled: usize,
}

impl Group {
    fn push(&mut self, sextet: u8, out: &mut Vec<u8>) {
        self.bits = self.bits << 6 | u32::from(sextet);
        self.filled += 1;
        if self.filled == 4 {
            self.flush(out);
        }
    }

    /// Writes the whole bytes there are and forgets the bits left over.
    fn flush(&mut self, out: &mut Vec<u8>) {
        let missing = 4 - self.filled;
        let [_, bytes @ ..] = (self.bits << (6 * missing)).to_be_bytes();
        out.extend(bytes.into_iter().take(3 - missing));
        *self = Self::default();
    }
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}
