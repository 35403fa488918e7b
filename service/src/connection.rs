//! What is known of a connection before it says anything: where it came in, from whom, with which certificates.

use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::http::header::HeaderMap;
use ipnet::IpNet;
use rustix::net::Shutdown;
use rustls::ProtocolVersion;
use rustls::pki_types::CertificateDer;
use tokio::net::{TcpStream, UnixStream};

/// One connection. A handler reads it with `request.conn_data::<Connection>()`, which allocates nothing.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The listener it came in through.
    pub listener: Arc<str>,
    /// The other end's address; absent on a Unix socket. An IPv4 address is one, also if it came in over IPv6.
    pub remote: Option<IpAddr>,
    /// The user at the other end of a Unix socket, as the kernel says.
    pub user: Option<u32>,
    /// The version of TLS; absent if it is not encrypted.
    pub tls: Option<ProtocolVersion>,
    /// What the client has shown, and proved to own the key of; absent if it showed nothing.
    pub certificates: Option<Arc<ClientCertificates>>,
    trusted_proxies: Arc<[IpNet]>,
}

/// The certificate chain that a client has shown: at least its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificates {
    end_entity: CertificateDer<'static>,
    intermediates: Vec<CertificateDer<'static>>,
}

impl ClientCertificates {
    /// The chain as it was shown; `None` if it is empty.
    pub fn new(chain: &[CertificateDer<'static>]) -> Option<Self> {
        let (end_entity, intermediates) = chain.split_first()?;
        Some(Self {
            end_entity: end_entity.clone(),
            intermediates: intermediates.to_vec(),
        })
    }

    /// The client's own certificate, DER.
    pub fn end_entity(&self) -> &CertificateDer<'static> {
        &self.end_entity
    }

    /// What it has shown beside it, DER, in its order.
    pub fn intermediates(&self) -> &[CertificateDer<'static>] {
        &self.intermediates
    }
}

/// What all connections of a listener have in common.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The listener's name.
    pub listener: Arc<str>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Arc<[IpNet]>,
}

impl Origin {
    /// The connection of a stream that was just accepted.
    pub fn connection(&self, stream: &dyn Any) -> Connection {
        let mut connection = Connection {
            listener: Arc::clone(&self.listener),
            remote: None,
            user: None,
            tls: None,
            certificates: None,
            trusted_proxies: Arc::clone(&self.trusted_proxies),
        };
        if let Some(tcp) = stream.downcast_ref::<TcpStream>() {
            connection.remote = remote(tcp);
        } else if let Some(tls) = stream.downcast_ref::<TlsStream<TcpStream>>() {
            let (tcp, session) = tls.get_ref();
            connection.remote = remote(tcp);
            connection.tls = session.protocol_version();
            connection.certificates = session
                .peer_certificates()
                .and_then(ClientCertificates::new)
                .map(Arc::new);
        } else if let Some(unix) = stream.downcast_ref::<UnixStream>() {
            connection.user = unix.peer_cred().ok().map(|credentials| credentials.uid());
        }
        connection
    }
}

/// Closes a connection from outside of what serves it, which may be blocked by a client that takes nothing. Holds a descriptor of
/// the connection, so that each connection counts as two open files.
#[derive(Clone, Debug)]
pub struct Cutter(Arc<OwnedFd>);

impl Cutter {
    /// The cutter of a stream that was just accepted; `None` for streams of other kinds, and where no more files may be opened.
    pub fn of(stream: &dyn Any) -> Option<Self> {
        let descriptor = if let Some(tcp) = stream.downcast_ref::<TcpStream>() {
            tcp.as_fd()
        } else if let Some(tls) = stream.downcast_ref::<TlsStream<TcpStream>>() {
            tls.get_ref().0.as_fd()
        } else {
            stream.downcast_ref::<UnixStream>()?.as_fd()
        };
        let descriptor = descriptor.try_clone_to_owned().ok()?;
        Some(Self(Arc::new(descriptor)))
    }

    /// Closes the connection: whatever waits for it ends with an error.
    pub fn cut(&self) {
        // One that is closed already is what is wanted.
        let _ = rustix::net::shutdown(&*self.0, Shutdown::Both);
    }
}

impl Connection {
    /// The address a request comes from: the other end's, or, if that is a proxy to be believed, what it says in
    /// `X-Forwarded-For`: the last address there that is not a trusted proxy itself. Where the header is not made of
    /// addresses, the chain breaks, and the last trusted proxy before the break stands for all behind it.
    pub fn client_address(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let is_trusted =
            |address: &IpAddr| self.trusted_proxies.iter().any(|net| net.contains(address));
        let from_proxy = match &self.remote {
            Some(remote) => is_trusted(remote),
            None => !self.trusted_proxies.is_empty(),
        };
        if !from_proxy {
            return self.remote;
        }
        let mut found = None;
        for value in headers.get_all("x-forwarded-for") {
            for entry in value.as_bytes().split(|byte| *byte == b',') {
                found = match forwarded(entry) {
                    Some(address) if is_trusted(&address) => found.or(Some(address)),
                    untrusted_or_broken => untrusted_or_broken,
                };
            }
        }
        found.or(self.remote)
    }
}

