//! A client that speaks TLS, and a service with listeners to speak it to.

use std::io;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::ResolvesClientCert;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned,
    SupportedProtocolVersion,
};

use super::authority::{Authority, Identity};
use crate::app::TestApp;
use crate::client::{Answer, Request, Wire};
use crate::set_up::{ConfigFile, Home, Store};

/// A connection over TLS.
pub(crate) type TlsWire = Wire<StreamOwned<ClientConnection, TcpStream>>;

/// A service with TLS listeners.
#[derive(Debug)]
pub(crate) struct Encrypted {
    pub(crate) app: TestApp,
    /// The address of each listener that speaks TLS.
    pub(crate) addresses: Vec<String>,
    pub(crate) authority: Authority,
    pub(crate) home: Home,
}

/// How a client connects.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    /// The only version it speaks; absent for all.
    pub(crate) version: Option<&'static SupportedProtocolVersion>,
    /// What it shows: a chain, and a key that signs for it.
    pub(crate) shows: Option<(Identity, Identity)>,
    pub(crate) protocols: &'static [&'static str],
}

impl Client {
    /// A client that shows this certificate.
    pub(crate) fn showing(identity: &Identity) -> Self {
        Self {
            shows: Some((identity.clone(), identity.clone())),
            ..Self::default()
        }
    }

    fn config(&self, authority: &Authority) -> ClientConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate()).unwrap();
        let versions = self
            .version
            .map_or(rustls::ALL_VERSIONS.to_vec(), |one| vec![one]);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match &self.shows {
            None => builder.with_no_client_auth(),
            Some((shown, owned)) => {
                let key = provider.key_provider.load_private_key(owned.key()).unwrap();
                let certified = CertifiedKey::new(vec![shown.certificate()], key);
                let resolver: Arc<dyn ResolvesClientCert> =
                    Arc::new(SingleCertAndKey::from(certified));
                builder.with_client_cert_resolver(resolver)
            }
        };
        config.alpn_protocols = self
            .protocols
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        config
    }
}

impl Encrypted {
    /// A service with these lines for its listeners, in which `DIR` stands for its directory; `cert` and `key` are there.
    pub(crate) fn start(identity: &Identity, authority: Authority, listeners: &str) -> Self {
        let home = Home::new();
        identity.write_to(home.path());
        Self::start_in(home, authority, listeners)
    }

    pub(crate) fn start_in(home: Home, authority: Authority, listeners: &str) -> Self {
        let config = configuration(&home, listeners);
        let token = config.init();
        let count = 1 + listeners.matches("[listener.").count();
        let app = TestApp::start_on(count, &mut config.command(&["server"]), &token);
        let lines = app.greeting.lines();
        let addresses = lines
            .filter_map(|line| line.strip_prefix("listening on https://"))
            .map(str::to_owned)
            .collect();
        Self {
            app,
            addresses,
            authority,
            home,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A connection to the one TLS listener, once its handshake is done.
    pub(crate) fn connect(&self, client: &Client) -> io::Result<TlsWire> {
        self.connect_to(&self.addresses[0], client)
    }

    pub(crate) fn connect_to(&self, address: &str, client: &Client) -> io::Result<TlsWire> {
        let mut tcp = TcpStream::connect(address)?;
        tcp.set_read_timeout(Some(Duration::from_mins(1)))?;
        let config = Arc::new(client.config(&self.authority));
        let name = "localhost".try_into().unwrap();
        let mut session = ClientConnection::new(config, name).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut tcp)?;
        }
        Ok(Wire::over(StreamOwned::new(session, tcp)))
    }

    /// Asks for the health over a connection of its own. With TLS 1.3 a client hears only now that it was refused.
    pub(crate) fn ask(&self, client: &Client) -> io::Result<Answer> {
        self.health().send_over(&mut self.connect(client)?)
    }

    pub(crate) fn health(&self) -> Request {
        self.app.anonymous("GET", "sys/health")
    }

    /// The certificate that new connections are shown.
    pub(crate) fn shown(&self) -> CertificateDer<'static> {
        shown(&self.connect(&Client::default()).unwrap())
    }
}

pub(crate) fn shown(wire: &TlsWire) -> CertificateDer<'static> {
    wire.stream().conn.peer_certificates().unwrap()[0].clone()
}

pub(crate) fn version(wire: &TlsWire) -> ProtocolVersion {
    wire.stream().conn.protocol_version().unwrap()
}

/// A configuration with SQLite, a default listener, and these.
pub(crate) fn configuration(home: &Home, listeners: &str) -> ConfigFile {
    let directory = home.path().display().to_string();
    home.config(&Store::Sqlite, &listeners.replace("DIR", &directory))
}
