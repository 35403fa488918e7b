//! The emergency: sealing the store, and opening it again with unlock shares.

use std::sync::Arc;

use keyring::secret::SecretBytes;
use keyring::setup::SetupError;

use super::errors::Problem;
use super::fields::Fields;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::sys;
use super::text::Text;

/// `PUT sys/seal`: every node closes within a second, and stays closed over restarts.
pub(super) async fn seal(request: &Request<'_>) -> Answer {
    let keeper = Arc::clone(&request.front.keeper);
    let sealed = request.detached(async move { keeper.seal_store().await });
    sealed
        .await?
        .map_err(|error| Problem::setup(SetupError::Store(error)))?;
    Ok(Reply::nothing())
}

/// `PUT sys/unseal`: one unlock share a call in `key`, or all at once in `keys`; answers the seal status. Anybody may call
/// it: what it takes is the shares. `reset`, too, anybody may ask for, as in Vault; `keys` is not concerned by it.
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
    let given = Given::read(&mut fields)?;
    let keeper = Arc::clone(keeper);
    let work = async move {
        match given {
            Given::All(shares) => keeper.unseal_at_once(&shares).await,
            Given::One(share) => keeper.unseal(&share).await,
        }
    };
    let tried = request.detached(work).await?;
    tried.map_err(Problem::unseal)?;
    Ok(sys::seal_status(request))
}

/// The unlock shares of one call.
enum Given {
    /// All that it takes.
    All(Vec<SecretBytes>),
    /// One, of which the node keeps track.
    One(SecretBytes),
}

impl Given {
    /// A store has no more shares.
    const MAX_KEYS: usize = 255;

    fn read(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        let keys = fields.list("keys")?.unwrap_or_default();
        let key = fields.text("key")?;
        let key = key.as_ref().map(Text::as_str).unwrap_or_default().trim();
        match (key.is_empty(), keys.is_empty()) {
            (false, true) => Ok(Self::One(SecretBytes::new(key.as_bytes().to_vec()))),
            (false, false) => Err(Problem::bad("'key' and 'keys' exclude each other")),
            (true, false) if keys.len() > Self::MAX_KEYS => {
                Err(Problem::bad("'keys' must be at most 255 unlock shares"))
            }
            (true, false) => {
                let shares = keys.into_iter().map(String::into_bytes);
                Ok(Self::All(shares.map(SecretBytes::new).collect()))
            }
            (true, true) => Err(Problem::bad(
                "'key' must be specified in request body as JSON, or 'reset' set to true",
            )),
        }
    }
}
