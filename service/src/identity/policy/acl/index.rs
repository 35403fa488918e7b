//! Finds the rule for a path in a sorted list of what rules begin with.
//!
//! All heads that a path begins with are found from one binary search: the last head that is not after the path begins
//! with each of them, so they lie on its chain of parents. The longest comes first, which is the order of precedence.
//! Only rules with the same head, which is those that have a `+` after the same beginning, are tried one after another.

use super::Grant;

/// Rules in the order of their heads.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    heads: Box<[Head]>,
}

/// What some rules begin with.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// The text up to the first `+`, the final `*` or the end.
    pub(super) text: Box<str>,
    /// The longest other head that this one begins with.
    pub(super) parent: Option<usize>,
    /// The rules that begin so, in the order in which they are tried.
    pub(super) entries: Box<[Entry]>,
}

/// A rule without its head.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// What must follow the head.
    pub(super) tail: Tail,
    /// What the rule says.
    pub(super) grant: Grant,
}

/// What follows the head in the paths that a rule is for.
#[derive(Clone, Debug)]
pub(super) enum Tail {
    /// Anything at all.
    Anything,
    /// The path ends.
    Nothing,
    /// These segments, where a whole segment `+` is any one; if open, the last one may go on, and others may follow.
    Segments {
        /// The segments, of which the first may continue the head's last.
        text: Box<str>,
        /// Whether there may be more.
        open: bool,
    },
}

impl Index {
    pub(super) fn new(heads: Vec<Head>) -> Self {
        Self {
            heads: heads.into(),
        }
    }

    /// The rule for a path. One for exactly this path comes first by itself: no head is longer than the path, and
    /// within a head it is the first.
    pub(super) fn find(&self, path: &str) -> Option<&Grant> {
        self.first(path, Tail::admits)
    }

    /// The rule for exactly this path.
    pub(super) fn find_exact(&self, path: &str) -> Option<&Grant> {
        let found = self.heads.binary_search_by(|head| (*head.text).cmp(path));
        let entry = self.heads.get(found.ok()?)?.entries.first()?;
        matches!(entry.tail, Tail::Nothing).then_some(&entry.grant)
    }

    /// The rule for a path among those that are not for exactly one.
    pub(super) fn find_wider(&self, path: &str) -> Option<&Grant> {
        self.first(path, |tail, head, rest| {
            !matches!(tail, Tail::Nothing) && tail.admits(head, rest)
        })
    }

    fn first(&self, path: &str, fits: impl Fn(&Tail, &str, &str) -> bool) -> Option<&Grant> {
        let mut at = self.longest(path);
        while let Some(head) = at.and_then(|index| self.heads.get(index)) {
            let rest = path.get(head.text.len()..)?;
            let mut entries = head.entries.iter();
            if let Some(entry) = entries.find(|entry| fits(&entry.tail, &head.text, rest)) {
                return Some(&entry.grant);
            }
            at = head.parent;
        }
        None
    }

    /// The longest head that the path begins with.
    fn longest(&self, path: &str) -> Option<usize> {
        let after = self.heads.partition_point(|head| *head.text <= *path);
        let mut index = after.checked_sub(1)?;
        let mut head = self.heads.get(index)?;
        // Of the chain of parents, those begin the path that are no longer than what it shares with the first.
        let pairs = head.text.bytes().zip(path.bytes());
        let shared = pairs.take_while(|(one, other)| one == other).count();
        while head.text.len() > shared {
            index = head.parent?;
            head = self.heads.get(index)?;
        }
        Some(index)
    }

    /// About how many bytes it takes besides itself.
    pub(super) fn bytes(&self) -> usize {
        self.heads.iter().map(Head::bytes).sum()
    }
}

impl Head {
    fn bytes(&self) -> usize {
        let entries: usize = self.entries.iter().map(Entry::bytes).sum();
        size_of::<Self>() + self.text.len() + entries
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        let tail = match &self.tail {
            Tail::Anything | Tail::Nothing => 0,
            Tail::Segments { text, .. } => text.len(),
        };
        let restrictions = self.grant.restrictions.as_ref();
        size_of::<Self>() + tail + restrictions.map_or(0, |restrictions| restrictions.bytes())
    }
}

impl Tail {
    fn admits(&self, head: &str, rest: &str) -> bool {
        match self {
            Self::Anything => true,
            Self::Nothing => rest.is_empty(),
            Self::Segments { text, open } => segments_admit(text, *open, is_boundary(head), rest),
        }
    }
}

/// Whether a segment ends with this text.
pub(super) fn is_boundary(head: &str) -> bool {
    head.is_empty() || head.ends_with('/')
}

fn segments_admit(pattern: &str, open: bool, whole: bool, rest: &str) -> bool {
    let mut whole = whole;
    let mut given = rest.split('/');
    let mut parts = pattern.split('/').peekable();
    while let Some(part) = parts.next() {
        let Some(segment) = given.next() else {
            return false;
        };
        let may_go_on = open && parts.peek().is_none() && segment.starts_with(part);
        if !(may_go_on || segment == part || (whole && part == "+")) {
            return false;
        }
        whole = true;
    }
    open || given.next().is_none()
}
