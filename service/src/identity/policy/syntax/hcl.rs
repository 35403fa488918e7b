//! HCL version 1, as far as policies need it: comments, keys with and without quotes, `=` and blocks with labels,
//! texts, heredocs, whole numbers, bools, lists, commas where people put them.

use std::borrow::Cow;

use super::cursor::Cursor;
use super::{Item, Node, Position, Value, heredoc, quoted};
use crate::http::weak;
use crate::identity::policy::fault::{Mistake, PolicyFault};

/// The items of a whole text.
pub(super) fn document<'t>(cursor: &mut Cursor<'t>) -> Result<Vec<Item<'t>>, PolicyFault> {
    let mut items = Vec::new();
    loop {
        skip_blanks(cursor)?;
        if cursor.peek().is_none() {
            return Ok(items);
        }
        items.push(item(cursor)?);
    }
}

/// `key = value`, or `key "label" { … }`, which reads as `key = { "label" = { … } }`; a comma may follow.
fn item<'t>(cursor: &mut Cursor<'t>) -> Result<Item<'t>, PolicyFault> {
    let (first, at) = key(cursor)?;
    let mut labels = Vec::new();
    skip_blanks(cursor)?;
    while !matches!(cursor.peek(), Some('=' | '{')) {
        labels.push(key(cursor)?);
        if labels.len() > MAX_LABELS {
            return Err(cursor.syntax());
        }
        skip_blanks(cursor)?;
    }
    if cursor.peek() == Some('=') {
        if !labels.is_empty() {
            return Err(cursor.syntax());
        }
        cursor.next();
        skip_blanks(cursor)?;
    }
    let mut value = value(cursor)?;
    for (label, at) in labels.into_iter().rev() {
        let inner = Item {
            key: label,
            at,
            value,
        };
        value = cursor.node(at, Value::Object(vec![inner]))?;
    }
    skip_blanks(cursor)?;
    cursor.take(',');
    Ok(Item {
        key: first,
        at,
        value,
    })
}

/// How many labels a block may have.
const MAX_LABELS: usize = 4;

fn key<'t>(cursor: &mut Cursor<'t>) -> Result<(Cow<'t, str>, Position), PolicyFault> {
    let at = cursor.at();
    let key = match cursor.peek() {
        Some('"') => quoted::hcl(cursor)?,
        Some(letter) if is_letter(letter) => match identifier(cursor) {
            "true" | "false" => return Err(at.fault(Mistake::Syntax)),
            name => Cow::Borrowed(name),
        },
        _ => return Err(cursor.syntax()),
    };
    Ok((key, at))
}

fn identifier<'t>(cursor: &mut Cursor<'t>) -> &'t str {
    cursor.take_while(|c| is_letter(c) || c.is_numeric() || matches!(c, '-' | '.'))
}

fn is_letter(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}

fn value<'t>(cursor: &mut Cursor<'t>) -> Result<Node<'t>, PolicyFault> {
    let at = cursor.at();
    let value = match cursor.peek() {
        Some('"') => Value::Text(quoted::hcl(cursor)?),
        Some('<') => Value::Text(heredoc::read(cursor)?),
        Some('{') => Value::Object(object(cursor)?),
        Some('[') => Value::List(list(cursor)?),
        Some('-' | '.' | '0'..='9') => Value::Integer(number(cursor)?),
        Some(letter) if is_letter(letter) => match identifier(cursor) {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => return Err(at.fault(Mistake::Syntax)),
        },
        _ => return Err(cursor.syntax()),
    };
    cursor.node(at, value)
}

fn object<'t>(cursor: &mut Cursor<'t>) -> Result<Vec<Item<'t>>, PolicyFault> {
    cursor.enter()?;
    cursor.expect('{')?;
    let mut items = Vec::new();
    loop {
        skip_blanks(cursor)?;
        if cursor.take('}') {
            cursor.leave();
            return Ok(items);
        }
        items.push(item(cursor)?);
    }
}

/// A list. Vault passes over commas without anything between them.
fn list<'t>(cursor: &mut Cursor<'t>) -> Result<Vec<Node<'t>>, PolicyFault> {
    cursor.enter()?;
    cursor.expect('[')?;
    let mut items = Vec::new();
    let mut divided = true;
    loop {
        skip_blanks(cursor)?;
        if cursor.take(']') {
            cursor.leave();
            return Ok(items);
        }
        if cursor.take(',') {
            divided = true;
        } else if divided {
            items.push(value(cursor)?);
            divided = false;
        } else {
            return Err(cursor.syntax());
        }
    }
}

fn number(cursor: &mut Cursor<'_>) -> Result<i64, PolicyFault> {
    let at = cursor.at();
    let digits = cursor.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.'));
    weak::go_int(digits).ok_or(at.fault(Mistake::Number))
}

/// Goes over spaces, line ends and comments.
fn skip_blanks(cursor: &mut Cursor<'_>) -> Result<(), PolicyFault> {
    loop {
        cursor.take_while(|c| matches!(c, ' ' | '\t' | '\r' | '\n'));
        match cursor.peek() {
            Some('#') => {}
            Some('/') if cursor.rest().starts_with("//") => {}
            Some('/') if cursor.rest().starts_with("/*") => {
                skip_comment(cursor)?;
                continue;
            }
            _ => return Ok(()),
        }
        cursor.take_while(|c| !matches!(c, '\n' | '\0'));
    }
}

fn skip_comment(cursor: &mut Cursor<'_>) -> Result<(), PolicyFault> {
    let endless = cursor.fault(Mistake::Endless);
    cursor.expect('/')?;
    cursor.expect('*')?;
    loop {
        cursor.take_while(|c| !matches!(c, '*' | '\0'));
        if !cursor.take('*') {
            return Err(endless);
        }
        if cursor.take('/') {
            return Ok(());
        }
    }
}
