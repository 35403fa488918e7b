//! What this server asks others over HTTP: keys of issuers, reviews of tokens. Bounded in time and size.
//!
//! Nothing a caller presents is ever put into a header here, and no redirect leads to another server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use keyring::secret::SecretBytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Certificate, Client, Response, StatusCode, Url};

/// Where something is asked for: `https`, or plain `http` on this machine only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundUrl(Url);

/// Why a text is no such address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlFault {
    /// It carries a name or a password, which a read of the configuration would show.
    #[error("the URL must not contain credentials")]
    Credentials,
    /// It is plain HTTP to another machine.
    #[error("plain http is for loopback addresses only; use https")]
    Plain,
    /// It is no absolute HTTP address.
    #[error("not an absolute http or https URL")]
    Unreadable,
}

impl OutboundUrl {
    /// How long an address may be.
    const MAX_LENGTH: usize = 2048;

    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, UrlFault> {
        if text.len() > Self::MAX_LENGTH {
            return Err(UrlFault::Unreadable);
        }
        let url = Url::parse(text).map_err(|_| UrlFault::Unreadable)?;
        if !url.has_host() || !matches!(url.scheme(), "http" | "https") {
            return Err(UrlFault::Unreadable);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlFault::Credentials);
        }
        if url.scheme() == "http" && !is_loopback(&url) {
            return Err(UrlFault::Plain);
        }
        Ok(Self(url))
    }

    /// The address of this path below it.
    pub fn below(&self, path: &str) -> Result<Self, UrlFault> {
        Self::parse(&format!("{}/{path}", self.0.as_str().trim_end_matches('/')))
    }

    /// Whether what it leads to never leaves this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == LOCALHOST
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Led to the loopback addresses without asking anybody (RFC 6761, 6.3).
const LOCALHOST: &str = "localhost";

/// An HTTP client for one configuration.
#[derive(Clone, Debug)]
pub struct Outbound(Client);

/// Why there is no such client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientFault {
    /// The CA text holds no certificate, or one that does not read.
    #[error("could not parse CA PEM value successfully")]
    Ca,
    /// There is no CA text, and the system has no CA certificates either.
    #[error("the system has no CA certificates to verify https with; give the server's CA as PEM")]
    NoCertificates,
}

/// Why an answer did not come, or is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchFault {
    /// Nobody answered in time, or not over a connection that can be trusted.
    #[error("the server cannot be reached")]
    Away,
    /// The answer is longer than [`Outbound::MAX_ANSWER`].
    #[error("the server's answer is too long")]
    TooLong,
    /// The server answered with another status than expected.
    #[error("the server answered with status {0}")]
    Status(u16),
}

impl Outbound {
    /// How long an answer may be.
    pub const MAX_ANSWER: usize = 1024 * 1024;

    /// How long connecting may take.
    const CONNECT: Duration = Duration::from_secs(3);
    /// How long all of a request may take.
    const TOTAL: Duration = Duration::from_secs(10);
    /// How many redirects are followed.
    const MAX_REDIRECTS: usize = 3;
    /// How many idle connections are kept.
    const IDLE: usize = 4;

