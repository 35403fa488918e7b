//! A request's path in its one canonical form: percent-decoded once, slashes collapsed, split into segments.

use std::borrow::Cow;

use smallvec::SmallVec;

/// A path below `/v1/`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ApiPath<'a> {
    /// The segments after `v1`; none is empty, `.` or `..`.
    pub(crate) segments: SmallVec<[&'a str; 8]>,
    /// Whether the path ended in a slash.
    pub(crate) trailing_slash: bool,
}

/// Why a path leads nowhere before anybody looks at what it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathFault {
    /// A percent escape is broken, or what it spells is not UTF-8.
    Escape,
    /// It is not below `/v1/`.
    NotApi,
    /// It has a `.` or `..` segment.
    Relative,
}

impl<'a> ApiPath<'a> {
    /// Splits a decoded path.
    pub(crate) fn parse(decoded: &'a str) -> Result<Self, PathFault> {
        let mut parts = decoded.split('/').filter(|part| !part.is_empty());
        if parts.clone().any(|part| part == "." || part == "..") {
            return Err(PathFault::Relative);
        }
        if parts.next() != Some("v1") {
            return Err(PathFault::NotApi);
        }
        Ok(Self {
            segments: parts.collect(),
            trailing_slash: decoded.ends_with('/'),
        })
    }
}

impl ApiPath<'_> {
    /// The path below `/v1/` with single slashes, none at either end.
    pub(crate) fn canonical(&self) -> String {
        self.segments.join("/")
    }
}

/// Undoes percent encoding, once.
pub(crate) fn decode(raw: &str) -> Result<Cow<'_, str>, PathFault> {
    if !raw.contains('%') {
        return Ok(Cow::Borrowed(raw));
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes().iter().copied();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let escaped = hex_digit(rest.next()).zip(hex_digit(rest.next()));
            let (high, low) = escaped.ok_or(PathFault::Escape)?;
            bytes.push(high << 4 | low);
        } else {
            bytes.push(byte);
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| PathFault::Escape)?;
    Ok(Cow::Owned(text))
}

/// Undoes percent encoding, once, where there is any: what is no escape stays as it is.
pub(crate) fn unescaped(raw: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((first, behind)) = rest.split_first() {
        let escaped = match behind {
            [high, low, after @ ..] if *first == b'%' => hex_digit(Some(*high))
                .zip(hex_digit(Some(*low)))
                .map(|(high, low)| (high << 4 | low, after)),
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((*first, behind));
        bytes.push(byte);
        rest = after;
    }
    bytes
}

fn hex_digit(byte: Option<u8>) -> Option<u8> {
    let digit = char::from(byte?).to_digit(16)?;
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(raw: &str) -> Result<Vec<String>, PathFault> {
        let decoded = decode(raw)?;
        let path = ApiPath::parse(&decoded)?;
        Ok(path.segments.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn slashes_collapse_and_escapes_are_undone_once() {
        let expected = vec!["transit".to_owned(), "keys".to_owned(), "a".to_owned()];
        for raw in [
            "/v1/transit/keys/a",
            "//v1//transit///keys/a",
            "/v1/transit/keys/a/",
            "/v1/%74ransit/keys%2Fa",
        ] {
            assert_eq!(segments(raw).as_ref(), Ok(&expected), "{raw}");
        }
        let twice = segments("/v1/transit/keys/%2561").unwrap();
        assert_eq!(twice.last().map(String::as_str), Some("%61"));
    }

    #[test]
    fn relative_paths_are_seen_through_every_disguise() {
        for raw in [
            "/v1/transit/../sys/health",
            "/v1/./transit",
            "/v1/transit/%2e%2e/x",
            "/v1/transit/.%2E/x",
            "/v1/transit%2f..%2fx",
            "/..",
        ] {
            assert_eq!(segments(raw), Err(PathFault::Relative), "{raw}");
        }
    }

    #[test]
    fn broken_escapes_and_other_trees_are_told_apart() {
        for raw in ["/v1/%", "/v1/%2", "/v1/%zz", "/v1/%ff", "/v1/%+1"] {
            assert_eq!(segments(raw), Err(PathFault::Escape), "{raw}");
        }
        for raw in ["/", "", "/ui", "/v2/transit", "/v1x/transit", "*"] {
            assert_eq!(segments(raw), Err(PathFault::NotApi), "{raw}");
        }
    }
}
