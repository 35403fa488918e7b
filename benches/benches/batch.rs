//! Batches by size, on the request's own thread and on pools of one and two workers: where the border between
//! the two belongs.

use std::time::Duration;

use benches::time::{CpuTime, Elapsed, by_the_processor, by_the_wall};
use benches::{Fixture, is_measuring, plaintext};
use criterion::measurement::Measurement;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use keyring::algorithm::CipherType;
use keyring::transit::{Address, Settings};

/// One request at a time: how long it takes.
fn latency(criterion: &mut Criterion) {
    alone(criterion, "time", |elapsed| elapsed.wall);
}

/// One request at a time: what it costs.
fn cost(criterion: &mut Criterion<CpuTime>) {
    alone(criterion, "cost", |elapsed| elapsed.cpu);
}

fn alone<M>(criterion: &mut Criterion<M>, what: &str, read: fn(Elapsed) -> Duration)
where
    M: Measurement<Value = Duration>,
{
    let places = places();
    let batches = sizes().iter().map(|items| (*items, 64));
    let large = large_sizes().iter().map(|kibibytes| (1, kibibytes << 10));
    for (items, bytes) in batches.chain(large) {
        let text = plaintext(bytes);
        let mut group = criterion.benchmark_group(format!("{what} of {items} x {bytes} B"));
        group.throughput(elements(items));
        for Place { name, fixture, at } in &places {
            group.bench_function(*name, |b| {
                b.iter_custom(|times| read(fixture.time_seals(times, at, &text, items)));
            });
        }
    }
}

/// Four requests at all times: what the machine gets done.
fn together(criterion: &mut Criterion) {
    let places = places();
    let text = plaintext(64);
    for &items in sizes().iter().filter(|items| **items >= 10) {
        let mut group = criterion.benchmark_group(format!("four at once of {items} x 64 B"));
        group.throughput(elements(4 * items));
        for Place { name, fixture, at } in &places {
            let four = async || fixture.seal_at_once(4, at, &text, items).await;
            group.bench_function(*name, |b| {
                b.iter_custom(|times| fixture.time(times, four).wall);
            });
        }
    }
}

/// An engine whose every job goes to one place.
struct Place {
    name: &'static str,
    fixture: Fixture,
    at: Address,
}

impl Place {
    fn new(name: &'static str, inline: bool, worker_threads: usize) -> Self {
        let at_most = if inline { usize::MAX } else { 0 };
        let fixture = Fixture::with(Settings {
            inline_items: at_most,
            inline_bytes: at_most,
            worker_threads,
            ..Settings::default()
        });
        let at = fixture.ring(CipherType::Aes256GcmSiv);
        Self { name, fixture, at }
    }
}

fn places() -> [Place; 3] {
    [
        Place::new("inline", true, 1),
        Place::new("pool of 1", false, 1),
        Place::new("pool of 2", false, 2),
    ]
}

fn elements(items: usize) -> Throughput {
    Throughput::Elements(u64::try_from(items).expect("a number of items"))
}

fn sizes() -> &'static [usize] {
    if is_measuring() {
        &[1, 10, 100, 1_000, 10_000]
    } else {
        &[1, 10, 1_000]
    }
}

fn large_sizes() -> &'static [usize] {
    if is_measuring() {
        &[16, 64, 256, 1024]
    } else {
        &[16]
    }
}

criterion_group! {
    name = wall;
    config = by_the_wall();
    targets = latency, together
}
criterion_group! {
    name = processor;
    config = by_the_processor();
    targets = cost
}
criterion_main!(wall, processor);
