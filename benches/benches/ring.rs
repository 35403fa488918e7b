//! The warm way to a key: what a request does before its cipher starts, by the ring's number of versions.

use std::hint::black_box;

use benches::time::{CpuTime, by_the_processor};
use benches::{Fixture, is_measuring, open_job, plaintext, seal_job};
use criterion::{Criterion, criterion_group, criterion_main};
use keyring::test_support::probe::{opening_keys, sealing_keys};

fn look_up(criterion: &mut Criterion<CpuTime>) {
    let fixture = Fixture::new();
    let transit = &fixture.engine.transit;
    let mut group = criterion.benchmark_group("look-up");
    for &versions in sizes() {
        let (at, first) = fixture.ring_of(versions);
        let job = seal_job(&plaintext(64), 1);
        let latest = async || {
            let keys = sealing_keys(transit, black_box(&at), &job).await;
            black_box(keys.expect("the ring is warm"));
        };
        group.bench_function(format!("latest of {versions}"), |b| {
            b.iter_custom(|times| fixture.time(times, latest).cpu);
        });
        let job = open_job(&first, 1);
        let oldest = async || {
            let keys = opening_keys(transit, black_box(&at), &job).await;
            black_box(keys.expect("the ring is warm"));
        };
        group.bench_function(format!("first of {versions}"), |b| {
            b.iter_custom(|times| fixture.time(times, oldest).cpu);
        });
    }
}

fn sizes() -> &'static [u32] {
    if is_measuring() {
        &[1, 100, 10_000]
    } else {
        &[1, 3]
    }
}

criterion_group! {
    name = benches;
    config = by_the_processor();
    targets = look_up
}
criterion_main!(benches);
