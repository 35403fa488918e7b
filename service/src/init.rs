//! `sealring init`: makes store and KEK ready, once.

use std::sync::Arc;

use keyring::name::MountPath;
use keyring::observer::Unobserved;
use keyring::secret::SecretBytes;
use keyring::setup::{self, InitPlan, SetupError};
use keyring::store::{KeyStore, StoreError};

use crate::backends::{self, Absent, Store};
use crate::config::Config;
use crate::config::kek::Kek;
use crate::failure::Failure;
use crate::identity::token::text::TokenText;
use crate::process;
use crate::telemetry::Telemetry;

/// What initialising gave out. It is shown once and kept nowhere.
#[derive(Debug)]
pub struct Handover {
    /// The unlock shares; `None` if an earlier run made them and then was cut off.
    pub shares: Option<Vec<SecretBytes>>,
    /// The first root token.
    pub root_token: TokenText,
}

/// Makes store and KEK where they are missing, initialises them, and makes the first root token.
///
/// A run that was cut off before the root token can be made up for; a store that is ready is left as it is. `ready` is
/// called before anything is made, and ends the run with its failure.
pub fn run(
    config: Config,
    shares: u8,
    threshold: u8,
    ready: impl FnOnce() -> Result<(), Failure>,
) -> Result<Handover, Failure> {
    let runtime = backends::runtime()?;
    let telemetry = Telemetry::start(&config.telemetry, runtime.handle())?;
    process::lock_memory(config.process.require_locked_memory)?;
    let plan = InitPlan {
        shares,
        threshold,
        mount: MountPath::parse("transit").expect("the path fits the grammar"),
    };
    let outcome = runtime.block_on(async {
        let store = Store::open(config.store).await?;
        let outcome = hand_over(&store, config.kek, &plan, ready).await;
        store.close().await;
        outcome
    });
    telemetry.flush();
    outcome
}

async fn hand_over(
    store: &Store,
    kek: Kek,
    plan: &InitPlan,
    ready: impl FnOnce() -> Result<(), Failure>,
) -> Result<Handover, Failure> {
    let keys = store.keys();
    let is_initialised = keys.header().await?.is_some();
    if is_initialised && !was_cut_off(keys.as_ref()).await? {
        return Err(SetupError::AlreadyInitialised.into());
    }
    ready()?;
    // A KEK is made for a store without one only: another beside it would be a key that nobody uses.
    let absent = if is_initialised {
        Absent::Refuse
    } else {
        Absent::Create
    };
    let parts = backends::parts(store, kek, absent, Arc::new(Unobserved)).await?;
    let shares = if is_initialised {
        None
    } else {
        Some(setup::initialise(&parts, plan).await?.shares)
    };
    let root_token = TokenText::generate_root(parts.entropy.as_ref())
        .map_err(|error| Failure::unexpected("no root token can be made", &error))?;
    setup::replace_root_token(&parts, root_token.as_secret()).await?;
    Ok(Handover { shares, root_token })
}

/// Makes a new root token, which replaces the one before. Whoever can read the configuration and reach store and KEK could
/// open every key anyway, so this gives nobody more than he has. Running nodes take it within a second.
pub fn replace_root_token(
    config: Config,
    ready: impl FnOnce() -> Result<(), Failure>,
) -> Result<TokenText, Failure> {
    let runtime = backends::runtime()?;
    process::lock_memory(config.process.require_locked_memory)?;
    runtime.block_on(async {
        let store = Store::open(config.store).await?;
        let replaced = replace_root_in(&store, config.kek, ready).await;
        store.close().await;
        replaced
    })
}

async fn replace_root_in(
    store: &Store,
    kek: Kek,
    ready: impl FnOnce() -> Result<(), Failure>,
) -> Result<TokenText, Failure> {
    let parts = backends::parts(store, kek, Absent::Refuse, Arc::new(Unobserved)).await?;
    ready()?;
    let root_token = TokenText::generate_root(parts.entropy.as_ref())
        .map_err(|error| Failure::unexpected("no root token can be made", &error))?;
    setup::replace_root_token(&parts, root_token.as_secret()).await?;
    Ok(root_token)
}

/// Without a root token nobody was ever let in, and then there are no rings, and no node has recorded anything.
async fn was_cut_off(keys: &dyn KeyStore) -> Result<bool, StoreError> {
    if !keys.root_tokens().await?.is_empty() || !keys.audit_heads().await?.is_empty() {
        return Ok(false);
    }
    for mount in keys.mounts().await? {
        if !keys.list_rings(mount.id, None, 1).await?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}
