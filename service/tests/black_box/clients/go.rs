//! Go and the modules that the tests of its clients need, built into a program under `target`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::toolchain::{self, Ran, succeed};

/// The program of tests, gone when it is dropped.
#[derive(Debug)]
pub(super) struct Go {
    directory: TempDir,
}

impl Go {
    /// `None`, said aloud, where there is no Go, an older one than `go.mod` asks for, or nowhere to get the modules from. That is
    /// so with `SEALRING_REQUIRE_BACKENDS` too: no supported system has packages of a Go that is new enough.
    pub(super) fn build(tests: &Path) -> Option<Self> {
        let modules = succeed(go(tests).args(["list", "-deps", "-test", "."]));
        toolchain::or_skip("the tests with clients in Go (in CI too)", modules)?;
        let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let built = Self { directory };
        succeed(
            go(tests)
                .args(["test", "-c", "-o"])
                .arg(built.program())
                .arg("."),
        )
        .unwrap();
        Some(built)
    }

    /// Runs the tests, with these variables.
    pub(super) fn test(&self, environment: &[(&str, String)]) -> Ran {
        let mut command = toolchain::command(&self.program());
        command
            .args(["-test.v", "-test.timeout=60s"])
            .current_dir(self.directory.path())
            .envs(environment.iter().map(|(name, value)| (name, value)));
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().unwrap();
        let mut output = String::from_utf8_lossy(&stdout).into_owned();
        output.push_str(&String::from_utf8_lossy(&stderr));
        let count = |start: &str| {
            output
                .lines()
                .filter(|line| line.starts_with(start))
                .count()
        };
        Ran {
            passed: status.success(),
            tests: count("--- PASS: "),
            skipped: count("--- SKIP: "),
            output,
        }
    }

    fn program(&self) -> PathBuf {
        self.directory.path().join("clients.test")
    }
}

/// Go in this module, whatever workspace is around it, with the versions that are locked.
fn go(module: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(module)
        .envs([("GOWORK", "off"), ("GOFLAGS", "-mod=readonly")]);
    command
}
