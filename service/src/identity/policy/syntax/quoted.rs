//! Texts in double quotes.

use std::borrow::Cow;

use super::cursor::Cursor;
use crate::identity::policy::fault::{Mistake, PolicyFault};

/// An HCL text; its opening quote is next. Escapes are those of Go; texts with `${` are refused, because quotes and
/// line ends would mean something else after it.
pub(super) fn hcl<'t>(cursor: &mut Cursor<'t>) -> Result<Cow<'t, str>, PolicyFault> {
    let start = cursor.fault(Mistake::Endless);
    cursor.expect('"')?;
    let plain = cursor.take_while(|c| !matches!(c, '"' | '\\' | '\n' | '\0' | '$'));
    if cursor.take('"') {
        return Ok(Cow::Borrowed(plain));
    }
    let mut text = plain.to_owned();
    loop {
        let fault = cursor.at();
        match cursor.next() {
            Some('"') => return Ok(Cow::Owned(text)),
            Some('\\') => text.push(escape(cursor).ok_or(fault.fault(Mistake::Escape))?),
            Some('$') if cursor.peek() == Some('{') => {
                return Err(fault.fault(Mistake::Interpolation));
            }
            Some('\0') => return Err(fault.fault(Mistake::Syntax)),
            Some('\n') | None => return Err(start),
            Some(other) => text.push(other),
        }
    }
}

/// The character of an escape whose backslash has been read.
fn escape(cursor: &mut Cursor<'_>) -> Option<char> {
    let letter = cursor.next()?;
    Some(match letter {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '\\' | '"' => letter,
        '0'..='7' => {
            let rest = digits(cursor, 8, 2)?;
            ascii(letter.to_digit(8)? * 64 + rest)?
        }
        'x' => ascii(digits(cursor, 16, 2)?)?,
        'u' => char::from_u32(digits(cursor, 16, 4)?)?,
        'U' => char::from_u32(digits(cursor, 16, 8)?)?,
        _ => return None,
    })
}

fn digits(cursor: &mut Cursor<'_>, radix: u32, count: usize) -> Option<u32> {
    let mut number: u32 = 0;
    for _ in 0..count {
        let digit = cursor.next()?.to_digit(radix)?;
        number = number.checked_mul(radix)?.checked_add(digit)?;
    }
    Some(number)
}

// Beyond ASCII these escapes spell single bytes, which need not be text.
fn ascii(number: u32) -> Option<char> {
    char::from_u32(number).filter(char::is_ascii)
}

/// A JSON text (RFC 8259); its opening quote is next.
pub(super) fn json<'t>(cursor: &mut Cursor<'t>) -> Result<Cow<'t, str>, PolicyFault> {
    let start = cursor.at();
    let offset = cursor.offset();
    cursor.expect('"')?;
    let mut plain = true;
    loop {
        let at = cursor.at();
        match cursor.next() {
            Some('"') => break,
            Some('\\') => {
                plain = false;
                cursor.next();
            }
            Some(control) if control < ' ' => return Err(at.fault(Mistake::Syntax)),
            Some(_) => {}
            None => return Err(start.fault(Mistake::Endless)),
        }
    }
    let quoted = cursor.since(offset);
    if plain {
        let inner = quoted
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        return Ok(Cow::Borrowed(inner.unwrap_or_default()));
    }
    let text = serde_json::from_str::<String>(quoted);
    text.map(Cow::Owned)
        .map_err(|_| start.fault(Mistake::Escape))
}
