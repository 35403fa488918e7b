//! A server on this machine that answers what a test tells it to, and remembers what it was asked.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};

/// What the server answers.
#[derive(Clone)]
pub(crate) enum Reply {
    Body(String),
    /// This, once the semaphore lets it.
    Later(Arc<Semaphore>, String),
    Redirect(String),
    Status(u16, String),
}

/// What the server was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    /// All headers, as text.
    pub(crate) headers: String,
    pub(crate) body: String,
}

#[derive(Clone)]
struct State {
    replies: Arc<Mutex<Vec<(String, Reply)>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// How many connections are open.
    connections: watch::Sender<usize>,
}

/// An open connection; it counts until the server has dropped it.
struct Counted(watch::Sender<usize>);

impl Counted {
    fn new(connections: watch::Sender<usize>) -> Self {
        connections.send_modify(|open| *open += 1);
        Self(connections)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

pub(crate) struct StubServer {
    pub(crate) address: SocketAddr,
    /// The CA that its certificate is from; empty over plain HTTP.
    pub(crate) ca_pem: String,
    state: State,
    tls: Option<ServerConfig>,
    handle: ServerHandle,
}

impl StubServer {
    /// A server over plain HTTP.
    pub(crate) fn plain() -> Self {
        Self::start(SocketAddr::new(own_address().into(), 0), None)
    }

    /// A server over TLS, with a certificate for `localhost` from a CA of its own.
    pub(crate) fn tls() -> Self {
        Self::start((Ipv4Addr::LOCALHOST, 0).into(), Some(certified()))
    }

    fn start(address: SocketAddr, tls: Option<(ServerConfig, String)>) -> Self {
        let state = State {
            replies: Arc::default(),
            asked: Arc::default(),
            connections: watch::Sender::default(),
        };
        let (tls, ca_pem) = tls.unzip();
        let (address, handle) = serve(address, tls.clone(), &state);
        Self {
            address,
            ca_pem: ca_pem.unwrap_or_default(),
            state,
            tls,
            handle,
        }
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        match self.tls {
            Some(_) => format!("https://localhost:{}{path}", self.address.port()),
            None => format!("http://{}{path}", self.address),
        }
    }

    /// From now on answers this at a path.
    pub(crate) fn answer(&self, path: &str, reply: Reply) {
        let mut replies = self.state.replies.lock().unwrap();
        replies.retain(|(known, _)| known != path);
        replies.push((path.to_owned(), reply));
    }

    /// From now on answers this JSON at a path.
    pub(crate) fn answer_json(&self, path: &str, body: &Value) {
        self.answer(path, Reply::Body(body.to_string()));
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    /// Goes away: connections are refused. Returns when those that clients kept are closed too: the server's worker closes
    /// them some time after it was told to stop, and would answer a request until then.
    pub(crate) async fn leave(&self) {
        self.handle.stop(false).await;
        let mut open = self.state.connections.subscribe();
        let closed = open.wait_for(|open| *open == 0).await;
        closed.expect("the state has a sender");
    }

    /// Comes back where it was.
    pub(crate) fn come_back(&mut self) {
        let (_, handle) = serve(self.address, self.tls.clone(), &self.state);
        self.handle = handle;
    }
}

/// An address that no other server of this process listens on, so that nobody takes the port of one that has left and comes
/// back.
fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    Ipv4Addr::new(127, 77, high, low)
}

fn serve(
    address: SocketAddr,
    tls: Option<ServerConfig>,
    state: &State,
) -> (SocketAddr, ServerHandle) {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    let connections = state.connections.clone();
    let state = state.clone();
    let app = move || {
        let state = Data::new(state.clone());
        App::new().app_data(state).default_service(web::to(answer))
    };
    let server = HttpServer::new(app)
        .workers(1)
        .disable_signals()
        .on_connect(move |_, extensions| {
            extensions.insert(Counted::new(connections.clone()));
        });
    let server = match tls {
        Some(tls) => server.listen_rustls_0_23(listener, tls),
        None => server.listen(listener),
    };
    let server = server.unwrap().run();
    let handle = server.handle();
    tokio::spawn(server);
    (address, handle)
}

async fn answer(state: Data<State>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let asked = Asked {
        method: request.method().to_string(),
        path: request.path().to_owned(),
        headers: format!("{:?}", request.headers()),
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let path = asked.path.clone();
    state.asked.lock().unwrap().push(asked);
    let known = state.replies.lock().unwrap().clone();
    let reply = known.into_iter().find(|(at, _)| *at == path);
    let body = |body: String| {
        HttpResponse::Ok()
            .content_type("application/json")
            .body(body)
    };
    match reply.map(|(_, reply)| reply) {
        None => HttpResponse::NotFound().finish(),
        Some(Reply::Body(text)) => body(text),
        Some(Reply::Later(gate, text)) => {
            gate.acquire().await.unwrap().forget();
            body(text)
        }
        Some(Reply::Redirect(to)) => HttpResponse::Found()
            .insert_header(("location", to))
            .finish(),
        Some(Reply::Status(status, text)) => {
            HttpResponse::build(status.try_into().unwrap()).body(text)
        }
    }
}

/// A certificate for `localhost` and the CA it is from.
fn certified() -> (ServerConfig, String) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        );
    (config.unwrap(), authority.as_ref().pem())
}
