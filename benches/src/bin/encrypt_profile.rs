//! Encrypts 64 B so many times in process, for a profiler to watch.
//!
//! `perf record -g target/release/encrypt_profile 5000000`, or under `valgrind --tool=callgrind` with fewer.

use std::time::Duration;

use benches::{Fixture, plaintext};
use keyring::algorithm::CipherType;

fn main() {
    let times = std::env::args().nth(1).map_or(1_000_000, |times| {
        times.parse().expect("how many times, as a number")
    });
    let fixture = Fixture::new();
    let at = fixture.ring(CipherType::Aes256GcmSiv);
    let took = fixture.time_seals(times, &at, &plaintext(64), 1);
    let each = |took: Duration| took.as_nanos() / u128::from(times.max(1));
    println!(
        "{} ns of processor time ({} ns by the wall) for each of {times} encryptions of 64 B in process",
        each(took.cpu),
        each(took.wall),
    );
}
