//! Sinks that get stuck: beside a healthy one nobody waits, alone nobody is served, and service returns with the sink.

use std::io::{BufRead as _, BufReader, PipeReader, Read as _};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{files_of, records_in, records_of, requests, verify};
use crate::client::{Answer, Request};
use crate::eventually;
use crate::set_up::{ConfigFile, Home, refused};

/// A service that records to the pipe it prints to.
struct Piped {
    process: Child,
    address: String,
    token: String,
}

impl Piped {
    /// Starts it and reads until it says where it is; then nobody reads any more.
    fn start(config: &ConfigFile, token: &str) -> (Self, BufReader<PipeReader>, Vec<u8>) {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = config.command(&["server"]);
        let process = command.stdout(writer).stderr(Stdio::null()).spawn();
        drop(command);
        let mut reader = BufReader::new(reader);
        let mut read = Vec::new();
        let address = loop {
            let from = read.len();
            assert!(reader.read_until(b'\n', &mut read).unwrap() > 0);
            let line = std::str::from_utf8(&read[from..]).unwrap();
            if let Some(address) = line.strip_prefix("listening on http://") {
                break address.trim_end().to_owned();
            }
        };
        let app = Self {
            process: process.unwrap(),
            address,
            token: token.to_owned(),
        };
        (app, reader, read)
    }

    fn request(&self, method: &str, path: &str) -> Request {
        Request::new(&self.address, method, &format!("/v1/{path}"))
            .header("X-Vault-Token", &self.token)
    }

    fn encrypt(&self) -> Answer {
        self.request("POST", "transit/encrypt/k")
            .body(json!({"plaintext": ""}))
            .send()
    }

    fn state(&self, sink: &str) -> Value {
        let data = self.request("GET", "sys/audit").send().data();
        data[&format!("{sink}/")]["options"]["state"].clone()
    }

    fn stop(mut self) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        assert_eq!(self.process.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Reads what is left until the other side closes.
fn drain(mut reader: BufReader<PipeReader>, mut read: Vec<u8>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        reader.read_to_end(&mut read).unwrap();
        read
    })
}

/// What was read, without the greeting, verifies.
fn check_read(home: &Home, read: &[u8], ids: &[String]) {
    let lines = read.split_inclusive(|byte| *byte == b'\n');
    let log: Vec<u8> = lines
        .filter(|line| line[0] == b'{')
        .flatten()
        .copied()
        .collect();
    let recorded = requests(&records_in(&log), "request");
    assert!(ids.iter().all(|id| recorded.contains(id)));
    let file = home.path().join("read.log");
    std::fs::write(&file, log).unwrap();
    let (status, said) = verify(&[], &[file]);
    assert_eq!(status, 0, "{said}");
}

fn id_of(answer: &Answer) -> String {
    answer.json()["request_id"].as_str().unwrap().to_owned()
}

fn is_refused(answer: &Answer) -> bool {
    if answer.status == 200 {
        return false;
    }
    let text = "the audit log cannot be written; nothing is answered until it can";
    assert_eq!(answer.refusal(), (503, text.to_owned()));
    true
}

/// Far more than the 100 ms that it may take, for this machine may be busy with something else.
const BOUND: Duration = Duration::from_secs(2);

#[test]
fn a_pipe_that_nobody_reads_refuses_all_and_serves_again_when_it_is_read() {
    let home = Home::new();
    let config = home.config_with_sinks("[audit.pipe]\nkind = \"stdout\"");
    let token = config.init();
    let (app, reader, read) = Piped::start(&config, &token);
    app.request("POST", "transit/keys/k").send().data();
    let mut ids = Vec::new();
    let mut count = 0;
    while count < 5 {
        let began = Instant::now();
        let answer = app.encrypt();
        let took = began.elapsed();
        assert!(took < BOUND, "{took:?}");
        if is_refused(&answer) {
            count += 1;
        } else {
            ids.push(id_of(&answer));
        }
        assert!(ids.len() < 10_000, "the pipe never fills");
    }
    let health = app.request("GET", "sys/health").send();
    assert_eq!(
        (health.status, &health.json()["audit_recording"]),
        (503, &json!(false))
    );
    // A change that cannot be recorded is not made.
    let refused = app.request("POST", "transit/keys/other").send();
    assert!(is_refused(&refused));
    let draining = drain(reader, read);
    eventually("service", || (!is_refused(&app.encrypt())).then_some(()));
    ids.extend((0..20).map(|_| id_of(&app.encrypt())));
    assert_eq!(app.request("GET", "transit/keys/other").send().status, 404);
    assert_eq!(app.state("pipe"), "live");
    app.stop();
    check_read(&home, &draining.join().unwrap(), &ids);
}

