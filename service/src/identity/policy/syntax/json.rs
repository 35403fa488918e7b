//! JSON (RFC 8259), with a comma before a closing bracket forgiven as Vault does. A key may stand several times in
//! one object, as blocks may in HCL: each counts.

use super::cursor::Cursor;
use super::{Item, Node, Value, quoted};
use crate::http::weak;
use crate::identity::policy::fault::{Mistake, PolicyFault};

/// The items of a whole text, which is one object.
pub(super) fn document<'t>(cursor: &mut Cursor<'t>) -> Result<Vec<Item<'t>>, PolicyFault> {
    skip_blanks(cursor);
    let items = object(cursor)?;
    skip_blanks(cursor);
    if cursor.peek().is_some() {
        return Err(cursor.syntax());
    }
    Ok(items)
}

fn object<'t>(cursor: &mut Cursor<'t>) -> Result<Vec<Item<'t>>, PolicyFault> {
    let mut items = Vec::new();
    sequence(cursor, ['{', '}'], |cursor| {
        let at = cursor.at();
        let key = quoted::json(cursor)?;
        skip_blanks(cursor);
        cursor.expect(':')?;
        skip_blanks(cursor);
        let value = value(cursor)?;
        items.push(Item { key, at, value });
        Ok(())
    })?;
    Ok(items)
}

fn list<'t>(cursor: &mut Cursor<'t>) -> Result<Vec<Node<'t>>, PolicyFault> {
    let mut items = Vec::new();
    sequence(cursor, ['[', ']'], |cursor| {
        items.push(value(cursor)?);
        Ok(())
    })?;
    Ok(items)
}

/// Things between brackets, divided by commas.
fn sequence<'t>(
    cursor: &mut Cursor<'t>,
    [open, close]: [char; 2],
    mut thing: impl FnMut(&mut Cursor<'t>) -> Result<(), PolicyFault>,
) -> Result<(), PolicyFault> {
    cursor.enter()?;
    cursor.expect(open)?;
    skip_blanks(cursor);
    while !cursor.take(close) {
        thing(cursor)?;
        skip_blanks(cursor);
        if cursor.take(',') {
            skip_blanks(cursor);
        } else if cursor.peek() != Some(close) {
            return Err(cursor.syntax());
        }
    }
    cursor.leave();
    Ok(())
}

fn value<'t>(cursor: &mut Cursor<'t>) -> Result<Node<'t>, PolicyFault> {
    let at = cursor.at();
    let value = match cursor.peek() {
        Some('"') => Value::Text(quoted::json(cursor)?),
        Some('{') => Value::Object(object(cursor)?),
        Some('[') => Value::List(list(cursor)?),
        Some('-' | '0'..='9') => Value::Integer(number(cursor)?),
        _ => match cursor.take_while(|c| c.is_ascii_alphabetic()) {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "null" => Value::Null,
            _ => return Err(at.fault(Mistake::Syntax)),
        },
    };
    cursor.node(at, value)
}

fn number(cursor: &mut Cursor<'_>) -> Result<i64, PolicyFault> {
    let at = cursor.at();
    let digits = cursor.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.'));
    let magnitude = digits.strip_prefix('-').unwrap_or(digits);
    let decimal = magnitude == "0" || !magnitude.starts_with('0');
    let number = weak::go_int(digits).filter(|_| decimal);
    number.ok_or(at.fault(Mistake::Number))
}

fn skip_blanks(cursor: &mut Cursor<'_>) {
    cursor.take_while(|c| matches!(c, ' ' | '\t' | '\r' | '\n'));
}