/// One entry of `X-Forwarded-For`: an address, which some proxies write with a port.
fn forwarded(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    let address: Option<IpAddr> = text.parse().ok().or_else(with_port);
    address.map(|address| address.to_canonical())
}

fn remote(stream: &TcpStream) -> Option<IpAddr> {
    stream.peer_addr().ok().map(|peer| peer.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn from(remote: Option<&str>, trusted: &[&str], forwarded: &[&'static str]) -> Option<String> {
        let origin = Origin {
            listener: "public".into(),
            trusted_proxies: trusted.iter().map(|net| net.parse().unwrap()).collect(),
        };
        let mut connection = origin.connection(&());
        connection.remote = remote.map(|address| address.parse().unwrap());
        let mut headers = HeaderMap::new();
        for value in forwarded {
            let name = HeaderName::from_static("x-forwarded-for");
            headers.append(name, HeaderValue::from_static(value));
        }
        let address = connection.client_address(&headers)?;
        Some(address.to_string())
    }

    #[test]
    fn a_header_from_somebody_who_is_no_proxy_says_nothing() {
        let claimed = ["10.0.0.1"];
        let found = from(Some("192.0.2.1"), &[], &claimed);
        assert_eq!(found.as_deref(), Some("192.0.2.1"));
        let found = from(Some("192.0.2.1"), &["10.0.0.0/8"], &claimed);
        assert_eq!(found.as_deref(), Some("192.0.2.1"));
        assert_eq!(from(None, &[], &claimed), None);
    }

    #[test]
    fn the_last_address_that_is_no_proxy_is_the_clients() {
        for (forwarded, expected) in [
            (&["203.0.113.7"][..], "203.0.113.7"),
            (&["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
            (
                &["198.51.100.1, 203.0.113.7, 10.1.1.1 ,10.2.2.2"],
                "203.0.113.7",
            ),
            (&["198.51.100.1", "203.0.113.7", "10.1.1.1"], "203.0.113.7"),
            (&["[2001:db8::1]:4711"], "2001:db8::1"),
            (&["203.0.113.7:80"], "203.0.113.7"),
            (&["::ffff:203.0.113.7"], "203.0.113.7"),
            (&[], "10.0.0.1"),
            (&[""], "10.0.0.1"),
            (&["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
        ] {
            let found = from(Some("10.0.0.1"), &["10.0.0.0/8"], forwarded);
            assert_eq!(found.as_deref(), Some(expected), "{forwarded:?}");
        }
    }

    #[test]
    fn behind_a_break_in_the_chain_nobody_is_believed() {
        for (forwarded, expected) in [
            (&["203.0.113.7, unknown"][..], "10.0.0.1"),
            (&["203.0.113.7, x, 10.2.2.2"], "10.2.2.2"),
            (&["203.0.113.7, x, 10.3.3.3, 10.2.2.2"], "10.3.3.3"),
            (&["203.0.113.7,"], "10.0.0.1"),
            (&["x, 203.0.113.7"], "203.0.113.7"),
        ] {
            let found = from(Some("10.0.0.1"), &["10.0.0.0/8"], forwarded);
            assert_eq!(found.as_deref(), Some(expected), "{forwarded:?}");
        }
    }

    #[tokio::test]
    async fn a_stream_says_who_is_at_the_other_end() {
        let origin = Origin {
            listener: "local".into(),
            trusted_proxies: Arc::new([]),
        };
        let (unix, _other) = UnixStream::pair().unwrap();
        let connection = origin.connection(&unix);
        let user = rustix::process::geteuid().as_raw();
        assert_eq!((connection.remote, connection.user), (None, Some(user)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let connection = origin.connection(&stream);
        assert_eq!(connection.remote, Some(address.ip()));
        assert!(connection.tls.is_none() && connection.certificates.is_none());
    }

    #[tokio::test]
    async fn a_connection_can_be_closed_from_outside() {
        use tokio::io::AsyncReadExt as _;

        let (mut unix, mut other) = UnixStream::pair().unwrap();
        let cutter = Cutter::of(&unix).unwrap();
        cutter.cut();
        assert_eq!(unix.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(other.read(&mut [0]).await.unwrap(), 0);
        assert!(Cutter::of(&()).is_none());
    }

    #[test]
    fn a_proxy_on_a_unix_socket_is_believed_if_any_is() {
        let found = from(None, &["127.0.0.1/32"], &["203.0.113.7"]);
        assert_eq!(found.as_deref(), Some("203.0.113.7"));
    }
}
