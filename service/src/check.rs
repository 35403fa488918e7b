//! `sealring config check`: looks also at what a configuration names on this machine, without using any of it.

use std::fs;
use std::io;
use std::path::Path;

use keyring::kek::private_file;
use rustix::fs::Access;

use crate::audit;
use crate::config::audit::{Sink, SinkKind};
use crate::config::kek::{Kek, Pkcs11};
use crate::config::listener::{Listener, Place};
use crate::config::store::Store;
use crate::config::{Config, Mistakes};
use crate::tls::Tls;

/// Every file that is missing, or not kept as a server needs it. What the first start makes may be missing: its directory
/// may not.
pub fn files(config: &Config) -> Result<(), Mistakes> {
    let mut mistakes = Mistakes::default();
    let mut report = |section: &str, key: &str, found: Result<(), String>| {
        if let Err(flaw) = found {
            mistakes.add(config.places.of(section, key), flaw);
        }
    };
    for listener in &config.listeners {
        check_listener(listener, &mut report);
    }
    if let Store::Sqlite { path } = &config.store {
        report("store", "path", made_at(path));
    }
    match &config.kek {
        Kek::Software { file } => report("kek", "file", key_file(file)),
        Kek::Pkcs11(settings) => check_pkcs11(settings, &mut report),
    }
    for sink in &config.audit.sinks {
        check_sink(sink, &mut report);
    }
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(mistakes)
    }
}

/// Takes a section, a key, and what was found of it.
type Report<'r> = dyn FnMut(&str, &str, Result<(), String>) + 'r;

fn check_listener(listener: &Listener, report: &mut Report<'_>) {
    let section = format!("listener.{}", listener.name);
    match &listener.place {
        Place::Tcp { tls: Some(tls), .. } => {
            let Err(fault) = Tls::load(tls.clone()) else {
                return;
            };
            let key = if fault.path == tls.cert_file {
                "tls_cert_file"
            } else if fault.path == tls.key_file {
                "tls_key_file"
            } else {
                "tls_client_ca_file"
            };
            report(&section, key, Err(format!("names {fault}")));
        }
        Place::Unix { path, .. } => report(&section, "unix_socket", made_at(path)),
        Place::Tcp { tls: None, .. } => {}
    }
}

fn check_pkcs11(settings: &Pkcs11, report: &mut Report<'_>) {
    let module = &settings.module;
    let found = match fs::metadata(module) {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(_) => Err(named(module, "is not a file")),
        Err(error) => Err(cannot(module, "be used", &error)),
    };
    report("kek", "module", found);
    let found = match fs::metadata(&settings.state_dir) {
        Ok(_) => writable_directory(&settings.state_dir),
        Err(_) => made_at(&settings.state_dir),
    };
    report("kek", "state_dir", found);
}

fn check_sink(sink: &Sink, report: &mut Report<'_>) {
    let section = format!("audit.{}", sink.name);
    match &sink.kind {
        SinkKind::File(file) => {
            let path = &file.path;
            let found = made_at(path).and_then(|()| {
                audit::examine_file(path).map_err(|error| named(path, &format!("{error}")))
            });
            report(&section, "path", found);
        }
        SinkKind::Socket(socket) => {
            let spool = audit::spool_file(socket, &sink.name);
            let found = match fs::metadata(&socket.spool) {
                Ok(_) => writable_directory(&socket.spool),
                Err(_) => made_under(&socket.spool),
            };
            let found = found.and_then(|()| {
                audit::examine_file(&spool).map_err(|error| named(&spool, &format!("{error}")))
            });
            report(&section, "spool", found);
        }
        SinkKind::Syslog(syslog) => {
            let path = &syslog.path;
            let found = fs::metadata(path).map(drop);
            let found = found.map_err(|error| cannot(path, "be used", &error));
            report(&section, "path", found);
        }
        SinkKind::Stdout => {}
    }
}

/// A software KEK: whole and its owner's alone, or not made yet.
fn key_file(path: &Path) -> Result<(), String> {
    match private_file::read(path, KEY_FILE_LIMIT) {
        Ok(_) => Ok(()),
        Err(private_file::PrivateFileError::Missing) => made_at(path),
        Err(error) => Err(named(path, &error.to_string())),
    }
}

/// What is to be made at this path has a directory that can be written to.
fn made_at(path: &Path) -> Result<(), String> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => writable_directory(parent),
        Some(_) | None => writable_directory(Path::new(".")),
    }
}

/// The nearest directory above that exists, below which the others will be made.
fn made_under(path: &Path) -> Result<(), String> {
    let there = path.ancestors().skip(1).find(|above| above.exists());
    match there {
        Some(above) if !above.as_os_str().is_empty() => writable_directory(above),
        Some(_) | None => writable_directory(Path::new(".")),
    }
}

fn writable_directory(path: &Path) -> Result<(), String> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!(
            "needs the directory {}, which does not exist: make it",
            path.display()
        )),
        Err(error) => Err(cannot(path, "be used", &error)),
        Ok(metadata) if !metadata.is_dir() => Err(named(path, "is not a directory")),
        Ok(_) => rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK)
            .map_err(|errno| cannot(path, "be written to", &errno.into())),
    }
}

fn named(path: &Path, flaw: &str) -> String {
    format!("{} {flaw}", path.display())
}

fn cannot(path: &Path, what: &str, error: &io::Error) -> String {
    format!("{} cannot {what}: {error}", path.display())
}

/// Longer than any key's file.
const KEY_FILE_LIMIT: u64 = 1024;
