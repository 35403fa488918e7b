//! Sinks that fail, block, and lose their files: nothing is answered without a record, and service returns by itself.

use std::fs::File;
use std::io::{PipeReader, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::time::Instant;

use super::*;
use crate::audit::group::Position;
use crate::audit::port::Port;
use crate::audit::recovery::End;
use crate::audit::sink::stream::StreamOutput;
use crate::audit::sink::{Output, Room as Left};
use crate::audit::start::{Opened, assemble, origin};

/// A log that writes to a stream, beside the room's file or alone.
fn with_stream(room: &Room, stream: OwnedFd, alone: bool) -> AuditLog {
    let basis = basis();
    let origin = origin(&room.settings, &basis).unwrap();
    let mut opened = Vec::new();
    if !alone {
        let port = Arc::new(Port::new("file".to_owned(), true));
        let opening = sink::file::Opening {
            path: room.path(),
            rotation: sink::file::Rotation {
                bytes: 1 << 40,
                after: Duration::ZERO,
            },
            budget: None,
            origin: origin.clone(),
            clock: Arc::clone(&basis.clock),
            port: Arc::clone(&port),
            observer: Arc::clone(&basis.observer),
        };
        let (output, end) = sink::file::FileOutput::open(opening).unwrap();
        opened.push(Opened {
            port,
            output: Box::new(output),
            end,
        });
    }
    let start = origin.start_line("stream", End::default());
    opened.push(Opened {
        port: Arc::new(Port::new("stream".to_owned(), false)),
        output: Box::new(StreamOutput::begin(File::from(stream), &start).unwrap()),
        end: End::default(),
    });
    assemble(&room.settings, &basis, origin, opened).unwrap().0
}

/// Reads a pipe to its end on a thread of its own.
fn drain(mut pipe: PipeReader) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

#[tokio::test]
async fn a_pipe_that_nobody_reads_refuses_soon_and_serves_again_when_read() {
    let room = Room::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let log = with_stream(&room, writer.into(), true);
    let mut recorded = 0;
    let mut longest = Duration::ZERO;
    let mut refused = 0;
    // The pipe holds 64 KiB.
    while refused < 3 {
        let began = Instant::now();
        match put(&log, &request()).await {
            Ok(()) => recorded += 1,
            Err(NotRecorded) => refused += 1,
        }
        longest = longest.max(began.elapsed());
        assert!(recorded < 1_000);
    }
    assert_eq!(state(&log, "stream"), SinkState::Stalled);
    assert_eq!(log.admits(), Err(NotRecorded));
    // The bound is 100 ms; this machine may be busy with something else.
    assert!(longest < Duration::from_millis(500), "{longest:?}");
    let read = drain(reader);
    until("the sink", || log.admits().is_ok()).await;
    put(&log, &request()).await.unwrap();
    close(&log);
    drop(log);
    let bytes = read.join().unwrap();
    let report = verify(&[bytes], &[]);
    assert_eq!(report.findings, []);
    // Also the one whose waiter had been given up.
    assert_eq!(report.records, recorded + 2);
}

#[tokio::test]
async fn a_stuck_sink_beside_a_healthy_one_is_left_behind_and_leaves_a_gap_line() {
    let room = Room::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let log = with_stream(&room, writer.into(), false);
    let mut records = 0;
    while state(&log, "stream") != SinkState::Away {
        let tickets: Vec<Ticket> = (0..64).map(|_| log.submit(&request()).unwrap()).collect();
        records += 64;
        for ticket in tickets {
            ticket.await.unwrap();
        }
        assert!(records < 100_000);
    }
    let read = drain(reader);
    until("the sink", || state(&log, "stream") == SinkState::Live).await;
    put(&log, &request()).await.unwrap();
    close(&log);
    drop(log);
    assert_good(&[room.log()], records + 1);
    let bytes = read.join().unwrap();
    let report = verify(&[&bytes], &[]);
    assert_eq!(report.findings, []);
    assert!(report.records < records);
    assert!(
        report
            .notes
            .iter()
            .any(|note| note.contains("the sink was away"))
    );
    let without_gap: String = text(&bytes)
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("{\"gap\""))
        .collect();
    assert!(!verify(&[without_gap], &[]).findings.is_empty());
}

/// Fails as often as it is told, and then writes; or has no room beyond its reserve.
#[derive(Debug)]
struct Scripted {
    file: File,
    script: Arc<Mutex<Script>>,
}

#[derive(Debug, Default)]
struct Script {
    fails: bool,
    is_full: bool,
}

impl Output for Scripted {
    fn write(&mut self, bytes: &[u8], _at: &Position) -> std::io::Result<Left> {
        let script = locked(&self.script);
        if script.fails {
            // The device's own error.
            File::options()
                .write(true)
                .open("/dev/full")?
                .write_all(bytes)?;
        }
        self.file.write_all(bytes)?;
        Ok(if script.is_full {
            Left::Reserve
        } else {
            Left::Enough
        })
    }

