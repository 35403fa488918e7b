//! The running service: bound listeners, a runtime for the engine, and the way both go up and down.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use keyring::observer::Observer;
use keyring::setup::SetupError;
use keyring::store::KeyStore;
use keyring::transit::{Parts, Settings};
use tokio::runtime::Runtime;

use crate::admission::Admission;
use crate::backends::{self, Absent, Store};
use crate::config::Config;
use crate::config::audit::Audit;
use crate::detached::Detached;
use crate::failure::Failure;
use crate::gate::{Blueprint, Gate, Keeper, OpenError};
use crate::http::{self, Front, Limits, RefusedRequests, ServerInfo};
use crate::identity::limits::Limits as IdentityLimits;
use crate::identity::token::text::TokenText;
use crate::listener::{Bound, Listener, Reach, SocketFile};
use crate::metrics::Metrics;
use crate::process;
use crate::signals::{ReloadSignal, Reloads, StopSignals};
use crate::telemetry::Telemetry;
use crate::tls::{self, TlsObserver};

/// Everything but the engine: what it stands on, and what may be set up before it is opened.
#[derive(Debug)]
pub struct Foundation {
    admission: Admission,
    audit: Audit,
    house: House,
    identity_limits: IdentityLimits,
    limits: Limits,
    listeners: Vec<Listener>,
    metrics: Arc<Metrics>,
    parts: Parts,
    public_metrics: bool,
    reloads: Reloads,
    settings: Settings,
}

/// What lives from the first moment to the last.
#[derive(Debug)]
struct House {
    drain_timeout: Duration,
    reach: Vec<Reach>,
    runtime: Runtime,
    socket_files: Vec<SocketFile>,
    store: Store,
    telemetry: Telemetry,
    workers: usize,
}

impl Foundation {
    /// Binds the listeners, so that a taken port is known before anything else happens; then opens store and KEK.
    pub fn lay(config: Config, absent: Absent) -> Result<Self, Failure> {
        process::raise_open_files()?;
        let bound = Bound::bind(config.listeners.clone())?;
        let settings = config.engine_settings();
        let limits = http_limits(&config);
        let identity_limits = config.limits.identity;
        let runtime = backends::runtime()?;
        let reload = ReloadSignal::listen(runtime.handle())?;
        let telemetry = Telemetry::start(&config.telemetry, runtime.handle())?;
        let locked = process::lock_memory(config.process.require_locked_memory)?;
        tracing::info!(locked, "memory");
        let admission = Admission::new(&limits.admission);
        let metrics = Metrics::new(admission.clone())
            .map(Arc::new)
            .map_err(|error| Failure::unexpected("metrics cannot be set up", &error))?;
        let observer: Arc<dyn TlsObserver> = Arc::<Metrics>::clone(&metrics);
        runtime.spawn(tls::keep_current(bound.tls(), reload.subscribe(), observer));
        let observer: Arc<dyn Observer> = Arc::<Metrics>::clone(&metrics);
        let store = runtime.block_on(Store::open(config.store))?;
        let parts = runtime.block_on(backends::parts(&store, config.kek, absent, observer))?;
        Ok(Self {
            admission,
            audit: config.audit,
            house: House {
                drain_timeout: config.server.drain_timeout,
                reach: bound.reach,
                runtime,
                socket_files: bound.files,
                store,
                telemetry,
                workers: workers(config.server.workers),
            },
            identity_limits,
            limits,
            listeners: bound.listeners,
            metrics,
            parts,
            public_metrics: config.telemetry.unauthenticated_metrics,
            reloads: reload.subscribe(),
            settings,
        })
    }

    /// What the engine will be built from.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Runs work of the engine's kind to its end.
    pub fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.house.runtime.block_on(work)
    }

    /// Opens the engine. A root token given here is the store's only one from then on.
    pub fn build(self, root: Option<&TokenText>) -> Result<App, Failure> {
        let runtime = &self.house.runtime;
        let clock = Arc::clone(&self.parts.clock);
        let keys = Arc::clone(&self.parts.store);
        let gate = Arc::new(Gate::default());
        let blueprint = Blueprint {
            parts: self.parts,
            settings: self.settings,
            audit: self.audit,
            audit_observer: Arc::<Metrics>::clone(&self.metrics),
            identity_limits: self.identity_limits,
            identity_observer: Arc::<Metrics>::clone(&self.metrics),
            workers: self.house.workers,
        };
        let server = runtime.block_on(server_info(keys.as_ref(), &self.house.store))?;
        let keeper = Keeper::new(Arc::clone(&gate), blueprint, server.unlock_threshold);
        let keeper = Arc::new(keeper);
        runtime.block_on(open_gate(&gate, &keeper, root))?;
        runtime.spawn(reopen_audit(Arc::clone(&gate), self.reloads));
        let Limits {
            refused_burst,
            refused_per_second,
            ..
        } = self.limits;
        let front = Front {
            gate,
            keeper,
            metrics: self.metrics,
            limits: self.limits,
            admission: self.admission,
            refused: Arc::new(RefusedRequests::new(refused_burst, refused_per_second)),
            public_metrics: self.public_metrics,
            server,
            clock,
            detached: Detached::on(runtime.handle().clone()),
        };
        Ok(App {
            front: Arc::new(front),
            house: self.house,
            listeners: self.listeners,
        })
    }
}

/// The service, ready to serve.
#[derive(Debug)]
pub struct App {
    front: Arc<Front>,
    house: House,
    listeners: Vec<Listener>,
}

