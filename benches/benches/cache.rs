//! The cache: a ring that is there, a ring that has to be loaded, and a thousand requests for one that has to be.

use std::hint::black_box;
use std::time::{Duration, Instant};

use benches::time::{Began, CpuTime, by_the_processor, by_the_wall};
use benches::{Fixture, is_measuring, plaintext, seal_job};
use criterion::{Criterion, criterion_group, criterion_main};
use keyring::algorithm::CipherType;
use keyring::test_support::probe::{forget, sealing_keys};
use keyring::transit::Address;

fn hit(criterion: &mut Criterion<CpuTime>) {
    let (fixture, at) = fixture();
    let transit = &fixture.engine.transit;
    let job = seal_job(&plaintext(64), 1);
    criterion.bench_function("cache hit", |b| {
        b.iter_custom(|times| {
            let hits = fixture.time(times, async || {
                let keys = sealing_keys(transit, black_box(&at), &job).await;
                black_box(keys.expect("the ring is warm"));
            });
            hits.cpu
        });
    });
}

/// One store read and one KEK call, here both in memory: the engine's own share of a cold load.
fn miss(criterion: &mut Criterion<CpuTime>) {
    let (fixture, at) = fixture();
    let transit = &fixture.engine.transit;
    let job = seal_job(&plaintext(64), 1);
    criterion.bench_function("cache miss", |b| {
        b.iter_custom(|times| {
            let before = fixture.engine.counts.cold();
            let mut took = Duration::ZERO;
            fixture.runtime.block_on(async {
                for _ in 0..times {
                    forget(transit, &at);
                    let began = Began::now();
                    let keys = sealing_keys(transit, &at, &job).await;
                    took += began.elapsed().cpu;
                    black_box(keys.expect("the ring loads"));
                }
            });
            assert_loads(&fixture, before, times);
            took
        });
    });
}

fn stampede(criterion: &mut Criterion) {
    let (fixture, at) = fixture();
    let transit = &fixture.engine.transit;
    let text = plaintext(64);
    let tasks = if is_measuring() { 1_000 } else { 100 };
    criterion.bench_function("cache stampede of 1,000", |b| {
        b.iter_custom(|times| {
            let before = fixture.engine.counts.cold();
            let mut took = Duration::ZERO;
            fixture.runtime.block_on(async {
                for _ in 0..times {
                    forget(transit, &at);
                    let began = Instant::now();
                    fixture.seal_at_once(tasks, &at, &text, 1).await;
                    took += began.elapsed();
                }
            });
            assert_loads(&fixture, before, times);
            took
        });
    });
}

/// Each time cost one store read and one KEK call, or this measured something else.
fn assert_loads(fixture: &Fixture, before: (u64, u64), times: u64) {
    let after = fixture.engine.counts.cold();
    assert_eq!(after, (before.0 + times, before.1 + times));
}

fn fixture() -> (Fixture, Address) {
    let fixture = Fixture::new();
    let at = fixture.ring(CipherType::Aes256GcmSiv);
    (fixture, at)
}

criterion_group! {
    name = processor;
    config = by_the_processor();
    targets = hit, miss
}
criterion_group! {
    name = wall;
    config = by_the_wall();
    targets = stampede
}
criterion_main!(processor, wall);
