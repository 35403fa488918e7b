//! Watches the files of TLS and loads them again when they change or somebody asks, apart from those who serve.
//!
//! Files are looked at, not subscribed to: a look follows every symbolic link there is on the way, as Kubernetes swaps them, and
//! works on every file system.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::MissedTickBehavior;

use super::{Tls, TlsFault, TlsObserver};
use crate::config::listener::{ClientAuth, Tls as Settings};
use crate::signals::Reloads;

/// Keeps the TLS of these listeners, given by name, as their files are. Never ends.
pub async fn keep_current(
    listeners: Vec<(Arc<str>, Arc<Tls>)>,
    mut reloads: Reloads,
    observer: Arc<dyn TlsObserver>,
) {
    let mut watched: Vec<_> = listeners
        .into_iter()
        .map(|(name, tls)| Watched::new(name, tls, Arc::clone(&observer)))
        .collect();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let asked = tokio::select! {
            _ = looks.tick() => false,
            () = reloads.next() => true,
        };
        let look = move || {
            for listener in &mut watched {
                listener.look(asked);
            }
            watched
        };
        // Reading files may take long, and this thread belongs to others too.
        match tokio::task::spawn_blocking(look).await {
            Ok(back) => watched = back,
            Err(error) => {
                tracing::error!(%error, "TLS files are no longer watched");
                return;
            }
        }
    }
}

/// One listener's files, as they were when they were last looked at.
#[derive(Debug)]
struct Watched {
    name: Arc<str>,
    tls: Arc<Tls>,
    observer: Arc<dyn TlsObserver>,
    seen: Option<Vec<Trace>>,
    fault: Option<TlsFault>,
}

/// What tells one state of a file from another, without reading it; nothing for a file that is not there.
type Trace = Option<[i128; 5]>;

impl Watched {
    fn new(name: Arc<str>, tls: Arc<Tls>, observer: Arc<dyn TlsObserver>) -> Self {
        Self {
            name,
            tls,
            observer,
            seen: None,
            fault: None,
        }
    }

    /// Loads what has changed since the last look; after a fault, or if asked, whatever is there.
    fn look(&mut self, asked: bool) {
        // Before the reading: what changes during it is seen the next time.
        let now = traces(&self.tls.settings);
        let changed = self.seen.as_ref() != Some(&now);
        self.seen = Some(now);
        if !changed && !asked && self.fault.is_none() {
            return;
        }
        match self.tls.reload() {
            Ok(()) => self.loaded(),
            Err(fault) if asked || self.fault.as_ref() != Some(&fault) => self.failed(fault),
            Err(_) => {}
        }
    }

    fn loaded(&mut self) {
        self.fault = None;
        let not_after = self.tls.not_after();
        self.observer.certificate_loaded(&self.name, not_after);
        tracing::info!(
            listener = &*self.name,
            not_after = date(not_after),
            "TLS certificate loaded"
        );
    }

    fn failed(&mut self, fault: TlsFault) {
        self.observer.reload_failed(&self.name);
        tracing::error!(
            listener = &*self.name,
            cause = %fault,
            "TLS files cannot be used; the listener goes on with those it had"
        );
        self.fault = Some(fault);
    }
}

fn traces(settings: &Settings) -> Vec<Trace> {
    let ca_file = match &settings.client_auth {
        ClientAuth::Off | ClientAuth::Request => None,
        ClientAuth::Require(ca_file) => Some(ca_file),
    };
    [&settings.cert_file, &settings.key_file]
        .into_iter()
        .chain(ca_file)
        .map(|path| trace(path))
        .collect()
}

fn trace(path: &Path) -> Trace {
    let of = |metadata: Metadata| {
        let at = |seconds: i64, nanos: i64| i128::from(seconds) << 32 | i128::from(nanos);
        [
            i128::from(metadata.dev()),
            i128::from(metadata.ino()),
            i128::from(metadata.size()),
            at(metadata.mtime(), metadata.mtime_nsec()),
            at(metadata.ctime(), metadata.ctime_nsec()),
        ]
    };
    std::fs::metadata(path).ok().map(of)
}

fn date(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_default()
}

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
