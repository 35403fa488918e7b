//! The layers a configuration is read from: a TOML file, and above it the environment.
//!
//! A setting is named by section and key. The environment names it `SEALRING_<SECTION>__<KEY>`. Reading goes on after a
//! mistake, so that one run shows all of them; a mistake names a place and a reason, never a value.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::mem;
use std::path::Path;

use keyring::secret::SecretBytes;

use super::mistakes::Mistakes;
use super::secret;
use super::section::Section;
use super::value::Value;

/// A value with the place it came from.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) place: String,
    pub(super) value: Value,
    from_environment: bool,
}

/// What file and environment give together, taken out key by key.
#[derive(Debug)]
pub struct Layers {
    file: String,
    given: BTreeMap<(String, String), Given>,
    pub(super) mistakes: Mistakes,
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
        Section::new(self, name)
    }

    pub(super) fn is_given(&self, section: &str, key: &str) -> bool {
        self.given
            .contains_key(&(section.to_owned(), key.to_owned()))
    }

    pub(super) fn take(&mut self, section: &str, key: &str) -> Option<Given> {
        self.given.remove(&(section.to_owned(), key.to_owned()))
    }

    pub(super) fn pass_over(&mut self, section: &str) {
        self.given.retain(|(of, _), _| of != section);
    }

    /// Ends the reading: what nobody asked for is unknown. The mistakes that were found, if any.
    pub fn finish(mut self) -> Result<(), Mistakes> {
        for (_, given) in mem::take(&mut self.given) {
            self.mistakes
                .add(given.place, "is not a known setting here");
        }
        if self.mistakes.is_empty() {
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

    pub(super) fn place_in_file(&self, section: &str, key: &str) -> String {
        format!("{}: {section}.{key}", self.file)
    }
}
