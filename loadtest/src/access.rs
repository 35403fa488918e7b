//! Where a service is, and the token that opens it.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};

/// A service and a token for it.
pub(crate) struct Access {
    /// Where to connect to.
    pub(crate) target: SocketAddr,
    /// The token.
    pub(crate) token: String,
}

impl Access {
    /// The service at this URL, on loopback unless another place was permitted, with the token in this file; the file's final
    /// newline is no part of it.
    pub(crate) fn new(url: &str, token_file: &Path, allow_remote: bool) -> anyhow::Result<Self> {
        let target = target(url, allow_remote)?;
        let token = std::fs::read_to_string(token_file)
            .with_context(|| format!("reading {}", token_file.display()))?;
        Ok(Self {
            target,
            token: token.trim_end().to_owned(),
        })
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// The address to connect to.
fn target(url: &str, allow_remote: bool) -> anyhow::Result<SocketAddr> {
    let Some(authority) = url.strip_prefix("http://") else {
        bail!("{url} must start with http://; the generator does not speak TLS");
    };
    let authority = authority.trim_end_matches('/');
    let addresses: Vec<SocketAddr> = authority
        .to_socket_addrs()
        .with_context(|| format!("resolving {authority} (host:port)"))?
        .collect();
    let Some(address) = addresses.first().copied() else {
        bail!("{authority} has no address");
    };
    ensure!(
        allow_remote || address.ip().is_loopback(),
        "{address} is not on loopback; if the load is welcome there, say --allow-remote"
    );
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_a_target_unless_permitted() {
        for url in ["http://127.0.0.1:8200", "http://[::1]:8200/"] {
            assert!(target(url, false).is_ok(), "{url}");
        }
        for url in ["http://192.0.2.1:8200", "https://127.0.0.1:8200"] {
            assert!(target(url, false).is_err(), "{url}");
        }
        assert!(target("http://192.0.2.1:8200", true).is_ok());
    }
}
