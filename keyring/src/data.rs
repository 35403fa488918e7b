//! The data path: finds the ring, sees that the keys a job needs are open and its uses booked, and has the
//! work done where it is cheapest. A warm request touches neither store nor KEK.

use std::sync::Arc;
use std::time::Duration;

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use smallvec::SmallVec;

use crate::base64::encode_append;
use crate::entropy::Entropy;
use crate::error::{Error, ItemError};
use crate::hash::HashAlgorithm;
use crate::job::{Chunk, Item, Job, Outcomes, SealInput};
use crate::load::{Loader, Want};
use crate::opened::{OpenRing, OpenVersion};
use crate::policy::RuleViolation;
use crate::seal::{self, Keys, Verb};
use crate::secret::SecretBytes;
use crate::store::With;
use crate::transit::{Address, DataKey, NewDataKey, Settings};
use crate::version::Version;
use crate::workers::Workers;

/// The verbs that use rings.
#[derive(Debug)]
pub(crate) struct DataPath {
    pub(crate) loader: Arc<Loader>,
    pub(crate) workers: Workers,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) settings: Settings,
}

impl DataPath {
    pub(crate) async fn run(
        &self,
        verb: Verb,
        at: &Address,
        mut job: Job,
    ) -> Result<Outcomes, Error> {
        let keys = self.keys(verb, at, &job).await?;
        if !keys.ring.key_type.encrypts() {
            return Err(Error::Unsupported(keys.ring.key_type));
        }
        if verb != Verb::Decrypt {
            keys.fit_answer(job.len())?;
        }
        self.book(verb, &keys, &job).await?;
        let nonces = self.nonces(verb, &keys, job.len())?;
        let Settings {
            inline_items,
            inline_bytes,
            ..
        } = self.settings;
        let is_cheap = keys.ring.key_type.cipher().is_some();
        if is_cheap && job.len() <= inline_items && job.bytes() <= inline_bytes {
            Ok(inline(verb, &keys, &mut job, &nonces).await)
        } else {
            self.pooled(verb, keys, job, nonces).await
        }
    }

