//! Node with the packages that the tests of its clients need, under `target`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use super::toolchain::{self, Ran, number_after, succeed};

/// What `package-lock.json` asks for, installed.
#[derive(Debug)]
pub(super) struct Node {
    packages: PathBuf,
}

impl Node {
    /// The one that all tests share, made by the first of them and kept for later runs; `None`, said aloud, where there is no
    /// Node, no npm, or nowhere to get the packages from. With `SEALRING_REQUIRE_BACKENDS` that is a failure.
    pub(super) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Node>> = OnceLock::new();
        let shared =
            SHARED.get_or_init(|| toolchain::or_skip("the tests with node-vault", Self::make()));
        assert!(
            shared.is_some() || !toolchain::is_required(),
            "there is no Node to test with, and SEALRING_REQUIRE_BACKENDS is 1"
        );
        shared.as_ref()
    }

    fn make() -> Result<Self, String> {
        let version = succeed(Command::new("node").arg("--version"))?;
        let major = number_after(&version, "v");
        if major < OLDEST {
            return Err(format!(
                "it is {version}, and the tests want {OLDEST} at least"
            ));
        }
        let files =
            ["package.json", "package-lock.json"].map(|name| super::node_tests().join(name));
        let content = (
            files.each_ref().map(|file| fs::read(file).unwrap()),
            version,
        );
        let home = toolchain::kept(&content, |place| install(place, &files))?;
        Ok(Self {
            packages: home.join("node_modules"),
        })
    }

    /// Runs a file of tests, with these variables.
    pub(super) fn test(&self, file: &Path, environment: &[(&str, String)]) -> Ran {
        let mut command = toolchain::command(Path::new("node"));
        command
            .arg("--test-reporter=tap")
            .arg(file)
            .env("NODE_PATH", &self.packages)
            .envs(environment.iter().map(|(name, value)| (name, value)));
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().unwrap();
        let mut output = String::from_utf8_lossy(&stdout).into_owned();
        let (tests, skipped) = (
            number_after(&output, "\n# pass "),
            number_after(&output, "\n# skipped "),
        );
        output.push_str(&String::from_utf8_lossy(&stderr));
        Ran {
            passed: status.success(),
            tests,
            skipped,
            output,
        }
    }
}

fn install(place: &Path, files: &[PathBuf]) -> Result<(), String> {
    fs::create_dir_all(place).unwrap();
    for file in files {
        fs::copy(file, place.join(file.file_name().unwrap())).unwrap();
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    npm.env("NO_UPDATE_NOTIFIER", "1");
    succeed(npm.current_dir(place)).map(drop)
}

/// The first version with a test runner that reports in the Test Anything Protocol, and the one of Debian 12.
const OLDEST: usize = 18;
