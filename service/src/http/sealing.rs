//! The emergency: sealing the store, and opening it again with unlock shares.

use std::sync::Arc;

use keyring::secret::SecretBytes;
use keyring::setup::SetupError;

use super::errors::Problem;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::sys;
use super::text::Text;

/// `PUT sys/seal`: every node closes within a second, and stays closed over restarts.
pub(super) async fn seal(request: &Request<'_>) -> Answer {
    let keeper = Arc::clone(&request.front.keeper);
    let sealed = request
        .front
        .detached
        .run(async move { keeper.seal_store().await });
    sealed
        .await?
        .map_err(|error| Problem::setup(SetupError::Store(error)))?;
    Ok(Reply::nothing())
}

/// `PUT sys/unseal`: one unlock share a call, or several in `keys`; answers the seal status. Anybody may call it: what
/// it takes is the shares.
pub(super) async fn unseal(request: &Request<'_>) -> Answer {
    let mut fields = request.body.fields()?;
    let keeper = &request.front.keeper;
    if fields.boolean("reset")?.unwrap_or_default() {
        keeper.forget_shares();
        return Ok(sys::seal_status(request));
    }
    if fields.boolean("migrate")?.unwrap_or_default() {
        return Err(Problem::bad("seal migration is not offered"));
    }
    let share = fields.text("key")?;
    let share = share.as_ref().map(Text::as_str).unwrap_or_default();
    if share.is_empty() {
        return Err(Problem::bad(
            "'key' must be specified in request body as JSON, or 'reset' set to true",
        ));
    }
    let share = SecretBytes::new(share.as_bytes().to_vec());
    let keeper = Arc::clone(keeper);
    let tried = request
        .front
        .detached
        .run(async move { keeper.unseal(&share).await });
    tried.await?.map_err(Problem::unseal)?;
    Ok(sys::seal_status(request))
}
