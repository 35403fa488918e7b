//! Creating a ring by encrypting with it, where its mount allows that.
//!
//! Encrypting first tries the ring, as if there were no such thing as creating it. Only when it is missing all this is looked
//! at, and what is left to do is done as a change: with an intent on record before it.

use keyring::transit::NewRing;

use super::body::work_on;
use super::errors::Problem;
use super::reply::Reply;
use super::request::Request;
use super::route::KeyTarget;
use super::{authorise, batch, seal};

/// What becomes of an encrypt whose ring is missing.
#[derive(Debug)]
pub(super) enum Upsert {
    /// Its answer: whatever ring there were, it could seal none of the items.
    Answer(Reply),
    /// The ring is created like this, and then encrypts.
    Create(NewRing),
}

/// What becomes of an encrypt whose ring is missing; nothing if the mount or the caller's policies do not allow it to be
/// created.
pub(super) async fn plan(
    request: &Request<'_>,
    key: &KeyTarget,
    wrap_ttl: Option<std::time::Duration>,
) -> Result<Option<Upsert>, Problem> {
    let mounts = request.transit()?.mounts();
    let allows = mounts
        .iter()
        .any(|mount| mount.id == key.address.mount && mount.settings.upsert);
    if !allows || !authorise::may_create(request, wrap_ttl).await? {
        return Ok(None);
    }
    let (bytes, format) = (request.body.bytes.clone(), request.body.format);
    let look = move || {
        let new = seal::new_ring(&bytes, format)?;
        let prepared = seal::prepare(&bytes, format)?;
        let refused = prepared.job.refused_by_new_ring(new.derived);
        Ok::<_, Problem>((new, refused, prepared.notes))
    };
    let (new, refused, notes) = work_on(request.body.bytes.len(), look).await??;
    Ok(Some(match refused {
        None => Upsert::Create(new),
        Some(outcomes) => Upsert::Answer(batch::answer(
            request.operation,
            request.id,
            &outcomes,
            &notes,
        )?),
    }))
}

/// Creates the ring, unless somebody else has done so meanwhile: then theirs stands.
pub(super) async fn create(
    request: &Request<'_>,
    key: &KeyTarget,
    new: &NewRing,
) -> Result<(), Problem> {
    let (new, by, found) = (new.clone(), request.provenance()?, request.found.take());
    request
        .on_ring(key, |engine, at| async move {
            engine.create_with(&at, &new, found, &by).await
        })
        .await?;
    Ok(())
}