    /// Whether there is such a ring, as far as the store has confirmed lately enough for encrypting.
    pub(crate) async fn is_there(&self, at: &Address) -> Result<bool, Error> {
        let now = self.loader.clock.uptime();
        match self.ring(Use::LATEST, at, now).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn data_key(
        &self,
        at: &Address,
        new: NewDataKey<'_>,
    ) -> Result<DataKey, Error> {
        let key = SecretBytes::generate(new.length, self.entropy.as_ref())?;
        let mut text = Vec::with_capacity(crate::base64::encoded_len(new.length));
        encode_append(key.expose_secret(), &mut text);
        let plaintext = SecretBytes::new(text);
        let mut job = Job::new();
        job.push_plaintext(&SealInput {
            plaintext: std::str::from_utf8(plaintext.expose_secret()).unwrap_or_default(),
            context: new.context,
            associated_data: new.associated_data,
            key_version: new.key_version,
        });
        let outcomes = self.run(Verb::Encrypt, at, job).await?;
        let done = outcomes.iter().next().unwrap_or(Err(ItemError::TooLong))?;
        Ok(DataKey {
            plaintext,
            ciphertext: done.text.to_owned(),
            version: done.version,
        })
    }

    pub(crate) async fn hash(
        &self,
        hash: HashAlgorithm,
        input: SecretBytes,
    ) -> Result<Vec<u8>, Error> {
        let is_short = input.len() <= self.settings.inline_bytes;
        let task = move || hash.digest(input.expose_secret());
        if is_short {
            Ok(task())
        } else {
            self.workers.run(task).await
        }
    }

    /// The ring with every version open that the job may use.
    pub(crate) async fn keys(&self, verb: Verb, at: &Address, job: &Job) -> Result<Keys, Error> {
        self.keys_for(at, || job.items().map(|item| Use::of(verb, item)))
            .await
    }

    /// The ring with every version open that these uses may need, unless it is set aside.
    pub(crate) async fn keys_for<I>(
        &self,
        at: &Address,
        uses: impl Fn() -> I + Send + Sync,
    ) -> Result<Keys, Error>
    where
        I: Iterator<Item = Use>,
    {
        let began = self.loader.clock.uptime();
        let first = uses().next().unwrap_or(Use::LATEST);
        let mut ring = self.ring(first, at, began).await?;
        if uses().any(|one| one.is_newer_than(ring.latest)) && ring.read_at < began {
            // Another node may have rotated: only the store can say that a version does not exist.
            ring = self.loader.load(at, Want::AsOf(began)).await?;
        }
        for _ in 0..ATTEMPTS {
            if ring.soft_deleted {
                return Err(RuleViolation::SoftDeleted.into());
            }
            match self.open_needed(at, &ring, uses()).await? {
                Ok(versions) => return Ok(Keys { ring, versions }),
                // Other settings may need other versions.
                Err(changed) => ring = changed,
            }
        }
        Err(Error::Busy)
    }

    /// The versions the job needs of this snapshot, opened now if they were not; or the ring as it is now, if it
    /// changed meanwhile.
    async fn open_needed(
        &self,
        at: &Address,
        ring: &Arc<OpenRing>,
        uses: impl Iterator<Item = Use>,
    ) -> Result<Result<OpenVersions, Arc<OpenRing>>, Error> {
        let needed = needed_versions(ring, uses);
        let mut versions = SmallVec::with_capacity(needed.len());
        for number in needed {
            if let Some(version) = ring.opened(number) {
                versions.push(version);
                continue;
            }
            // If a newer version has come meanwhile it is that one which will be needed.
            let with = if number == ring.latest {
                With::Latest
            } else {
                With::Version(number)
            };
            let now = self.loader.load(at, Want::Opened(with)).await?;
            match now.opened(number) {
                Some(version) if now.is_same_as(ring) => versions.push(version),
                Some(_) | None => return Ok(Err(now)),
            }
        }
        Ok(Ok(versions))
    }

    /// The ring from the cache if the store has confirmed it lately enough, else from the store.
    async fn ring(&self, first: Use, at: &Address, now: Duration) -> Result<Arc<OpenRing>, Error> {
        let Some(ring) = self.loader.cache.find(at).and_then(|slot| slot.current()) else {
            return self.loader.load(at, Want::Opened(first.needs())).await;
        };
        let coast = if first.seals.is_some() {
            self.settings.encrypt_coast
        } else {
            self.settings.decrypt_coast
        };
        // Between two polls everything is as old as the last one: no coast can be shorter than that.
        let allowed = coast.max(self.settings.poll_interval.saturating_mul(3));
        if self.loader.freshness.is_within(now, ring.read_at, allowed) {
            return Ok(ring);
        }
        match self.loader.load(at, Want::AsOf(now)).await {
            Err(Error::StoreUnavailable(_)) => Err(Error::Stale),
            result => result,
        }
    }

    async fn book(&self, verb: Verb, keys: &Keys, job: &Job) -> Result<(), Error> {
        if verb == Verb::Decrypt {
            return Ok(());
        }
        let mut uses: SmallVec<[usize; 2]> = smallvec::smallvec![0; keys.versions.len()];
        for item in job.items() {
            let version = keys.ring.sealing_version(item.seal_with).ok();
            let place = version.and_then(|version| keys.place(version));
            if let Some(uses) = place.and_then(|place| uses.get_mut(place)) {
                *uses += 1;
            }
        }
        for (version, uses) in keys.versions.iter().zip(uses).filter(|(_, uses)| *uses > 0) {
            self.loader
                .ledger
                .take(version, uses, &self.loader.runtime)
                .await?;
        }
        Ok(())
    }

    /// One nonce for each item, in one draw.
    fn nonces(&self, verb: Verb, keys: &Keys, items: usize) -> Result<Nonces, Error> {
        let cipher = keys.ring.key_type.cipher();
        let Some(cipher) = cipher.filter(|_| verb != Verb::Decrypt && !keys.ring.convergent) else {
            return Ok(Nonces::new());
        };
        let mut nonces = smallvec::smallvec![0; items * cipher.nonce_len()];
        if cipher.forgives_nonce_reuse() {
            self.entropy.fill_repeatable(&mut nonces);
        } else {
            self.entropy.fill(&mut nonces)?;
        }
        Ok(nonces)
    }

    async fn pooled(
        &self,
        verb: Verb,
        keys: Keys,
        job: Job,
        nonces: Nonces,
    ) -> Result<Outcomes, Error> {
        let task = move || {
            let mut job = job;
            let slices: Vec<_> = sliced(&mut job, &nonces, &keys).collect();
            let done = slices
                .into_par_iter()
                .map(|(chunk, nonces)| seal::run(verb, &keys, chunk, nonces));
            Outcomes {
                chunks: done.collect::<Vec<_>>().into(),
            }
        };
        self.workers.run(task).await
    }
}

/// Runs the job where the request is, and lets other requests of this worker have a turn after each chunk.
async fn inline(verb: Verb, keys: &Keys, job: &mut Job, nonces: &[u8]) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for (chunk, nonces) in sliced(job, nonces, keys) {
        if !outcomes.chunks.is_empty() {
            tokio::task::yield_now().await;
        }
        outcomes.chunks.push(seal::run(verb, keys, chunk, nonces));
    }
    outcomes
}

