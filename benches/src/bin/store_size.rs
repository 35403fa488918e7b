//! Prints what a store of many rings costs before they are used: opening it, the pages of a list, the first and
//! the next use of a ring, resident memory.
//!
//! `cargo run --release -p benches --bin store_size [-- RINGS...]`

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use benches::memory::resident;
use benches::on_disk::{OnDisk, name};
use benches::{plaintext, seal_job};
use tokio::runtime::Builder;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        [] => in_new_processes(&["1", "10000", "1000000"]),
        ["fill", folder, rings] => run(fill(Path::new(folder), number(rings))),
        ["measure", folder, rings] => run(measure(Path::new(folder), number(rings))),
        ref counts => in_new_processes(counts),
    }
    ExitCode::SUCCESS
}

/// Each step in a process of its own, so that the memory of one is not the next one's.
fn in_new_processes(counts: &[&str]) {
    let program = std::env::current_exe().expect("the program knows where it is");
    for rings in counts {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for step in ["fill", "measure"] {
            let done = Command::new(&program)
                .arg(step)
                .arg(folder.path())
                .arg(rings)
                .status();
            assert!(
                done.is_ok_and(|status| status.success()),
                "{step} ends well"
            );
        }
    }
}

async fn fill(folder: &Path, rings: u32) {
    let engine = OnDisk::open(folder).await;
    engine.fill(rings).await;
    engine.transit.shutdown().await;
    engine.store.close().await;
}

async fn measure(folder: &Path, rings: u32) {
    let engine = OnDisk::open(folder).await;
    println!("{rings} rings");
    println!(
        "  open            {:>10.1?}, then {} KiB resident",
        engine.took,
        resident() >> 10
    );
    for (place, from) in [
        ("start", 0),
        ("middle", rings / 2),
        ("end", rings.saturating_sub(PAGE)),
    ] {
        let (median, least) = page(&engine, from).await;
        println!(
            "  page at {place:<7} {median:>10.1?}, at best {least:.1?}, for up to {PAGE} names"
        );
    }
    let at = engine.at(rings / 3);
    let text = plaintext(64);
    let began = Instant::now();
    let first = engine.transit.encrypt(&at, seal_job(&text, 1)).await;
    first.expect("the engine encrypts");
    println!("  cold encrypt    {:>10.1?}", began.elapsed());
    let began = Instant::now();
    for _ in 0..WARM_ENCRYPTS {
        let next = engine.transit.encrypt(&at, seal_job(&text, 1)).await;
        next.expect("the engine encrypts");
    }
    println!(
        "  warm encrypt    {:>10.1?}",
        began.elapsed() / WARM_ENCRYPTS
    );
    println!("  in the end      {:>10} KiB resident", resident() >> 10);
    engine.transit.shutdown().await;
}

/// The median and the least time of one page that begins behind the ring with this number.
async fn page(engine: &OnDisk, from: u32) -> (Duration, Duration) {
    let after = name(from);
    let mut times = Vec::new();
    for _ in 0..REPEATS {
        let began = Instant::now();
        let names = engine
            .transit
            .list(engine.mount, Some(after.as_str()), PAGE)
            .await;
        times.push(began.elapsed());
        names.expect("the store lists");
    }
    times.sort();
    let nth = |index: usize| times.get(index).copied().unwrap_or_default();
    (nth(REPEATS / 2), nth(0))
}

fn number(text: &str) -> u32 {
    text.parse().expect("a number of rings")
}

fn run(work: impl Future<Output = ()>) {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime starts").block_on(work);
}

const PAGE: u32 = 1_000;
const REPEATS: usize = 51;
const WARM_ENCRYPTS: u32 = 100_000;
