//! Figures, in a release build on an idle machine: `cargo test --release -p service --lib measure -- --ignored --nocapture`.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Instant;

use super::*;

/// One worker: as many requests at a time as its connections, each of which waits for its record.
fn worker(log: &AuditLog, connections: usize, rounds: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    let who = log.who(
        "0123456789abcdef",
        "approle-orders",
        ["default", "orders-encrypt"],
    );
    runtime.block_on(async {
        let mut all: Vec<_> = (0..connections)
            .map(|_| {
                let who = &who;
                Box::pin(async move {
                    for _ in 0..rounds {
                        // The kernel's randomness would cost more than the record.
                        let id = Uuid::from_u128(rand::random());
                        let record = Record {
                            who: Some(who),
                            ..record(Kind::Request, id)
                        };
                        put(log, &record).await.unwrap();
                    }
                })
            })
            .collect();
        // All are polled whenever one is woken, as a worker that is busy would.
        poll_fn(|context| {
            all.retain_mut(|connection| pin!(connection).as_mut().poll(context).is_pending());
            if all.is_empty() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    });
}

#[test]
#[ignore = "measures; for a release build on an idle machine"]
fn a_record_costs_little_and_a_log_is_verified_fast() {
    const ROUNDS: usize = 20_000;
    let room = Room::new();
    let (log, _) = room.start();
    for (workers, connections) in [(1, 1), (1, 16), (1, 32), (2, 32)] {
        let rounds = ROUNDS.min(640_000 / connections);
        let began = Instant::now();
        let before = cpu();
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| worker(&log, connections, rounds));
            }
        });
        let records = u32::try_from(workers * connections * rounds).unwrap();
        let wall = began.elapsed() / records;
        let cost = cpu().saturating_sub(before) / records;
        println!("{workers} workers of {connections}: {wall:?} a record, {cost:?} of all CPUs");
    }
    close(&log);
    let bytes = room.log();
    let began = Instant::now();
    let report = verify(&[&bytes], &[]);
    let rate = report.records * 1_000 / u64::try_from(began.elapsed().as_millis()).unwrap();
    assert_eq!(report.findings, []);
    println!(
        "{} records of {} bytes verified, {rate} a second",
        report.records,
        bytes.len()
    );
    assert!(report.records > 1_000_000);
    assert!(rate > 300_000);
}

/// CPU time of this process.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap(),
        u32::try_from(time.tv_nsec).unwrap(),
    )
}
