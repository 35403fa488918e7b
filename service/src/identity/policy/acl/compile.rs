//! From rules to an index: merges rules for the same path and puts them in the order in which they are tried.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::Grant;
use super::index::{Entry, Head, Index, Tail, is_boundary};
use crate::identity::policy::Rule;
use crate::identity::policy::path::Shape;

/// The index of these rules.
pub(super) fn index<'r>(rules: impl Iterator<Item = &'r Rule>) -> Index {
    let mut merged: BTreeMap<Shape<'_>, Grant> = BTreeMap::new();
    for rule in rules {
        merge(merged.entry(rule.path.shape()), rule);
    }
    let mut by_head: BTreeMap<&str, Vec<(Shape<'_>, Grant)>> = BTreeMap::new();
    for (shape, grant) in merged {
        by_head.entry(head(shape)).or_default().push((shape, grant));
    }
    let mut heads: Vec<Head> = Vec::with_capacity(by_head.len());
    for (text, mut tails) in by_head {
        tails.sort_unstable_by_key(|(shape, _)| Reverse(rank(*shape)));
        let entries = tails.into_iter().map(|(shape, grant)| Entry {
            tail: tail(shape),
            grant,
        });
        heads.push(Head {
            text: text.into(),
            parent: parent(&heads, text),
            entries: entries.collect(),
        });
    }
    Index::new(heads)
}

/// As in Vault: capabilities add up, unless any rule denies; of what is denied nothing else is kept.
fn merge<K: Ord>(entry: std::collections::btree_map::Entry<'_, K, Grant>, rule: &Rule) {
    let grant = entry.or_default();
    grant.capabilities |= rule.capabilities;
    if grant.capabilities.is_deny() {
        grant.restrictions = None;
        return;
    }
    match (&mut grant.restrictions, &rule.restrictions) {
        (_, None) => {}
        (mine @ None, Some(_)) => mine.clone_from(&rule.restrictions),
        (Some(mine), Some(theirs)) => Arc::make_mut(mine).merge(theirs),
    }
}

/// What paths begin with that a rule is for, up to where the rule first leaves something open.
const fn head(shape: Shape<'_>) -> &str {
    match shape {
        Shape::Exact(text) | Shape::Prefix(text) => text,
        Shape::Segments { head, .. } => head,
    }
}

fn tail(shape: Shape<'_>) -> Tail {
    match shape {
        Shape::Exact(_) => Tail::Nothing,
        Shape::Prefix(_) => Tail::Anything,
        Shape::Segments { tail, open, .. } => Tail::Segments {
            text: tail.into(),
            open,
        },
    }
}

/// Orders rules with the same head; the greatest is tried first.
fn rank(shape: Shape<'_>) -> (u8, Reverse<usize>, usize, &str) {
    match shape {
        Shape::Exact(_) => (2, Reverse(0), 0, ""),
        Shape::Prefix(_) => (0, Reverse(0), 0, ""),
        Shape::Segments { head, tail, open } => {
            let mut parts = tail.split('/');
            let first = parts.next().filter(|_| is_boundary(head));
            let wild = first.into_iter().chain(parts).filter(|part| *part == "+");
            (u8::from(!open), Reverse(wild.count()), tail.len(), tail)
        }
    }
}

/// The longest of these heads that the next one begins with. They are in order, so it is the last one or one of those
/// that begins with.
fn parent(heads: &[Head], text: &str) -> Option<usize> {
    let mut at = heads.len().checked_sub(1);
    while let Some(index) = at {
        let head = heads.get(index)?;
        if text.starts_with(&*head.text) {
            break;
        }
        at = head.parent;
    }
    at
}
