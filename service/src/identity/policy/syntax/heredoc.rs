//! Texts over several lines: `<<EOF` up to a line `EOF`, and `<<-EOF`, which takes the last line's indent off all.

use std::borrow::Cow;

use super::cursor::Cursor;
use crate::identity::policy::fault::{Mistake, PolicyFault};

/// The text of a heredoc; its `<<` is next. The line end before the anchor belongs to the text.
pub(super) fn read<'t>(cursor: &mut Cursor<'t>) -> Result<Cow<'t, str>, PolicyFault> {
    let endless = cursor.fault(Mistake::Endless);
    cursor.expect('<')?;
    cursor.expect('<')?;
    let hanging = cursor.take('-');
    let anchor = cursor.take_while(char::is_alphanumeric);
    if anchor.is_empty() {
        return Err(cursor.syntax());
    }
    cursor.take('\r');
    cursor.expect('\n')?;
    let start = cursor.offset();
    let (body, indent) = loop {
        let before = cursor.since(start).len();
        let line = cursor.take_while(|c| !matches!(c, '\n' | '\0'));
        // As in Vault, the anchor's line has an end of its own.
        if !cursor.take('\n') {
            return Err(endless);
        }
        let unindented = line.trim_start_matches(is_space);
        if unindented.trim_end_matches('\r') == anchor {
            let indent = line.strip_suffix(unindented).unwrap_or_default();
            break (
                cursor.since(start).get(..before).unwrap_or_default(),
                indent,
            );
        }
    };
    Ok(assemble(body, indent, hanging))
}

const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{b}' | '\u{c}' | '\r')
}

fn assemble<'t>(body: &'t str, indent: &str, hanging: bool) -> Cow<'t, str> {
    let body = if body.contains("\r\n") {
        Cow::Owned(body.replace("\r\n", "\n"))
    } else {
        Cow::Borrowed(body)
    };
    if indent.is_empty() {
        return body;
    }
    if !hanging {
        return Cow::Owned(body.into_owned() + indent);
    }
    let lines = || body.split_inclusive('\n');
    if lines().all(|line| line.starts_with(indent)) {
        let stripped = lines().filter_map(|line| line.strip_prefix(indent));
        return Cow::Owned(stripped.collect());
    }
    body
}
