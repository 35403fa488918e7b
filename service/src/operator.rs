//! `sealring operator`: seals and unseals a running service, over its own API.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::time::Duration;

use clap::{Args, Subcommand};
use reqwest::{Certificate, Client, Method, Response};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::backends;
use crate::failure::{self, Failure};

/// Where the service is, and who asks.
#[derive(Args)]
pub struct Target {
    /// Where the service listens; `VAULT_ADDR` if absent
    #[arg(long, value_name = "URL")]
    address: Option<String>,
    /// A file with the certificate of the authority that signed the service's; `VAULT_CACERT` if absent
    #[arg(long, value_name = "FILE")]
    ca_file: Option<std::path::PathBuf>,
}

/// What can be asked of a running service.
#[derive(Debug, Subcommand)]
pub enum OperatorCommand {
    /// Close every node until enough unlock shares open the store again; needs a token in `VAULT_TOKEN`
    Seal(Target),
    /// Give one unlock share, asked for at the terminal, or those in the lines of standard input, all in one call
    Unseal(Target),
    /// Say whether the store is sealed
    Status(Target),
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").finish_non_exhaustive()
    }
}

/// Does it, and answers what to print.
pub fn run(command: OperatorCommand) -> Result<String, Failure> {
    let runtime = backends::runtime()?;
    runtime.block_on(async {
        match command {
            OperatorCommand::Seal(target) => {
                let service = Service::of(&target)?;
                if service.token.is_none() {
                    return Err(Failure::SetUp(NO_TOKEN.to_owned()));
                }
                service.call(Method::PUT, "sys/seal", &json!({})).await?;
                Ok("sealed: every node answers 503 until the store is unsealed\n".to_owned())
            }
            OperatorCommand::Unseal(target) => {
                let service = Service::of(&target)?;
                let body = unsealing(&read_shares()?);
                let status = service.call(Method::PUT, "sys/unseal", &body).await?;
                Ok(described(&status))
            }
            OperatorCommand::Status(target) => {
                let service = Service::of(&target)?;
                let status = service.call(Method::GET, "sys/seal-status", &Value::Null);
                Ok(described(&status.await?))
            }
        }
    })
}

/// A service as a client sees it.
struct Service {
    address: String,
    client: Client,
    token: Option<Zeroizing<String>>,
}

impl Service {
    fn of(target: &Target) -> Result<Self, Failure> {
        let address = address(target.address.as_deref())?;
        let mut client = Client::builder().timeout(TIMEOUT).no_proxy();
        let ca_file = target.ca_file.clone();
        if let Some(file) = ca_file.or_else(|| variable("VAULT_CACERT").map(Into::into)) {
            let pem = std::fs::read(&file).map_err(|error| {
                Failure::SetUp(format!("{} cannot be read: {error}", file.display()))
            })?;
            let certificates = Certificate::from_pem_bundle(&pem)
                .map_err(|_| Failure::SetUp(format!("{} holds no certificate", file.display())))?;
            client = client.tls_certs_only(certificates);
        }
        Ok(Self {
            address,
            client: client
                .build()
                .map_err(|error| Failure::unexpected("no HTTP client can be made", &error))?,
            token: variable("VAULT_TOKEN").map(Zeroizing::new),
        })
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value, Failure> {
        let mut request = self
            .client
            .request(method, format!("{}/v1/{path}", self.address));
        if let Some(token) = &self.token {
            request = request.header("X-Vault-Token", token.as_str());
        }
        if !body.is_null() {
            request = request.json(body);
        }
        let sent = request.send().await;
        let response = sent.map_err(|error| self.unanswered(&error.without_url()))?;
        answer(response).await
    }

    /// Why there is no answer. A certificate does not get better by waiting.
    fn unanswered(&self, error: &reqwest::Error) -> Failure {
        let (address, causes) = (&self.address, failure::chain(error));
        match tls_fault(error) {
            Some(rustls::Error::InvalidCertificate(flaw)) => Failure::SetUp(format!(
                "the certificate of {address} is not trusted ({flaw}): give the certificate of the authority that \
                 signed it with --ca-file or VAULT_CACERT, and call the service by a name that the certificate has"
            )),
            Some(fault) => {
                Failure::SetUp(format!("{address} does not speak TLS as needed: {fault}"))
            }
            None => Failure::Unavailable(format!("{address} does not answer: {causes}")),
        }
    }
}

/// The address of a service: as given, else `VAULT_ADDR`, else the usual one.
fn address(given: Option<&str>) -> Result<String, Failure> {
    let (name, address) = match (given, variable("VAULT_ADDR")) {
        (Some(given), _) => ("--address", given.to_owned()),
        (None, Some(variable)) => ("VAULT_ADDR", variable),
        (None, None) => return Ok(DEFAULT_ADDRESS.to_owned()),
    };
    let url = reqwest::Url::parse(&address).ok();
    let is_good = url.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !is_good {
        return Err(Failure::Usage(format!(
            "{name} must be the URL of the service, like https://node-1.internal:8200 or {DEFAULT_ADDRESS}"
        )));
    }
    Ok(address.trim_end_matches('/').to_owned())
}

/// What TLS has to complain of, wherever it stands among the causes.
fn tls_fault<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(fault) = cause.downcast_ref() {
            return Some(fault);
        }
        // An I/O error that wraps another shows that one's cause as its own.
        let inner = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if let Some(fault) = inner.and_then(|inner| inner.downcast_ref()) {
            return Some(fault);
        }
        next = cause.source();
    }
    None
}

