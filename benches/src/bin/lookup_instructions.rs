//! Prints how many instructions a warm look-up takes in rings of 1, 100 and 10,000 versions, counted by callgrind.
//!
//! `cargo run --release -p benches --bin lookup_instructions`; needs valgrind.

use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

use benches::{Fixture, open_job, plaintext, seal_job};
use keyring::job::Job;
use keyring::test_support::engine::ManualClock;
use keyring::test_support::probe::{opening_keys, sealing_keys};
use keyring::transit::{Address, Settings};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        [] => compare(&[1, 100, 10_000]),
        ["look-up", which, versions] => {
            look_up(which, versions.parse().expect("a number of versions"));
        }
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}

fn compare(sizes: &[u32]) {
    for which in ["latest", "first"] {
        let counts = sizes
            .iter()
            .map(|versions| (*versions, instructions(which, *versions)));
        let counts: Vec<(u32, u64)> = counts.collect();
        for (versions, count) in &counts {
            println!("{which} of {versions:>6} versions: {count} instructions per look-up");
        }
        let most = counts.iter().map(|count| count.1).max().unwrap_or(0);
        let least = counts.iter().map(|count| count.1).min().unwrap_or(0);
        let spread = (most - least) * 1_000 / least.max(1);
        println!(
            "{which}: spread {}.{} % (limit 5 %)",
            spread / 10,
            spread % 10
        );
    }
}

/// Instructions of one look-up, from a run of this program under callgrind that counts only the look-ups.
fn instructions(which: &str, versions: u32) -> u64 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let counts = folder.path().join("counts");
    let program = std::env::current_exe().expect("the program knows where it is");
    let done = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--collect-atstart=no",
            "--toggle-collect=lookup_instructions::measured_look_ups",
        ])
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(program)
        .args(["look-up", which, &versions.to_string()])
        .stderr(Stdio::null())
        .status();
    assert!(
        done.is_ok_and(|status| status.success()),
        "valgrind runs this program"
    );
    total(&counts) / LOOK_UPS
}

fn total(counts: &Path) -> u64 {
    let counts = std::fs::read_to_string(counts).expect("callgrind leaves its counts");
    let total = counts
        .lines()
        .find_map(|line| line.strip_prefix("totals: "));
    let total = total.and_then(|total| total.trim().parse().ok());
    total.expect("callgrind counted")
}

fn look_up(which: &str, versions: u32) {
    // The clock's one read is left out: it takes the same in every ring.
    let clock = Arc::new(ManualClock::at(1_700_000_000));
    let fixture = Fixture::on_clock(clock, Settings::default());
    let (at, first) = fixture.ring_of(versions);
    let job = match which {
        "latest" => seal_job(&plaintext(64), 1),
        _ => open_job(&first, 1),
    };
    measured_look_ups(&fixture, &at, &job, which);
}

/// What callgrind counts.
#[inline(never)]
fn measured_look_ups(fixture: &Fixture, at: &Address, job: &Job, which: &str) {
    let transit = &fixture.engine.transit;
    fixture.runtime.block_on(async {
        for _ in 0..LOOK_UPS {
            let keys = match which {
                "latest" => sealing_keys(transit, black_box(at), job).await,
                _ => opening_keys(transit, black_box(at), job).await,
            };
            black_box(keys.expect("the ring is warm"));
        }
    });
}

const LOOK_UPS: u64 = 10_000;
