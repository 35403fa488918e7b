//! What the harnesses of other languages share: commands that must succeed, what is installed once under `target`, and saying
//! aloud what is skipped.

use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What came of a program of tests.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) passed: bool,
    pub(super) tests: usize,
    pub(super) skipped: usize,
    pub(super) output: String,
}

impl Ran {
    /// All must have passed. Fewer tests than this many means that some were not found, not that all is well.
    pub(super) fn assert_all_passed(&self, what: &str, least: usize, log: &str) {
        let output = &self.output;
        assert!(
            self.passed,
            "{what} failed:\n{output}\nThe service logged:\n{log}"
        );
        assert!(
            self.tests >= least && self.skipped == 0,
            "of at least {least} tests in {what}, {} ran and {} were skipped:\n{output}",
            self.tests,
            self.skipped,
        );
    }
}

/// What a machine has, or nothing, said aloud.
pub(super) fn or_skip<T>(what: &str, found: Result<T, String>) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(reason) => {
            // Not by eprintln, which the test harness keeps to itself when a test passes.
            let _ = writeln!(io::stderr(), "SKIPPED: {what}: {reason}");
            None
        }
    }
}

/// Whether a missing backend is a failure.
pub(super) fn is_required() -> bool {
    env::var_os("SEALRING_REQUIRE_BACKENDS").is_some_and(|value| value == "1")
}

/// A directory that is made once for this content and kept for later runs.
pub(super) fn kept(
    content: &impl Hash,
    make: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("clients");
    let finished = home.join(format!("{:016x}", hasher.finish()));
    if !finished.exists() {
        // Another run may be making the same: whoever is first puts it in its place, whole.
        let unfinished = finished.with_extension(std::process::id().to_string());
        let _ = fs::remove_dir_all(&unfinished);
        let moved = make(&unfinished).map(|()| fs::rename(&unfinished, &finished));
        let _ = fs::remove_dir_all(&unfinished);
        match moved? {
            Err(error) if !finished.exists() => return Err(error.to_string()),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(finished)
}

/// A command without what this machine's user may have set for clients.
pub(super) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("NO_PROXY", "127.0.0.1");
    for (name, _) in env::vars_os() {
        let name_bytes = name.as_encoded_bytes();
        if name_bytes.starts_with(b"VAULT_") || name_bytes.starts_with(b"BAO_") {
            command.env_remove(name);
        }
    }
    command
}

/// What a command prints that must succeed, or why it did not.
pub(super) fn succeed(command: &mut Command) -> Result<String, String> {
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
pub(super) fn number_after(text: &str, before: &str) -> usize {
    let rest = text.rsplit_once(before).map_or("", |(_, rest)| rest);
    let digits = rest.split(|character: char| !character.is_ascii_digit());
    digits.take(1).collect::<String>().parse().unwrap_or(0)
}
