//! Finds records by key, identity, operation and time.

use std::borrow::Cow;
use std::io::{self, BufRead, Write};

use keyring::clock::Timestamp;
use serde::Deserialize;

use super::encode::parse_time;
use super::line::Line;

/// What a record must say to be found; absent for anything.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) key: Option<String>,
    /// The accessor or the display name.
    pub(super) identity: Option<String>,
    pub(super) mount: Option<String>,
    pub(super) operation: Option<String>,
    pub(super) request: Option<String>,
    /// Not before.
    pub(super) since: Option<Timestamp>,
    /// Not after.
    pub(super) until: Option<Timestamp>,
    /// Lines begin with something else, as syslog writes it.
    pub(super) prefixed: bool,
}

/// What was in a file that was searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Searched {
    /// Records that match.
    pub(super) found: u64,
    /// Lines of an audit log.
    pub(super) lines: u64,
    /// Lines that are none.
    pub(super) foreign: u64,
}

/// What a search needs of a record.
#[derive(Debug, Deserialize)]
struct Found<'l> {
    #[serde(borrow)]
    time: Cow<'l, str>,
    #[serde(borrow)]
    request: Cow<'l, str>,
    #[serde(borrow)]
    operation: Cow<'l, str>,
    #[serde(borrow, default)]
    accessor: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    display_name: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    mount: Option<Cow<'l, str>>,
    #[serde(borrow, default)]
    key: Option<Cow<'l, str>>,
}

impl Wanted {
    /// Whether this line is a record that says so.
    fn matches(&self, line: &[u8]) -> bool {
        if !matches!(Line::parse(line), Line::Record(_)) {
            return false;
        }
        let Ok(found) = serde_json::from_slice::<Found<'_>>(line) else {
            return false;
        };
        let identity = |wanted: &str| {
            found.accessor.as_deref() == Some(wanted)
                || found.display_name.as_deref() == Some(wanted)
        };
        is(self.key.as_ref(), found.key.as_deref())
            && is(self.mount.as_ref(), found.mount.as_deref())
            && is(self.operation.as_ref(), Some(&found.operation))
            && is(self.request.as_ref(), Some(&found.request))
            && self.identity.as_deref().is_none_or(identity)
            && self.is_in_time(&found.time)
    }

    fn is_in_time(&self, time: &str) -> bool {
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        parse_time(time).is_some_and(|at| {
            self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at <= until)
        })
    }

    /// Copies the records that match from a log, and says what else was in it.
    pub(super) fn copy(&self, mut from: impl BufRead, to: &mut impl Write) -> io::Result<Searched> {
        let mut line = Vec::with_capacity(4096);
        let mut searched = Searched::default();
        loop {
            line.clear();
            if from.read_until(b'\n', &mut line)? == 0 {
                return Ok(searched);
            }
            let text = self.without_prefix(line.strip_suffix(b"\n").unwrap_or(&line));
            if matches!(Line::parse(text), Line::Foreign) {
                searched.foreign += u64::from(!text.is_empty());
                continue;
            }
            searched.lines += 1;
            if self.matches(text) {
                to.write_all(&line)?;
                searched.found += 1;
            }
        }
    }

    fn without_prefix<'l>(&self, line: &'l [u8]) -> &'l [u8] {
        let start = line.windows(2).position(|pair| pair == b"{\"");
        match start {
            Some(start) if self.prefixed => line.get(start..).unwrap_or(line),
            Some(_) | None => line,
        }
    }
}

fn is(wanted: Option<&String>, found: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| found == Some(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(wanted: &Wanted) -> u64 {
        let log = concat!(
            "{\"start\":{}}\n",
            "{\"n\":1,\"time\":\"2026-03-03T10:00:00.000000Z\",\"request\":\"r1\",\"accessor\":\"a1\",",
            "\"display_name\":\"o\\u0000k\",\"operation\":\"encrypt\",\"mount\":\"transit\",\"key\":\"k1\"}\n",
            "{\"n\":2,\"time\":\"2026-03-03T11:00:00.000000Z\",\"request\":\"r2\",\"operation\":\"none\"}\n",
        );
        let mut out = Vec::new();
        let searched = wanted.copy(log.as_bytes(), &mut out).unwrap();
        assert_eq!((searched.lines, searched.foreign), (2, 1));
        searched.found
    }

    #[test]
    fn records_are_found_by_each_field_and_all_together() {
        let text = |text: &str| Some(text.to_owned());
        let at = |text: &str| parse_time(text);
        let cases: [(Wanted, u64); 8] = [
            (Wanted::default(), 2),
            (
                Wanted {
                    key: text("k1"),
                    ..Wanted::default()
                },
                1,
            ),
            (
                Wanted {
                    key: text("k"),
                    ..Wanted::default()
                },
                0,
            ),
            (
                Wanted {
                    identity: text("a1"),
                    ..Wanted::default()
                },
                1,
            ),
            (
                Wanted {
                    identity: text("o\0k"),
                    operation: text("encrypt"),
                    ..Wanted::default()
                },
                1,
            ),
            (
                Wanted {
                    identity: text("a1"),
                    operation: text("none"),
                    ..Wanted::default()
                },
                0,
            ),
            (
                Wanted {
                    since: at("2026-03-03T10:30:00Z"),
                    ..Wanted::default()
                },
                1,
            ),
            (
                Wanted {
                    until: at("2026-03-03T11:00:00+01:00"),
                    ..Wanted::default()
                },
                1,
            ),
        ];
        for (wanted, count) in cases {
            assert_eq!(found(&wanted), count, "{wanted:?}");
        }
    }
}
