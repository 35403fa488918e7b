//! Whether a slice of a run says anything about the service.

use crate::tally::{Tally, real};

/// Why the slices of one kind say nothing; empty if they are valid.
pub(crate) fn faults(when: &str, good: &Tally) -> Vec<String> {
    let mut faults = Vec::new();
    if real(good.behind) > MOST_BEHIND * real(good.answered()) {
        faults.push(format!(
            "the generator fell behind: {when}, {} of {} good requests left over 1 ms late although a connection was free",
            good.behind,
            good.answered()
        ));
    }
    if good.unsent > 0 || good.errors() > 0 || good.answered() == 0 {
        faults.push(format!("not all good requests {when} succeeded: {good}"));
    }
    faults
}

/// A tenth of what the 99th percentile leaves out: more late sends than that could be the percentile themselves.
const MOST_BEHIND: f64 = 0.001;
