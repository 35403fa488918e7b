//! The running service: a bound listener, a runtime for the engine, and the way both go up and down.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use keyring::observer::Observer;
use keyring::secret::SecretBytes;
use keyring::setup;
use keyring::transit::{Parts, Settings, Transit};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::backends::{self, Absent, Store};
use crate::config::Config;
use crate::failure::Failure;
use crate::metrics::Metrics;
use crate::process;
use crate::root_token;
use crate::telemetry::Telemetry;

/// Everything but the engine: what the engine stands on, and what may be set up before it is opened.
#[derive(Debug)]
pub struct Foundation {
    address: SocketAddr,
    listener: TcpListener,
    metrics: Arc<Metrics>,
    parts: Parts,
    runtime: Runtime,
    serving: Serving,
    settings: Settings,
    store: Store,
    telemetry: Telemetry,
}

/// What of the configuration matters as long as the service runs.
#[derive(Debug)]
struct Serving {
    drain_timeout: Duration,
    workers: usize,
}

impl Foundation {
    /// Binds the listener, so that a taken port is known before anything else happens; then opens store and KEK.
    pub fn lay(config: Config, absent: Absent) -> Result<Self, Failure> {
        let (listener, address) = bind(config.server.listen)?;
        let settings = config.engine_settings();
        let runtime = engine_runtime()?;
        let telemetry = Telemetry::start(&config.telemetry, runtime.handle())?;
        let locked = process::lock_memory(config.process.require_locked_memory)?;
        tracing::info!(locked, "memory");
        let metrics = Metrics::new()
            .map(Arc::new)
            .map_err(|error| Failure::unexpected("metrics cannot be set up", &error))?;
        let observer = Arc::<Metrics>::clone(&metrics) as Arc<dyn Observer>;
        let (store, parts) =
            runtime.block_on(backends::open(config.store, config.kek, absent, observer))?;
        let serving = Serving {
            drain_timeout: config.server.drain_timeout,
            workers: config.server.workers,
        };
        Ok(Self {
            address,
            listener,
            metrics,
            parts,
            runtime,
            serving,
            settings,
            store,
            telemetry,
        })
    }
}