    /// A client for this address. It trusts the CA certificates of this PEM text only, or those of the system if there
    /// is none.
    pub fn new(url: &OutboundUrl, ca_pem: &str) -> Result<Self, ClientFault> {
        let mut client = Client::builder()
            .user_agent(concat!("sealring/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Self::CONNECT)
            .timeout(Self::TOTAL)
            .redirect(Policy::custom(follow))
            .referer(false)
            .pool_max_idle_per_host(Self::IDLE);
        if url.is_loopback() {
            let local = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            let local = local.map(|address| SocketAddr::new(address, 0));
            client = client.no_proxy().resolve_to_addrs(LOCALHOST, &local);
        }
        if !ca_pem.is_empty() {
            let trusted = Certificate::from_pem_bundle(ca_pem.as_bytes());
            let trusted = trusted.map_err(|_| ClientFault::Ca)?;
            if trusted.is_empty() {
                return Err(ClientFault::Ca);
            }
            let built = client.tls_certs_only(trusted).build();
            return built.map(Self).map_err(|_| ClientFault::Ca);
        }
        if url.is_plain() {
            // No certificate is going to be looked at, so none of the system's is needed.
            client = client.tls_certs_only([]);
        }
        let built = client.build();
        built.map(Self).map_err(|_| ClientFault::NoCertificates)
    }

    /// A client that trusts no server, where none is asked.
    pub fn to_nobody() -> Self {
        let built = Client::builder().tls_certs_only([]).build();
        Self(built.expect("a client without certificates can always be made"))
    }

    /// A client without a CA that gives up soon.
    #[cfg(test)]
    pub(crate) fn impatient(url: &OutboundUrl, after: Duration) -> Self {
        let built = Client::builder().no_proxy().timeout(after);
        assert!(url.is_loopback(), "tests stay on this machine");
        Self(built.tls_certs_only([]).build().unwrap())
    }

    /// The JSON at an address.
    pub async fn get(&self, url: &OutboundUrl) -> Result<Vec<u8>, FetchFault> {
        let request = self.0.get(url.0.clone()).header(ACCEPT, JSON);
        let answer = request.send().await.map_err(|_| FetchFault::Away)?;
        if answer.status() == StatusCode::OK {
            read(answer).await
        } else {
            Err(FetchFault::Status(answer.status().as_u16()))
        }
    }

    /// What an address answers, with status 200 or 201, to JSON that is posted there with a bearer token of this server.
    pub async fn post(
        &self,
        url: &OutboundUrl,
        bearer: &SecretBytes,
        json: Vec<u8>,
    ) -> Result<Vec<u8>, FetchFault> {
        let bearer = SecretBytes::new([b"Bearer ", bearer.expose_secret()].concat());
        let bearer = HeaderValue::from_bytes(bearer.expose_secret());
        let mut bearer = bearer.map_err(|_| FetchFault::Away)?;
        bearer.set_sensitive(true);
        let request = self
            .0
            .post(url.0.clone())
            .header(ACCEPT, JSON)
            .header(CONTENT_TYPE, JSON)
            .header(AUTHORIZATION, bearer)
            .body(json);
        let answer = request.send().await.map_err(|_| FetchFault::Away)?;
        match answer.status() {
            StatusCode::OK | StatusCode::CREATED => read(answer).await,
            status => Err(FetchFault::Status(status.as_u16())),
        }
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Follows redirects within one server; others stay unanswered.
fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let origin = attempt.previous().first().map(Url::origin);
    let is_same = origin.is_some_and(|origin| origin == attempt.url().origin());
    if is_same && attempt.previous().len() <= Outbound::MAX_REDIRECTS {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

async fn read(mut answer: Response) -> Result<Vec<u8>, FetchFault> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| FetchFault::Away)? {
        if bytes.len().saturating_add(chunk.len()) > Outbound::MAX_ANSWER {
            return Err(FetchFault::TooLong);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for fine in [
            "https://issuer.example.com/keys",
            "http://127.0.0.1:8080/keys",
            "http://127.9.9.9/",
            "http://[::1]:1/",
            "http://localhost:80/x",
            "http://LOCALHOST/x",
            "https://10.0.0.1/",
        ] {
            assert!(OutboundUrl::parse(fine).is_ok(), "{fine}");
        }
        for plain in [
            "http://issuer.example.com/",
            "http://10.0.0.1/",
            "http://0.0.0.0/",
            "http://localhost.example.com/",
            "http://127.0.0.1.example.com/",
            "http://[::2]/",
        ] {
            assert_eq!(OutboundUrl::parse(plain), Err(UrlFault::Plain), "{plain}");
        }
    }

    #[test]
    fn other_schemes_and_credentials_are_refused() {
        for unreadable in [
            "",
            "keys",
            "/keys",
            "file:///etc/passwd",
            "ftp://a/",
            "https:///",
            "unix:/x",
        ] {
            let parsed = OutboundUrl::parse(unreadable);
            assert!(
                matches!(parsed, Err(UrlFault::Unreadable | UrlFault::Plain)),
                "{unreadable} {parsed:?}"
            );
        }
        for named in [
            "https://user@a/",
            "https://user:secret@a/",
            "https://:secret@a/",
        ] {
            assert_eq!(OutboundUrl::parse(named), Err(UrlFault::Credentials));
        }
    }

    #[test]
    fn a_client_needs_a_ca_that_reads() {
        let url = OutboundUrl::parse("https://127.0.0.1/").unwrap();
        for ca in [
            "x",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            assert_eq!(
                Outbound::new(&url, ca).unwrap_err(),
                ClientFault::Ca,
                "{ca}"
            );
        }
        let plain = OutboundUrl::parse("http://127.0.0.1/").unwrap();
        assert!(Outbound::new(&plain, "").is_ok());
    }
}
