//! The PKCS#11 modules of this process: each loaded once and owned here, so that no user ends the sessions
//! of another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::session::Session;
use cryptoki::slot::Slot;

use crate::kek::fault::Fault;

/// A second `C_Initialize` would be refused, so whoever needs a module gets it here.
static LOADED: Mutex<BTreeMap<PathBuf, Arc<Module>>> = Mutex::new(BTreeMap::new());

/// One module, initialised. It is finalised only by [`restart`](Self::restart).
pub(super) struct Module {
    pkcs11: Pkcs11,
    path: PathBuf,
    /// False if another library in this process had initialised the module before.
    owned: bool,
    gate: Mutex<Gate>,
}

/// `C_Finalize` must not meet a call in progress, and no handle may be used after it: numbers repeat.
#[derive(Default)]
struct Gate {
    calls: usize,
    epoch: u64,
    sessions: usize,
}

impl Module {
    /// The module at this path.
    pub(super) fn load(path: &Path) -> Result<Arc<Self>, Fault> {
        let shown = path.display();
        if !path.is_absolute() {
            // A search path would let whoever sets the environment choose the code that sees the PIN.
            let why = format!("the PKCS#11 module {shown} is not given by its absolute path");
            return Err(Fault::Unusable(why));
        }
        let file = path.canonicalize().map_err(|error| {
            Fault::Unusable(format!(
                "the PKCS#11 module {shown} cannot be found: {error}"
            ))
        })?;
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = loaded.get(&file) {
            return Ok(Arc::clone(module));
        }
        let pkcs11 = Pkcs11::new(&file).map_err(|error| {
            Fault::Unusable(format!(
                "{shown} cannot be loaded as a PKCS#11 module: {error}"
            ))
        })?;
        let owned = match pkcs11.initialize(arguments()) {
            Ok(()) => true,
            Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => false,
            Err(error) => {
                let why = Fault::from(error);
                return Err(Fault::Unusable(format!(
                    "the PKCS#11 module {shown} fails: {why}"
                )));
            }
        };
        log_library(&pkcs11, path);
        let gate = Mutex::default();
        let module = Arc::new(Self {
            pkcs11,
            path: path.to_owned(),
            owned,
            gate,
        });
        loaded.insert(file, Arc::clone(&module));
        Ok(module)
    }

    /// Leave to call the module until the lease is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> Lease {
        let mut gate = self.gate();
        gate.calls = gate.calls.saturating_add(1);
        Lease {
            module: Arc::clone(self),
            epoch: gate.epoch,
        }
    }

    /// Finalises and initialises the module: the last resort when a token stays lost. SoftHSM never looks
    /// again at a token directory that was once gone, nor Luna at members that all failed.
    ///
    /// `epoch` is that of the call that failed. False if nothing changed since then: a call is in progress,
    /// perhaps for ever, or the module is not ours.
    pub(super) fn restart(&self, epoch: u64) -> bool {
        let mut gate = self.gate();
        if gate.epoch != epoch {
            return true;
        }
        if gate.calls > 0 || !self.owned {
            return false;
        }
        let outcome = self.initialise_again(&mut gate);
        tracing::warn!(module = %self.path.display(), ?outcome, "PKCS#11 module restarted");
        true
    }

    /// The same while nobody has a session, so that nobody loses one: has the module look again for its tokens. SoftHSM
    /// looks once, when it is initialised, and passes over a token whose file another process is just writing, as each login
    /// does.
    pub(super) fn look_again(&self) {
        let mut gate = self.gate();
        if gate.calls == 0 && gate.sessions == 0 && self.owned {
            let outcome = self.initialise_again(&mut gate);
            tracing::debug!(module = %self.path.display(), ?outcome, "PKCS#11 module initialised again");
        }
    }

    fn initialise_again(&self, gate: &mut Gate) -> Result<(), Fault> {
        gate.epoch = gate.epoch.saturating_add(1);
        // It may be uninitialised since a restart that failed; what counts is the next line.
        let _ = self.pkcs11.clone().finalize();
        self.pkcs11.initialize(arguments()).map_err(Fault::from)
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call in progress. Leases of one thread may nest.
pub(super) struct Lease {
    module: Arc<Module>,
    epoch: u64,
}

impl Lease {
    /// The module's functions.
    pub(super) fn pkcs11(&self) -> &Pkcs11 {
        &self.module.pkcs11
    }

    /// How often the module had been restarted; handles of another epoch are dead.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// A new session. Read-write: `CloudHSM` knows no other.
    pub(super) fn open_session(&self, slot: Slot) -> Result<OwnSession, Fault> {
        let session = self.module.pkcs11.open_rw_session(slot)?;
        let module = Arc::clone(&self.module);
        {
            let mut gate = module.gate();
            gate.sessions = gate.sessions.saturating_add(1);
        }
        Ok(OwnSession {
            session: Some(session),
            module,
            epoch: self.epoch,
        })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut gate = self.module.gate();
        gate.calls = gate.calls.saturating_sub(1);
    }
}

/// A session that is closed on drop, unless a restart closed it already: its number would be another's by
/// then.
pub(super) struct OwnSession {
    session: Option<Session>,
    module: Arc<Module>,
    epoch: u64,
}

impl OwnSession {
    /// The session.
    pub(super) fn get(&self) -> &Session {
        self.session
            .as_ref()
            .expect("the session is taken out only on drop")
    }

    /// The epoch it was opened in.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }
}

impl Drop for OwnSession {
    fn drop(&mut self) {
        let lease = self.module.enter();
        if lease.epoch != self.epoch {
            std::mem::forget(self.session.take());
        }
        // Closed while the lease is held.
        drop(self.session.take());
        let mut gate = self.module.gate();
        gate.sessions = gate.sessions.saturating_sub(1);
    }
}

fn arguments() -> CInitializeArgs {
    CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)
}

/// Which library is at work belongs into the log: advisories name library versions.
fn log_library(module: &Pkcs11, path: &Path) {
    let (manufacturer, library, version) = match module.get_library_info() {
        Ok(info) => (
            info.manufacturer_id().to_owned(),
            info.library_description().to_owned(),
            info.library_version().to_string(),
        ),
        // Some modules misreport themselves and work all the same.
        Err(_) => (
            "unknown".to_owned(),
            "unknown".to_owned(),
            "unknown".to_owned(),
        ),
    };
    let module = path.display();
    tracing::info!(%module, manufacturer, library, version, "PKCS#11 module loaded");
}
