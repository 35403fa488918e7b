//! `[store]`: where rings are kept.

use std::path::PathBuf;

use keyring::secret::SecretBytes;

use super::section::Section;
use super::value::{FromValue, Value};

/// The store and how to reach it.
#[derive(Debug)]
pub enum Store {
    /// A file of this process alone.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// A server that several nodes share.
    Postgres {
        /// `postgres://...`, with the password if one is needed.
        url: SecretBytes,
        /// How many connections this node opens at most.
        max_connections: u32,
    },
}

impl Store {
    /// Reads the section; `None` after a mistake.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        match section.kind()? {
            Kind::Sqlite => section.required("path").map(|path| Self::Sqlite { path }),
            Kind::Postgres => postgres(section),
        }
    }
}

enum Kind {
    Sqlite,
    Postgres,
}

impl FromValue for Kind {
    const FORM: &'static str = "\"sqlite\" or \"postgres\"";

    fn from_value(value: &Value) -> Option<Self> {
        match String::from_value(value)?.as_str() {
            "sqlite" => Some(Self::Sqlite),
            "postgres" => Some(Self::Postgres),
            _ => None,
        }
    }
}

fn postgres(section: &mut Section<'_>) -> Option<Store> {
    let max_connections = section.within("max_connections", 16, 2..=1000);
    let url = section.required_secret("url")?;
    if !SCHEMES
        .iter()
        .any(|scheme| url.value.expose_secret().starts_with(scheme.as_bytes()))
    {
        section.add_at(url.place, "must be a URL that starts with postgres://");
        return None;
    }
    if has_unknown_parameter(url.value.expose_secret()) {
        section.add_at(url.place, UNKNOWN_PARAMETER);
        return None;
    }
    Some(Store::Postgres {
        url: url.value,
        max_connections,
    })
}

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Whether the URL has a parameter that nobody would look at. Its name is not told: it may be the rest of a password.
fn has_unknown_parameter(url: &[u8]) -> bool {
    let url = url.split(|byte| *byte == b'#').next().unwrap_or_default();
    let Some(start) = url.iter().position(|byte| *byte == b'?') else {
        return false;
    };
    let query = url.get(start + 1..).unwrap_or_default();
    let mut names = query
        .split(|byte| *byte == b'&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| {
            parameter
                .split(|byte| *byte == b'=')
                .next()
                .unwrap_or_default()
        });
    names.any(|name| {
        let is_option = name.starts_with(b"options[");
        !is_option && PARAMETERS.iter().all(|known| known.as_bytes() != name)
    })
}

/// What the driver knows, by PostgreSQL's names and its own.
const PARAMETERS: [&str; 18] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

const UNKNOWN_PARAMETER: &str = "has a parameter that is not known; known are sslmode, sslrootcert, sslcert, sslkey, host, \
                                 hostaddr, port, dbname, user, password, application_name, options and \
                                 statement-cache-capacity";
