//! A Python with the packages that the tests of clients need, in a virtual environment under `target`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use super::toolchain::{self, Ran, number_after, succeed};

/// A virtual environment with what `requirements.txt` asks for.
#[derive(Debug)]
pub(super) struct Python {
    program: PathBuf,
}

impl Python {
    /// The one that all tests share, made by the first of them and kept for later runs; `None`, said aloud, where there is no
    /// Python, no pip, or nowhere to get the packages from. With `SEALRING_REQUIRE_BACKENDS` that is a failure.
    pub(super) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Python>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| toolchain::or_skip("the tests with hvac", Self::make()));
        assert!(
            shared.is_some() || !toolchain::is_required(),
            "there is no Python to test with, and SEALRING_REQUIRE_BACKENDS is 1"
        );
        shared.as_ref()
    }

    fn make() -> Result<Self, String> {
        let requirements = super::clients().join("requirements.txt");
        let version = succeed(Command::new("python3").args(["-c", VERSION]))?;
        let content = (fs::read(&requirements).unwrap(), version);
        let home = toolchain::kept(&content, |place| install(place, &requirements))?;
        let program = home.join("bin/python");
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

    /// Whether a package is there: `requirements.txt` leaves out what this version of Python cannot have.
    pub(super) fn has(&self, package: &str) -> Result<(), String> {
        let import = format!("import {package}");
        succeed(&mut self.command(["-c", &import])).map(drop)
    }

    /// Python without files left beside the tests.
    fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = toolchain::command(&self.program);
        command.args(["-B"]).args(args);
        command
    }
}

fn install(place: &Path, requirements: &Path) -> Result<(), String> {
    succeed(Command::new("python3").args(["-m", "venv"]).arg(place))?;
    let mut pip = Command::new(place.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet"]);
    pip.args(["--disable-pip-version-check", "--requirement"]);
    succeed(pip.arg(requirements)).map(drop)
}

/// A virtual environment is good for the interpreter that made it.
const VERSION: &str = "import sys; print(sys.version, sys.base_prefix)";
