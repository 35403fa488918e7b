//! Starting a log: its sinks, their threads, and what an earlier start left open.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Instant;

use keyring::audit_keys::AuditKeys;
use keyring::clock::Clock;
use keyring::entropy::{Entropy, EntropyError};

use super::CHECKPOINT_INTERVAL;
use super::chain::Origin;
use super::core::{Core, Parts, WATCH};
use super::correlation::Correlation;
use super::encode::hex;
use super::line::OpenIntent;
use super::log::AuditLog;
use super::observer::AuditObserver;
use super::port::Port;
use super::recovery::End;
use super::sink::file::{FileOutput, Opening, Rotation};
use super::sink::spool::{self, SpoolOutput};
use super::sink::stream::StreamOutput;
use super::sink::syslog::SyslogOutput;
use super::sink::{Output, Sink};
use crate::config::audit::{Audit, Sink as SinkSettings, SinkKind};

/// What a log stands on.
#[derive(Clone, Debug)]
pub struct Basis {
    /// The store's keys for its audit.
    pub keys: Arc<AuditKeys>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Names chains.
    pub entropy: Arc<dyn Entropy>,
    /// Where it is counted.
    pub observer: Arc<dyn AuditObserver>,
    /// How many threads put records in, about.
    pub workers: usize,
}

/// Why a log cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum AuditSetupError {
    /// No name for the chain can be made.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// A sink cannot be used.
    #[error("the audit sink {name} cannot be used: {target}{error}")]
    Sink {
        /// The NAME of `[audit.NAME]`.
        name: String,
        /// What it writes to, ready to be followed by the error.
        target: String,
        /// Why.
        error: io::Error,
    },
    /// The system gives no thread.
    #[error("the audit's threads cannot be started: {0}")]
    Thread(io::Error),
}

impl AuditLog {
    /// Opens every sink and begins a chain in it. Also returns the changes that earlier chains left without an outcome: they
    /// stay open until their outcomes are written, marked as recovered.
    pub fn start(
        settings: &Audit,
        basis: &Basis,
    ) -> Result<(Self, Vec<OpenIntent>), AuditSetupError> {
        let origin = origin(settings, basis)?;
        let mut opened = Vec::with_capacity(settings.sinks.len());
        for sink in &settings.sinks {
            let syncs = matches!(sink.kind, SinkKind::File(_) | SinkKind::Socket(_));
            let port = Arc::new(Port::new(sink.name.clone(), syncs));
            let opening = open_sink(&sink.kind, &origin, basis, &port);
            let (output, end) = opening.map_err(|error| AuditSetupError::Sink {
                name: port.name.clone(),
                target: target(sink, &error),
                error,
            })?;
            opened.push(Opened { port, output, end });
        }
        tracing::info!(
            chain = hex(&origin.chain),
            node = origin.node,
            public_key = hex(&basis.keys.public_key()),
            "an audit chain begins"
        );
        assemble(settings, basis, origin, opened).map_err(AuditSetupError::Thread)
    }
}

/// The path that a sink writes to, in front of what is wrong with it. An error of the system's own names no path and
/// stands behind a colon.
fn target(sink: &SinkSettings, error: &io::Error) -> String {
    let path = match &sink.kind {
        SinkKind::File(file) => file.path.clone(),
        SinkKind::Socket(socket) => spool::path(socket, &sink.name),
        SinkKind::Syslog(syslog) => syslog.path.clone(),
        SinkKind::Stdout => return String::new(),
    };
    let path = path.display();
    match error.raw_os_error() {
        Some(_) => format!("{path}: "),
        None => format!("{path} "),
    }
}

/// A sink that has been opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) port: Arc<Port>,
    pub(super) output: Box<dyn Output>,
    pub(super) end: End,
}

