//! The server: listeners, workers, and what each connection is given.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol};
use actix_server::GracefulShutdownSignal;
use actix_service::{ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_tls::accept::rustls_0_23::{Acceptor, TlsStream};
use actix_tls::accept::{TlsError, max_concurrent_tls_connect};
use actix_web::dev::{AppConfig, Server};
use actix_web::{App, web};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::Front;
use super::dispatch::{self, Shell};
use super::offers::WithoutOffers;
use crate::connection::{Cutter, Origin};
use crate::listener::{Listener, Socket};

/// Serves on these listeners with this many workers, until the returned server is stopped. Handles no signals.
pub fn serve(front: Arc<Front>, listeners: Vec<Listener>, workers: usize) -> io::Result<Server> {
    max_concurrent_tls_connect(HANDSHAKES);
    let mut server = Server::build()
        .workers(workers)
        .worker_max_blocking_threads(BLOCKING_THREADS)
        .shutdown_timeout(front.limits.drain.as_secs())
        .disable_signals();
    let shell = web::Data::new(Shell { front });
    for Listener { origin, socket } in listeners {
        let name = origin.listener.to_string();
        let way = Way {
            shell: shell.clone(),
            origin,
            stops: server.graceful_shutdown_signal(),
        };
        server = match socket {
            Socket::Plain(listener) => server.listen(name, listener, move || way.plain())?,
            Socket::Tls(listener, tls) => {
                let config = tls.server_config().map_err(io::Error::other)?;
                server.listen(name, listener, move || way.encrypted(config.clone()))?
            }
            Socket::Unix(listener) => server.listen_uds(name, listener, move || way.unix())?,
        };
    }
    Ok(server.run())
}

/// What the connections of one listener lead to.
#[derive(Clone)]
struct Way {
    shell: web::Data<Shell>,
    origin: Origin,
    stops: GracefulShutdownSignal,
}

/// A connection, as the framework takes it.
type Accepted<S> = (WithoutOffers<S>, Protocol, Option<SocketAddr>);

impl Way {
    fn plain(&self) -> impl Serves<TcpStream, DispatchError> + use<> {
        let accept = |stream: TcpStream| async move {
            let stream = without_delay(stream, |stream| stream);
            Ok::<_, DispatchError>(accepted(stream))
        };
        fn_service(accept).and_then(self.http())
    }

    fn unix(&self) -> impl Serves<UnixStream, DispatchError> + use<> {
        let accept = |stream: UnixStream| async move { Ok::<_, DispatchError>(accepted(stream)) };
        fn_service(accept).and_then(self.http())
    }

    fn encrypted(&self, mut config: ServerConfig) -> impl Serves<TcpStream, TlsFault> + use<> {
        config.alpn_protocols.insert(0, b"http/1.1".to_vec());
        let mut acceptor = Acceptor::new(config);
        acceptor.set_handshake_timeout(HANDSHAKE_ENDS);
        let accept = |stream: TlsStream<TcpStream>| async move {
            let stream = without_delay(stream, |stream| stream.get_ref().0);
            Ok::<_, TlsFault>(accepted(stream))
        };
        acceptor
            .map_err(TlsError::into_service_error)
            .and_then(accept)
            .and_then(self.http().map_err(TlsError::Service))
    }

    /// HTTP/1.1 on such streams.
    fn http<S>(&self) -> impl Serves<Accepted<S>, DispatchError> + use<S>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let (origin, stops, shell) = (self.origin.clone(), self.stops.clone(), self.shell.clone());
        let app = App::new()
            .app_data(shell)
            .default_service(web::to(dispatch::dispatch));
        HttpService::build()
            .graceful_shutdown_signal(move || {
                let stops = stops.clone();
                async move { stops.notified().await }
            })
            .keep_alive(KeepAlive::Timeout(KEPT_ALIVE))
            .client_request_timeout(HEAD_ARRIVES)
            .client_disconnect_timeout(DISCONNECT_ENDS)
            .on_connect_ext(move |stream: &WithoutOffers<S>, extensions| {
                let stream = stream.inner();
                extensions.insert(origin.connection(stream));
                if let Some(cutter) = Cutter::of(stream) {
                    extensions.insert(cutter);
                }
            })
            .finish(map_config(app, |()| AppConfig::default()))
    }
}

fn accepted<S>(stream: S) -> Accepted<S> {
    // Who is at the other end is part of the connection's own data.
    (WithoutOffers::new(stream), Protocol::Http1, None)
}

/// The stream, which sends what it is given at once: an answer is written as a whole. That costs nothing but time if it fails.
fn without_delay<S>(stream: S, tcp: impl Fn(&S) -> &TcpStream) -> S {
    let _ = tcp(&stream).set_nodelay(true);
    stream
}

/// A service for each worker that takes such connections to their ends.
trait Serves<C, E>: ServiceFactory<C, Config = (), Response = (), Error = E, InitError = ()> {}

impl<C, E, F> Serves<C, E> for F where
    F: ServiceFactory<C, Config = (), Response = (), Error = E, InitError = ()>
{
}

type TlsFault = TlsError<io::Error, DispatchError>;

/// Threads of each worker for reading and writing large bodies.
const BLOCKING_THREADS: usize = 2;
/// A TLS handshake that has not ended by then is given up.
const HANDSHAKE_ENDS: Duration = Duration::from_secs(5);
/// TLS handshakes that each worker takes on at once. A worker that is full takes no new connection of any kind, so this is far
/// above what honest clients need, and bounded by what memory costs: about 20 KiB each.
const HANDSHAKES: usize = 1024;
/// Longer than the minute after which common proxies drop an idle connection, so that they do it first.
const KEPT_ALIVE: Duration = Duration::from_secs(75);
/// A head that has not arrived by then is given up.
const HEAD_ARRIVES: Duration = Duration::from_secs(5);
/// A connection that is being closed is given up by then.
const DISCONNECT_ENDS: Duration = Duration::from_secs(1);
