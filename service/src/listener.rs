//! Sockets that are bound, and what connections through each have in common.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use crate::config::listener::{Listener as Settings, Place, Tls as TlsSettings};
use crate::connection::Origin;
use crate::failure::Failure;
use crate::tls::Tls;

mod socket_file;

pub use self::socket_file::SocketFile;

/// A bound listener.
#[derive(Debug)]
pub struct Listener {
    /// What its connections have in common.
    pub origin: Origin,
    /// Where they come in.
    pub socket: Socket,
}

/// A bound socket.
#[derive(Debug)]
pub enum Socket {
    /// Plain HTTP over TCP.
    Plain(TcpListener),
    /// HTTPS.
    Tls(TcpListener, Arc<Tls>),
    /// Plain HTTP over a Unix socket.
    Unix(UnixListener),
}

/// Where a listener can be reached; shown as a URL, or as `unix:` and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Plain HTTP.
    Http(SocketAddr),
    /// HTTP over TLS.
    Https(SocketAddr),
    /// HTTP over a Unix socket.
    Unix(std::path::PathBuf),
}

/// All that was bound.
#[derive(Debug, Default)]
pub struct Bound {
    /// The listeners, in the order of the configuration.
    pub listeners: Vec<Listener>,
    /// Where they are; the ports are real ones, also if the configuration says 0.
    pub reach: Vec<Reach>,
    /// The files of Unix sockets, which go when these are dropped.
    pub files: Vec<SocketFile>,
}

impl Bound {
    /// Binds them all, and loads what TLS needs.
    pub fn bind(all: Vec<Settings>) -> Result<Self, Failure> {
        let mut bound = Self::default();
        for settings in all {
            let socket = bound.socket(&settings.name, settings.place)?;
            bound.listeners.push(Listener {
                origin: Origin {
                    listener: settings.name.into(),
                    trusted_proxies: settings.trusted_proxies.into(),
                },
                socket,
            });
        }
        Ok(bound)
    }

    /// The TLS of those that have it, by name.
    pub fn tls(&self) -> Vec<(Arc<str>, Arc<Tls>)> {
        let of = |listener: &Listener| match &listener.socket {
            Socket::Tls(_, tls) => Some((Arc::clone(&listener.origin.listener), Arc::clone(tls))),
            Socket::Plain(_) | Socket::Unix(_) => None,
        };
        self.listeners.iter().filter_map(of).collect()
    }

    fn socket(&mut self, name: &str, place: Place) -> Result<Socket, Failure> {
        match place {
            Place::Tcp { address, tls } => {
                let (listener, address) = bind_tcp(address)?;
                if let Some(settings) = tls {
                    self.reach.push(Reach::Https(address));
                    return Ok(Socket::Tls(listener, Arc::new(load_tls(name, settings)?)));
                }
                self.reach.push(Reach::Http(address));
                Ok(Socket::Plain(listener))
            }
            Place::Unix { path, mode } => {
                let (listener, file) = socket_file::bind(&path, mode)?;
                self.reach.push(Reach::Unix(path));
                self.files.push(file);
                Ok(Socket::Unix(listener))
            }
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(address) => write!(f, "http://{address}"),
            Self::Https(address) => write!(f, "https://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

fn load_tls(name: &str, settings: TlsSettings) -> Result<Tls, Failure> {
    Tls::load(settings).map_err(|fault| Failure::SetUp(format!("listener {name}: {fault}")))
}

fn bind_tcp(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let listen = || {
        let listener = TcpListener::bind(address)?;
        // The standard library's queue of 128 overflows when a thousand clients connect at once; they would wait a second.
        rustix::net::listen(&listener, BACKLOG)?;
        // Connections inherit it.
        rustix::net::sockopt::set_tcp_user_timeout(&listener, UNTAKEN_MILLIS)?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    listen().map_err(|error| refused(&address, &error))
}

/// Why nobody can listen there.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "io::ErrorKind is non-exhaustive"
)]
fn refused(place: &dyn fmt::Display, error: &io::Error) -> Failure {
    let sentence = format!("cannot listen on {place}: {error}");
    match error.kind() {
        io::ErrorKind::AddrInUse => Failure::Unavailable(sentence),
        io::ErrorKind::AddrNotAvailable
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::NotFound
        | io::ErrorKind::PermissionDenied => Failure::SetUp(sentence),
        _ => Failure::Unexpected(sentence),
    }
}

const BACKLOG: i32 = 4096;
/// A client that has taken nothing of its answer for this long loses the connection.
const UNTAKEN_MILLIS: u32 = 30_000;
