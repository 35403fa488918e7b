//! Audit devices, as far as the API has anything to say of them: they come from the configuration alone.

use serde_json::{Map, Value, json};

use super::errors::Problem;
use super::reply::{Answer, Reply};
use super::request::Request;

/// `GET sys/audit`: the sinks, by name, and how each is.
pub(super) fn list(request: &Request<'_>) -> Answer {
    let sinks = request.opened()?.audit.state().into_iter();
    let devices: Map<String, Value> = sinks
        .map(|(name, state)| {
            let device = json!({
                "type": "sink",
                "description": "",
                "local": true,
                "options": {"state": state.word()},
                "path": format!("{name}/"),
            });
            (format!("{name}/"), device)
        })
        .collect();
    Ok(Reply::data_twice(request.id, &Value::Object(devices)))
}

/// `POST` and `DELETE sys/audit/:path`: refused. Who could add a sink over the API could write where the service can.
pub(super) fn change() -> Answer {
    Err(Problem::bad(
        "cannot enable audit device via API; use declarative, config-based audit device management instead",
    ))
}

/// `POST sys/audit-hash/:path`: refused, as nothing of a body is recorded, hashed or not.
pub(super) fn hash() -> Answer {
    Err(Problem::bad(
        "audit records hold nothing of requests' bodies, so there is no hash to compare with",
    ))
}
