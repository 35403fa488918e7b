//! `test.sh` itself: it runs everything whatever fails, sums up, and says what it cannot install. Its cargo, its chart's
//! script and its package manager are stand-ins here, for the real ones would run this test again.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A copy of the script with programs of its own.
struct Script {
    directory: TempDir,
}

/// Exit status, standard output and standard error.
type Ran = (i32, String, String);

impl Script {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        // Somebody else runs it too.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let script = Self { directory };
        for folder in ["bin", "helm"] {
            fs::create_dir(script.path(folder)).unwrap();
        }
        let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("../test.sh");
        fs::copy(original, script.path("test.sh")).unwrap();
        script.program("helm/test.sh", "echo 'SKIPPED (in CI too): the chart'");
        for name in ["cargo", "cc", "apt-get"] {
            script.program(&format!("bin/{name}"), "");
        }
        script
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn program(&self, name: &str, lines: &str) {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }

    /// Whatever the tests need is there.
    fn with_all_tools(&self) {
        for name in [
            "curl",
            "initdb",
            "node",
            "npm",
            "openssl",
            "python3",
            "softhsm2-util",
        ] {
            self.program(&format!("bin/{name}"), "");
        }
        self.with_basics();
    }

    /// What every Debian has.
    fn with_basics(&self) {
        for name in [
            "bash", "cat", "chmod", "dirname", "env", "grep", "mkdir", "mktemp", "realpath", "rm",
            "sed", "sh", "sort", "tee",
        ] {
            let found = ["/usr/bin", "/bin"]
                .map(|place| Path::new(place).join(name))
                .into_iter()
                .find(|path| path.exists());
            symlink(found.unwrap(), self.path("bin").join(name)).unwrap();
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.path("bin/bash"));
        command.arg(self.path("test.sh")).env_clear();
        command.env("PATH", self.path("bin"));
        command
    }
}

fn ran(command: &mut Command) -> Ran {
    let out = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        out.status.code().unwrap(),
        text(out.stdout),
        text(out.stderr),
    )
}

fn summary(printed: &str) -> Vec<&str> {
    let (_, summary) = printed.split_once("\n== summary\n").unwrap();
    summary.lines().collect()
}

const RED: &str = "case \"$*\" in
*--all-targets*)
    echo 'test store::a_row_is_kept ... FAILED'
    echo 'SKIPPED: SoftHSM is not installed' >&2
    echo 'SKIPPED: SoftHSM is not installed'
    exit 101 ;;
esac";

#[test]
fn a_red_test_keeps_no_other_stage_from_running_and_the_end_says_what_was_red_or_skipped() {
    let script = Script::new();
    script.with_all_tools();
    script.program("bin/cargo", RED);
    let (status, printed, _) = ran(&mut script.command());
    assert_eq!(status, 1, "{printed}");
    assert_eq!(
        summary(&printed),
        [
            "passed: examples in the documentation",
            "passed: chart",
            "SKIPPED (in CI too): the chart",
            "SKIPPED: SoftHSM is not installed",
            "test store::a_row_is_kept ... FAILED",
            "FAILED: tests",
        ]
    );
}

#[test]
fn all_tests_of_all_packages_are_run_to_their_ends() {
    let script = Script::new();
    script.with_all_tools();
    script.program(
        "bin/cargo",
        "echo \"ran $* with full=$SEALRING_FULL required=$SEALRING_REQUIRE_BACKENDS\"",
    );
    for (argument, environment, told) in [
        (None, None, "with full= required="),
        (Some("--full"), None, "with full=1 required="),
        (None, Some(("CI", "true")), "with full= required=1"),
    ] {
        let mut command = script.command();
        let (status, printed, _) = ran(command.args(argument).envs(environment));
        assert_eq!(status, 0, "{printed}");
        let ran: Vec<_> = printed
            .lines()
            .filter(|line| line.starts_with("ran "))
            .collect();
        assert_eq!(
            ran,
            [
                format!("ran test --workspace --all-targets --locked --no-fail-fast {told}"),
                format!("ran test --workspace --doc --locked --no-fail-fast {told}"),
            ]
        );
    }
}

#[test]
fn a_red_chart_is_a_failure() {
    let script = Script::new();
    script.with_all_tools();
    script.program("helm/test.sh", "exit 3");
    let (status, printed, _) = ran(&mut script.command());
    assert_eq!(status, 1);
    assert!(summary(&printed).contains(&"FAILED: chart"), "{printed}");
}

#[test]
fn what_cannot_be_installed_is_said_in_a_sentence_before_anything_is_run() {
    let script = Script::new();
    script.with_basics();
    script.program("bin/cargo", "echo 'must not run'");
    let mut command = script.command();
    if rustix::process::getuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let (status, printed, sentence) = ran(&mut command);
    assert_eq!((status, printed.as_str()), (69, ""));
    assert!(sentence.contains("there is no sudo. As root: apt-get install "));
    for package in ["softhsm2", "python3-venv", "openssl", "curl"] {
        assert!(sentence.contains(package), "{sentence}");
    }
    assert!(
        !sentence.contains("node") && !sentence.contains("npm"),
        "{sentence}"
    );
}

#[test]
fn a_missing_compiler_or_toolchain_is_said_in_a_sentence() {
    for (missing, named) in [("cargo", "rustup.rs"), ("cc", "build-essential")] {
        let script = Script::new();
        script.with_all_tools();
        fs::remove_file(script.path("bin").join(missing)).unwrap();
        let (status, printed, sentence) = ran(&mut script.command());
        assert_eq!((status, printed.as_str()), (69, ""));
        assert!(
            sentence.contains(&format!("there is no {missing}")) && sentence.contains(named),
            "{sentence}"
        );
    }
}

#[test]
fn an_unknown_option_is_refused() {
    let script = Script::new();
    script.with_all_tools();
    let (status, printed, usage) = ran(script.command().arg("--fast"));
    assert_eq!((status, printed.as_str()), (64, ""));
    assert_eq!(usage, "usage: ./test.sh [--full]\n");
}

const NOBODY: u32 = 65534;
