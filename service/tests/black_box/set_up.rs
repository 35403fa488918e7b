//! Directories, configuration files and commands that services are started from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::app::{TestApp, between};

/// A directory of its own, with the data of one service.
#[derive(Debug)]
pub(crate) struct Home {
    directory: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Where `sealring dev` keeps everything.
    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// `sealring dev` in this directory, on a free port.
    pub(crate) fn dev(&self, args: &[&str]) -> Command {
        let mut command = sealring(&["dev", "--listen", "127.0.0.1:0", "--data-dir"]);
        command.arg(self.data()).args(args);
        command.env(REFUSED_BURST.0, REFUSED_BURST.1);
        command
    }

    pub(crate) fn root_token(&self) -> String {
        let token = fs::read_to_string(self.data().join("root-token")).unwrap();
        token.trim_end().to_owned()
    }

    /// A configuration file with this store and a software KEK in this directory, and more lines at the end.
    pub(crate) fn config(&self, store: &Store, more: &str) -> ConfigFile {
        let kek = format!(
            "kind = \"software\"\nfile = \"{}/kek\"",
            self.path().display()
        );
        self.config_with_kek(store, &kek, more)
    }

    /// The same with another KEK.
    pub(crate) fn config_with_kek(&self, store: &Store, kek: &str, more: &str) -> ConfigFile {
        let store = match store {
            Store::Sqlite => format!(
                "kind = \"sqlite\"\npath = \"{}/sealring.db\"",
                self.path().display()
            ),
            Store::Postgres(url) => format!("kind = \"postgres\"\nurl = \"{url}\""),
        };
        let audit = self.path().join("audit.log");
        let audit = format!(
            "[audit.file]\nkind = \"file\"\npath = \"{}\"",
            audit.display()
        );
        self.written(&format!("[store]\n{store}\n[kek]\n{kek}\n{audit}\n{more}"))
    }

    /// A configuration file with an SQLite store, a software KEK, and these audit sinks alone.
    pub(crate) fn config_with_sinks(&self, sinks: &str) -> ConfigFile {
        let path = self.path().display();
        self.written(&format!(
            "[store]\nkind = \"sqlite\"\npath = \"{path}/sealring.db\"\n\
             [kek]\nkind = \"software\"\nfile = \"{path}/kek\"\n{sinks}"
        ))
    }

    fn written(&self, sections: &str) -> ConfigFile {
        let file = self.path().join("sealring.toml");
        let text = format!("[server]\nlisten = \"127.0.0.1:0\"\n{sections}\n");
        fs::write(&file, text).unwrap();
        ConfigFile { file }
    }
}

/// All tests come from one address, and many of them to be refused.
const REFUSED_BURST: (&str, &str) = ("SEALRING_LIMITS__REFUSED_BURST", "1000000");

/// Where rings are kept.
#[derive(Clone, Debug)]
pub(crate) enum Store {
    Sqlite,
    Postgres(String),
}

/// A configuration to run commands with.
#[derive(Clone, Debug)]
pub(crate) struct ConfigFile {
    file: PathBuf,
}

impl ConfigFile {
    /// A command that takes `--config`, whose words stand before it.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = sealring(words);
        command.arg("--config").arg(&self.file);
        command.env(REFUSED_BURST.0, REFUSED_BURST.1);
        command
    }

    /// Initialises the store and gives the root token.
    pub(crate) fn init(&self) -> String {
        init(&mut self.command(&["init"]))
    }

    /// Initialises the store and gives the root token and the unlock shares.
    pub(crate) fn init_with_shares(&self, shares: &str, threshold: &str) -> (String, Vec<String>) {
        let mut command = self.command(&["init", "--shares", shares, "--threshold", threshold]);
        let printed = printed(&mut command);
        let lines = printed.lines().filter_map(|line| {
            let (_, share) = line.strip_prefix("unlock share ")?.split_once(": ")?;
            Some(share.to_owned())
        });
        (between(&printed, "root token: ", "\n"), lines.collect())
    }

    pub(crate) fn serve(&self, token: &str) -> TestApp {
        TestApp::start(&mut self.command(&["server"]), token)
    }

    /// Another node beside the first; nodes share everything but their audit files.
    pub(crate) fn serve_beside(&self, token: &str) -> TestApp {
        let mut command = self.command(&["server"]);
        let audit = self.file.with_file_name("audit-beside.log");
        TestApp::start(command.env("SEALRING_AUDIT__FILE__PATH", audit), token)
    }
}

/// Runs `sealring init` and gives the root token.
pub(crate) fn init(command: &mut Command) -> String {
    between(&printed(command), "root token: ", "\n")
}

/// Runs a command that must succeed and gives what it printed.
pub(crate) fn printed(command: &mut Command) -> String {
    let out = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{complaint}");
    String::from_utf8(out.stdout).unwrap()
}

pub(crate) fn sealring(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealring"));
    command.args(args).stdin(Stdio::null());
    command
}

/// Exit status and standard error of a command that fails before it serves.
pub(crate) fn refused(command: &mut Command) -> (i32, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&stdout), "");
    let sentence = String::from_utf8(stderr).unwrap();
    (status.code().unwrap(), sentence)
}
