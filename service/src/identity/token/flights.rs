//! Loads under way: one for each token however many wait, and none that lands after the token was revoked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keyring::store::identity::CredentialHash;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::registry::{Loaded, Refusal};

/// The loads under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flights {
    flying: Arc<Mutex<HashMap<CredentialHash, Flight>>>,
}

#[derive(Debug)]
struct Flight {
    /// Whether a change came while it was under way.
    grounded: bool,
    outcome: watch::Receiver<Option<Loaded>>,
}

/// How a load came down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Landing {
    /// A change came in between: what was read may be outdated, and was dropped.
    Grounded,
    /// Nothing came in between: what was read was kept.
    Safe,
}

impl Flights {
    /// Waits for the load of this token, and begins it if there is none. It runs in a task of its own: a client that
    /// hangs up neither cancels nor repeats it.
    pub(crate) async fn join<F>(
        &self,
        hash: CredentialHash,
        runtime: &Handle,
        load: impl FnOnce() -> F,
    ) -> Loaded
    where
        F: Future<Output = Loaded> + Send + 'static,
    {
        let mut outcome = self.board(hash, runtime, load);
        match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Err(Refusal::Unavailable)),
            // The load panicked, or the runtime goes down.
            Err(_) => Err(Refusal::Unavailable),
        }
    }

    fn board<F>(
        &self,
        hash: CredentialHash,
        runtime: &Handle,
        load: impl FnOnce() -> F,
    ) -> watch::Receiver<Option<Loaded>>
    where
        F: Future<Output = Loaded> + Send + 'static,
    {
        let mut flying = self.flying();
        if let Some(flight) = flying.get(&hash) {
            return flight.outcome.clone();
        }
        let (sender, outcome) = watch::channel(None);
        let flight = Flight {
            grounded: false,
            outcome: outcome.clone(),
        };
        flying.insert(hash, flight);
        drop(flying);
        let gone = Gone {
            flights: self.clone(),
            hash,
        };
        let load = load();
        runtime.spawn(async move {
            let loaded = load.await;
            // Who comes from now on begins a load of its own.
            drop(gone);
            sender.send_replace(Some(loaded));
        });
        outcome
    }

    /// Keeps what a load has read, unless a change came since it began, or since it last was told so.
    pub(crate) fn land(&self, hash: &CredentialHash, keep: impl FnOnce()) -> Landing {
        let mut flying = self.flying();
        match flying.get_mut(hash) {
            Some(flight) if flight.grounded => {
                flight.grounded = false;
                Landing::Grounded
            }
            Some(_) | None => {
                keep();
                Landing::Safe
            }
        }
    }

    /// Makes a change that no load of this token under way may undo.
    pub(crate) fn ground(&self, hash: &CredentialHash, change: impl FnOnce()) {
        let mut flying = self.flying();
        if let Some(flight) = flying.get_mut(hash) {
            flight.grounded = true;
        }
        change();
    }

    /// Makes a change that no load under way may undo.
    pub(crate) fn ground_all(&self, change: impl FnOnce()) {
        let mut flying = self.flying();
        for flight in flying.values_mut() {
            flight.grounded = true;
        }
        change();
    }

    fn flying(&self) -> MutexGuard<'_, HashMap<CredentialHash, Flight>> {
        // Nothing in here is ever left half changed.
        self.flying.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a flight off the table when its load ends, however it ends.
struct Gone {
    flights: Flights,
    hash: CredentialHash,
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.flights.flying().remove(&self.hash);
    }
}
