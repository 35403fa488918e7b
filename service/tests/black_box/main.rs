//! The binary from the outside: HTTP over the real `sealring`, with real databases and a real token.
//!
//! Each test starts what it needs on free ports and in directories of its own; those that only work with rings share one
//! service. `SEALRING_FULL=1` runs the expensive counts in full.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on shall fail where it stands"
)]
#![expect(
    clippy::too_many_lines,
    reason = "a table has as many lines as it has rows"
)]

mod admission;
mod api;
mod app;
mod audit;
mod auth;
mod bad_input;
mod byok;
mod canary_scan;
mod capabilities;
mod client;
mod clients;
mod durability;
mod edited_store;
mod floods;
mod fs_group;
mod identity;
mod interop;
mod metric_names;
mod misconfigured;
mod mount;
mod pkcs11;
mod quotas;
mod restart;
mod sealing;
mod set_up;
mod silent_proxy;
mod silent_store;
mod start_up;
mod store_away;
mod telemetry;
mod test_script;
mod tls;
mod two_nodes;
mod wycheproof;

use std::time::{Duration, Instant};

/// How much of an expensive loop to run: all of it with `SEALRING_FULL=1`, else a tenth.
fn of_full(count: usize) -> usize {
    if is_full() { count } else { count / 10 }
}

/// Whether everything is to be run in full.
fn is_full() -> bool {
    std::env::var("SEALRING_FULL").is_ok_and(|value| value == "1")
}

/// Waits until something is there, and fails if it does not come within a time that no working system needs.
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what} did not come to be");
        pause(Duration::from_millis(10));
    }
}

/// Lets time pass; or less of it.
fn pause(time: Duration) {
    std::thread::park_timeout(time);
}

const PATIENCE: Duration = Duration::from_mins(1);
