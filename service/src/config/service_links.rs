//! The variables that Kubernetes adds to every pod beside a service: `SEALRING_PORT` and the like, if the service is called so.

use std::ffi::OsStr;
use std::net::IpAddr;

/// Whether a variable, whose name goes on like this behind `SEALRING_`, is one of them. Its value is looked at too: a
/// mistyped setting may have such a name.
pub(super) fn is_one(rest: &str, value: &OsStr) -> bool {
    let Some(value) = value.to_str() else {
        return false;
    };
    let is_address = value.parse::<IpAddr>().is_ok();
    let is_port = value.parse::<u16>().is_ok();
    let is_url = || {
        let address = PROTOCOLS.iter().find_map(|(protocol, _)| {
            let rest = value.strip_prefix(protocol)?;
            rest.strip_prefix("://")
        });
        address.is_some_and(|address| address.contains(':'))
    };
    // The service may be called sealring-something, and a port have a name.
    match (after(rest, "SERVICE_"), after(rest, "PORT")) {
        (Some("HOST"), _) => is_address,
        (Some(port), _) if port == "PORT" || port.starts_with("PORT_") => is_port,
        (_, Some("")) => is_url(),
        (_, Some(port)) => of_port(port).is_some_and(|what| match what {
            "" => is_url(),
            "_ADDR" => is_address,
            "_PORT" => is_port,
            "_PROTO" => PROTOCOLS.iter().any(|(protocol, _)| *protocol == value),
            _ => false,
        }),
        _ => false,
    }
}

/// What follows the last part that begins with this word.
fn after<'r>(rest: &'r str, word: &str) -> Option<&'r str> {
    let starts = rest.match_indices(word).map(|(at, _)| at);
    let mut starts = starts.filter(|at| *at == 0 || rest.as_bytes().get(at - 1) == Some(&b'_'));
    let first = starts.next()?;
    rest.get(first + word.len()..)
}

/// What follows `_8200_TCP`.
fn of_port(text: &str) -> Option<&str> {
    let (number, rest) = text.strip_prefix('_')?.split_once('_')?;
    number.parse::<u16>().ok()?;
    PROTOCOLS
        .iter()
        .find_map(|(_, protocol)| rest.strip_prefix(protocol))
}

const PROTOCOLS: [(&str, &str); 3] = [("tcp", "TCP"), ("udp", "UDP"), ("sctp", "SCTP")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_adds_is_known_by_name_and_value() {
        for (rest, value) in [
            ("PORT", "tcp://10.0.0.1:8200"),
            ("PORT_8200_TCP", "tcp://10.0.0.1:8200"),
            ("PORT_8200_TCP_PORT", "8200"),
            ("PORT_8200_TCP_PROTO", "tcp"),
            ("PORT_8200_TCP_ADDR", "10.0.0.1"),
            ("SERVICE_HOST", "10.0.0.1"),
            ("SERVICE_PORT", "8200"),
            ("SERVICE_PORT_HTTPS", "8200"),
            ("HEADLESS_SERVICE_HOST", "fd00::1"),
            ("HEADLESS_PORT", "tcp://[fd00::1]:8200"),
            ("HEADLESS_PORT_53_UDP_PROTO", "udp"),
        ] {
            assert!(is_one(rest, value.as_ref()), "{rest}");
        }
        for (rest, value) in [
            ("KEK_PIN", "1234"),
            ("SERVER_PORT", "8200"),
            ("STORE_URL", "postgres://10.0.0.1:5432/x"),
            ("SERVICE_HOST", "example"),
            ("SERVICE_NAME", "10.0.0.1"),
            ("PORT_8200_TCP_NAME", "10.0.0.1"),
            ("", ""),
        ] {
            assert!(!is_one(rest, value.as_ref()), "{rest}");
        }
    }
}
