//! Paths that a configuration names: whether those that are written to are apart, and whether others can read secrets.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::audit::SinkKind;
use super::kek::Kek;
use super::listener::{ClientAuth, Place};
use super::store::Store;
use super::{Config, Mistakes};
use crate::audit::spool_file;

/// A path of the configuration, and what it is there for.
struct Named {
    place: String,
    path: PathBuf,
}

/// Finds audit sinks that would write to a file that is there for something else, and secrets' files that others can read.
pub fn check_apart(config: &Config, file: Option<&Path>) -> Result<(), Mistakes> {
    let mut mistakes = Mistakes::default();
    check_sinks(config, file, &mut mistakes);
    for (place, path) in config.places.secret_files() {
        if let Some(flaw) = exposure(path) {
            mistakes.add(place.as_str(), flaw);
        }
    }
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(mistakes)
    }
}

fn check_sinks(config: &Config, file: Option<&Path>, mistakes: &mut Mistakes) {
    let mut others = others(config);
    others.extend(file.map(|path| Named {
        place: "the configuration file".to_owned(),
        path: path.to_owned(),
    }));
    for sink in sinks(config) {
        if let Some(other) = others.iter().find(|other| is_same(&sink.path, &other.path)) {
            mistakes.add(
                sink.place.as_str(),
                format!(
                    "names {}, which is the file of {}: records would destroy it; give the sink a file of its own",
                    sink.path.display(),
                    other.place
                ),
            );
        }
        others.push(sink);
    }
}

/// The files that sinks append to.
fn sinks(config: &Config) -> Vec<Named> {
    let files = config.audit.sinks.iter().filter_map(|sink| {
        let section = format!("audit.{}", sink.name);
        match &sink.kind {
            SinkKind::File(file) => Some(Named {
                place: config.places.of(&section, "path"),
                path: file.path.clone(),
            }),
            SinkKind::Socket(socket) => Some(Named {
                place: config.places.of(&section, "spool"),
                path: spool_file(socket, &sink.name),
            }),
            SinkKind::Stdout | SinkKind::Syslog(_) => None,
        }
    });
    files.collect()
}

/// Every other file of the configuration.
fn others(config: &Config) -> Vec<Named> {
    let mut others = Vec::new();
    let mut name = |place: &str, path: &Path| {
        others.push(Named {
            place: place.to_owned(),
            path: path.to_owned(),
        });
    };
    if let Store::Sqlite { path } = &config.store {
        for end in ["", "-wal", "-shm", "-journal", ".lock"] {
            let mut file = path.as_os_str().to_owned();
            file.push(end);
            name("store.path", Path::new(&file));
        }
    }
    match &config.kek {
        Kek::Software { file } => name("kek.file", file),
        Kek::Pkcs11(settings) => name("kek.module", &settings.module),
    }
    for listener in &config.listeners {
        let of = |key: &str| format!("listener.{}.{key}", listener.name);
        match &listener.place {
            Place::Tcp { tls: Some(tls), .. } => {
                name(&of("tls_cert_file"), &tls.cert_file);
                name(&of("tls_key_file"), &tls.key_file);
                if let ClientAuth::Require(file) = &tls.client_auth {
                    name(&of("tls_client_ca_file"), file);
                }
            }
            Place::Unix { path, .. } => name(&of("unix_socket"), path),
            Place::Tcp { tls: None, .. } => {}
        }
    }
    for (place, path) in config.places.secret_files() {
        name(place, path);
    }
    others
}

/// Whether two paths lead to one file: by name, over links, or as two names of it.
fn is_same(one: &Path, other: &Path) -> bool {
    if resolved(one) == resolved(other) {
        return true;
    }
    let id = |path: &Path| {
        let metadata = path.metadata().ok()?;
        metadata.is_file().then(|| (metadata.dev(), metadata.ino()))
    };
    id(one).is_some_and(|found| id(other) == Some(found))
}

/// The path without links, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if let Ok(whole) = absolute.canonicalize() {
        return whole;
    }
    match (absolute.parent(), absolute.file_name()) {
        (Some(parent), Some(name)) => resolved(parent).join(name),
        (None, _) | (_, None) => absolute,
    }
}

/// How others can get at a secret in this file, by the rule for keys of TLS: its owner alone, or, if root owns it, its group
/// too, as Kubernetes and Debian hand secrets out.
fn exposure(path: &Path) -> Option<String> {
    let metadata = path.metadata().ok()?;
    let forbidden = if metadata.uid() == 0 && !rustix::process::geteuid().is_root() {
        0o037
    } else {
        0o077
    };
    let mode = metadata.mode() & 0o7777;
    (metadata.is_file() && mode & forbidden != 0).then(|| {
        format!(
            "names {}, which has mode {mode:04o}, so that others can read the secret or replace it (chmod 600)",
            path.display()
        )
    })
}
