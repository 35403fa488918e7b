//! The paths of auth methods as tables: what there is, by which verbs, and whether it needs a token.

use crate::http::errors::Problem;
use crate::http::route::{RouteFault, Verb};

/// One path below an auth mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Its segments; `:name` stands for any one segment, and `*` at the end for any number.
    pub(crate) path: &'static str,
    /// The verbs it has.
    pub(crate) verbs: &'static [Verb],
    /// Whether a token is needed; only logins do without.
    pub(crate) needs_token: bool,
}

impl Endpoint {
    /// A path that needs a token.
    pub(crate) const fn new(path: &'static str, verbs: &'static [Verb]) -> Self {
        Self {
            path,
            verbs,
            needs_token: true,
        }
    }

    /// A path where callers get their token.
    pub(crate) const fn login(path: &'static str) -> Self {
        Self {
            path,
            verbs: &[Verb::Write],
            needs_token: false,
        }
    }

    /// Whether these segments lie on this path.
    fn is_at(&self, rest: &[&str]) -> bool {
        let mut segments = rest.iter();
        for part in self.path.split('/') {
            match (part, segments.next()) {
                ("*", _) => return true,
                (part, Some(segment)) if part.starts_with(':') || part == *segment => {}
                (_, None | Some(_)) => return false,
            }
        }
        segments.next().is_none()
    }
}

/// The row of a table that these segments and this verb lie on. A path without the verb and no path are told apart.
pub(crate) fn find(
    table: &'static [Endpoint],
    verb: Verb,
    rest: &[&str],
) -> Result<&'static Endpoint, RouteFault> {
    let mut found = table.iter().filter(|row| row.is_at(rest)).peekable();
    if found.peek().is_none() {
        return Err(RouteFault::UnsupportedPath);
    }
    found
        .find(|row| row.verbs.contains(&verb))
        .ok_or(RouteFault::UnsupportedOperation)
}

/// The problem of a method that has a row for a path and does not answer there.
pub(crate) fn nowhere() -> Problem {
    RouteFault::UnsupportedPath.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Endpoint] = &[
        Endpoint::login("login"),
        Endpoint::login("login/:name"),
        Endpoint::new("role", &[Verb::List]),
        Endpoint::new("role/:name", &[Verb::Read, Verb::Write]),
        Endpoint::new("role/:name/secret-id", &[Verb::Write]),
    ];

    fn at(verb: Verb, path: &str) -> Result<&'static str, RouteFault> {
        let rest: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        find(TABLE, verb, &rest).map(|row| row.path)
    }

    #[test]
    fn names_are_captured_and_words_must_match() {
        assert_eq!(at(Verb::Write, "login"), Ok("login"));
        assert_eq!(at(Verb::Write, "login/ada"), Ok("login/:name"));
        assert_eq!(at(Verb::Read, "role/a"), Ok("role/:name"));
        assert_eq!(
            at(Verb::Write, "role/a/secret-id"),
            Ok("role/:name/secret-id")
        );
    }

    #[test]
    fn an_unknown_path_and_an_unknown_verb_are_told_apart() {
        for path in ["", "roles", "role/a/b", "role/a/secret-id/c", "login/a/b"] {
            assert_eq!(
                at(Verb::Write, path),
                Err(RouteFault::UnsupportedPath),
                "{path}"
            );
        }
        for (verb, path) in [
            (Verb::Read, "login"),
            (Verb::Delete, "role/a"),
            (Verb::Patch, "role/a"),
            (Verb::Read, "role"),
        ] {
            let expected = Err(RouteFault::UnsupportedOperation);
            assert_eq!(at(verb, path), expected, "{path}");
        }
    }
}
