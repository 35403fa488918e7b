//! Rings move between this service and a running OpenBao, in both directions, by backup and key by key.
//!
//! `SEALRING_OPENBAO` says where its program is; without it these tests say that they are skipped, also in CI: no supported
//! system has a package of it. What one made before is in `recorded.rs`.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::eventually;

const MESSAGE: &str = "dGhlIHF1aWNrIGJyb3duIGZveA==";
const CONTEXT: &str = "dGVuYW50IDc=";
const DATA: &str = "cm93IDQx";

/// What both have, and how it is asked for besides its type.
const KINDS: [(&str, &[&str]); 19] = [
    ("aes128-gcm96", &[]),
    ("aes128-gcm96", &["derived"]),
    ("aes128-gcm96", &["derived", "convergent_encryption"]),
    ("aes256-gcm96", &[]),
    ("aes256-gcm96", &["derived"]),
    ("aes256-gcm96", &["derived", "convergent_encryption"]),
    ("chacha20-poly1305", &[]),
    ("chacha20-poly1305", &["derived"]),
    ("xchacha20-poly1305", &[]),
    ("xchacha20-poly1305", &["derived", "convergent_encryption"]),
    ("ecdsa-p256", &[]),
    ("ecdsa-p384", &[]),
    ("ecdsa-p521", &[]),
    ("ed25519", &[]),
    ("ed25519", &["derived"]),
    ("hmac", &[]),
    ("rsa-2048", &[]),
    ("rsa-3072", &[]),
    ("rsa-4096", &[]),
];

#[test]
fn rings_move_to_openbao_by_backup() {
    let Some(both) = Both::start() else {
        return;
    };
    move_by_backup(&both.here, &both.there, "openbao");
}

#[test]
fn rings_move_from_openbao_by_backup() {
    let Some(both) = Both::start() else {
        return;
    };
    move_by_backup(&both.there, &both.here, "here");
}

#[test]
fn keys_move_to_openbao_wrapped() {
    let Some(both) = Both::start() else {
        return;
    };
    move_wrapped(&both.here, &both.there, "openbao");
}

#[test]
fn keys_move_from_openbao_wrapped() {
    let Some(both) = Both::start() else {
        return;
    };
    move_wrapped(&both.there, &both.here, "here");
}

#[test]
fn a_ring_comes_back_from_openbao_as_it_left() {
    let Some(Both { here, there, .. }) = &Both::start() else {
        return;
    };
    here.create("travelled", "aes256-gcm96", &[]);
    let before = here.calls("travelled", true);
    there.restore("travelled", &here.backup("travelled"));
    there.ask("POST", "transit/keys/travelled/rotate", &json!({}));
    let away = there.calls("travelled", true);
    here.restore("returned", &there.backup("travelled"));
    here.repeat("returned", &before);
    here.repeat("returned", &away);
    assert_eq!(here.read("returned")["latest_version"], 3);
}

/// A service of each kind.
struct Both {
    here: Server,
    there: Server,
    _app: TestApp,
    _openbao: OpenBao,
}

impl Both {
    fn start() -> Option<Self> {
        let openbao = OpenBao::start()?;
        let app = TestApp::fresh(&[]);
        let there = Server {
            address: openbao.address.clone(),
            token: OpenBao::TOKEN.to_owned(),
        };
        there.ask("POST", "sys/mounts/transit", &json!({"type": "transit"}));
        let here = Server {
            address: app.address.clone(),
            token: app.token.clone(),
        };
        Some(Self {
            here,
            there,
            _app: app,
            _openbao: openbao,
        })
    }
}

fn move_by_backup(from: &Server, to: &Server, name: &str) {
    let (mut rings, mut repeated) = (0, 0);
    for (key_type, settings) in KINDS {
        let ring = ring_name(key_type, settings);
        from.create(&ring, key_type, settings);
        let calls = from.calls(&ring, true);
        let moved = format!("{ring}-moved");
        to.restore(&moved, &from.backup(&ring));
        to.repeat(&moved, &calls);
        rings += 1;
        repeated += calls.len();
    }
    said(&format!(
        "{rings} rings restored, {repeated} calls repeated ({name})"
    ));
    assert_eq!((rings, repeated), (19, 116));
}

fn move_wrapped(from: &Server, to: &Server, name: &str) {
    let (mut rings, mut repeated) = (0, 0);
    let wrapping = to.ask("GET", "transit/wrapping_key", &Value::Null)["public_key"].take();
    let wrapping = json!({"public_key": wrapping, "type": "rsa-4096"});
    from.ask("POST", "transit/keys/destination/import", &wrapping);
    // Imported keys derive in another way, and convergent ones cannot be imported.
    for (key_type, settings) in KINDS
        .into_iter()
        .filter(|(_, settings)| settings.is_empty())
    {
        let ring = ring_name(key_type, settings);
        from.create(&ring, key_type, settings);
        let calls = from.calls(&ring, key_type == "hmac");
        let path = format!("transit/byok-export/destination/{ring}");
        let keys = from.ask("GET", &path, &Value::Null)["keys"].take();
        for (version, verb) in [("1", "import"), ("2", "import_version")] {
            let body = json!({"ciphertext": keys[version], "type": key_type});
            to.ask("POST", &format!("transit/keys/{ring}-moved/{verb}"), &body);
        }
        let moved = format!("{ring}-moved");
        to.repeat(&moved, &calls);
        rings += 1;
        repeated += calls.len();
    }
    said(&format!(
        "{rings} rings imported, {repeated} calls repeated ({name})"
    ));
    assert_eq!((rings, repeated), (12, 52));
}