    fn tend(&mut self, _at: &Position) -> std::io::Result<Left> {
        let script = locked(&self.script);
        Ok(if script.is_full {
            Left::Reserve
        } else {
            Left::Enough
        })
    }
}

fn scripted(room: &Room) -> (AuditLog, Arc<Mutex<Script>>) {
    let basis = basis();
    let origin = origin(&room.settings, &basis).unwrap();
    let mut file = File::create(room.path()).unwrap();
    file.write_all(&origin.start_line("scripted", End::default()))
        .unwrap();
    let script = Arc::<Mutex<Script>>::default();
    let opened = Opened {
        port: Arc::new(Port::new("scripted".to_owned(), false)),
        output: Box::new(Scripted {
            file,
            script: Arc::clone(&script),
        }),
        end: End::default(),
    };
    let log = assemble(&room.settings, &basis, origin, vec![opened])
        .unwrap()
        .0;
    (log, script)
}

#[tokio::test]
async fn a_full_device_answers_nobody_and_what_it_refused_is_there_when_it_has_room() {
    let room = Room::new();
    let (log, script) = scripted(&room);
    put(&log, &request()).await.unwrap();
    locked(&script).fails = true;
    assert_eq!(put(&log, &request()).await, Err(NotRecorded));
    until("the failure", || {
        state(&log, "scripted") == SinkState::Failing
    })
    .await;
    assert!(log.submit(&request()).is_err());
    locked(&script).fails = false;
    until("the sink", || log.admits().is_ok()).await;
    put(&log, &request()).await.unwrap();
    close(&log);
    assert_good(&[room.log()], 3);
}

#[tokio::test]
async fn the_reserve_is_for_the_outcomes_of_changes() {
    let room = Room::new();
    let (log, script) = scripted(&room);
    let change = Uuid::new_v4();
    locked(&script).is_full = true;
    let intent = log.submit_synced(&record(Kind::Intent, change)).unwrap();
    assert_eq!(intent.await, Ok(()), "it took the last room there was");
    assert_eq!(state(&log, "scripted"), SinkState::Full);
    assert!(log.submit(&request()).is_err());
    assert!(
        log.submit_synced(&record(Kind::Intent, Uuid::new_v4()))
            .is_err()
    );
    let outcome = log.submit_synced(&record(Kind::Outcome, change)).unwrap();
    assert_eq!(outcome.await, Ok(()));
    for reserve in [Reserve::Revocation, Reserve::Seal] {
        let change = Uuid::new_v4();
        for kind in [Kind::Intent, Kind::Outcome] {
            let record = record(kind, change);
            let ticket = log.submit_reserved(&record, reserve).unwrap();
            assert_eq!(ticket.await, Ok(()), "{reserve:?}");
        }
    }
    locked(&script).is_full = false;
    until("room", || log.admits().is_ok()).await;
    put(&log, &request()).await.unwrap();
    close(&log);
    assert_good(&[room.log()], 7);
}

#[tokio::test]
async fn revocations_leave_of_the_reserve_what_sealing_and_outcomes_need() {
    let room = Room::new();
    let (log, script) = scripted(&room);
    locked(&script).is_full = true;
    put(&log, &request()).await.unwrap();
    let submit = |reserve| {
        let record = record(Kind::Intent, Uuid::new_v4());
        log.submit_reserved(&record, reserve).map(drop)
    };
    let taken = (0..1100).filter(|_| submit(Reserve::Revocation).is_ok());
    assert_eq!(taken.count(), 1000);
    assert_eq!(submit(Reserve::Seal), Ok(()));
    locked(&script).is_full = false;
    until("room", || log.admits().is_ok()).await;
    assert_eq!(submit(Reserve::Revocation), Ok(()));
    locked(&script).is_full = true;
    put(&log, &request()).await.unwrap();
    assert_eq!(submit(Reserve::Revocation), Ok(()), "counted anew");
    close(&log);
}

#[tokio::test]
async fn syslog_gets_a_message_for_each_line() {
    for format in [
        crate::config::audit::SyslogFormat::Rfc3164,
        crate::config::audit::SyslogFormat::Rfc5424,
    ] {
        let mut room = Room::new();
        let path = room.directory.path().join("log");
        let daemon = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        let kind = SinkKind::Syslog(crate::config::audit::SyslogSink { path, format });
        room.settings.sinks = vec![Sink {
            name: "syslog".to_owned(),
            kind,
        }];
        let (log, _) = room.start();
        put(&log, &request()).await.unwrap();
        close(&log);
        let mut bytes = Vec::new();
        let mut message = vec![0; 4096];
        // The header, the record, the group's end, the checkpoint.
        for _ in 0..4 {
            let length = daemon.recv(&mut message).unwrap();
            assert!(message.starts_with(b"<86>"));
            bytes.extend_from_slice(&message[..length]);
            bytes.push(b'\n');
        }
        let mut verifier = Verifier::new(None, Chains::default());
        verifier
            .read("syslog", bytes.as_slice(), true, |_| {})
            .unwrap();
        let (report, _) = verifier.finish();
        assert_eq!(report.findings, []);
        assert_eq!(report.records, 1);
    }
}
