//! Headers that say something about the request as a whole.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, UPGRADE};
use keyring::history::Provenance;

use super::errors::{Message, Problem};

/// Refuses headers that change what a request means and cannot be honoured; they are never passed over.
pub(super) fn check(headers: &HeaderMap) -> Result<(), Problem> {
    if let Some(namespace) = headers.get("x-vault-namespace")
        && !matches!(namespace.as_bytes(), b"" | b"/" | b"root" | b"root/")
    {
        let text = Message::Plain("namespace not found".into());
        return Err(Problem::new(StatusCode::NOT_FOUND, text));
    }
    // The framework would take all that follows for the body, whatever length is announced.
    let is_websocket = |to: &[u8]| to.trim_ascii().eq_ignore_ascii_case(b"websocket");
    if headers
        .get_all(UPGRADE)
        .any(|to| is_websocket(to.as_bytes()))
    {
        return Err(Problem::bad("WebSocket is not offered"));
    }
    Ok(())
}

/// The caller's own words for a change.
pub(super) fn reason(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("x-sealring-reason") else {
        return Ok(None);
    };
    let printable = |byte: &u8| matches!(byte, b' '..=b'~');
    match value.to_str() {
        Ok(text)
            if text.len() <= Provenance::MAX_REASON_LEN
                && text.as_bytes().iter().all(printable) =>
        {
            let text = text.trim();
            Ok((!text.is_empty()).then(|| text.to_owned()))
        }
        Ok(_) | Err(_) => Err(Problem::bad(format!(
            "X-Sealring-Reason must be at most {} printable ASCII characters",
            Provenance::MAX_REASON_LEN
        ))),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut map = HeaderMap::new();
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        map.insert(HeaderName::from_static(name), value);
        map
    }

    #[test]
    fn only_the_root_namespace_is_there() {
        for value in ["", "root", "root/", "/"] {
            assert_eq!(check(&headers("x-vault-namespace", value)), Ok(()));
        }
        let problem = check(&headers("x-vault-namespace", "team")).unwrap_err();
        assert_eq!(problem.status.as_u16(), 404);
    }

    #[test]
    fn a_connection_stays_what_it_is() {
        for (value, fine) in [("h2c", true), ("websocket", false), ("WebSocket", false)] {
            assert_eq!(check(&headers("upgrade", value)).is_ok(), fine, "{value}");
        }
    }

    #[test]
    fn reasons_are_short_and_printable() {
        let read = |value: &str| reason(&headers("x-sealring-reason", value));
        assert_eq!(
            read(" rotation drill "),
            Ok(Some("rotation drill".to_owned()))
        );
        assert_eq!(read("  "), Ok(None));
        assert_eq!(reason(&HeaderMap::new()), Ok(None));
        assert!(read(&"x".repeat(512)).is_ok());
        for value in ["x".repeat(513), "caf\u{e9}".to_owned(), "a\tb".to_owned()] {
            assert!(read(&value).is_err(), "{value:?}");
        }
    }
}