/// A request, and the data that must come back.
struct Call {
    path: &'static str,
    body: Value,
    data: Value,
}

/// Either of the two, by what they have in common.
struct Server {
    address: String,
    token: String,
}

impl Server {
    /// A ring with two versions.
    fn create(&self, ring: &str, key_type: &str, settings: &[&str]) {
        let mut body =
            json!({"type": key_type, "exportable": true, "allow_plaintext_backup": true});
        for setting in settings {
            body[setting] = true.into();
        }
        if key_type == "hmac" {
            body["key_size"] = 48.into();
        }
        self.ask("POST", &format!("transit/keys/{ring}"), &body);
        self.ask("POST", &format!("transit/keys/{ring}/rotate"), &json!({}));
    }

    fn read(&self, ring: &str) -> Value {
        self.ask("GET", &format!("transit/keys/{ring}"), &Value::Null)
    }

    fn backup(&self, ring: &str) -> Value {
        self.ask("GET", &format!("transit/backup/{ring}"), &Value::Null)["backup"].take()
    }

    fn restore(&self, ring: &str, backup: &Value) {
        self.ask(
            "POST",
            &format!("transit/restore/{ring}"),
            &json!({"backup": backup}),
        );
    }

    fn repeat(&self, ring: &str, calls: &[Call]) {
        for Call { path, body, data } in calls {
            let answer = self.ask("POST", &format!("transit/{path}/{ring}"), body);
            assert_eq!(answer, *data, "{ring} {path} {body}");
        }
    }

    /// Makes with every version whatever it can make.
    fn calls(&self, ring: &str, with_hmac: bool) -> Vec<Call> {
        let read = self.read(ring);
        let has = |flag: &str| read[flag] == true;
        let context = if has("derived") { CONTEXT } else { "" };
        let mut calls = Vec::new();
        for version in 1..=read["latest_version"].as_u64().unwrap() {
            let make = |path: &str, mut body: Value| {
                body["key_version"] = version.into();
                self.ask("POST", &format!("transit/{path}/{ring}"), &body)
            };
            if has("supports_encryption") {
                let is_rsa = read["type"].as_str().unwrap().starts_with("rsa");
                let data: &[&str] = if is_rsa { &[""] } else { &["", DATA] };
                for data in data {
                    let about = json!({"context": context, "associated_data": data});
                    let answer = make("encrypt", with(&about, "plaintext", &MESSAGE.into()));
                    let body = with(&about, "ciphertext", &answer["ciphertext"]);
                    calls.push(call("decrypt", body, json!({"plaintext": MESSAGE})));
                }
            }
            if has("supports_signing") {
                for marshaling in ["asn1", "jws"] {
                    let about = json!({"context": context, "input": MESSAGE, "marshaling_algorithm": marshaling});
                    let answer = make("sign", about.clone());
                    let body = with(&about, "signature", &answer["signature"]);
                    calls.push(call("verify", body, json!({"valid": true})));
                }
            }
            if with_hmac {
                let answer = make("hmac", json!({"input": MESSAGE}));
                let body = json!({"input": MESSAGE, "hmac": answer["hmac"]});
                calls.push(call("verify", body, json!({"valid": true})));
            }
        }
        calls
    }

    /// The `data` of an answer that must be a success.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, mut answer) = self.exchange(method, path, body).unwrap();
        assert!(
            status == 200 || status == 204,
            "{method} {path}: {status} {answer}"
        );
        answer["data"].take()
    }

    /// By HTTP/1.0, which has no chunks.
    fn exchange(&self, method: &str, path: &str, body: &Value) -> io::Result<(u16, Value)> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let mut stream = TcpStream::connect(&self.address)?;
        write!(
            stream,
            "{method} /v1/{path} HTTP/1.0\r\nHost: localhost\r\nX-Vault-Token: {}\r\nContent-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(body)?
        };
        Ok((status, body))
    }
}

fn call(path: &'static str, body: Value, data: Value) -> Call {
    Call { path, body, data }
}

fn with(body: &Value, field: &str, value: &Value) -> Value {
    let mut body = body.clone();
    body[field] = value.clone();
    body
}

fn ring_name(key_type: &str, settings: &[&str]) -> String {
    [&[key_type], settings].concat().join("-")
}

fn said(text: &str) {
    // Not by println, which the test harness keeps to itself when a test passes.
    let _ = writeln!(io::stderr(), "OpenBao: {text}");
}

/// A running OpenBao that keeps nothing, ended when it is dropped.
struct OpenBao {
    address: String,
    process: Child,
}

impl OpenBao {
    const TOKEN: &'static str = "root-of-a-test";

    /// `None`, said aloud, where it is not known where its program is.
    fn start() -> Option<Self> {
        let Some(program) = std::env::var_os("SEALRING_OPENBAO") else {
            said("SKIPPED (in CI too): SEALRING_OPENBAO does not say where its program is");
            return None;
        };
        let openbao = Self::spawn(program);
        let server = Server {
            address: openbao.address.clone(),
            token: Self::TOKEN.to_owned(),
        };
        eventually("OpenBao", || {
            let health = server.exchange("GET", "sys/health", &Value::Null);
            health.ok().filter(|(status, _)| *status == 200)
        });
        Some(openbao)
    }

    fn spawn(program: OsString) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let mut command = Command::new(program);
        command
            .args(["server", "-dev", "-dev-no-store-token"])
            .arg(format!("-dev-root-token-id={}", Self::TOKEN))
            .arg(format!("-dev-listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = command.spawn().unwrap();
        Self { address, process }
    }
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
