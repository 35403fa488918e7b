//! What a record says of a change, as far as a start must know it.

use serde::Deserialize;
use uuid::Uuid;

use super::super::encode::parse_time;
use super::super::line::OpenIntent;

/// What recovery needs of a record.
#[derive(Debug, Deserialize)]
struct ChangeRecord<'l> {
    time: &'l str,
    kind: &'l str,
    request: &'l str,
    operation: String,
    #[serde(default)]
    mount: Option<String>,
    #[serde(default)]
    key: Option<String>,
}

/// What a record says of a change.
#[derive(Debug)]
pub(super) enum Change {
    Intent(OpenIntent),
    Outcome(Uuid),
}

impl Change {
    /// What a record says of a change, if it is about one.
    pub(super) fn of(line: &[u8]) -> Option<Self> {
        let record: ChangeRecord<'_> = serde_json::from_slice(line).ok()?;
        let request = Uuid::parse_str(record.request).ok()?;
        match record.kind {
            "intent" => Some(Self::Intent(OpenIntent {
                request,
                at: parse_time(record.time)?,
                operation: record.operation,
                mount: record.mount,
                key: record.key,
            })),
            "outcome" => Some(Self::Outcome(request)),
            _ => None,
        }
    }
}
