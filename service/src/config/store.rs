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
    Some(Store::Postgres {
        url: url.value,
        max_connections,
    })
}

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
