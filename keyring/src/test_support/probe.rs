//! Ways into the engine that only benches need: one step of a request on its own, and a cache emptied by hand.

use crate::error::Error;
use crate::job::Job;
use crate::seal::Verb;
use crate::transit::{Address, Transit};

/// Finds the ring and the keys that encrypt the job, as a request does, and goes no further. How many keys.
pub async fn sealing_keys(transit: &Transit, at: &Address, job: &Job) -> Result<usize, Error> {
    let keys = transit.data.keys(Verb::Encrypt, at, job).await?;
    Ok(keys.versions.len())
}

/// Finds the ring and the keys that decrypt the job.
pub async fn opening_keys(transit: &Transit, at: &Address, job: &Job) -> Result<usize, Error> {
    let keys = transit.data.keys(Verb::Decrypt, at, job).await?;
    Ok(keys.versions.len())
}

/// Drops the ring from the cache, so that the next request is a cold one.
pub fn forget(transit: &Transit, at: &Address) {
    transit.loader.cache.remove(at);
    transit.loader.cache.tidy();
}

/// How many rings are cached, and their bytes as the cache estimates them.
pub fn cached(transit: &Transit) -> (u64, u64) {
    transit.loader.cache.tidy();
    transit.loader.cache.size()
}
