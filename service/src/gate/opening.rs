//! Opening a node: the engine on its store, and identity on both.

use std::sync::Arc;

use keyring::setup::{self, SetupError};
use keyring::transit::{Parts, Settings};
use tokio::runtime::Handle;

use super::Opened;
use crate::identity::entries::EntryError;
use crate::identity::token::registry::Bounds;
use crate::identity::{Caches, Foundation, Identity};

/// Why a node could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The engine could not.
    #[error(transparent)]
    Engine(#[from] SetupError),
    /// What identity needs could not be read.
    #[error(transparent)]
    Identity(#[from] EntryError),
}

/// Opens everything behind the gate. To be called on the runtime that its background work is to live on.
pub async fn open(parts: &Parts, settings: &Settings) -> Result<Opened, OpenError> {
    let transit = Arc::new(setup::open(parts.clone(), settings.clone()).await?);
    let foundation = Foundation {
        entries: Arc::clone(&parts.store) as Arc<_>,
        credentials: Arc::clone(&parts.store) as Arc<_>,
        keys: transit.identity_keys(),
        clock: Arc::clone(&parts.clock),
        entropy: Arc::clone(&parts.entropy),
        runtime: Handle::current(),
        bounds: Bounds::default(),
    };
    let caches = Caches::new(&foundation);
    let engine = Arc::clone(&transit);
    let identity = Identity::open(foundation, &caches, engine).await?;
    Ok(Opened {
        identity: Arc::new(identity),
        transit,
    })
}
