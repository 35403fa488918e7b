//! Headers that say something about the request as a whole.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, UPGRADE};
use keyring::history::Provenance;

use super::errors::{Message, Problem};
use super::path;

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

/// The caller's own words for a change: UTF-8, as it is or percent-encoded.
pub(super) fn reason(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("x-sealring-reason") else {
        return Ok(None);
    };
    let text = String::from_utf8(path::unescaped(value.as_bytes())).ok();
    let text = text.filter(|text| {
        text.len() <= Provenance::MAX_REASON_LEN && !text.chars().any(hides_something)
    });
    let text = text.ok_or_else(|| {
        Problem::bad(format!(
            "X-Sealring-Reason must be at most {} bytes of UTF-8 without control characters",
            Provenance::MAX_REASON_LEN
        ))
    })?;
    let text = text.trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// Control characters, and those that break lines or turn their direction: whoever reads a history must see what it says.
fn hides_something(character: char) -> bool {
    let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || turns
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
        for (value, expected) in [
            ("Schl\u{fc}sselwechsel", "Schl\u{fc}sselwechsel"),
            ("Schl%C3%BCsselwechsel", "Schl\u{fc}sselwechsel"),
            ("100% of it", "100% of it"),
            ("100%25", "100%"),
            ("%e9%8d%b5", "\u{9375}"),
            ("%", "%"),
        ] {
            assert_eq!(read(value), Ok(Some(expected.to_owned())), "{value}");
        }
        for value in [
            "x".repeat(513),
            "\u{fc}".repeat(257),
            "a\tb".to_owned(),
            "a%0Ab".to_owned(),
            "a%00".to_owned(),
            "%7F".to_owned(),
            "%C2%85".to_owned(),
            "%FF".to_owned(),
            "\u{202e}x".to_owned(),
        ] {
            assert!(read(&value).is_err(), "{value:?}");
        }
    }
}