/// Each chunk with the nonces of its items.
fn sliced<'a>(
    job: &'a mut Job,
    nonces: &'a [u8],
    keys: &Keys,
) -> impl Iterator<Item = (&'a mut Chunk, &'a [u8])> + use<'a> {
    let nonce_len = seal::nonce_len(&keys.ring);
    job.chunks.iter_mut().scan(nonces, move |rest, chunk| {
        let (own, others) = rest
            .split_at_checked(chunk.items.len() * nonce_len)
            .unwrap_or((&[], &[]));
        *rest = others;
        Some((chunk, own))
    })
}

/// Which versions one item of a request uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use {
    /// The version that what it brings was made with.
    pub(crate) opens: Option<Version>,
    /// The version it wants something made with; 0 is the latest.
    pub(crate) seals: Option<i64>,
}

impl Use {
    /// Makes something with the latest version.
    const LATEST: Self = Self::sealing(0);

    /// Makes something with this version; 0 is the latest.
    pub(crate) const fn sealing(asked: i64) -> Self {
        Self {
            opens: None,
            seals: Some(asked),
        }
    }

    /// Takes what was made with this version.
    pub(crate) const fn opening(version: Option<Version>) -> Self {
        Self {
            opens: version,
            seals: None,
        }
    }

    fn of(verb: Verb, item: &Item) -> Self {
        match verb {
            Verb::Encrypt => Self::sealing(item.seal_with),
            Verb::Decrypt => Self::opening(item.sealed_with),
            Verb::Rewrap => Self {
                opens: item.sealed_with,
                seals: Some(item.seal_with),
            },
        }
    }

    /// Whether it names a version that this snapshot does not know of.
    fn is_newer_than(self, latest: Version) -> bool {
        let opens = self.opens.is_some_and(|version| version > latest);
        let seals = self
            .seals
            .is_some_and(|asked| asked > i64::from(latest.number()));
        opens || seals
    }

    /// The version to read together with a ring that is not in the cache.
    fn needs(self) -> With {
        self.opens.map_or(With::Latest, With::Version)
    }
}

/// The versions that may be used, in order of their numbers; refused ones are left out and fail item by item.
fn needed_versions(ring: &OpenRing, uses: impl Iterator<Item = Use>) -> SmallVec<[Version; 2]> {
    let mut needed = SmallVec::new();
    let mut add = |version: Version| {
        if let Err(place) = needed.binary_search(&version) {
            needed.insert(place, version);
        }
    };
    for one in uses {
        let opens = one
            .opens
            .and_then(|version| ring.opening_version(version).ok());
        let seals = one.seals.and_then(|asked| ring.sealing_version(asked).ok());
        opens.into_iter().chain(seals).for_each(&mut add);
    }
    needed
}

type Nonces = SmallVec<[u8; 24]>;
type OpenVersions = SmallVec<[Arc<OpenVersion>; 2]>;

/// How often a request begins anew because its ring changed while it was opened.
const ATTEMPTS: usize = 16;
