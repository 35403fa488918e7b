//! What must always work, tried again and again while an attack goes on: each try counts, none is repeated.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};

use super::ground::{PASSWORD, ask, exchange};
use super::{Effort, Ground, runtime};
use crate::access::Access;
use crate::connection::Connection;
use crate::http::post;

/// How often each thing was tried, and what went wrong.
#[derive(Clone, Debug, Default)]
pub(super) struct Probes {
    pub(super) tried: BTreeMap<&'static str, u64>,
    pub(super) failed: BTreeMap<&'static str, (u64, String)>,
}

impl Probes {
    fn note(&mut self, what: &'static str, outcome: anyhow::Result<()>) {
        *self.tried.entry(what).or_default() += 1;
        if let Err(error) = outcome {
            let (count, last) = self.failed.entry(what).or_default();
            *count += 1;
            *last = format!("{error:#}");
        }
    }
}

/// Tries everything in turn until the attack is over; at least once.
pub(super) fn run(at: &Access, ground: &Ground, effort: &Effort) -> anyhow::Result<Probes> {
    let mut probes = Probes::default();
    runtime()?.block_on(async {
        loop {
            probes.note("health", status(at, "/v1/sys/health").await);
            probes.note("seal-status", status(at, "/v1/sys/seal-status").await);
            match log_in(at, ground).await {
                Ok(token) => {
                    probes.note("login", Ok(()));
                    probes.note("revoke", revoke(at, &token).await);
                }
                Err(error) => probes.note("login", Err(error)),
            }
            if effort.is_over() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
    Ok(probes)
}

async fn status(at: &Access, path: &str) -> anyhow::Result<()> {
    let request = ask(&at.target.to_string(), path);
    let (status, _) = send(at, &request).await?;
    ensure!(status == 200, "status {status}");
    Ok(())
}

async fn log_in(at: &Access, ground: &Ground) -> anyhow::Result<String> {
    let path = format!("/v1/auth/{}/login/probe", ground.userpass);
    let body = json!({"password": PASSWORD}).to_string();
    let request = post(&at.target.to_string(), &path, "", &body);
    let (status, answer) = send(at, &request).await?;
    let token = answer.pointer("/auth/client_token").and_then(Value::as_str);
    ensure!(
        status == 200 && token.is_some(),
        "status {status}: {answer}"
    );
    Ok(token.unwrap_or_default().to_owned())
}

async fn revoke(at: &Access, token: &str) -> anyhow::Result<()> {
    let body = json!({"token": token}).to_string();
    let host = at.target.to_string();
    let request = post(&host, "/v1/auth/token/revoke", &at.token, &body);
    let (status, answer) = send(at, &request).await?;
    ensure!(status == 204, "status {status}: {answer}");
    Ok(())
}

/// Over a connection of its own, as somebody who comes anew.
async fn send(at: &Access, request: &[u8]) -> anyhow::Result<(u16, Value)> {
    let work = async {
        let mut connection = Connection::open(at.target).await?;
        exchange(&mut connection, request).await
    };
    tokio::time::timeout(LONGEST, work).await?
}

const PAUSE: Duration = Duration::from_millis(250);
/// A probe without an answer by then has failed.
const LONGEST: Duration = Duration::from_secs(10);
