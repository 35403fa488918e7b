//! Outcomes that an earlier start did not get to record: found out from the history, and written now.

use std::sync::Arc;
use std::time::Duration;

use keyring::clock::Clock;
use keyring::store::KeyStore;

use super::{Amount, Answer, AuditLog, Kind, OpenIntent, Outcome, Record, Source};

/// Writes an outcome for each change that was intended. What the history does not tell of may or may not have happened:
/// it tells of every change to a ring, and of nothing else.
pub async fn complete(
    log: &AuditLog,
    intents: Vec<OpenIntent>,
    store: &Arc<dyn KeyStore>,
    clock: &dyn Clock,
) {
    for intent in intents {
        let events = store.events_of_request(&intent.request.to_string()).await;
        let (outcome, versions) = match events.as_deref() {
            Ok([event, ..]) => (
                Outcome::Done,
                event.event.from_version.zip(event.event.to_version),
            ),
            Ok([]) if changes_ring(&intent.operation) => (Outcome::Failed, None),
            Ok([]) | Err(_) => (Outcome::Unknown, None),
        };
        let record = Record {
            at: clock.now(),
            kind: Kind::Outcome,
            request: intent.request,
            who: None,
            source: Source::default(),
            operation: &intent.operation,
            mount: intent.mount.as_deref(),
            key: intent.key.as_deref(),
            versions,
            amount: Amount {
                items: 1,
                ..Amount::default()
            },
            answer: Some(Answer {
                outcome,
                status: None,
                took: Duration::ZERO,
            }),
            cause: None,
            reason: None,
            recovered: true,
            made: None,
        };
        let written = match log.submit_synced(&record) {
            Ok(ticket) => ticket.await.is_ok(),
            Err(_) => false,
        };
        if !written {
            tracing::warn!("an outcome that an earlier start left open is still not recorded");
        }
    }
}

/// Whether it changes a ring, so that the history tells of it if it was done. An encrypt has an intent only where it is to
/// create one.
fn changes_ring(operation: &str) -> bool {
    operation.starts_with("key_") || RING_CHANGES.contains(&operation)
}

const RING_CHANGES: [&str; 7] = [
    "backup",
    "certificate_set",
    "derive_key",
    "encrypt",
    "import",
    "import_version",
    "restore",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Operation;

    #[test]
    fn every_operation_named_here_is_one() {
        for word in RING_CHANGES {
            let known = Operation::ALL.iter().any(|known| known.word() == word);
            assert!(known, "{word}");
            assert!(changes_ring(word));
        }
        assert!(changes_ring("key_rotate") && !changes_ring("policy_write"));
    }
}
