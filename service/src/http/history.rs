//! `GET keys/:name/history`: who changed a ring, what, when and why; also after the ring is gone.

use keyring::history::RecordedEvent;
use serde_json::{Value, json};

use super::errors::Problem;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::route::KeyTarget;
use super::view;

/// How many events a page has unless the caller says otherwise, and at most.
const PAGE: i64 = 100;
const LONGEST_PAGE: i64 = 1_000;

/// A page of a name's history, oldest first.
pub(super) async fn read(request: &Request<'_>, key: &KeyTarget) -> Answer {
    let mut fields = request.query_fields();
    let after = fields.int("after")?.unwrap_or_default();
    let after = u64::try_from(after).map_err(|_| Problem::bad("after cannot be negative"))?;
    let limit = fields.int("limit")?.filter(|limit| *limit > 0);
    let limit = limit.unwrap_or(PAGE).min(LONGEST_PAGE);
    let limit = u32::try_from(limit).map_err(|_| Problem::bad("limit is out of range"))?;
    let events = request
        .on_ring(key, move |engine, at| async move {
            engine.history(&at, after, limit).await
        })
        .await?;
    if events.is_empty() && after == 0 {
        return Err(Problem::absent());
    }
    let full = u32::try_from(events.len()) == Ok(limit);
    let next = events.last().filter(|_| full).map(|last| last.sequence);
    let events: Option<Vec<Value>> = events.iter().map(shown).collect();
    let Some(events) = events else {
        let text = "stored history failed its integrity check; an operator must look at it";
        return Err(Problem::internal(text).alarmed(&"an event cannot be shown"));
    };
    let data = json!({"events": events, "next_after": next});
    Ok(Reply::data(request.id, &data, &[]))
}

/// An event on the wire; `None` if what is stored cannot be shown.
fn shown(recorded: &RecordedEvent) -> Option<Value> {
    let event = &recorded.event;
    let settings: Value = serde_json::from_str(&event.settings).ok()?;
    Some(json!({
        "accessor": event.by.accessor,
        "action": event.action.word(),
        "actor": event.by.actor,
        "cause": event.by.cause.word(),
        "from_version": event.from_version.map(keyring::version::Version::number),
        "generation": event.generation.0,
        "reason": event.by.reason,
        "request_id": event.by.request_id,
        "ring": event.ring.to_string(),
        "sequence": recorded.sequence,
        "settings": settings,
        "time": view::instant(event.at)?,
        "to_version": event.to_version.map(keyring::version::Version::number),
    }))
}

#[cfg(test)]
mod tests {
    use keyring::clock::Timestamp;
    use keyring::history::{Action, Cause, HistoryEvent, Provenance, SettingChange, settings_json};
    use keyring::ids::{MountId, RingId};
    use keyring::name::KeyName;
    use keyring::version::{Generation, Version};

    use super::*;

    #[test]
    fn an_event_says_who_what_when_and_why() {
        let change = SettingChange {
            setting: "min_decryption_version",
            from: "1".to_owned(),
            to: "2".to_owned(),
        };
        let mut recorded = RecordedEvent {
            sequence: 7,
            event: HistoryEvent {
                at: Timestamp::from_micros(1_000_000),
                mount: MountId::from_bytes([0; 16]),
                name: KeyName::parse("a").unwrap(),
                ring: RingId::from_bytes([1; 16]),
                generation: Generation(3),
                action: Action::Configure,
                from_version: None,
                to_version: Version::new(2),
                settings: settings_json(&[change]),
                by: Provenance {
                    reason: Some("drill".to_owned()),
                    ..Provenance::service(Cause::Manual)
                },
            },
        };
        let value = shown(&recorded).unwrap();
        for (field, expected) in [
            ("/action", json!("configure")),
            ("/actor", json!("sealring")),
            ("/cause", json!("manual")),
            ("/reason", json!("drill")),
            ("/sequence", json!(7)),
            ("/settings/0/to", json!("2")),
            ("/time", json!("1970-01-01T00:00:01Z")),
            ("/to_version", json!(2)),
            ("/from_version", Value::Null),
        ] {
            assert_eq!(value.pointer(field), Some(&expected), "{field}");
        }
        recorded.event.settings = "[".to_owned();
        assert_eq!(shown(&recorded), None);
    }
}
