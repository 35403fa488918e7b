//! From text to a tree: JSON and HCL version 1 as Vault reads them, with the place of everything kept for messages.
//!
//! Both parsers look at each character once, count what they build, and nest no deeper than [`super::MAX_DEPTH`].

mod cursor;
mod hcl;
mod heredoc;
mod json;
mod quoted;

use std::borrow::Cow;

use self::cursor::Cursor;
use super::MAX_TEXT_LEN;
use super::fault::{Mistake, PolicyFault};

/// A place in a text. Both count from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

impl Position {
    /// Where every text begins.
    pub(super) const START: Self = Self { line: 1, column: 1 };

    /// A mistake here.
    pub(super) const fn fault(self, mistake: Mistake) -> PolicyFault {
        PolicyFault { mistake, at: self }
    }
}

/// A key and its value. Keys may stand several times in one object, each counts.
#[derive(Debug)]
pub(super) struct Item<'t> {
    /// The key.
    pub(super) key: Cow<'t, str>,
    /// Where it stands.
    pub(super) at: Position,
    /// The value.
    pub(super) value: Node<'t>,
}

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node<'t> {
    /// Where it begins.
    pub(super) at: Position,
    /// What it is.
    pub(super) value: Value<'t>,
}

/// A value.
#[derive(Debug)]
pub(super) enum Value<'t> {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A list.
    List(Vec<Node<'t>>),
    /// JSON's `null`.
    Null,
    /// Keys and values.
    Object(Vec<Item<'t>>),
    /// A text.
    Text(Cow<'t, str>),
}

/// The items of a policy's text: JSON if its first character is a brace, else HCL.
pub(super) fn parse(text: &str) -> Result<Vec<Item<'_>>, PolicyFault> {
    if text.len() > MAX_TEXT_LEN {
        return Err(Position::START.fault(Mistake::TooLongText));
    }
    let mut cursor = Cursor::new(text);
    if text.trim_start().starts_with('{') {
        return json::document(&mut cursor);
    }
    hcl::document(&mut cursor).map_err(|fault| {
        if fault.mistake == Mistake::Syntax && !text.contains('{') {
            // Where it stops being HCL says nothing of what was never meant to be.
            Position::START.fault(Mistake::NoPolicy)
        } else {
            fault
        }
    })
}
