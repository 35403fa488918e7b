//! The chains that were seen, against the heads that the store keeps of them.

use std::collections::BTreeMap;

use keyring::clock::Timestamp;
use keyring::store::audit::AuditHead;

use super::super::encode::{hex, time_text};

/// Heads and chains.
#[derive(Debug, Default)]
pub(in crate::audit) struct Chains {
    heads: BTreeMap<[u8; 16], AuditHead>,
    /// Whether somebody was asked for heads, be there any or not.
    has_heads: bool,
    seen: BTreeMap<[u8; 16], Seen>,
    first: Option<(String, Timestamp)>,
}

#[derive(Debug, Default)]
struct Seen {
    records: u64,
    has_checkpoint: bool,
    /// Whether a checkpoint agrees with the head, or a signed gap covers it.
    meets_head: bool,
    contradicts_head: bool,
}

impl Chains {
    /// With the heads that the log must reach.
    pub(in crate::audit) fn new(heads: impl IntoIterator<Item = AuditHead>) -> Self {
        Self {
            heads: heads.into_iter().map(|head| (head.chain, head)).collect(),
            has_heads: true,
            ..Self::default()
        }
    }

    pub(super) fn has_begun(&self, chain: &[u8; 16]) -> bool {
        self.seen.contains_key(chain)
    }

    pub(super) fn begin(&mut self, chain: [u8; 16], node: &str, started: Timestamp) {
        self.seen.entry(chain).or_default();
        self.first.get_or_insert_with(|| (node.to_owned(), started));
    }

    pub(super) fn checkpoint(&mut self, chain: &[u8; 16], records: u64, hash: &[u8; 32]) {
        let Some(seen) = self.seen.get_mut(chain) else {
            return;
        };
        seen.records = seen.records.max(records);
        seen.has_checkpoint = true;
        if let Some(head) = self.heads.get(chain).filter(|head| head.records == records) {
            if head.hash == *hash {
                seen.meets_head = true;
            } else {
                seen.contradicts_head = true;
            }
        }
    }

    pub(super) fn gap(&mut self, chain: &[u8; 16], from: u64, to: u64) {
        let head = self.heads.get(chain);
        if let (Some(head), Some(seen)) = (head, self.seen.get_mut(chain)) {
            seen.meets_head |= (from..=to).contains(&head.records);
            seen.records = seen.records.max(to);
        }
    }

    /// How far a chain has come, if it has begun.
    pub(super) fn reached(&self, chain: &[u8; 16]) -> Option<u64> {
        self.seen.get(chain).map(|seen| seen.records)
    }

    /// A chain has come as far as this.
    pub(super) fn reach(&mut self, chain: &[u8; 16], records: u64) {
        if let Some(seen) = self.seen.get_mut(chain) {
            seen.records = seen.records.max(records);
        }
    }

    /// What the heads say should be there and is not, and the head that should be there of the last chain.
    pub(super) fn missing(&self, last: &[u8; 16]) -> Vec<String> {
        let heads = self.heads.values();
        let missing = heads.filter_map(|head| self.missing_of(head));
        missing.chain(self.lacks_head(last)).collect()
    }

    fn lacks_head(&self, chain: &[u8; 16]) -> Option<String> {
        let has_head = !self.has_heads || self.heads.contains_key(chain);
        let seen = self.seen.get(chain)?;
        (seen.has_checkpoint && !has_head)
            .then(|| format!("the store keeps no head of chain {}", hex(chain)))
    }

    fn missing_of(&self, head: &AuditHead) -> Option<String> {
        let chain = hex(&head.chain);
        let Some(seen) = self.seen.get(&head.chain) else {
            let (node, started) = self.first.as_ref()?;
            let is_later = head.node == *node && head.started_at >= *started;
            return is_later.then(|| {
                let started = time_text(head.started_at);
                let records = head.records;
                format!("chain {chain} of {started} with {records} records is missing")
            });
        };
        let (found, kept) = (seen.records, head.records);
        if seen.meets_head {
            // Of two checkpoints at one record, the store keeps one.
            None
        } else if seen.contradicts_head {
            Some(format!(
                "chain {chain} is not the one whose head the store keeps"
            ))
        } else if found < kept {
            Some(format!(
                "chain {chain} was cut short: it had {kept} records, and {found} are there"
            ))
        } else {
            Some(format!(
                "chain {chain} lacks its checkpoint at record {kept}"
            ))
        }
    }

    /// Heads of chains that the log says nothing about.
    pub(super) fn uncovered(&self) -> Vec<String> {
        let unseen = |head: &&AuditHead| !self.seen.contains_key(&head.chain);
        let (node, started) = match &self.first {
            Some((node, started)) => (node.as_str(), *started),
            None => ("", Timestamp::from_micros(i64::MAX)),
        };
        let older = |head: &&AuditHead| head.node == node && head.started_at < started;
        let heads = self.heads.values().filter(unseen);
        let (older, all): (usize, usize) = (heads.clone().filter(older).count(), heads.count());
        let mut notes = Vec::new();
        if older > 0 {
            notes.push(format!(
                "{older} older chains of {node} are in files that were not given"
            ));
        }
        let others = self
            .heads
            .values()
            .filter(unseen)
            .filter(|head| head.node != node)
            .count();
        if others > 0 {
            notes.push(format!("{others} chains are other nodes'"));
        }
        debug_assert!(older + others <= all);
        notes
    }
}