#[test]
fn a_pipe_that_nobody_reads_beside_a_file_keeps_nobody_waiting() {
    let home = Home::new();
    let log = home.path().join("audit.log");
    let config = home.config_with_sinks(&format!(
        "[audit.pipe]\nkind = \"stdout\"\n[audit.file]\nkind = \"file\"\npath = \"{}\"",
        log.display()
    ));
    let token = config.init();
    let (app, reader, read) = Piped::start(&config, &token);
    app.request("POST", "transit/keys/k").send().data();
    let mut ids = Vec::new();
    while app.state("pipe") != "stalled" {
        ids.extend((0..20).map(|_| id_of(&app.encrypt())));
        assert!(ids.len() < 10_000, "the pipe never fills");
    }
    ids.extend((0..100).map(|_| id_of(&app.encrypt())));
    assert_eq!(app.state("file"), "live");
    app.request("POST", "transit/keys/k/rotate").send().data();
    let recorded = requests(&records_of(&log), "request");
    assert!(ids.iter().all(|id| recorded.contains(id)));
    let draining = drain(reader, read);
    eventually("the pipe", || (app.state("pipe") == "live").then_some(()));
    app.stop();
    // It was not that far behind that it missed anything.
    check_read(&home, &draining.join().unwrap(), &ids);
    let file = home.path().join("sealring.toml");
    let (status, said) = verify(&[Path::new("--config"), &file], &files_of(&log));
    assert_eq!(status, 0, "{said}");
}

#[test]
fn a_syslog_daemon_that_hangs_refuses_all_and_serves_again_when_it_reads() {
    let home = Home::new();
    let socket = home.path().join("log");
    let daemon = UnixDatagram::bind(&socket).unwrap();
    let config = home.config_with_sinks(&format!(
        "[audit.daemon]\nkind = \"syslog\"\npath = \"{}\"",
        socket.display()
    ));
    let app = config.serve(&config.init());
    // It hangs from the first message on, some of which the system keeps for it.
    let mut refused = 0;
    for _ in 0..10_000 {
        let began = Instant::now();
        let answer = app.request("GET", "sys/mounts").send();
        assert!(began.elapsed() < BOUND);
        refused += usize::from(is_refused(&answer));
        if refused == 5 {
            break;
        }
    }
    assert_eq!(refused, 5, "the daemon's queue never fills");
    daemon
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let mut message = vec![0; 1 << 16];
    eventually("service", || {
        drop(daemon.recv(&mut message));
        let answer = app.request("GET", "sys/mounts").send();
        (!is_refused(&answer)).then_some(())
    });
    while daemon.recv(&mut message).is_ok() {}
    assert_eq!(app.get("sys/mounts").status, 200);
}

#[test]
fn what_is_no_file_is_refused_as_a_file() {
    let home = Home::new();
    for special in ["/dev/full", "/dev/null"] {
        let sinks = format!("[audit.file]\nkind = \"file\"\npath = \"{special}\"");
        let config = home.config_with_sinks(&sinks);
        if !home.path().join("kek").exists() {
            config.init();
        }
        let (status, sentence) = refused(&mut config.command(&["server"]));
        assert_ne!(status, 0);
        let expected =
            format!("the audit sink file cannot be used: {special} is not a regular file");
        assert!(sentence.contains(&expected), "{sentence}");
    }
}
