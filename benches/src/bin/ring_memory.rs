//! Prints what a cached ring of one version takes: resident memory with 100,000 of them, less that of an engine
//! that has done everything once, by 100,000.
//!
//! `cargo run --release -p benches --bin ring_memory [-- RINGS]`

use std::path::Path;
use std::process::{Command, ExitCode};

use benches::memory::{resident, resident_anonymous};
use benches::on_disk::{OnDisk, name};
use benches::{plaintext, seal_job};
use keyring::store::{RingStore, With};
use keyring::test_support::probe::cached;
use tokio::runtime::Builder;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        [] => in_new_process(100_000),
        [rings] => in_new_process(rings.parse().expect("a number of rings")),
        ["fill", folder, rings] => {
            run(fill(
                Path::new(folder),
                rings.parse().expect("a number of rings"),
            ));
        }
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}

/// Fills the store in a process of its own: its free memory would otherwise serve the cache.
fn in_new_process(rings: u32) {
    // In memory where possible: each ring's first use is booked with the store, which would wait for a disk.
    let shared_memory = Path::new("/dev/shm");
    let parent = if shared_memory.exists() {
        shared_memory.to_owned()
    } else {
        std::env::temp_dir()
    };
    let folder = tempfile::tempdir_in(parent).expect("a temporary folder");
    let program = std::env::current_exe().expect("the program knows where it is");
    let filled = Command::new(program)
        .arg("fill")
        .arg(folder.path())
        .arg((rings + WARM).to_string())
        .status();
    assert!(
        filled.is_ok_and(|status| status.success()),
        "the store is filled"
    );
    run(measure(folder.path(), rings));
}

async fn fill(folder: &Path, rings: u32) {
    let engine = OnDisk::open(folder).await;
    engine.fill(rings).await;
    engine.transit.shutdown().await;
}

async fn measure(folder: &Path, rings: u32) {
    let engine = OnDisk::open(folder).await;
    // SQLite's page caches fill up now, not while rings are counted.
    for number in 0..rings + WARM {
        let name = name(number);
        let read = engine.store.load_ring(engine.mount, &name, With::Latest);
        assert!(read.await.expect("the store answers").is_some());
    }
    use_rings(&engine, 0..WARM).await;
    let empty = (resident(), resident_anonymous());
    use_rings(&engine, WARM..WARM + rings).await;
    let full = (resident(), resident_anonymous());
    let (count, estimate) = cached(&engine.transit);
    assert_eq!(count, u64::from(rings + WARM), "all of them are cached");
    println!(
        "empty: {} KiB resident, {} KiB of it anonymous",
        empty.0 >> 10,
        empty.1 >> 10
    );
    println!(
        "full:  {} KiB resident, {} KiB of it anonymous",
        full.0 >> 10,
        full.1 >> 10
    );
    println!(
        "the cache's own estimate: {} bytes per ring",
        estimate / count
    );
    let each = full.0.saturating_sub(empty.0) / u64::from(rings);
    println!("{each} bytes per cached ring (limit 2048)");
    engine.transit.shutdown().await;
}

async fn use_rings(engine: &OnDisk, numbers: std::ops::Range<u32>) {
    let text = plaintext(64);
    for number in numbers {
        let at = engine.at(number);
        let done = engine.transit.encrypt(&at, seal_job(&text, 1));
        done.await.expect("the engine encrypts");
    }
}

fn run(work: impl Future<Output = ()>) {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime starts").block_on(work);
}

/// Rings in use before the first measurement, so that one-time costs are in it.
const WARM: u32 = 100;
