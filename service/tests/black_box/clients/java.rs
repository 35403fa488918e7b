//! The JDK, whose HTTP client offers HTTP/2 with each request over a plain connection.

use std::path::Path;
use std::process::{Command, Output};

use super::toolchain::{self, Ran, number_after, succeed};

/// A JDK that runs programs from their source.
#[derive(Debug)]
pub(super) struct Java;

impl Java {
    /// `None`, said aloud, where there is no JDK, or one that is too old. That is so with `SEALRING_REQUIRE_BACKENDS` too: not
    /// every machine that builds this has one.
    pub(super) fn find() -> Option<Self> {
        let version = succeed(Command::new("javac").arg("--version")).and_then(|version| {
            if number_after(&version, "javac ") < OLDEST {
                Err(format!(
                    "it is {}, and the test wants {OLDEST} at least",
                    version.trim_end()
                ))
            } else {
                Ok(Self)
            }
        });
        toolchain::or_skip("the test with the JDK's client", version)
    }

    /// Runs a program, with these variables.
    #[expect(clippy::unused_self, reason = "whoever has found a JDK may run it")]
    pub(super) fn test(&self, file: &Path, environment: &[(&str, String)]) -> Ran {
        let mut command = toolchain::command(Path::new("java"));
        command
            .arg(file)
            .envs(environment.iter().map(|(name, value)| (name, value)));
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().unwrap();
        let mut output = String::from_utf8_lossy(&stdout).into_owned();
        output.push_str(&String::from_utf8_lossy(&stderr));
        Ran {
            passed: status.success(),
            tests: number_after(&output, "answered "),
            skipped: 0,
            output,
        }
    }
}

/// The first version with an HTTP client that runs source files.
const OLDEST: usize = 11;
