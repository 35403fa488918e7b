//! Tokens as data of an answer.

use keyring::clock::Timestamp;
use serde_json::{Map, Value, json};

use crate::http::view::instant;
use crate::identity::policy_set::PolicySet;
use crate::identity::token::body::TokenBody;
use crate::identity::token::lookup::Found;
use crate::identity::token_params::TokenKind;
use crate::identity::ttl;
use crate::identity::wrapping::WrapInfo;

/// A token; its text as the caller may see it. Its parent is never shown.
pub(super) fn token(text: &str, found: &Found, now: Timestamp) -> Value {
    match found {
        Found::Batch(body) => {
            let is_orphan = body.parent.is_none() && !body.root_child;
            described(text, body, (is_orphan, 0), now)
        }
        Found::Initial(root) => {
            let body = TokenBody {
                accessor: root.accessor.to_string(),
                display_name: "root".to_owned(),
                issued_at: root.created_at.micros(),
                path: "auth/token/root".to_owned(),
                policies: PolicySet::root(),
                ..TokenBody::default()
            };
            described(text, &body, (true, 0), now)
        }
        Found::Service(stored) => {
            let uses = stored.row.uses_left.unwrap_or_default();
            described(text, &stored.body, (stored.is_orphan(), uses), now)
        }
    }
}

/// A wrapping token, as one that is good for the one request that brings its answer.
pub(super) fn wrapping_token(text: &str, info: &WrapInfo, accessor: &str, now: Timestamp) -> Value {
    let end = info.created_at().plus(info.ttl);
    json!({
        "accessor": accessor,
        "creation_time": info.created_at().seconds(),
        "creation_ttl": info.ttl.as_secs(),
        "display_name": "",
        "entity_id": "",
        "expire_time": instant(end),
        "explicit_max_ttl": info.ttl.as_secs(),
        "id": text,
        "issue_time": instant(info.created_at()),
        "meta": null,
        "num_uses": 1,
        "orphan": true,
        "path": info.creation_path,
        "policies": ["response-wrapping"],
        "renewable": false,
        "ttl": ttl::left(end, now).map_or(0, ttl::shown_seconds),
        "type": TokenKind::Service.word(),
    })
}

fn described(text: &str, body: &TokenBody, (orphan, uses): (bool, u32), now: Timestamp) -> Value {
    let left = body.expires().and_then(|at| ttl::left(at, now));
    let always = json!({
        "accessor": body.accessor,
        "creation_time": body.issued().seconds(),
        "creation_ttl": body.creation_ttl.as_secs(),
        "display_name": body.display_name,
        "entity_id": body.entity_id,
        "expire_time": body.expires().and_then(instant),
        "explicit_max_ttl": body.explicit_max_ttl.as_secs(),
        "id": text,
        "meta": body.meta,
        "num_uses": uses,
        "orphan": orphan,
        "path": body.path,
        "policies": body.policies,
        "ttl": left.map_or(0, ttl::shown_seconds),
        "type": body.kind.word(),
    });
    let sometimes = sometimes(body);
    let mut shown = match always {
        Value::Object(shown) => shown,
        Value::Array(_) | Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {
            Map::new()
        }
    };
    shown.extend(sometimes.map(|(name, value)| (name.to_owned(), value)));
    Value::Object(shown)
}

/// What is shown only of tokens that have it.
fn sometimes(body: &TokenBody) -> impl Iterator<Item = (&'static str, Value)> {
    let renewed = body.last_renewal.map(Timestamp::from_micros);
    let expires = body.expires_at.is_some();
    let stored = expires && body.kind == TokenKind::Service;
    [
        ("role", body.role.as_ref().map(|role| json!(role))),
        (
            "period",
            (!body.period.is_zero()).then(|| json!(body.period.as_secs())),
        ),
        (
            "bound_cidrs",
            (!body.bound_cidrs.is_empty()).then(|| json!(body.bound_cidrs)),
        ),
        ("issue_time", expires.then(|| json!(instant(body.issued())))),
        (
            "renewable",
            expires.then(|| json!(stored && body.renewable)),
        ),
        ("last_renewal", renewed.map(|at| json!(instant(at)))),
        ("last_renewal_time", renewed.map(|at| json!(at.seconds()))),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
}
