//! Store and KEK as the configuration names them, opened; and the runtime that their tasks live on.

use std::path::Path;
use std::sync::Arc;

use keyring::clock::SystemClock;
use keyring::entropy::{Entropy, SystemEntropy};
use keyring::kek::pkcs11::{Pkcs11Kek, Pkcs11Settings, TokenSelector};
use keyring::kek::software::SoftwareKek;
use keyring::kek::{Kek, KekSetupError};
use keyring::observer::Observer;
use keyring::setup::SetupError;
use keyring::store::KeyStore;
use keyring::store::audit::AuditHeadStore;
use keyring::store::postgres::{PostgresOptions, PostgresStore};
use keyring::store::sqlite::SqliteStore;
use keyring::transit::Parts;
use tokio::runtime::{Builder, Runtime};

use crate::config::kek::{Kek as KekSettings, Pkcs11, Token};
use crate::config::store::Store as StoreSettings;
use crate::failure::Failure;

/// What to do about a KEK that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// Make it.
    Create,
    /// Fail.
    Refuse,
}

/// A store that knows how to be closed.
#[derive(Clone, Debug)]
pub enum Store {
    /// PostgreSQL.
    Postgres(Arc<PostgresStore>),
    /// SQLite.
    Sqlite(Arc<SqliteStore>),
}

impl Store {
    /// Opens the store and brings its schema up to date.
    pub async fn open(settings: StoreSettings) -> Result<Self, Failure> {
        Ok(match settings {
            StoreSettings::Postgres {
                url,
                max_connections,
            } => {
                let options = PostgresOptions {
                    url,
                    max_connections,
                };
                Self::Postgres(Arc::new(PostgresStore::connect(&options).await?))
            }
            StoreSettings::Sqlite { path } => {
                Self::Sqlite(Arc::new(SqliteStore::open(&path).await?))
            }
        })
    }

    /// The store as the engine knows it.
    pub fn keys(&self) -> Arc<dyn KeyStore> {
        match self {
            Self::Postgres(store) => Arc::<PostgresStore>::clone(store),
            Self::Sqlite(store) => Arc::<SqliteStore>::clone(store),
        }
    }

    /// The store as the audit's heads know it.
    pub fn audit_heads(&self) -> Arc<dyn AuditHeadStore> {
        match self {
            Self::Postgres(store) => Arc::<PostgresStore>::clone(store),
            Self::Sqlite(store) => Arc::<SqliteStore>::clone(store),
        }
    }

    /// What it is, in a word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgresql",
            Self::Sqlite(_) => "sqlite",
        }
    }

    /// Waits for running transactions and closes the connections.
    pub async fn close(&self) {
        match self {
            Self::Postgres(store) => store.close().await,
            Self::Sqlite(store) => store.close().await,
        }
    }
}

/// What the engine is built from: this store, and the KEK opened. The store comes first, as another process may hold it.
pub async fn parts(
    store: &Store,
    kek: KekSettings,
    absent: Absent,
    observer: Arc<dyn Observer>,
) -> Result<Parts, Failure> {
    if absent == Absent::Refuse && store.keys().header().await?.is_none() {
        // Without a store there is no KEK either, and what is said of that would mislead.
        return Err(SetupError::NotInitialised.into());
    }
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    Ok(Parts {
        store: store.keys(),
        kek: open_kek(kek, absent, Arc::clone(&entropy)).await?,
        clock: Arc::new(SystemClock),
        entropy,
        observer,
    })
}

/// The runtime that stores, polls and exporters live on. It outlives the HTTP server, which has threads of its own.
pub fn runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .thread_name("engine")
        .enable_all()
        .build()
        .map_err(|error| Failure::unexpected("the engine's threads cannot be started", &error))
}

async fn open_kek(
    settings: KekSettings,
    absent: Absent,
    entropy: Arc<dyn Entropy>,
) -> Result<Arc<dyn Kek>, KekSetupError> {
    Ok(match settings {
        KekSettings::Pkcs11(settings) => {
            let settings = pkcs11_settings(settings);
            let kek = match absent {
                Absent::Create => Pkcs11Kek::create_or_adopt(settings, entropy).await?.0,
                Absent::Refuse => Pkcs11Kek::open(settings, entropy).await?,
            };
            Arc::new(kek)
        }
        KekSettings::Software { file } => Arc::new(software_kek(&file, absent, entropy)?),
    })
}

fn software_kek(
    file: &Path,
    absent: Absent,
    entropy: Arc<dyn Entropy>,
) -> Result<SoftwareKek, KekSetupError> {
    // A link that leads nowhere is there, too: it must be refused, not written through.
    let is_there = file.symlink_metadata().is_ok();
    match absent {
        Absent::Create if !is_there => SoftwareKek::create(file, entropy),
        Absent::Create | Absent::Refuse => SoftwareKek::open(file, entropy),
    }
}

fn pkcs11_settings(settings: Pkcs11) -> Pkcs11Settings {
    Pkcs11Settings {
        module: settings.module,
        token: match settings.token {
            Token::Label(label) => TokenSelector::Label(label),
            Token::Serial(serial) => TokenSelector::Serial(serial),
        },
        pin: settings.pin,
        key_id: settings.key_id,
        label: settings.key_label,
        session_threads: settings.threads,
        call_deadline: settings.call_deadline,
        state_dir: settings.state_dir,
    }
}
