//! What the history says of a change.

use crate::clock::Timestamp;
use crate::history::{Action, HistoryEvent, Provenance, SettingChange, settings_json};
use crate::ring::StoredRing;
use crate::version::Version;

/// What the history says was done.
#[derive(Clone, Copy)]
pub(super) struct What<'a> {
    pub(super) action: Action,
    /// The versions before and after.
    pub(super) span: (Option<Version>, Option<Version>),
    pub(super) settings: &'a [SettingChange],
}

pub(super) fn event(
    ring: &StoredRing,
    at: Timestamp,
    by: &Provenance,
    what: What<'_>,
) -> HistoryEvent {
    let (from_version, to_version) = what.span;
    HistoryEvent {
        at,
        mount: ring.mount,
        name: ring.name.clone(),
        ring: ring.id,
        generation: ring.generation,
        action: what.action,
        from_version,
        to_version,
        settings: settings_json(what.settings),
        by: by.clone(),
    }
}
