//! A real PostgreSQL for tests: started from the system's package, on a Unix socket only, gone with the process.

use std::io::{self, Write as _};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A running server with a data folder of its own. Durable like in production, since a store refuses less.
#[derive(Debug)]
pub struct PostgresServer {
    root: PathBuf,
    programs: PathBuf,
    databases: AtomicU32,
    watchdog: Child,
}

impl PostgresServer {
    /// The server that all tests of this process share; for tests that leave it running. `None`, said aloud, if
    /// PostgreSQL is not installed.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<PostgresServer>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// A server for one test, which may stop it. `None`, said aloud, if PostgreSQL is not installed.
    pub fn start() -> Option<Self> {
        let Some(programs) = installed() else {
            let required =
                std::env::var("SEALRING_REQUIRE_BACKENDS").is_ok_and(|value| value == "1");
            assert!(!required, "PostgreSQL is required here and not installed");
            // Not by eprintln, which the test harness keeps to itself when a test passes.
            let _ = writeln!(io::stderr(), "SKIPPED: PostgreSQL is not installed");
            return None;
        };
        let root = tempfile::Builder::new()
            .prefix("sealring-pg-")
            .tempdir()
            .expect("the temporary folder is writable");
        let root = root.keep();
        give_away(&root);
        let watchdog = watch(&programs, &root).expect("a shell can be started");
        let server = Self {
            root,
            programs,
            databases: AtomicU32::new(0),
            watchdog,
        };
        server.create();
        server.restart();
        Some(server)
    }

    /// The URL of a new, empty database. Other processes can use it as well.
    pub fn new_database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let statement = format!("CREATE DATABASE {name}");
        self.run(
            "psql",
            &[
                "-qX",
                "-h",
                &self.socket(),
                "-U",
                OWNER,
                "-d",
                "postgres",
                "-c",
                &statement,
            ],
        );
        format!("postgres://{OWNER}@localhost/{name}?host={}", self.socket())
    }

    /// Stops the server at once, as a crash would; connections break.
    pub fn stop(&self) {
        self.run(
            "pg_ctl",
            &["stop", "-w", "-m", "immediate", "-D", &self.data()],
        );
    }

    /// Starts the stopped server again with the same data, and waits until it answers.
    pub fn restart(&self) {
        let options = format!(
            "-c listen_addresses='' -c unix_socket_directories='{}' {SETTINGS}",
            self.socket()
        );
        self.run(
            "pg_ctl",
            &[
                "start",
                "-w",
                "-D",
                &self.data(),
                "-l",
                &self.log(),
                "-o",
                &options,
            ],
        );
    }

    fn create(&self) {
        let data = self.data();
        let mut arguments = vec!["-D", &data, "-U", OWNER, "--auth=trust", "--no-sync"];
        // A locale that does not sort by bytes shows whether the schema insists on it.
        arguments.extend([
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=icu",
            "--icu-locale=en-US",
        ]);
        self.run("initdb", &arguments);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        // The server that pg_ctl starts would keep a pipe open, so the output goes nowhere.
        let mut command = unprivileged(&self.programs.join(program));
        command
            .args(arguments)
            .current_dir(&self.root)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let status = command.status().expect("what is installed can be started");
        assert!(status.success(), "{program} failed; see {}", self.log());
    }

    fn socket(&self) -> String {
        self.root.display().to_string()
    }

    fn data(&self) -> String {
        self.root.join("data").display().to_string()
    }

    fn log(&self) -> String {
        self.root.join("log").display().to_string()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // The watchdog wakes up when its input ends.
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

/// The newest installed version's programs.
fn installed() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let numbered = versions.filter_map(|entry| {
        Some((
            entry.file_name().to_str()?.parse::<u32>().ok()?,
            entry.path(),
        ))
    });
    let programs = numbered.max().map(|(_, path)| path.join("bin"))?;
    programs.join("initdb").is_file().then_some(programs)
}

/// PostgreSQL refuses to run as root, so root runs it as the user that the package made for it.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid=postgres",
            "--regid=postgres",
            "--clear-groups",
            "--",
        ])
        .arg(program);
    command
}

fn give_away(folder: &Path) {
    if is_root() {
        let status = Command::new("chown").arg("postgres:").arg(folder).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "the package made no user postgres"
        );
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A shell that waits until this process is gone, however it ends, then stops the server and removes its folder.
fn watch(programs: &Path, root: &Path) -> io::Result<Child> {
    unprivileged(Path::new("/bin/sh"))
        .args(["-c", WATCHDOG, "sealring-pg-watchdog"])
        .arg(programs)
        .arg(root)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A Ctrl-C at the terminal is for the tests, and must not end the watchdog before it has cleaned up.
        .process_group(0)
        .spawn()
}

const WATCHDOG: &str =
    r#"cat > /dev/null; "$1/pg_ctl" stop -m immediate -D "$2/data"; rm -rf "$2""#;

const OWNER: &str = "sealring";

/// Nothing here makes the server less durable.
const SETTINGS: &str = "-c max_connections=300 -c shared_buffers=64MB";
