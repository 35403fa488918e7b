//! The configuration: its sections, and the one rule by which they are layered.
//!
//! The environment (`SEALRING_<SECTION>__<KEY>`) stands above the file, the file above the defaults. Secrets are a type
//! that cannot be printed, so every struct here can derive `Debug`.

use std::path::Path;

use keyring::transit::Settings;

pub mod audit;
pub mod cache;
pub mod coherence;
pub mod files;
pub mod kek;
pub mod keys;
pub mod layers;
pub mod limits;
pub mod listener;
pub mod mistakes;
pub mod places;
pub mod process;
pub mod rotation;
pub mod secret;
pub mod section;
pub mod server;
mod service_links;
pub mod store;
pub mod telemetry;
pub mod value;

pub use layers::Layers;
pub use mistakes::Mistakes;
pub use places::Places;

/// A whole configuration, without mistakes.
#[derive(Debug)]
pub struct Config {
    /// `[server]`
    pub server: server::Server,
    /// `server.listen` and `[listener.NAME]`; at least one.
    pub listeners: Vec<listener::Listener>,
    /// `[store]`
    pub store: store::Store,
    /// `[kek]`
    pub kek: kek::Kek,
    /// `[audit]`
    pub audit: audit::Audit,
    /// `[cache]`
    pub cache: cache::Cache,
    /// `[coherence]`
    pub coherence: coherence::Coherence,
    /// `[rotation]`
    pub rotation: rotation::Rotation,
    /// `[keys]`
    pub keys: keys::Keys,
    /// `[limits]`
    pub limits: limits::Limits,
    /// `[telemetry]`
    pub telemetry: telemetry::Telemetry,
    /// `[process]`
    pub process: process::Process,
    /// Where all of it was given.
    pub places: Places,
}

impl Config {
    /// The configuration of this file under this process's environment, whose paths are apart from each other and whose
    /// secrets' files nobody else can read. What else its files are like is not looked at.
    pub fn load(file: &Path) -> Result<Self, Mistakes> {
        let mut layers = Layers::from_file(file)?;
        layers.add_environment(std::env::vars_os());
        let config = Self::read(layers)?;
        files::check_apart(&config, Some(file))?;
        Ok(config)
    }

    /// The configuration these layers make, or every mistake in them.
    pub fn read(mut layers: Layers) -> Result<Self, Mistakes> {
        let listeners = listener::Listener::read_all(&mut layers);
        let server = server::Server::read(&mut layers.section("server"));
        let store = store::Store::read(&mut layers.section("store"));
        let kek = kek::Kek::read(&mut layers.section("kek"));
        let audit = audit::Audit::read(&mut layers);
        let cache = cache::Cache::read(&mut layers.section("cache"));
        let coherence = coherence::Coherence::read(&mut layers.section("coherence"));
        let rotation = rotation::Rotation::read(&mut layers.section("rotation"));
        let keys = keys::Keys::read(&mut layers.section("keys"));
        let limits = limits::Limits::read(&mut layers.section("limits"));
        let telemetry = telemetry::Telemetry::read(&mut layers.section("telemetry"));
        let process = process::Process::read(&mut layers.section("process"));
        let places = layers.finish()?;
        Ok(Self {
            server,
            listeners,
            store: store.expect("a store that was not read left a mistake"),
            kek: kek.expect("a KEK that was not read left a mistake"),
            audit,
            cache,
            coherence,
            rotation,
            keys,
            limits,
            telemetry,
            process,
            places,
        })
    }

    /// What the engine is told.
    pub fn engine_settings(&self) -> Settings {
        Settings {
            cache_rings: self.cache.max_rings,
            cache_bytes: self.cache.max_bytes,
            cache_idle: self.cache.idle,
            encrypt_coast: self.coherence.encrypt_coast,
            decrypt_coast: self.coherence.decrypt_coast,
            poll_interval: self.coherence.poll_interval,
            shortest_period: self.rotation.shortest_period,
            default_key_type: self.keys.default_key_type,
            rotate_at_uses: self.rotation.rotate_at_uses,
            refuse_at_uses: self.rotation.refuse_at_uses,
            key_searches: self.limits.rsa_searches,
            key_search_queue: self.limits.rsa_queue,
            key_search_share: self.limits.rsa_share,
            worker_threads: self.limits.worker_threads,
            worker_queue: self.limits.worker_queue,
            ..Settings::default()
        }
    }
}
