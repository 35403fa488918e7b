//! Lines of a log that somebody may have made longer than memory is.

use std::io::{self, BufRead, Read as _};

/// Reads a line with its line feed; says how many bytes it took from the log, 0 at its end. Of a line that is longer than
/// [`MAX_LINE`] only the beginning is kept.
pub(super) fn read_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    let read = from.by_ref().take(MAX_LINE).read_until(b'\n', line)?;
    let mut length = u64::try_from(read).unwrap_or(u64::MAX);
    if length == MAX_LINE && !line.ends_with(b"\n") {
        length = length.saturating_add(skip_line(from)?);
    }
    Ok(length)
}

fn skip_line(from: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped: u64 = 0;
    loop {
        let buffer = from.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |at| at + 1);
        from.consume(used);
        skipped = skipped.saturating_add(u64::try_from(used).unwrap_or(u64::MAX));
        if end.is_some() || used == 0 {
            return Ok(skipped);
        }
    }
}

/// A line with the open changes of thousands of requests is shorter.
pub(super) const MAX_LINE: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_the_next_one_is_whole() {
        let length = usize::try_from(MAX_LINE).unwrap() + 10;
        let log = [vec![b'x'; length], b"\nnext\nlast".to_vec()].concat();
        let mut from = log.as_slice();
        let mut line = Vec::new();
        assert_eq!(read_line(&mut from, &mut line).unwrap(), MAX_LINE + 11);
        assert_eq!(u64::try_from(line.len()).unwrap(), MAX_LINE);
        for expected in [&b"next\n"[..], b"last", b""] {
            line.clear();
            read_line(&mut from, &mut line).unwrap();
            assert_eq!(line, expected);
        }
    }
}
