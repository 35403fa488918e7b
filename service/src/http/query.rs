//! Name-value pairs as forms and queries spell them.

use super::path;

/// The decoded pairs of `a=1&b=2`, in order; those with broken escapes are left out.
pub(super) fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    decoded(text).flatten()
}

/// The decoded pairs of `a=1&b=2`, in order; `None` for each with a broken escape.
pub(super) fn decoded(text: &str) -> impl Iterator<Item = Option<(String, String)>> {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((unescape(name)?, unescape(value)?))
    })
}

/// The first value of a name.
pub(super) fn first(text: &str, name: &str) -> Option<String> {
    pairs(text)
        .find(|(known, _)| known == name)
        .map(|(_, value)| value)
}

fn unescape(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    path::decode(&spaced).ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_and_broken_ones_left_out() {
        let all: Vec<_> = pairs("a=1&&b=%20x+y&c&=v&d=%zz&a=2").collect();
        let expected = [("a", "1"), ("b", " x y"), ("c", ""), ("", "v"), ("a", "2")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(all, expected);
        assert_eq!(first("a=1&a=2", "a").as_deref(), Some("1"));
        assert_eq!(first("a=1", "list"), None);
    }
}
