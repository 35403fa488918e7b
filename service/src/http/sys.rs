//! What the server says of itself: health, seal, leader, init, limits, metrics.

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use super::Limits;
use super::errors::Problem;
use super::fields::Fields;
use super::reply::{Answer, Reply};
use super::request::Request;
use crate::gate::Opened;

/// `GET sys/health`: 200 if this node can serve, else what a sealed node answers; each can be set by the query.
pub(super) fn health(request: &Request<'_>) -> Answer {
    let is_current = |opened: &Opened| opened.transit.is_current();
    let current = request.opened.is_some_and(is_current);
    let recording = request
        .opened
        .is_some_and(|opened| opened.audit.admits().is_ok());
    let status = health_status(&mut request.query_fields(), current && recording)?;
    let server = &request.front.server;
    let mut body = json!({
        "initialized": true,
        "sealed": request.opened.is_none(),
        "standby": false,
        "performance_standby": false,
        "replication_performance_mode": "disabled",
        "replication_dr_mode": "disabled",
        "server_time_utc": request.front.clock.now().seconds(),
        "version": server.version,
        "store_current": current,
        "audit_recording": recording,
    });
    name_cluster(request, &mut body);
    Ok(Reply::bare(&body).with_status(status))
}

fn health_status(query: &mut Fields<'_>, current: bool) -> Result<StatusCode, Problem> {
    let mut status = None;
    // All are checked, as clients send all of them; only those for a node of this state are used.
    for (name, applies, usual) in [
        ("activecode", current, 200),
        ("sealedcode", !current, 503),
        ("standbycode", false, 429),
        ("uninitcode", false, 501),
        ("drsecondarycode", false, 472),
        ("performancestandbycode", false, 473),
    ] {
        let code = query.int(name)?.unwrap_or(usual);
        let code = u16::try_from(code)
            .ok()
            .filter(|code| (200..=599).contains(code));
        let code = code.and_then(|code| StatusCode::from_u16(code).ok());
        let code = code.ok_or_else(|| Problem::bad(format!("invalid {name}")))?;
        if applies {
            status = Some(code);
        }
    }
    status.ok_or(Problem::internal("the node is in no state"))
}

/// `GET sys/seal-status`
pub(super) fn seal_status(request: &Request<'_>) -> Reply {
    let is_sealed = request.front.gate.opened().is_none();
    let (progress, nonce) = if is_sealed {
        request.front.keeper.shares_in()
    } else {
        (0, None)
    };
    let server = &request.front.server;
    let mut body = json!({
        "type": "shamir",
        "initialized": true,
        "sealed": is_sealed,
        "t": server.unlock_threshold,
        "n": server.unlock_shares,
        "progress": progress,
        "nonce": nonce.map(|nonce| nonce.to_string()).unwrap_or_default(),
        "version": server.version,
        "build_date": server.build_date,
        "migration": false,
        "recovery_seal": false,
        "storage_type": server.storage_type,
    });
    name_cluster(request, &mut body);
    Reply::bare(&body)
}

/// A sealed node does not say which cluster it belongs to.
fn name_cluster(request: &Request<'_>, body: &mut Value) {
    if let (Some(opened), Some(body)) = (request.front.gate.opened(), body.as_object_mut()) {
        let name = request.front.server.cluster_name.as_str();
        body.insert("cluster_name".to_owned(), name.into());
        body.insert("cluster_id".to_owned(), opened.transit.store_id().into());
    }
}

/// `GET sys/leader`: replicas are alike and none leads.
pub(super) fn leader() -> Reply {
    Reply::bare(&json!({
        "ha_enabled": false,
        "is_self": false,
        "active_time": "0001-01-01T00:00:00Z",
        "leader_address": "",
        "leader_cluster_address": "",
        "performance_standby": false,
        "performance_standby_last_remote_wal": 0,
    }))
}

/// `GET sys/init`
pub(super) fn init_status() -> Reply {
    Reply::bare(&json!({"initialized": true}))
}

/// `GET sys/limits`
pub(super) fn limits(request: &Request<'_>) -> Reply {
    let limits = &request.front.limits;
    let data = json!({
        "batch_items": Limits::BATCH_ITEMS,
        "body_bytes": limits.body_bytes,
        "held_body_bytes": limits.admission.body_bytes,
        "json_depth": Limits::JSON_DEPTH,
        "plain_body_bytes": limits.body_bytes.min(Limits::PLAIN_BODY_BYTES),
        "requests": limits.admission.requests,
    });
    Reply::data(request.id, &data, &[])
}

/// `POST sys/plugins/reload/backend`: there are no plugins, and nothing is done.
pub(super) fn reload_plugins(request: &Request<'_>) -> Answer {
    let mut fields = request.body.fields()?;
    let has_plugin = fields
        .text("plugin")?
        .is_some_and(|plugin| !plugin.as_str().is_empty());
    let mounts = fields.comma_list("mounts")?.unwrap_or_default();
    fields.ignore(&["scope"]);
    match (has_plugin, mounts.is_empty()) {
        (true, false) => Err(Problem::bad("plugin and mounts cannot be set together")),
        (false, true) => Err(Problem::bad("plugin or mounts must be provided")),
        (true, true) | (false, false) => {
            let data = json!({"reload_id": request.id.to_string()});
            Ok(Reply::data(request.id, &data, &fields.warnings()))
        }
    }
}

/// `GET sys/metrics?format=prometheus`
pub(super) fn metrics(request: &Request<'_>) -> Answer {
    let format = request.query_fields().text("format")?;
    if format.is_none_or(|format| format.as_str() != "prometheus") {
        return Err(Problem::bad(
            "metrics are offered with format=prometheus only",
        ));
    }
    let metrics = &request.front.metrics;
    metrics.rsa_searches(request.transit()?.searches());
    Ok(Reply::prometheus(metrics.prometheus_text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(query: &str, current: bool) -> Option<u16> {
        let status = health_status(&mut Fields::from_query(query), current);
        status.ok().map(|status| status.as_u16())
    }

    #[test]
    fn health_has_the_status_the_query_asks_for() {
        assert_eq!(status("", true), Some(200));
        assert_eq!(status("", false), Some(503));
        assert_eq!(
            status("standbyok=true&activecode=299&sealedcode=298", true),
            Some(299)
        );
        assert_eq!(status("activecode=299&sealedcode=298", false), Some(298));
        let go_client = "drsecondarycode=299&performancestandbycode=299&sealedcode=299&standbycode=299&uninitcode=299";
        assert_eq!(status(go_client, true), Some(200));
        assert_eq!(status(go_client, false), Some(299));
    }

    #[test]
    fn codes_that_are_no_final_status_are_refused() {
        for query in [
            "activecode=x",
            "activecode=99",
            "sealedcode=600",
            "standbycode=101",
            "activecode=-1",
        ] {
            assert_eq!(status(query, true), None, "{query}");
        }
    }
}
