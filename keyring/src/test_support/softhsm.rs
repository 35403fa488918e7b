//! SoftHSM 2 for tests: a token directory of its own for each user, gone when the test ends.

use std::any::type_name;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A token directory, with the configuration file that leads SoftHSM to it.
///
/// SoftHSM reads the path of that file from an environment variable, once for each process. So a child
/// process is given it with [`Command::env`], and a test that loads the module itself runs in a process of
/// its own, through [`isolated`].
#[derive(Debug)]
pub struct SoftHsm {
    directory: PathBuf,
    module: PathBuf,
    /// Removes the directory; empty in a process whose parent does so.
    _owned: Option<TempDir>,
}

impl SoftHsm {
    /// The environment variable that names SoftHSM's configuration file.
    pub const CONF_VARIABLE: &str = "SOFTHSM2_CONF";

    /// An empty token directory; `None`, said aloud, where SoftHSM is not installed.
    ///
    /// # Panics
    ///
    /// If SoftHSM is not installed although `SEALRING_REQUIRE_BACKENDS` is 1.
    pub fn start() -> Option<Self> {
        let Some(module) = installed() else {
            let required =
                std::env::var_os("SEALRING_REQUIRE_BACKENDS").is_some_and(|value| value == "1");
            assert!(
                !required,
                "SoftHSM is not installed, and SEALRING_REQUIRE_BACKENDS is 1"
            );
            // Not by eprintln, which the test harness keeps to itself when a test passes.
            let _ = writeln!(io::stderr(), "SKIPPED: SoftHSM is not installed");
            return None;
        };
        let owned = tempfile::tempdir().expect("a temporary directory can be made");
        let hsm = Self {
            directory: owned.path().to_owned(),
            module,
            _owned: Some(owned),
        };
        fs::create_dir(hsm.token_directory()).expect("the token directory can be made");
        let tokens = hsm.token_directory();
        let configuration = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens.display()
        );
        fs::write(hsm.configuration(), configuration).expect("the configuration can be written");
        Some(hsm)
    }

    /// Adds a token. A process that has already initialised the module does not see it.
    pub fn init_token(&self, label: &str, pin: &str) {
        let made = Command::new("softhsm2-util")
            .env(Self::CONF_VARIABLE, self.configuration())
            .args([
                "--init-token",
                "--free",
                "--label",
                label,
                "--so-pin",
                SO_PIN,
                "--pin",
                pin,
            ])
            .output()
            .expect("softhsm2-util is installed with the module");
        assert!(
            made.status.success(),
            "softhsm2-util: {}",
            String::from_utf8_lossy(&made.stderr)
        );
    }

    /// The value of [`CONF_VARIABLE`](Self::CONF_VARIABLE) for a child process that shall use these tokens.
    pub fn configuration(&self) -> PathBuf {
        self.directory.join("softhsm2.conf")
    }

    /// The PKCS#11 module.
    pub fn module(&self) -> &Path {
        &self.module
    }

    /// Where the tokens lie. Moving it away is pulling the HSM out.
    pub fn token_directory(&self) -> PathBuf {
        self.directory.join("tokens")
    }

    /// A directory beside the tokens, for whatever else the test keeps.
    pub fn path(&self) -> &Path {
        &self.directory
    }
}

/// Runs the rest of a test in a process of its own whose environment leads to its own tokens: the closure
/// must be written in the test function itself, whose name it tells. Setting a variable in this process
/// instead would be `unsafe`, and all tests would share one set of tokens.
///
/// # Panics
///
/// If the test fails in its process, or does not run there.
pub fn isolated<F: FnOnce(&SoftHsm)>(body: F) {
    let name = test_name(type_name::<F>());
    if let Some(directory) = std::env::var_os(CHILD_VARIABLE).map(PathBuf::from) {
        fs::write(directory.join("ran"), name).expect("the parent's directory can be written");
        let module = installed().expect("the parent found the module");
        return body(&SoftHsm {
            directory,
            module,
            _owned: None,
        });
    }
    let Some(hsm) = SoftHsm::start() else {
        return;
    };
    let program = std::env::current_exe().expect("a test knows its program");
    let output = Command::new(program)
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(SoftHsm::CONF_VARIABLE, hsm.configuration())
        .env(CHILD_VARIABLE, hsm.path())
        .output()
        .expect("the test program can be started again");
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(
        output.status.success(),
        "{name} failed in its own process:\n{text}"
    );
    assert!(
        hsm.path().join("ran").exists(),
        "{name} did not run in its own process:\n{text}"
    );
}

fn installed() -> Option<PathBuf> {
    MODULES.iter().map(PathBuf::from).find(|path| path.exists())
}

/// `kek_contract::some_test::{{closure}}` is the closure of the test `some_test`.
fn test_name(closure: &str) -> &str {
    let name = closure.split("::{{closure}}").next().unwrap_or(closure);
    name.split_once("::").map_or(name, |(_, name)| name)
}

const MODULES: [&str; 4] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
];
const CHILD_VARIABLE: &str = "SEALRING_SOFTHSM_CHILD";
const SO_PIN: &str = "so-pin-of-a-test";
