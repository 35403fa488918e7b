//! The PKCS#11 modules of this process: each loaded and initialised once, by one owner, and never finalised.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};

use crate::kek::fault::Fault;

/// A second `C_Initialize` would be refused, and a `C_Finalize` of one user would end the sessions of all
/// others; so whoever needs a module gets it here.
static LOADED: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());

/// The module at this path, initialised.
pub(super) fn load(path: &Path) -> Result<Pkcs11, Fault> {
    let shown = path.display();
    if !path.is_absolute() {
        // A search path would let whoever sets the environment choose the code that sees the PIN.
        return Err(Fault::Unusable(format!(
            "the PKCS#11 module {shown} is not given by its absolute path"
        )));
    }
    let file = path.canonicalize().map_err(|error| {
        Fault::Unusable(format!(
            "the PKCS#11 module {shown} cannot be found: {error}"
        ))
    })?;
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = loaded.get(&file) {
        return Ok(module.clone());
    }
    let module = Pkcs11::new(&file).map_err(|error| {
        Fault::Unusable(format!(
            "{shown} cannot be loaded as a PKCS#11 module: {error}"
        ))
    })?;
    initialise(&module, path)?;
    log_library(&module, path);
    loaded.insert(file, module.clone());
    Ok(module)
}

fn initialise(module: &Pkcs11, path: &Path) -> Result<(), Fault> {
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        // Another library in this process owns the module; we never finalise, so sharing harms neither.
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        Err(error) => {
            let reason = Fault::from(error);
            Err(Fault::Unusable(format!(
                "the PKCS#11 module {} does not start: {reason}",
                path.display()
            )))
        }
    }
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
    tracing::info!(module = %path.display(), manufacturer, library, version, "PKCS#11 module loaded");
}
