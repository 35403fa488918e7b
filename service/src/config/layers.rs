//! The layers a configuration is read from: a TOML file, and above it the environment.
//!
//! A setting is named by section and key. The environment names it `SEALRING_<SECTION>__<KEY>`. Reading goes on after a
//! mistake, so that one run shows all of them; a mistake names a place and a reason, never a value.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::mem;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use keyring::secret::SecretBytes;

use super::secret;
use super::value::{FromValue, Value};

/// One mistake: where it is, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    place: String,
    reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

/// All mistakes of a configuration, one a line, in the order of the sections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// A single mistake that keeps everything else from being read.
    pub fn one(place: impl Into<String>, reason: impl Into<String>) -> Self {
        let mut mistakes = Self::default();
        mistakes.add(place, reason);
        mistakes
    }

    fn add(&mut self, place: impl Into<String>, reason: impl Into<String>) {
        self.0.push(Mistake {
            place: place.into(),
            reason: reason.into(),
        });
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// A value with the place it came from.
#[derive(Debug)]
struct Given {
    place: String,
    value: Value,
    from_environment: bool,
}

/// What file and environment give together, taken out key by key.
#[derive(Debug)]
pub struct Layers {
    file: String,
    given: BTreeMap<(String, String), Given>,
    mistakes: Mistakes,
}

impl Layers {
    /// No settings; what is missing is reported under this name.
    pub fn empty(file: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            given: BTreeMap::new(),
            mistakes: Mistakes::default(),
        }
    }

    /// The settings of a TOML file.
    pub fn from_file(path: &Path) -> Result<Self, Mistakes> {
        let name = path.display().to_string();
        let bytes = match std::fs::read(path) {
            Ok(bytes) => SecretBytes::new(bytes),
            Err(error) => return Err(Mistakes::one(name, format!("cannot be read: {error}"))),
        };
        let Ok(text) = std::str::from_utf8(bytes.expose_secret()) else {
            return Err(Mistakes::one(name, "is not UTF-8"));
        };
        // The parser's own display quotes the line, and the line may hold a secret.
        let table = text.parse::<toml::Table>().map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let line = text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
            Mistakes::one(
                format!("{name}: line {line}"),
                format!("is not valid TOML: {}", error.message()),
            )
        })?;
        let mut layers = Self::empty(name);
        for (section, value) in table {
            layers.add_section(&section, value);
        }
        Ok(layers)
    }

    /// One setting, as if the file had it.
    pub fn set(&mut self, section: &str, key: &str, value: impl Into<String>) {
        let given = Given {
            place: self.place_in_file(section, key),
            value: Value::Text(value.into()),
            from_environment: false,
        };
        self.given
            .insert((section.to_owned(), key.to_owned()), given);
    }

    /// Lays these environment variables above what is there. Those that are not `SEALRING_<SECTION>__<KEY>` are
    /// somebody else's: Kubernetes, for one, adds `SEALRING_PORT` and the like to every pod beside a service of that name.
    pub fn add_environment(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) {
        for (variable, value) in variables {
            let Some(variable) = variable.to_str() else {
                continue;
            };
            let Some((section, key)) = variable
                .strip_prefix("SEALRING_")
                .and_then(|rest| rest.split_once("__"))
            else {
                continue;
            };
            let (section, key) = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
            let place = format!("{variable}: {section}.{key}");
            let Ok(value) = value.into_string() else {
                self.mistakes.add(place, "is not UTF-8");
                continue;
            };
            // A secret given here as value or file stands above both forms in the file.
            let sibling = (section.clone(), secret::other_form(&key));
            self.given
                .retain(|at, given| given.from_environment || *at != sibling);
            let given = Given {
                place,
                value: Value::Environment(value),
                from_environment: true,
            };
            self.given.insert((section, key), given);
        }
    }

    /// Whether any variable of the environment sets something in this section.
    pub fn is_set_by_environment(&self, section: &str) -> bool {
        self.given
            .iter()
            .any(|((of, _), given)| of == section && given.from_environment)
    }

    /// The keys of one section.
    pub fn section(&mut self, name: &'static str) -> Section<'_> {
        Section { layers: self, name }
    }

    /// Ends the reading: what nobody asked for is unknown. The mistakes that were found, if any.
    pub fn finish(mut self) -> Result<(), Mistakes> {
        for (_, given) in mem::take(&mut self.given) {
            self.mistakes
                .add(given.place, "is not a known setting here");
        }
        if self.mistakes.0.is_empty() {
            Ok(())
        } else {
            Err(self.mistakes)
        }
    }

    fn add_section(&mut self, section: &str, value: toml::Value) {
        let toml::Value::Table(table) = value else {
            self.mistakes.add(
                format!("{}: {section}", self.file),
                "is outside of every section",
            );
            return;
        };
        for (key, value) in table {
            let place = self.place_in_file(section, &key);
            match Value::from_toml(value) {
                Some(value) => {
                    let given = Given {
                        place,
                        value,
                        from_environment: false,
                    };
                    self.given.insert((section.to_owned(), key), given);
                }
                None => self
                    .mistakes
                    .add(place, "must be a string, an integer or a boolean"),
            }
        }
    }

    fn place_in_file(&self, section: &str, key: &str) -> String {
        format!("{}: {section}.{key}", self.file)
    }
}

