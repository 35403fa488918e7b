//! A Python with the packages that the tests of clients need, in a virtual environment under `target`.

use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// A virtual environment with what `requirements.txt` asks for.
#[derive(Debug)]
pub(super) struct Python {
    program: PathBuf,
}

/// What came of a file of tests.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) passed: bool,
    pub(super) tests: usize,
    pub(super) skipped: usize,
    pub(super) output: String,
}

impl Python {
    /// The one that all tests share, made by the first of them and kept for later runs; `None`, said aloud, where there is no
    /// Python, no pip, or nowhere to get the packages from. With `SEALRING_REQUIRE_BACKENDS` that is a failure.
    pub(super) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Python>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| match Self::make() {
            Ok(python) => Some(python),
            Err(reason) => {
                // Not by eprintln, which the test harness keeps to itself when a test passes.
                let _ = writeln!(io::stderr(), "SKIPPED: the tests with hvac: {reason}");
                None
            }
        });
        let required =
            std::env::var_os("SEALRING_REQUIRE_BACKENDS").is_some_and(|value| value == "1");
        assert!(
            shared.is_some() || !required,
            "there is no Python to test with, and SEALRING_REQUIRE_BACKENDS is 1"
        );
        shared.as_ref()
    }

    fn make() -> Result<Self, String> {
        let requirements = super::clients().join("requirements.txt");
        let version = succeed(Command::new("python3").args(["-c", VERSION]))?;
        let mut hasher = DefaultHasher::new();
        (fs::read(&requirements).unwrap(), version).hash(&mut hasher);
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("clients");
        let finished = home.join(format!("{:016x}", hasher.finish()));
        if !finished.exists() {
            // Another run may be making the same: whoever is first puts it in its place, whole.
            let unfinished = finished.with_extension(std::process::id().to_string());
            let made = install(&unfinished, &requirements);
            let moved = made.map(|()| fs::rename(&unfinished, &finished));
            let _ = fs::remove_dir_all(&unfinished);
            match moved? {
                Err(error) if !finished.exists() => return Err(error.to_string()),
                Ok(()) | Err(_) => {}
            }
        }
        let program = finished.join("bin/python");
        Ok(Self { program })
    }

    /// Runs a script with one argument; it must succeed.
    pub(super) fn script(&self, script: &Path, argument: &Path) {
        succeed(&mut self.command([script, argument])).unwrap();
    }

    /// Runs the tests of a module in this directory, with these variables.
    pub(super) fn unittest(
        &self,
        directory: &Path,
        module: &str,
        environment: &[(&str, String)],
    ) -> Ran {
        let mut command = self.command(["-m", "unittest", module]);
        command
            .current_dir(directory)
            .envs(environment.iter().map(|(name, value)| (name, value)));
        let Output { status, stderr, .. } = command.output().unwrap();
        let output = String::from_utf8_lossy(&stderr).into_owned();
        Ran {
            passed: status.success(),
            tests: number_after(&output, "\nRan "),
            skipped: number_after(&output, "skipped="),
            output,
        }
    }

    /// Python without what this machine's user may have set for clients, and without files left beside the tests.
    fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["-B"]).args(args).env("NO_PROXY", "127.0.0.1");
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"VAULT_") {
                command.env_remove(name);
            }
        }
        command
    }
}

fn install(place: &Path, requirements: &Path) -> Result<(), String> {
    let _ = fs::remove_dir_all(place);
    succeed(Command::new("python3").args(["-m", "venv"]).arg(place))?;
    let mut pip = Command::new(place.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet"]);
    pip.args(["--disable-pip-version-check", "--requirement"]);
    succeed(pip.arg(requirements)).map(drop)
}

/// What a command prints that must succeed, or why it did not.
fn succeed(command: &mut Command) -> Result<String, String> {
    let shown = command.get_program().display().to_string();
    let output = command
        .output()
        .map_err(|error| format!("{shown}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let complaint = String::from_utf8_lossy(&output.stderr);
        Err(format!("{shown}: {}", complaint.trim_end()))
    }
}

/// The number behind the last occurrence of a text; 0 without one.
fn number_after(text: &str, before: &str) -> usize {
    let rest = text.rsplit_once(before).map_or("", |(_, rest)| rest);
    let digits = rest.split(|character: char| !character.is_ascii_digit());
    digits.take(1).collect::<String>().parse().unwrap_or(0)
}

/// A virtual environment is good for the interpreter that made it.
const VERSION: &str = "import sys; print(sys.version, sys.base_prefix)";