/// A log that writes to these sinks, and what they show to be open.
pub(super) fn assemble(
    settings: &Audit,
    basis: &Basis,
    origin: Origin,
    opened: Vec<Opened>,
) -> io::Result<(AuditLog, Vec<OpenIntent>)> {
    let mut open: Vec<OpenIntent> = Vec::new();
    let mut ports = Vec::with_capacity(opened.len());
    let mut outputs = Vec::with_capacity(opened.len());
    for Opened { port, output, end } in opened {
        for intent in end.open {
            if open.iter().all(|known| known.request != intent.request) {
                open.push(intent);
            }
        }
        basis.observer.sink_changed(&port.name, port.state());
        ports.push(port);
        outputs.push(output);
    }
    let made_of = Parts {
        origin,
        clock: Arc::clone(&basis.clock),
        correlation: Correlation::new(Arc::clone(&basis.keys), settings.correlate),
        observer: Arc::clone(&basis.observer),
        ports,
        open: open.clone(),
    };
    let core = Core::new(made_of, basis.workers + OTHER_THREADS);
    Ok((run(Arc::new(core), outputs, settings.strict)?, open))
}

fn run(core: Arc<Core>, outputs: Vec<Box<dyn Output>>, strict: bool) -> io::Result<AuditLog> {
    let (ends, ended) = mpsc::channel::<()>();
    for (port, output) in core.ports.iter().zip(outputs) {
        let sink = Sink::new(Arc::clone(&core), Arc::clone(port), output);
        let ends = ends.clone();
        std::thread::Builder::new()
            .name("audit-sink".to_owned())
            .spawn(move || {
                sink.run();
                drop(ends);
            })?;
    }
    let watched = Arc::clone(&core);
    std::thread::Builder::new()
        .name("audit-watch".to_owned())
        .spawn(move || watch(&watched, &ends))?;
    Ok(AuditLog::new(core, strict, ended))
}

/// Until the log is closed and nobody waits. Goes on holding the sender until then, so that the sinks are waited for.
fn watch(core: &Core, _ends: &mpsc::Sender<()>) {
    let mut checkpoint = Instant::now();
    loop {
        std::thread::park_timeout(WATCH);
        let now = Instant::now();
        let somebody_waits = core.watch(now);
        if core.is_closed() && !somebody_waits {
            break;
        }
        if now.saturating_duration_since(checkpoint) >= CHECKPOINT_INTERVAL {
            checkpoint = now;
            core.make_checkpoint_due();
        }
    }
}

pub(super) fn origin(settings: &Audit, basis: &Basis) -> Result<Origin, EntropyError> {
    let mut chain = [0; 16];
    basis.entropy.fill(&mut chain)?;
    Ok(Origin {
        chain,
        node: settings.node.clone().unwrap_or_else(host_name),
        started_at: basis.clock.now(),
        keys: Arc::clone(&basis.keys),
    })
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "sealring".to_owned(),
        name => name.to_owned(),
    }
}

fn open_sink(
    kind: &SinkKind,
    origin: &Origin,
    basis: &Basis,
    port: &Arc<Port>,
) -> io::Result<(Box<dyn Output>, End)> {
    let opening = |path, rotation, budget| Opening {
        path,
        rotation,
        budget,
        origin: origin.clone(),
        clock: Arc::clone(&basis.clock),
        port: Arc::clone(port),
        observer: Arc::clone(&basis.observer),
    };
    let start = || origin.start_line(&port.name, End::default());
    Ok(match kind {
        SinkKind::File(file) => {
            let rotation = Rotation {
                bytes: file.rotate_bytes,
                after: file.rotate_after,
            };
            let (output, end) = FileOutput::open(opening(file.path.clone(), rotation, None))?;
            (Box::new(output), end)
        }
        SinkKind::Socket(socket) => {
            let path = spool::path(socket, &port.name);
            let budget = spool::budget(&path, socket.spool_max_bytes)?;
            let opening = opening(path, spool::ROTATION, Some(budget));
            let (output, end) = SpoolOutput::open(opening, socket.address.clone())?;
            (Box::new(output), end)
        }
        SinkKind::Stdout => {
            let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
            let output = StreamOutput::begin(stdout, &start())?;
            (Box::new(output), End::default())
        }
        SinkKind::Syslog(syslog) => {
            let clock = Arc::clone(&basis.clock);
            let output = SyslogOutput::begin(syslog, &origin.node, clock, &start())?;
            (Box::new(output), End::default())
        }
    })
}

/// Threads that put records in beside the workers: changes run to their end on the process's runtime.
const OTHER_THREADS: usize = 2;
