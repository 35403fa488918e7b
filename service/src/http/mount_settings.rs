//! The settings of a mount that have paths of their own below it: `config/keys` and `cache-config`.

use std::convert::Infallible;
use std::sync::Arc;

use keyring::mount::{Mount, MountSettings};
use serde_json::{Value, json};

use super::errors::Problem;
use super::reply::{Answer, Reply};
use super::request::Request;

/// `GET config/keys`
pub(super) fn read_keys(request: &Request<'_>, mount: &Mount) -> Reply {
    Reply::data(request.id, &keys(&mount.settings), &[])
}

/// `POST config/keys`
pub(super) async fn write_keys(request: &Request<'_>, mount: &Mount) -> Answer {
    let mut fields = request.body.fields()?;
    let upsert = !fields.boolean("disable_upsert")?.unwrap_or_default();
    let edit = move |before| MountSettings { upsert, ..before };
    let settings = edited(request, mount, edit).await?;
    Ok(Reply::data(
        request.id,
        &keys(&settings),
        &fields.warnings(),
    ))
}

fn keys(settings: &MountSettings) -> Value {
    json!({"disable_upsert": !settings.upsert})
}

/// `GET cache-config`
pub(super) fn read_cache(request: &Request<'_>, mount: &Mount) -> Reply {
    Reply::data(request.id, &cache(&mount.settings), &[])
}

/// `POST cache-config`
pub(super) async fn write_cache(request: &Request<'_>, mount: &Mount) -> Answer {
    let mut fields = request.body.fields()?;
    let size = fields.int("size")?.unwrap_or_default();
    let size = u64::try_from(size).ok();
    let cache_size = size
        .filter(|size| *size == 0 || *size >= SMALLEST_CACHE)
        .ok_or_else(|| Problem::bad("size must be 0 or a value greater or equal to 10"))?;
    let edit = move |before| MountSettings {
        cache_size,
        ..before
    };
    let settings = edited(request, mount, edit).await?;
    Ok(Reply::data(
        request.id,
        &cache(&settings),
        &fields.warnings(),
    ))
}

fn cache(settings: &MountSettings) -> Value {
    json!({"size": settings.cache_size})
}

const SMALLEST_CACHE: u64 = 10;

/// Edits the mount's settings to the end, even if the client hangs up.
async fn edited(
    request: &Request<'_>,
    mount: &Mount,
    edit: impl Fn(MountSettings) -> MountSettings + Send + Sync + 'static,
) -> Result<MountSettings, Problem> {
    let (engine, id) = (Arc::clone(request.transit()?), mount.id);
    let edit = move |before| Ok::<_, Infallible>(edit(before));
    let work = async move { engine.tune_mount(id, edit).await };
    let tuned = request.detached(work).await?;
    match tuned.map_err(|error| Problem::mount(&mount.path, error))? {
        Ok(settings) => Ok(settings),
        Err(never) => match never {},
    }
}