impl App {
    /// The service of this configuration, on a store that is initialised.
    pub fn build(config: Config) -> Result<Self, Failure> {
        Foundation::lay(config, Absent::Refuse)?.build(None)
    }

    /// Where it listens, in the order of the configuration: at least one place.
    pub fn reach(&self) -> &[Reach] {
        &self.house.reach
    }

    /// Whether this is a root token; `None` while the store is sealed, when nobody knows.
    pub fn is_root_token(&self, token: &TokenText) -> Option<bool> {
        let opened = self.front.gate.opened()?;
        Some(opened.transit.root_token(token.expose_secret()).is_some())
    }

    /// The signals that ask it to stop, taken over from now on.
    pub fn stop_signals(&self) -> Result<StopSignals, Failure> {
        StopSignals::listen(self.house.runtime.handle())
    }

    /// Serves until `stop` returns for the first time, then lets accepted requests end: within the drain timeout, and only
    /// until `stop` returns once more.
    pub fn run(self, stop: impl AsyncFnMut()) -> Result<(), Failure> {
        let Self {
            front,
            house,
            listeners,
        } = self;
        for reach in &house.reach {
            tracing::info!(address = %reach, "ready");
        }
        let outcome = actix_web::rt::System::new().block_on(async {
            let server = http::serve(Arc::clone(&front), listeners, house.workers)?;
            // What has not begun does not have to be waited for.
            let give_up = || {
                if let Some(opened) = front.gate.opened() {
                    opened.transit.give_up_waiting();
                }
            };
            serve(server, house.drain_timeout, give_up, stop).await
        });
        tracing::info!("stopped serving");
        house.close(&front);
        outcome.map_err(|error| Failure::unexpected("the HTTP server ended", &error))
    }
}

impl House {
    /// In the order of need: changes end before the engine, the engine gives uses back before the store closes.
    fn close(self, front: &Front) {
        let closed = self.runtime.block_on(async {
            let close = async {
                front.detached.drained().await;
                front.record_refused();
                front.keeper.close().await;
                self.store.close().await;
            };
            tokio::time::timeout(CLOSE_TIMEOUT, close).await
        });
        if closed.is_err() {
            tracing::warn!("the store was not closed in time");
        }
        drop(self.socket_files);
        tracing::info!("stopped");
        self.telemetry.flush();
        self.runtime.shutdown_timeout(CLOSE_TIMEOUT);
    }
}

fn http_limits(config: &Config) -> Limits {
    Limits {
        body_bytes: config.limits.max_body_bytes,
        admission: config.limits.admission.clone(),
        refused_burst: config.limits.refused_burst,
        refused_per_second: config.limits.refused_per_second,
        pace: config.limits.pace.clone(),
        drain: config.server.drain_timeout,
    }
}

/// As many as asked for, or one per core.
fn workers(asked: usize) -> usize {
    match (asked, std::thread::available_parallelism()) {
        (0, Ok(cores)) => cores.get(),
        (0, Err(_)) => 1,
        (asked, _) => asked,
    }
}

async fn server_info(keys: &dyn KeyStore, store: &Store) -> Result<ServerInfo, SetupError> {
    let header = keys.header().await?.ok_or(SetupError::NotInitialised)?;
    Ok(ServerInfo {
        storage_type: store.kind().to_owned(),
        unlock_shares: header.shares,
        unlock_threshold: header.threshold,
        ..ServerInfo::default()
    })
}

/// Opens the gate, unless the store is sealed; then it stays closed until somebody unseals it. A root token given here is
/// the only one from then on.
async fn open_gate(
    gate: &Gate,
    keeper: &Arc<Keeper>,
    root: Option<&TokenText>,
) -> Result<(), OpenError> {
    keeper.open().await?;
    if let (Some(root), Some(opened)) = (root, gate.opened())
        && opened.transit.root_token(root.expose_secret()).is_none()
    {
        keeper.replace_root_token(root.as_secret()).await?;
    }
    let keeper = Arc::clone(keeper);
    tokio::spawn(async move { keeper.watch().await });
    Ok(())
}

/// On each SIGHUP.
async fn reopen_audit(gate: Arc<Gate>, mut reloads: Reloads) {
    loop {
        reloads.next().await;
        gate.reopen_audit();
    }
}

async fn serve(
    server: Server,
    drain_timeout: Duration,
    give_up: impl FnOnce(),
    mut stop: impl AsyncFnMut(),
) -> io::Result<()> {
    let handle = server.handle();
    let mut running = actix_web::rt::spawn(server);
    tokio::select! {
        ended = &mut running => return ended?,
        () = stop() => {}
    }
    tracing::info!("draining");
    give_up();
    tokio::select! {
        () = handle.stop(true) => {}
        () = hurry(drain_timeout, stop) => end_now(&handle).await,
    }
    running.await?
}

/// Returns when the draining must end: time is up, or somebody asks a second time.
async fn hurry(drain_timeout: Duration, mut stop: impl AsyncFnMut()) {
    let asked_again = async {
        // One request to stop may be several signals: timeout(1) signals the process, and then its group.
        let same_request = async {
            loop {
                stop().await;
            }
        };
        drop(tokio::time::timeout(SAME_REQUEST, same_request).await);
        stop().await;
    };
    drop(tokio::time::timeout(drain_timeout, asked_again).await);
}

async fn end_now(handle: &ServerHandle) {
    tracing::warn!("requests were cut off");
    handle.stop(false).await;
}

const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
const SAME_REQUEST: Duration = Duration::from_secs(1);
