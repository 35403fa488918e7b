//! Where reading is: goes over a text once, counting lines and what has been built.

use super::{Node, Position, Value};
use crate::identity::policy::fault::{Mistake, PolicyFault};
use crate::identity::policy::{MAX_DEPTH, MAX_VALUES};

/// A place in a text, and what lies before it.
#[derive(Debug)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    offset: usize,
    at: Position,
    values: usize,
    depth: usize,
}

impl<'t> Cursor<'t> {
    /// The beginning of a text.
    pub(super) const fn new(text: &'t str) -> Self {
        Self {
            text,
            offset: 0,
            at: Position::START,
            values: 0,
            depth: 0,
        }
    }

    /// Where reading is.
    pub(super) const fn at(&self) -> Position {
        self.at
    }

    /// Where reading is, in bytes.
    pub(super) const fn offset(&self) -> usize {
        self.offset
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    /// What was read since an earlier offset.
    pub(super) fn since(&self, offset: usize) -> &'t str {
        self.text.get(offset..self.offset).unwrap_or_default()
    }

    /// The next character.
    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Reads the next character.
    pub(super) fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.offset += next.len_utf8();
        if next == '\n' {
            self.at.line += 1;
            self.at.column = 1;
        } else {
            self.at.column += 1;
        }
        Some(next)
    }

    /// Reads this character if it is the next one.
    pub(super) fn take(&mut self, expected: char) -> bool {
        let found = self.peek() == Some(expected);
        if found {
            self.next();
        }
        found
    }

    /// Reads this character; anything else is a syntax error.
    pub(super) fn expect(&mut self, expected: char) -> Result<(), PolicyFault> {
        if self.take(expected) {
            Ok(())
        } else {
            Err(self.syntax())
        }
    }

    /// Reads characters as long as they are wanted, and answers them.
    pub(super) fn take_while(&mut self, mut wanted: impl FnMut(char) -> bool) -> &'t str {
        let start = self.offset;
        while self.peek().is_some_and(&mut wanted) {
            self.next();
        }
        self.since(start)
    }

    /// A mistake here.
    pub(super) const fn fault(&self, mistake: Mistake) -> PolicyFault {
        self.at.fault(mistake)
    }

    /// What stands here breaks the grammar.
    pub(super) const fn syntax(&self) -> PolicyFault {
        self.fault(Mistake::Syntax)
    }

    /// Goes into an object or a list that begins here.
    pub(super) fn enter(&mut self) -> Result<(), PolicyFault> {
        if self.depth == MAX_DEPTH {
            return Err(self.fault(Mistake::TooDeep));
        }
        self.depth += 1;
        Ok(())
    }

    /// Comes out of it again.
    pub(super) const fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Counts a value.
    pub(super) fn node(&mut self, at: Position, value: Value<'t>) -> Result<Node<'t>, PolicyFault> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(at.fault(Mistake::TooManyValues));
        }
        Ok(Node { at, value })
    }
}
