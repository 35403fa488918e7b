//! From a worker's record to a line in a file, and over a restart.

use std::collections::BTreeSet;
use std::io::Write as _;

use keyring::store::audit::AuditHeadStore as _;
use keyring::store::memory::MemoryStore;

use super::*;

#[test]
fn sixty_four_threads_lose_nothing_and_number_without_holes() {
    const THREADS: usize = 64;
    const EACH: usize = 100;
    let room = Room::new();
    let (log, _) = room.start();
    let log = &log;
    let submitted: BTreeSet<String> = std::thread::scope(|scope| {
        let worker = || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.build().unwrap();
            runtime.block_on(async {
                let mut ids = Vec::new();
                for _ in 0..EACH {
                    let record = request();
                    put(log, &record).await.unwrap();
                    ids.push(record.request.to_string());
                }
                ids
            })
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(worker)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    close(log);
    let written = room.log();
    let ids: BTreeSet<String> = text(&written)
        .lines()
        .filter(|line| line.starts_with("{\"n\":"))
        .map(|line| {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            record["request"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(ids, submitted);
    let report = assert_good(&[written], 6_400);
    assert_eq!(report.unsigned, 0);
    assert!(report.checkpoints >= 1);
}

#[tokio::test]
async fn a_ticket_whose_waiter_went_away_does_not_hold_up_the_others() {
    let room = Room::new();
    let (log, _) = room.start();
    let first = log.submit(&request()).unwrap();
    let second = log.submit(&request()).unwrap();
    drop(first);
    assert_eq!(second.await, Ok(()));
    close(&log);
    assert_good(&[room.log()], 2);
}

#[tokio::test]
async fn a_record_is_in_the_file_when_its_ticket_is_ready() {
    for strict in [false, true] {
        let mut room = Room::new();
        room.settings.strict = strict;
        let (log, _) = room.start();
        let record = request();
        put(&log, &record).await.unwrap();
        assert!(text(&room.log()).contains(&record.request.to_string()));
        let change = super::record(Kind::Intent, Uuid::new_v4());
        log.submit_synced(&change).unwrap().await.unwrap();
        assert!(text(&room.log()).contains(&change.request.to_string()));
        close(&log);
        assert_eq!(put(&log, &record).await, Err(NotRecorded));
    }
}

#[tokio::test]
async fn a_change_without_an_outcome_is_told_until_it_has_one() {
    let room = Room::new();
    let (log, open) = room.start();
    assert!(open.is_empty());
    let [done, left] = [Uuid::new_v4(), Uuid::new_v4()];
    for record in [
        record(Kind::Intent, done),
        record(Kind::Intent, left),
        record(Kind::Outcome, done),
    ] {
        log.submit_synced(&record).unwrap().await.unwrap();
    }
    // No checkpoint, as after a kill.
    let crashed = room.log();
    close(&log);
    std::fs::write(room.path(), crashed).unwrap();
    for _ in 0..2 {
        let (log, open) = room.start();
        let [intent] = open.as_slice() else {
            panic!("{open:?}");
        };
        assert_eq!(intent.request, left);
        assert_eq!(intent.operation, "encrypt");
        assert_eq!(intent.key.as_deref(), Some("orders"));
        close(&log);
    }
    let (log, _) = room.start();
    let recovered = Record {
        recovered: true,
        ..record(Kind::Outcome, left)
    };
    log.submit_synced(&recovered).unwrap().await.unwrap();
    close(&log);
    let (log, open) = room.start();
    assert_eq!(open, []);
    close(&log);
    assert_good(&[room.log()], 4);
}

#[tokio::test]
async fn what_a_crash_cut_off_is_closed_and_told() {
    for cut in [
        &b"{\"n\":2,\"time\":\"20"[..],
        b"{\"n\":2,\"time\":\"x\"}\n",
        b"{\"n\":2,\"time\":\"x\"}\n{\"group\":2",
    ] {
        let room = Room::new();
        let (log, _) = room.start();
        put(&log, &request()).await.unwrap();
        close(&log);
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(room.path())
            .unwrap();
        file.write_all(cut).unwrap();
        assert_eq!(verify(&[room.log()], &[]).findings.len(), 1);
        let (log, _) = room.start();
        put(&log, &request()).await.unwrap();
        close(&log);
        let report = verify(&[room.log()], &[]);
        assert_eq!(report.findings, []);
        assert!(
            report.notes.iter().any(|note| note.contains("a crash")),
            "{:?}",
            report.notes
        );
        // Somebody makes it more, or less.
        let whole = text(&room.log());
        let fragment = text(cut);
        for edited in [
            whole.replacen(&fragment, &format!("{fragment}{{}}\n"), 1),
            whole.replacen(&fragment, "", 1),
        ] {
            assert!(!verify(&[edited], &[]).findings.is_empty());
        }
    }
}

#[tokio::test]
async fn a_file_that_is_full_is_set_aside_and_the_chain_goes_on() {
    let mut room = Room::new();
    let SinkKind::File(file) = &mut room.settings.sinks[0].kind else {
        panic!("a file");
    };
    file.rotate_bytes = 16 << 10;
    let (log, _) = room.start();
    for _ in 0..200 {
        put(&log, &request()).await.unwrap();
    }
    close(&log);
    let files = room.files();
    assert!(files.len() > 3, "{}", files.len());
    assert!(files.iter().all(|file| file.len() < 24 << 10));
    assert_good(&files, 200);
    let without_one: Vec<_> = files.iter().take(1).chain(files.iter().skip(2)).collect();
    assert!(!verify(&without_one, &[]).findings.is_empty());
    let without_first: Vec<_> = files.iter().skip(1).collect();
    let report = verify(&without_first, &[]);
    assert_eq!(report.findings, []);
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("was not given"))
    );
    // The chain that begins after a restart knows where this one ended.
    let (log, _) = room.start();
    put(&log, &request()).await.unwrap();
    close(&log);
    assert_good(&room.files(), 201);
}

#[tokio::test]
async fn heads_follow_the_checkpoints_and_are_kept() {
    let room = Room::new();
    let (log, _) = room.start();
    let kept = log.heads();
    assert_eq!(*kept.borrow(), None);
    for _ in 0..3 {
        put(&log, &request()).await.unwrap();
    }
    close(&log);
    let head = kept.borrow().clone().unwrap();
    assert_eq!((head.records, head.node.as_str()), (3, "node-1"));
    let report = verify(&[room.log()], std::slice::from_ref(&head));
    assert_eq!(report.findings, []);
    let store = Arc::new(MemoryStore::new());
    drop(log);
    // The log is gone when its threads are, and then this ends.
    let keeping = heads::keep(kept, Arc::<MemoryStore>::clone(&store));
    tokio::time::timeout(Duration::from_secs(20), keeping)
        .await
        .unwrap();
    assert_eq!(
        store.audit_heads().await.unwrap(),
        std::slice::from_ref(&head)
    );
    let body = line::body_text(&line::Head::of(&head));
    let message = line::message("head", &body);
    assert!(keyring::audit_keys::verify(
        &keys().public_key(),
        &message,
        &head.signature
    ));
}

#[tokio::test]
async fn a_log_that_is_disabled_keeps_nobody_waiting() {
    let mut room = Room::new();
    room.settings.sinks.clear();
    let (log, open) = room.start();
    assert_eq!(open, []);
    assert_eq!(log.admits(), Ok(()));
    put(&log, &request()).await.unwrap();
    let change = record(Kind::Intent, Uuid::new_v4());
    assert_eq!(log.submit_synced(&change).unwrap().await, Ok(()));
    close(&log);
    assert!(!room.path().exists());
}

/// A log as a kill leaves it, after so many records.
async fn killed(room: &Room, records: &[Record<'_>]) -> Vec<u8> {
    let (log, _) = room.start();
    for record in records {
        log.submit_synced(record).unwrap().await.unwrap();
    }
    let bytes = room.log();
    close(&log);
    bytes
}

#[tokio::test]
async fn lines_that_the_key_has_not_signed_open_nothing() {
    let room = Room::new();
    let log = killed(&room, &[request()]).await;
    let start = text(&log).lines().next().unwrap().to_owned();
    let open = format!(
        "\"open\":[{{\"request\":\"{}\",\"time\":\"2026-03-03T12:00:00.000000Z\",\"operation\":\"key_delete\"}}]",
        Uuid::new_v4()
    );
    let forged = start.replace("\"open\":[]", &open) + "\n";
    assert_ne!(forged.trim(), start);
    std::fs::write(room.path(), [&log, forged.as_bytes()].concat()).unwrap();
    let (log, open) = room.start();
    assert_eq!(open, []);
    close(&log);
    assert!(!verify(&[room.log()], &[]).findings.is_empty());
}

#[tokio::test]
async fn groups_that_the_chain_does_not_hold_open_nothing() {
    for closed in [false, true] {
        let room = Room::new();
        let change = record(Kind::Intent, Uuid::new_v4());
        let log = killed(&room, &[change]).await;
        let log = if closed { room.log() } else { log };
        // The same intent for another request, as a group without the hash that it would have.
        let written = text(&log);
        let lines: Vec<&str> = written.lines().collect();
        let other = lines[1]
            .replace("{\"n\":1,", "{\"n\":2,")
            .replace(&change.request.to_string(), &Uuid::new_v4().to_string());
        let group = lines[2].replace("{\"group\":1,", "{\"group\":2,");
        std::fs::write(room.path(), format!("{written}{other}\n{group}\n")).unwrap();
        let (log, open) = room.start();
        let open: Vec<Uuid> = open.iter().map(|intent| intent.request).collect();
        assert_eq!(open, [change.request]);
        close(&log);
        assert!(!verify(&[room.log()], &[]).findings.is_empty());
    }
}
