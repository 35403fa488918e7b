//! The paths of quotas and of audit devices.

use keyring::name::KeyName;

use super::{Operation, Route, RouteFault, Target, Verb};

/// Where these segments lead, if they are paths of quotas or audit devices.
pub(super) fn find(verb: Verb, segments: &[&str]) -> Option<Result<Route, RouteFault>> {
    let server = |operation| {
        Ok(Route {
            operation,
            target: Target::Server,
        })
    };
    Some(match (segments, verb) {
        (["sys", "audit"], Verb::Read) => server(Operation::AuditDevices),
        (["sys", "audit", _], Verb::Delete | Verb::Write) => server(Operation::AuditDeviceChange),
        (["sys", "audit-hash", _], Verb::Write) => server(Operation::AuditHash),
        (["sys", "quotas", "config"], Verb::Read) => server(Operation::QuotaConfigRead),
        (["sys", "quotas", "config"], Verb::Write) => server(Operation::QuotaConfigWrite),
        (["sys", "quotas", "rate-limit"], Verb::List) => server(Operation::QuotaList),
        (["sys", "quotas", "rate-limit", name], _) => quota(verb, name),
        (
            ["sys", "audit"]
            | ["sys", "audit" | "audit-hash", _]
            | ["sys", "quotas", "config" | "rate-limit"],
            _,
        ) => Err(RouteFault::UnsupportedOperation),
        _ => return None,
    })
}

fn quota(verb: Verb, name: &str) -> Result<Route, RouteFault> {
    let operation = match verb {
        Verb::Delete => Operation::QuotaDelete,
        Verb::Read => Operation::QuotaRead,
        Verb::Write => Operation::QuotaWrite,
        Verb::List | Verb::Patch => return Err(RouteFault::UnsupportedOperation),
    };
    let name = KeyName::parse(name).ok_or(RouteFault::UnsupportedPath)?;
    Ok(Route {
        operation,
        target: Target::Quota(name),
    })
}
