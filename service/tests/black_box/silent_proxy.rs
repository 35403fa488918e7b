//! A way to PostgreSQL that can fall silent, as a network does whose cable was cut: what is connected stays connected, and nothing
//! arrives any more. New connections go through.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// The name of PostgreSQL's socket in its folder.
const SOCKET: &str = ".s.PGSQL.5432";

pub(crate) struct SilentProxy {
    folder: TempDir,
    url: String,
    /// Connections of an earlier era are silent.
    era: Arc<AtomicU64>,
}

impl SilentProxy {
    /// A way to the database at this URL.
    pub(crate) fn to(url: &str) -> Self {
        let (database, server) = url.split_once("host=").unwrap();
        let server = Path::new(server).join(SOCKET);
        let folder = tempfile::tempdir().unwrap();
        let url = format!("{database}host={}", folder.path().display());
        let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
        let era = Arc::new(AtomicU64::new(0));
        let accepting = Arc::clone(&era);
        thread::spawn(move || accept(&listener, &server, &accepting));
        Self { folder, url, era }
    }

    /// The URL that leads through it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Lets nothing more pass over the connections there are, and closes none of them.
    pub(crate) fn fall_silent(&self) {
        self.era.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for SilentProxy {
    fn drop(&mut self) {
        // Ends the thread that accepts, which looks after each connection.
        self.fall_silent();
        let socket: PathBuf = self.folder.path().join(SOCKET);
        let _ = fs::remove_file(socket);
    }
}

fn accept(listener: &UnixListener, server: &Path, era: &Arc<AtomicU64>) {
    while let Ok((client, _)) = listener.accept() {
        let Ok(server) = UnixStream::connect(server) else {
            continue;
        };
        let born = era.load(Ordering::SeqCst);
        for (from, to) in [
            (client.try_clone().unwrap(), server.try_clone().unwrap()),
            (server, client),
        ] {
            let era = Arc::clone(era);
            thread::spawn(move || pass_on(from, to, &|| era.load(Ordering::SeqCst) == born));
        }
    }
}

/// Passes bytes on while the connection may speak. A silent one is kept open and read no more.
fn pass_on(mut from: UnixStream, mut to: UnixStream, may_speak: &dyn Fn() -> bool) {
    from.set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let mut bytes = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut bytes);
        if !may_speak() {
            // Held for longer than any test takes.
            thread::park_timeout(Duration::from_mins(5));
            return;
        }
        match read {
            Ok(0) => break,
            Ok(read) => {
                if to.write_all(&bytes[..read]).is_err() {
                    break;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
    let _ = from.shutdown(std::net::Shutdown::Both);
}
