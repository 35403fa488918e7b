//! A collector's spool: recording does not wait for the collector, and nothing is lost when it is away.

use std::io::Read as _;
use std::os::unix::net::{UnixListener, UnixStream};

use super::*;
use crate::config::audit::{Collector, SocketSink};

fn room(limit: u64) -> (Room, PathBuf) {
    let mut room = Room::new();
    let socket = room.directory.path().join("collector");
    let kind = SinkKind::Socket(SocketSink {
        address: Collector::Unix(socket.clone()),
        spool: room.directory.path().join("spool"),
        spool_max_bytes: limit,
    });
    room.settings.sinks = vec![Sink {
        name: "siem".to_owned(),
        kind,
    }];
    (room, socket)
}

/// Reads until this has come.
fn read_until(stream: &mut UnixStream, wanted: &str, got: &mut Vec<u8>) {
    let mut buffer = vec![0; 1 << 16];
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    while !text(got).contains(wanted) {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "the connection ended");
        got.extend_from_slice(&buffer[..count]);
    }
}

#[tokio::test]
async fn what_was_recorded_while_the_collector_was_away_comes_after_a_restart() {
    let (room, socket) = room(1 << 30);
    let (log, _) = room.start();
    put(&log, &request()).await.unwrap();
    close(&log);
    drop(log);
    let collector = UnixListener::bind(&socket).unwrap();
    let (log, _) = room.start();
    let last = request();
    put(&log, &last).await.unwrap();
    let (mut stream, _) = collector.accept().unwrap();
    let mut got = Vec::new();
    read_until(&mut stream, &last.request.to_string(), &mut got);
    read_until(&mut stream, "{\"group\":1,", &mut got);
    close(&log);
    let whole = got.iter().rposition(|byte| *byte == b'\n').unwrap();
    let report = verify(&[&got[..=whole]], &[]);
    assert_eq!(report.findings, []);
    assert_eq!(report.records, 2);
}

#[tokio::test]
async fn after_a_lost_connection_everything_unsure_comes_again_behind_a_signed_line() {
    let (room, socket) = room(1 << 30);
    let collector = UnixListener::bind(&socket).unwrap();
    let (log, _) = room.start();
    let first = request();
    put(&log, &first).await.unwrap();
    let (mut stream, _) = collector.accept().unwrap();
    let mut got = Vec::new();
    read_until(&mut stream, "{\"group\":1,", &mut got);
    let whole = got.iter().rposition(|byte| *byte == b'\n').unwrap();
    got.truncate(whole + 1);
    drop(stream);
    let second = request();
    // The loss is noticed with a write.
    put(&log, &second).await.unwrap();
    collector.set_nonblocking(true).unwrap();
    let mut again = None;
    until("the second connection", || {
        again = collector.accept().ok();
        again.is_some()
    })
    .await;
    let (mut stream, _) = again.unwrap();
    stream.set_nonblocking(false).unwrap();
    let mut resent = Vec::new();
    read_until(&mut stream, "{\"group\":2,", &mut resent);
    close(&log);
    drop(stream);
    assert!(resent.starts_with(b"{\"resent\":"));
    assert!(text(&resent).contains(&first.request.to_string()));
    got.extend(resent);
    let whole = got.iter().rposition(|byte| *byte == b'\n').unwrap();
    let report = verify(&[&got[..=whole]], &[]);
    assert_eq!(report.findings, []);
}

#[tokio::test]
async fn a_collector_that_accepts_and_never_reads_holds_nobody_up_until_the_spool_is_full() {
    const LIMIT: u64 = 12 << 20;
    let (room, socket) = room(LIMIT);
    let collector = UnixListener::bind(&socket).unwrap();
    let (log, _) = room.start();
    let mut recorded = 0_u64;
    while log.admits().is_ok() {
        let tickets: Vec<_> = (0..64).map_while(|_| log.submit(&request()).ok()).collect();
        for ticket in tickets {
            recorded += u64::from(ticket.await.is_ok());
        }
        assert!(recorded < 100_000);
    }
    assert_eq!(state(&log, "siem"), SinkState::Full);
    // 4 KiB pages of a socket's buffer aside, nothing has gone.
    assert!(recorded > 20_000, "{recorded}");
    let reader = std::thread::spawn(move || {
        let (mut stream, _) = collector.accept().unwrap();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        got
    });
    until("room in the spool", || log.admits().is_ok()).await;
    let last = request();
    put(&log, &last).await.unwrap();
    close(&log);
    drop(log);
    let got = reader.join().unwrap();
    let whole = got.iter().rposition(|byte| *byte == b'\n').unwrap();
    let report = verify(&[&got[..=whole]], &[]);
    let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    // The sending may have ended within a group.
    assert!(
        findings
            .iter()
            .all(|text| text.contains("belong to no group")),
        "{findings:?}"
    );
}
