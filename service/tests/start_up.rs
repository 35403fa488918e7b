//! The binary from the outside: how it starts, refuses to start, and stops.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall fail where it stands"
)]

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

#[test]
fn a_first_start_makes_private_files_and_a_later_one_finds_them() {
    let home = TempDir::new().unwrap();
    let first = Sealring::dev(home.path(), &[]);
    let token = first.token();
    assert!(token.starts_with("hvs.") && token.len() >= 28);
    assert_eq!(first.post("keys/demo", "{}").0, 200);
    let (_, sealed) = first.post("encrypt/demo", r#"{"plaintext":"aGVsbG8="}"#);
    let ciphertext = between(&sealed, r#""ciphertext":""#, "\"");
    first.stop();
    for file in ["kek", "root-token", "sealring.db", "unlock-share"] {
        let mode = fs::metadata(home.path().join("data").join(file)).unwrap();
        assert_eq!(mode.permissions().mode() & 0o7777, 0o600, "{file}");
    }
    let again = Sealring::dev(home.path(), &[]);
    assert_eq!(again.token(), token);
    let body = format!(r#"{{"ciphertext":"{ciphertext}"}}"#);
    let (status, opened) = again.post("decrypt/demo", &body);
    assert_eq!(status, 200);
    assert_eq!(between(&opened, r#""plaintext":""#, "\""), "aGVsbG8=");
}

#[test]
fn the_terminal_shows_the_token_and_the_log_does_not() {
    let home = TempDir::new().unwrap();
    let log = [("SEALRING_TELEMETRY__LOG_FILTER", "trace")];
    let service = Sealring::dev_under(home.path(), &[], &log);
    let token = service.token();
    assert!(service.greeting.contains(&format!("VAULT_TOKEN={token}")));
    assert_eq!(service.post("keys/demo", "{}").0, 200);
    let stderr = service.stop();
    assert!(stderr.contains("ready"));
    assert!(!stderr.contains(&token));
}

#[test]
fn a_chosen_root_token_replaces_the_kept_one() {
    let home = TempDir::new().unwrap();
    let first = Sealring::dev(home.path(), &[]);
    let old = first.token();
    first.stop();
    let second = Sealring::dev(home.path(), &["--root-token", "chosen"]);
    assert_eq!(second.token(), "chosen");
    assert_eq!(second.post("keys/demo", "{}").0, 200);
    assert_eq!(second.post_as(&old, "keys/demo", "{}").0, 403);
}

#[test]
fn a_lost_root_token_file_gives_a_new_token() {
    let home = TempDir::new().unwrap();
    let first = Sealring::dev(home.path(), &[]);
    let old = first.token();
    first.stop();
    fs::remove_file(home.path().join("data/root-token")).unwrap();
    let second = Sealring::dev(home.path(), &[]);
    assert_ne!(second.token(), old);
    assert_eq!(second.post("keys/demo", "{}").0, 200);
}

#[test]
fn a_first_start_that_is_killed_anywhere_is_made_up_for() {
    for step in 0..12 {
        let home = TempDir::new().unwrap();
        let mut cut = dev_command(home.path(), &[]).spawn().unwrap();
        std::thread::park_timeout(Duration::from_millis(step * 6));
        cut.kill().unwrap();
        cut.wait().unwrap();
        let service = Sealring::dev(home.path(), &[]);
        assert_eq!(service.post("keys/demo", "{}").0, 200, "step {step}");
        assert!(!home.path().join("data/first-start").exists());
        assert!(home.path().join("data/unlock-share").exists());
    }
}

#[test]
fn a_missing_file_is_asked_for_and_nothing_is_deleted() {
    let home = TempDir::new().unwrap();
    Sealring::dev(home.path(), &[]).stop();
    let data = home.path().join("data");
    for (lost, kept) in [("kek", "sealring.db"), ("sealring.db", "kek")] {
        fs::rename(data.join(lost), home.path().join("aside")).unwrap();
        let refusal = refused(&mut dev_command(home.path(), &[]));
        assert_eq!(refusal.0, 78);
        assert!(
            refusal.1.contains(&format!("bring {lost} back")),
            "{}",
            refusal.1
        );
        assert!(data.join(kept).exists());
        fs::rename(home.path().join("aside"), data.join(lost)).unwrap();
    }
    Sealring::dev(home.path(), &[]);
}

#[test]
fn a_directory_others_can_look_into_is_refused() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, Permissions::from_mode(0o750)).unwrap();
    let (status, sentence) = refused(&mut dev_command(home.path(), &[]));
    assert_eq!(status, 78);
    assert!(sentence.contains("has mode 0750"), "{sentence}");
}

#[test]
fn one_directory_serves_one_process() {
    let home = TempDir::new().unwrap();
    let _first = Sealring::dev(home.path(), &[]);
    let (status, sentence) = refused(&mut dev_command(home.path(), &[]));
    assert_eq!(status, 69);
    assert!(
        sentence.contains("is in use by another process"),
        "{sentence}"
    );
}

#[test]
fn a_taken_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    let mut command = sealring(&["dev", "--listen", &address, "--data-dir"]);
    let (status, sentence) = refused(command.arg(data));
    assert_eq!(status, 69);
    assert!(sentence.contains(&address), "{sentence}");
}

#[test]
fn plain_http_off_loopback_needs_a_word() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    let mut command = sealring(&["dev", "--listen", "0.0.0.0:0", "--data-dir"]);
    let (status, sentence) = refused(command.arg(data));
    assert_eq!(status, 78);
    assert!(sentence.contains("is not a loopback address"), "{sentence}");
}

#[test]
fn usage_mistakes_have_a_status_of_their_own() {
    let home = TempDir::new().unwrap();
    assert_eq!(refused(&mut sealring(&["serve"])).0, 2);
    assert_eq!(
        refused(&mut dev_command(home.path(), &["--root-token", "a b"])).0,
        64
    );
    let file = minimal_config(home.path());
    let mut command = sealring(&["init", "--shares", "2", "--threshold", "3", "--config"]);
    assert_eq!(refused(command.arg(file)).0, 64);
}

#[test]
fn a_server_needs_init_once_and_only_once() {
    let home = TempDir::new().unwrap();
    let file = minimal_config(home.path());
    let (status, _) = refused(sealring(&["server", "--config"]).arg(&file));
    assert_eq!(status, 78);
    let out = output(sealring(&["init", "--config"]).arg(&file));
    assert!(out.status.success(), "{}", text(&out.stderr));
    let handover = text(&out.stdout);
    assert_eq!(handover.matches("unlock share ").count(), 5);
    let token = between(&handover, "root token: ", "\n");
    assert!(!text(&out.stderr).contains(&token));
    let (status, sentence) = refused(sealring(&["init", "--config"]).arg(&file));
    assert_eq!(status, 78);
    assert!(sentence.contains("already initialised"), "{sentence}");
    let service = Sealring::start(sealring(&["server", "--config"]).arg(&file), &token);
    assert_eq!(service.post("keys/demo", "{}").0, 200);
    let stderr = service.stop();
    let is_json = |line: &str| line.starts_with('{') && line.ends_with('}');
    assert!(stderr.lines().all(is_json), "{stderr}");
}

#[test]
fn a_disabled_mount_is_restored_with_its_rings() {
    let home = TempDir::new().unwrap();
    let file = minimal_config(home.path());
    let out = output(sealring(&["init", "--config"]).arg(&file));
    let token = between(&text(&out.stdout), "root token: ", "\n");
    let service = Sealring::start(sealring(&["server", "--config"]).arg(&file), &token);
    assert_eq!(service.post("keys/demo", "{}").0, 200);
    assert_eq!(
        service.request("DELETE", "/v1/sys/mounts/transit", "").0,
        204
    );
    service.stop();
    let restore = |path: &str| output(sealring(&["mount", "restore", path, "--config"]).arg(&file));
    assert_eq!(restore("other").status.code(), Some(78));
    assert!(restore("transit").status.success());
    let service = Sealring::start(sealring(&["server", "--config"]).arg(&file), &token);
    assert_eq!(service.request("GET", "/v1/transit/keys/demo", "").0, 200);
}

#[test]
fn config_check_says_ok_or_names_every_mistake() {
    let home = TempDir::new().unwrap();
    let file = minimal_config(home.path());
    let out = output(sealring(&["config", "check", "--config"]).arg(&file));
    assert_eq!(text(&out.stdout), format!("{}: ok\n", file.display()));
    let mut command = sealring(&["config", "check", "--config"]);
    let (status, mistakes) = refused(command.arg(&file).env("SEALRING_CACHE__IDLE", "soon"));
    assert_eq!(status, 78);
    assert!(mistakes.starts_with("SEALRING_CACHE__IDLE: cache.idle: must be a duration"));
}

#[test]
fn an_accepted_request_is_answered_before_the_process_ends() {
    let home = TempDir::new().unwrap();
    let service = Sealring::dev(home.path(), &[]);
    assert_eq!(service.post("keys/demo", "{}").0, 200);
    let body = r#"{"plaintext":"aGVsbG8="}"#;
    let mut slow = TcpStream::connect(&service.address).unwrap();
    let head = head(
        "POST",
        "/v1/transit/encrypt/demo",
        &service.token,
        body.len(),
    );
    slow.write_all(head.as_bytes()).unwrap();
    slow.write_all(&body.as_bytes()[..5]).unwrap();
    // An idle connection is no request and holds nothing up.
    let _idle = TcpStream::connect(&service.address).unwrap();
    std::thread::park_timeout(Duration::from_millis(200));
    service.terminate();
    std::thread::park_timeout(Duration::from_millis(500));
    slow.write_all(&body.as_bytes()[5..]).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    service.stop();
}

#[test]
fn a_second_signal_ends_the_draining() {
    let home = TempDir::new().unwrap();
    let service = Sealring::dev(home.path(), &[]);
    let mut stuck = TcpStream::connect(&service.address).unwrap();
    let head = head("POST", "/v1/transit/encrypt/demo", &service.token, 100);
    stuck.write_all(head.as_bytes()).unwrap();
    std::thread::park_timeout(Duration::from_millis(200));
    service.terminate();
    // Within a second it would be taken for the same request.
    std::thread::park_timeout(Duration::from_millis(1500));
    let began = Instant::now();
    service.stop();
    assert!(began.elapsed() < Duration::from_secs(15));
    drop(stuck.shutdown(Shutdown::Both));
}

/// A running service, killed when it is dropped.
struct Sealring {
    process: Child,
    address: String,
    greeting: String,
    token: String,
    stderr: mpsc::Receiver<String>,
}

impl Sealring {
    fn dev(home: &Path, args: &[&str]) -> Self {
        Self::dev_under(home, args, &[])
    }

    fn dev_under(home: &Path, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = dev_command(home, args);
        let mut service = Self::start(command.envs(environment.iter().copied()), "");
        let file = home.join("data/root-token");
        let token = fs::read_to_string(file).unwrap();
        token.trim_end().clone_into(&mut service.token);
        service
    }

    /// Waits for the line that names the address, and a little for what is printed with it.
    fn start(command: &mut Command, token: &str) -> Self {
        let mut process = command.spawn().unwrap();
        let mut log = process.stderr.take().unwrap();
        let (send, stderr) = mpsc::channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            log.read_to_string(&mut text).unwrap();
            drop(send.send(text));
        });
        let mut greeting = String::new();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        let is_whole = |text: &str| {
            text.contains("listening on")
                && (!text.contains("development") || text.contains("-d '"))
        };
        while !is_whole(&greeting) {
            let read = lines.read_line(&mut greeting).unwrap();
            assert!(read > 0, "{}", stderr.recv().unwrap());
        }
        Self {
            process,
            address: between(&greeting, "listening on http://", "\n"),
            greeting,
            token: token.to_owned(),
            stderr,
        }
    }

    fn token(&self) -> String {
        self.token.clone()
    }

    fn post(&self, path: &str, body: &str) -> (u16, String) {
        self.post_as(&self.token, path, body)
    }

    fn post_as(&self, token: &str, path: &str, body: &str) -> (u16, String) {
        exchange(
            &self.address,
            token,
            ("POST", &format!("/v1/transit/{path}")),
            body,
        )
    }

    fn request(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        exchange(&self.address, &self.token, (method, path), body)
    }

    fn terminate(&self) {
        let pid = i32::try_from(self.process.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
    }

    /// Ends it as an operator would, and gives back what it logged.
    fn stop(mut self) -> String {
        self.terminate();
        assert_eq!(self.process.wait().unwrap().code(), Some(0));
        self.stderr.recv().unwrap()
    }
}