/// One section while it is read.
#[derive(Debug)]
pub struct Section<'a> {
    layers: &'a mut Layers,
    name: &'static str,
}

/// A value that was given, and where.
#[derive(Debug)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Where a mistake in it is reported.
    pub place: String,
}

impl Section<'_> {
    /// The value of a key with its place, if the key is given and its value has the right form.
    pub fn placed<T: FromValue>(&mut self, key: &str) -> Option<Placed<T>> {
        let given = self.take(key)?;
        if let Some(value) = T::from_value(&given.value) {
            let place = given.place;
            return Some(Placed { value, place });
        }
        self.add_at(given.place, format!("must be {}", T::FORM));
        None
    }

    /// The value of a key, if it is given.
    pub fn optional<T: FromValue>(&mut self, key: &str) -> Option<T> {
        self.placed(key).map(|placed| placed.value)
    }

    /// The value of a key, or this default.
    pub fn or<T: FromValue>(&mut self, key: &str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// The value of a key that must lie in this range, or this default.
    pub fn within<T>(&mut self, key: &str, default: T, range: RangeInclusive<T>) -> T
    where
        T: FromValue + PartialOrd + Show,
    {
        let Some(placed) = self.placed::<T>(key) else {
            return default;
        };
        if range.contains(&placed.value) {
            return placed.value;
        }
        let (least, most) = (range.start().show(), range.end().show());
        self.add_at(placed.place, format!("must be from {least} to {most}"));
        default
    }

    /// The value of a key that has no default.
    pub fn required<T: FromValue>(&mut self, key: &str) -> Option<T> {
        if self.is_given(key) {
            return self.optional(key);
        }
        self.add(key, format!("is missing; it must be {}", T::FORM));
        None
    }

    /// A secret without a default, given as `key` or as the path of a file in `key_file`.
    pub fn required_secret(&mut self, key: &str) -> Option<Placed<SecretBytes>> {
        let file_key = secret::file_key(key);
        if !self.is_given(key) && !self.is_given(&file_key) {
            let reason = format!("is missing; give it here or as a file in {file_key}");
            self.add(key, reason);
            return None;
        }
        let (value, path) = (self.take(key), self.take(&file_key));
        let (place, secret) = match (value, path) {
            (Some(given), None) => (given.place, given.value.into_secret()),
            (None, Some(given)) => (given.place, secret_in_file(&given.value)),
            (Some(_), Some(given)) => {
                let reason = format!("is given beside {key}; give one of them");
                (given.place, Err(reason))
            }
            (None, None) => return None,
        };
        match secret {
            Ok(value) if !value.is_empty() => Some(Placed { value, place }),
            Ok(_) => {
                self.add_at(place, "is empty");
                None
            }
            Err(reason) => {
                self.add_at(place, reason);
                None
            }
        }
    }

    /// Whether the key is given and has not been read.
    pub fn is_given(&self, key: &str) -> bool {
        self.layers.given.contains_key(&self.address(key))
    }

    /// Reports a mistake in a key that is not given.
    pub fn add(&mut self, key: &str, reason: impl Into<String>) {
        let place = self.layers.place_in_file(self.name, key);
        self.layers.mistakes.add(place, reason);
    }

    /// Reports a mistake in a value.
    pub fn add_at(&mut self, place: String, reason: impl Into<String>) {
        self.layers.mistakes.add(place, reason);
    }

    /// The key `kind`, which decides what other keys there are. After a mistake in it the others are passed over.
    pub fn kind<T: FromValue>(&mut self) -> Option<T> {
        let kind = self.required("kind");
        if kind.is_none() {
            let name = self.name;
            self.layers.given.retain(|(section, _), _| section != name);
        }
        kind
    }

    fn take(&mut self, key: &str) -> Option<Given> {
        let address = self.address(key);
        self.layers.given.remove(&address)
    }

    fn address(&self, key: &str) -> (String, String) {
        (self.name.to_owned(), key.to_owned())
    }
}

fn secret_in_file(path: &Value) -> Result<SecretBytes, String> {
    match PathBuf::from_value(path) {
        Some(path) => secret::read_file(&path),
        None => Err(format!("must be {}", PathBuf::FORM)),
    }
}

/// A bound as it is written in a configuration.
pub trait Show {
    /// The text.
    fn show(&self) -> String;
}