async fn answer(response: Response) -> Result<Value, Failure> {
    let status = response.status();
    let body: Value = response.json().await.unwrap_or_default();
    if status.is_success() {
        return Ok(body);
    }
    let errors = body.get("errors").and_then(Value::as_array);
    let texts = errors.into_iter().flatten().filter_map(Value::as_str);
    let text = texts.collect::<Vec<_>>().join("; ");
    Err(Failure::SetUp(format!(
        "refused with status {}: {}",
        status.as_u16(),
        text.trim()
    )))
}

/// One share is added to those the node has; several are all it takes.
fn unsealing(shares: &[Zeroizing<String>]) -> Value {
    match shares {
        [share] => json!({"key": share.trim()}),
        several => {
            let shares = several.iter().map(|share| share.trim());
            json!({"keys": shares.collect::<Vec<_>>()})
        }
    }
}

/// Not arguments: those are in the shell's history and in the list of processes.
fn read_shares() -> Result<Vec<Zeroizing<String>>, Failure> {
    if io::stdin().is_terminal() {
        let _unseen = Unseen::begin();
        return Ok(read_share()?.into_iter().collect());
    }
    let mut shares = Vec::new();
    while let Some(share) = read_share()? {
        if !share.trim().is_empty() {
            shares.push(share);
        }
    }
    Ok(shares)
}

/// The next line of standard input, if there is one.
fn read_share() -> Result<Option<Zeroizing<String>>, Failure> {
    let mut share = Zeroizing::new(String::with_capacity(SHARE_ROOM));
    let read = io::stdin().lock().read_line(&mut share);
    let read = read.map_err(|error| Failure::unexpected("no unlock share can be read", &error))?;
    Ok((read > 0).then_some(share))
}

/// Keeps the terminal from showing what is typed, for as long as this exists.
struct Unseen {
    before: Option<Termios>,
}

impl Unseen {
    fn begin() -> Self {
        let mut terminal = io::stderr().lock();
        drop(write!(terminal, "unlock share (not shown): ").and_then(|()| terminal.flush()));
        let before = tcgetattr(io::stdin()).ok();
        if let Some(before) = &before {
            let mut silent = before.clone();
            silent.local_modes.remove(LocalModes::ECHO);
            _ = tcsetattr(io::stdin(), OptionalActions::Flush, &silent);
        }
        Self { before }
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
        drop(writeln!(io::stderr()));
    }
}

fn described(status: &Value) -> String {
    let number = |name: &str| status.get(name).and_then(Value::as_u64).unwrap_or_default();
    match status.get("sealed").and_then(Value::as_bool) {
        Some(false) => "unsealed\n".to_owned(),
        Some(true) | None => format!(
            "sealed: {} of {} unlock shares given\n",
            number("progress"),
            number("t")
        ),
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

const DEFAULT_ADDRESS: &str = "http://127.0.0.1:8200";
const NO_TOKEN: &str =
    "sealing needs a token whose policies permit update and sudo on sys/seal: set VAULT_TOKEN";
const TIMEOUT: Duration = Duration::from_secs(10);
/// A share's text is shorter, so the buffer never grows and leaves no copy.
const SHARE_ROOM: usize = 256;
