//! Base64 as the protocol has it (RFC 4648 section 4).
//!
//! What callers send is read as Go's `base64.StdEncoding` reads it, down to the offset in the error, because
//! clients see both. What this service wrote itself, ciphertexts, has one spelling only.

use std::ops::Range;

use base64_simd::STANDARD;

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
/// unused trailing bits are ignored, and so are `\r` and `\n` anywhere. What a refused text began with may
/// stay in the vector's spare capacity: who decodes secrets wipes all of it.
pub fn decode_append(text: &[u8], out: &mut Vec<u8>) -> Result<Range<usize>, Base64Error> {
    if let Ok(range) = decode_canonical_append(text, out) {
        return Ok(range);
    }
    let start = out.len();
    let decoded = decode_lenient(text, out);
    if decoded.is_err() {
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

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    #[test]
    fn an_error_names_the_byte_that_go_names() {
        let cases: [(&str, usize); 10] = [
            ("ab-d", 2),
            ("ab_d", 2),
            ("YWJ", 0),
            ("YWJjZA", 4),
            ("YWJjZA=", 7),
            ("YWJjZA==x", 8),
            ("YWJjZA=\n", 8),
            ("=", 0),
            ("AA=A", 2),
            // Go counts the characters it holds back from the end, across a newline that is not one of them.
            ("YW\nJ", 1),
        ];
        for (text, offset) in cases {
            let mut out = b"before".to_vec();
            assert_eq!(
                decode_append(text.as_bytes(), &mut out),
                Err(Base64Error { offset }),
                "{text:?}"
            );
            assert_eq!(out, b"before");
        }
        let error = Base64Error { offset: 7 };
        assert_eq!(error.to_string(), "illegal base64 data at input byte 7");
    }

    #[test]
    fn newlines_and_loose_bits_are_forgiven_to_callers_only() {
        for text in ["YWJjZA==\n", "YW\r\nJj\nZA=\r=", "YWJjZB=="] {
            let mut out = Vec::new();
            assert_eq!(
                decode_append(text.as_bytes(), &mut out),
                Ok(0..4),
                "{text:?}"
            );
            assert_eq!(out, b"abcd");
            assert_eq!(
                decode_canonical_append(text.as_bytes(), &mut out),
                Err(NotCanonical)
            );
            assert_eq!(out, b"abcd");
        }
        assert_eq!(decode_append(b"", &mut Vec::new()), Ok(0..0));
        assert_eq!(decode_canonical_append(b"", &mut Vec::new()), Ok(0..0));
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(bytes in vec(any::<u8>(), 0..400), before in vec(any::<u8>(), 0..8)) {
            let mut text = before.clone();
            encode_append(&bytes, &mut text);
            prop_assert_eq!(text.len() - before.len(), encoded_len(bytes.len()));
            let text = &text[before.len()..];
            for decode in [
                |text: &[u8], out: &mut Vec<u8>| decode_append(text, out).ok(),
                |text: &[u8], out: &mut Vec<u8>| decode_canonical_append(text, out).ok(),
            ] {
                let mut out = before.clone();
                prop_assert_eq!(decode(text, &mut out), Some(before.len()..before.len() + bytes.len()));
                prop_assert_eq!(&out[before.len()..], &bytes);
            }
        }

        #[test]
        fn the_canonical_spelling_is_the_encoders(text in text()) {
            let mut out = Vec::new();
            let canonical = decode_canonical_append(&text, &mut out).is_ok();
            let mut spelled = Vec::new();
            if decode_append(&text, &mut Vec::new()).is_ok() {
                out.clear();
                decode_append(&text, &mut out).unwrap();
                encode_append(&out, &mut spelled);
                prop_assert_eq!(canonical, spelled == text);
            } else {
                prop_assert!(!canonical);
            }
        }

        #[test]
        fn any_text_is_read_as_go_reads_it(text in text()) {
            let mut out = b"before".to_vec();
            let decoded = decode_append(&text, &mut out).map_err(|error| error.offset);
            let expected = go_decode(&text);
            prop_assert_eq!(decoded.clone().map(|range| out[range].to_vec()), expected);
            if decoded.is_err() {
                prop_assert_eq!(out, b"before");
            }
        }
    }

    /// Mostly right texts, in every way a little wrong.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        let encoded = vec(any::<u8>(), 0..24).prop_map(|bytes| {
            let mut text = Vec::new();
            encode_append(&bytes, &mut text);
            text
        });
        let damage = vec(
            (
                any::<prop::sample::Index>(),
                select(b"AgwQ9+/=\n\r-* ".as_slice()),
                any::<bool>(),
            ),
            0..4,
        );
        (encoded, damage).prop_map(|(mut text, damage)| {
            for (at, byte, insert) in damage {
                let at = at.index(text.len() + 1);
                text.splice(at..(at + usize::from(!insert)).min(text.len()), [byte]);
            }
            text
        })
    }

    /// `encoding/base64` of Go 1.26, step by step: slow, and plainly the same.
    fn go_decode(src: &[u8]) -> Result<Vec<u8>, usize> {
        let (mut out, mut si) = (Vec::new(), 0);
        while si < src.len() {
            si = go_decode_quantum(src, si, &mut out)?;
        }
        Ok(out)
    }

    fn go_decode_quantum(src: &[u8], mut si: usize, out: &mut Vec<u8>) -> Result<usize, usize> {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let (mut dbuf, mut j) = ([0_u32; 4], 0);
        while j < 4 {
            if si == src.len() {
                return if j == 0 { Ok(si) } else { Err(si - j) };
            }
            let byte = src[si];
            si += 1;
            if let Some(value) = alphabet.iter().position(|letter| *letter == byte) {
                dbuf[j] = u32::try_from(value).unwrap();
                j += 1;
            } else if byte == b'=' && j >= 2 {
                si = go_padding(src, si, j)?;
                break;
            } else if !is_newline(byte) {
                return Err(si - 1);
            }
        }
        let value = dbuf[0] << 18 | dbuf[1] << 12 | dbuf[2] << 6 | dbuf[3];
        out.extend_from_slice(&value.to_be_bytes()[1..j]);
        Ok(si)
    }

    fn go_padding(src: &[u8], mut si: usize, j: usize) -> Result<usize, usize> {
        if j == 2 {
            while si < src.len() && is_newline(src[si]) {
                si += 1;
            }
            if si == src.len() {
                return Err(src.len());
            }
            if src[si] != b'=' {
                return Err(si - 1);
            }
            si += 1;
        }
        while si < src.len() && is_newline(src[si]) {
            si += 1;
        }
        if si < src.len() { Err(si) } else { Ok(si) }
    }

    fn is_newline(byte: u8) -> bool {
        matches!(byte, b'\n' | b'\r')
    }
}
