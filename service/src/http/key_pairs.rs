//! Key pairs that a change will need a search for: found before anything of the change is announced, for as long as the
//! client waits for it.

use std::cell::RefCell;

use keyring::error::Error;
use keyring::key_search::FoundPair;
use keyring::transit::NewRing;

use super::errors::Problem;
use super::keys;
use super::operation::Operation;
use super::request::Request;
use super::route::{KeyTarget, Target};

/// The pair that was found for a request, until its handler takes it.
#[derive(Debug, Default)]
pub(super) struct Found(RefCell<Option<FoundPair>>);

impl Found {
    /// The pair, for the first who asks.
    pub(super) fn take(&self) -> Option<FoundPair> {
        self.0.borrow_mut().take()
    }
}

/// Finds the pair that a change needs a search for; for other changes nothing, at once. A request that is wrong needs none:
/// its handler says what is wrong.
pub(super) async fn find(request: &Request<'_>, target: &Target) -> Result<Found, Problem> {
    let Target::Key(key) = target else {
        return Ok(Found::default());
    };
    let found = match wanted(request) {
        Some(Wanted::Ring(new)) => for_ring(request, key, &new).await,
        Some(Wanted::NextVersion) => for_rotation(request, key).await,
        Some(Wanted::WrappingKey) => {
            let engine = request.transit()?;
            engine
                .pair_for_wrapping_key(key.address.mount, &request.owner())
                .await
        }
        None => Ok(None),
    };
    match found {
        Ok(found) => Ok(Found(RefCell::new(found))),
        Err(error) => Err(request.failed(key, error)),
    }
}

/// What a change may need a pair for.
enum Wanted {
    /// A ring that is to be made.
    Ring(NewRing),
    /// The next version of a ring.
    NextVersion,
    /// The wrapping key of the mount, which comes with its first use.
    WrappingKey,
}

fn wanted(request: &Request<'_>) -> Option<Wanted> {
    let operation = request.operation;
    if operation == Operation::KeyCreate {
        new_ring(request).map(Wanted::Ring)
    } else if operation == Operation::KeyRotate {
        Some(Wanted::NextVersion)
    } else if matches!(operation, Operation::Import | Operation::ImportVersion) {
        Some(Wanted::WrappingKey)
    } else {
        // Encrypting may create a ring too.
        request.new_ring.cloned().map(Wanted::Ring)
    }
}

async fn for_ring(
    request: &Request<'_>,
    key: &KeyTarget,
    new: &NewRing,
) -> Result<Option<FoundPair>, Error> {
    match request.transit() {
        Ok(engine) => {
            let owner = request.owner();
            engine.pair_for_ring(&key.address, new, &owner).await
        }
        Err(_) => Ok(None),
    }
}

async fn for_rotation(request: &Request<'_>, key: &KeyTarget) -> Result<Option<FoundPair>, Error> {
    let if_version = request
        .body
        .fields()
        .ok()
        .map(|mut fields| fields.int("if_version"));
    match (request.transit(), if_version) {
        (Ok(engine), Some(Ok(if_version))) => {
            let owner = request.owner();
            engine
                .pair_for_rotation(&key.address, if_version, &owner)
                .await
        }
        _ => Ok(None),
    }
}

fn new_ring(request: &Request<'_>) -> Option<NewRing> {
    let mut fields = request.body.fields().ok()?;
    fields.captured("name");
    keys::new_ring(&mut fields).ok()
}