impl Drop for Sealring {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn sealring(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealring"));
    command
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn dev_command(home: &Path, args: &[&str]) -> Command {
    let mut command = sealring(&["dev", "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(home.join("data")).args(args);
    command
}

fn minimal_config(home: &Path) -> PathBuf {
    let file = home.join("sealring.toml");
    let path = home.display();
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n\
         [store]\nkind = \"sqlite\"\npath = \"{path}/sealring.db\"\n\
         [kek]\nkind = \"software\"\nfile = \"{path}/kek\"\n"
    );
    fs::write(&file, config).unwrap();
    file
}

fn output(command: &mut Command) -> Output {
    command.output().unwrap()
}

/// Status and standard error of a command that fails before it serves.
fn refused(command: &mut Command) -> (i32, String) {
    let out = output(command);
    assert_eq!(text(&out.stdout), "");
    (out.status.code().unwrap(), text(&out.stderr))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn between(text: &str, before: &str, after: &str) -> String {
    let (_, rest) = text.split_once(before).unwrap();
    rest.split_once(after).unwrap().0.to_owned()
}

fn exchange(address: &str, token: &str, (method, path): (&str, &str), body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = head(method, path, token, body.len());
    stream
        .write_all(format!("{head}{body}").as_bytes())
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = between(&answer, "HTTP/1.1 ", " ").parse().unwrap();
    (status, answer)
}

fn head(method: &str, path: &str, token: &str, length: usize) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Vault-Token: {token}\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}
