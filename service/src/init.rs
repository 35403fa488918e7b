//! `sealring init`: makes store and KEK ready, once.

use std::sync::Arc;

use keyring::entropy::EntropyError;
use keyring::name::MountPath;
use keyring::observer::Unobserved;
use keyring::secret::SecretBytes;
use keyring::setup::{self, InitPlan, SetupError};
use keyring::store::StoreError;
use keyring::transit::Parts;

use crate::backends::{self, Absent};
use crate::config::Config;
use crate::failure::Failure;
use crate::process;
use crate::root_token::RootToken;
use crate::telemetry::Telemetry;

/// What initialising gave out. It is shown once and kept nowhere.
#[derive(Debug)]
pub struct Handover {
    /// The unlock shares; `None` if an earlier run made them and then was cut off.
    pub shares: Option<Vec<SecretBytes>>,
    /// The first root token.
    pub root_token: RootToken,
}

/// Makes store and KEK where they are missing, initialises them, and makes the first root token.
///
/// A run that was cut off before the root token can be made up for; a store that is ready is left as it is.
pub fn run(config: Config, shares: u8, threshold: u8) -> Result<Handover, Failure> {
    let runtime = backends::runtime()?;
    let telemetry = Telemetry::start(&config.telemetry, runtime.handle())?;
    process::lock_memory(config.process.require_locked_memory)?;
    let plan = InitPlan {
        shares,
        threshold,
        mount: MountPath::parse("transit").expect("the path fits the grammar"),
    };
    let outcome = runtime.block_on(async {
        let observer = Arc::new(Unobserved);
        let (store, parts) =
            backends::open(config.store, config.kek, Absent::Create, observer).await?;
        let outcome = hand_over(&parts, &plan).await;
        store.close().await;
        outcome
    });
    telemetry.flush();
    outcome
}

async fn hand_over(parts: &Parts, plan: &InitPlan) -> Result<Handover, Failure> {
    let shares = match setup::initialise(parts, plan).await {
        Ok(initialised) => Some(initialised.shares),
        Err(SetupError::AlreadyInitialised) if was_cut_off(parts).await? => None,
        Err(error) => return Err(error.into()),
    };
    let root_token = RootToken::generate(parts.entropy.as_ref())
        .map_err(|error: EntropyError| Failure::unexpected("no root token can be made", &error))?;
    setup::replace_root_token(parts, root_token.as_secret()).await?;
    Ok(Handover { shares, root_token })
}

/// Without a root token nobody was ever let in, and then there are no rings.
async fn was_cut_off(parts: &Parts) -> Result<bool, StoreError> {
    if !parts.store.root_tokens().await?.is_empty() {
        return Ok(false);
    }
    for mount in parts.store.mounts().await? {
        if !parts.store.list_rings(mount.id, None, 1).await?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}
