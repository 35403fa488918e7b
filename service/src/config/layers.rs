//! The layers a configuration is read from: a TOML file, and above it the environment.
//!
//! A setting is named by section and key; some sections hold tables that the operator names, `[section.name]`. The
//! environment writes each dot as two underscores: `SEALRING_<SECTION>__<KEY>`, `SEALRING_<SECTION>__<NAME>__<KEY>`. Reading
//! goes on after a mistake, so that one run shows all of them; a mistake names a place and a reason, never a value.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::mem;
use std::path::Path;

use keyring::secret::SecretBytes;

use super::mistakes::Mistakes;
use super::places::Places;
use super::secret;
use super::section::Section;
use super::service_links;
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
    /// The tables `section.name` of the file that nobody has asked for yet.
    tables: BTreeSet<String>,
    pub(super) mistakes: Mistakes,
    pub(super) places: Places,
}

impl Layers {
    /// No settings; what is missing is reported under this name.
    pub fn empty(file: impl Into<String>) -> Self {
        let file = file.into();
        Self {
            places: Places::in_file(file.clone()),
            file,
            given: BTreeMap::new(),
            tables: BTreeSet::new(),
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

    /// Lays these environment variables above what is there. One that begins like a setting, `SEALRING_KEK_PIN`, and is
    /// none is a mistake, unless Kubernetes has put it there.
    pub fn add_environment(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) {
        for (variable, value) in variables {
            let Some(variable) = variable.to_str() else {
                continue;
            };
            let Some(rest) = variable.strip_prefix("SEALRING_") else {
                continue;
            };
            let Some((section, key)) = rest.rsplit_once("__") else {
                if begins_with_section(rest) && !service_links::is_one(rest, &value) {
                    self.mistakes.add(variable, NO_SETTING);
                }
                continue;
            };
            let section = section.to_ascii_lowercase().replace("__", ".");
            let key = key.to_ascii_lowercase();
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
    pub fn section(&mut self, name: &str) -> Section<'_> {
        Section::new(self, name.to_owned())
    }

    /// The names of the tables `[section.name]` that file and environment give, in alphabetical order. What is no name
    /// is a mistake, and passed over with its keys.
    pub fn names(&mut self, section: &str) -> Vec<String> {
        let (good, bad): (Vec<_>, Vec<_>) = self
            .tables_of(section)
            .into_iter()
            .partition(|name| is_name(name));
        for name in &bad {
            let table = dotted(section, name);
            let place = self.place_of_table(&table);
            self.mistakes.add(place, NAME_FORM);
            self.pass_over(&table);
        }
        good
    }

    /// The keys of one named table.
    pub fn named(&mut self, section: &str, name: &str) -> Section<'_> {
        let table = dotted(section, name);
        self.tables.remove(&table);
        Section::new(self, table)
    }

    pub(super) fn is_given(&self, section: &str, key: &str) -> bool {
        self.given
            .contains_key(&(section.to_owned(), key.to_owned()))
    }

    pub(super) fn take(&mut self, section: &str, key: &str) -> Option<Given> {
        let given = self.given.remove(&(section.to_owned(), key.to_owned()))?;
        self.places.keep(section, key, &given.place);
        Some(given)
    }

    pub(super) fn pass_over(&mut self, section: &str) {
        self.given.retain(|(of, _), _| of != section);
        self.tables.remove(section);
    }

    /// Ends the reading: what nobody asked for is unknown. Where everything was given, or the mistakes that were found.
    pub fn finish(mut self) -> Result<Places, Mistakes> {
        for table in mem::take(&mut self.tables) {
            let place = format!("{}: {table}", self.file);
            self.mistakes.add(place, UNKNOWN);
            self.pass_over(&table);
        }
        for (_, given) in mem::take(&mut self.given) {
            self.mistakes.add(given.place, UNKNOWN);
        }
        if self.mistakes.is_empty() {
            Ok(self.places)
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
            if let toml::Value::Table(entries) = value {
                self.add_named(&dotted(section, &key), entries);
            } else {
                self.add_value(section, key, value);
            }
        }
    }

    fn add_named(&mut self, table: &str, entries: toml::Table) {
        self.tables.insert(table.to_owned());
        for (key, value) in entries {
            self.add_value(table, key, value);
        }
    }

    fn add_value(&mut self, section: &str, key: String, value: toml::Value) {
        let place = self.place_in_file(section, &key);
        let Some(value) = Value::from_toml(value) else {
            self.mistakes.add(
                place,
                "must be a string, an integer, a boolean or a list of strings",
            );
            return;
        };
        let given = Given {
            place,
            value,
            from_environment: false,
        };
        self.given.insert((section.to_owned(), key), given);
    }

    /// What stands behind `section.`, in the file or in the environment.
    fn tables_of(&self, section: &str) -> BTreeSet<String> {
        let sections = self.given.keys().map(|(of, _)| of);
        self.tables
            .iter()
            .chain(sections)
            .filter_map(|of| of.strip_prefix(section)?.strip_prefix('.'))
            .map(str::to_owned)
            .collect()
    }

    pub(super) fn place_in_file(&self, section: &str, key: &str) -> String {
        format!("{}: {section}.{key}", self.file)
    }

    /// Where a table is: in the file, or in the first variable that sets something in it.
    fn place_of_table(&self, table: &str) -> String {
        let mut keys = self.given.iter().filter(|((of, _), _)| of == table);
        match keys.next() {
            Some((_, given)) if !self.tables.contains(table) => given.place.clone(),
            _ => format!("{}: {table}", self.file),
        }
    }
}

/// Whether the first word is a section's name. Others may be meant for other programs, such as the tests of this one.
fn begins_with_section(rest: &str) -> bool {
    let word = rest.split('_').next().unwrap_or_default();
    SECTIONS
        .iter()
        .any(|section| section.eq_ignore_ascii_case(word))
}

fn dotted(section: &str, name: &str) -> String {
    format!("{section}.{name}")
}

/// An underscore at an end would make three of them in the environment, and nobody could say which two are the dot.
fn is_name(name: &str) -> bool {
    let of_name = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    (1..=MAX_NAME_LEN).contains(&name.len())
        && name.bytes().all(of_name)
        && !name.contains("__")
        && !name.starts_with('_')
        && !name.ends_with('_')
}

/// Every section that there may be.
const SECTIONS: [&str; 11] = [
    "audit",
    "cache",
    "coherence",
    "kek",
    "keys",
    "limits",
    "process",
    "rotation",
    "server",
    "store",
    "telemetry",
];

const MAX_NAME_LEN: usize = 32;
const NAME_FORM: &str = "is not a name: 1 to 32 lower-case letters, digits, dashes and single underscores, with no \
                         underscore at either end";
const UNKNOWN: &str = "is not a known setting here";
const NO_SETTING: &str = "is no setting: two underscores stand between section and key, as in SEALRING_KEK__PIN; \
                          unset it if it is not meant for this program";

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(toml: &str, environment: &[(&str, &str)]) -> Layers {
        let mut layers = Layers::empty("FILE");
        for (section, value) in toml.parse::<toml::Table>().unwrap() {
            layers.add_section(&section, value);
        }
        let variables = environment.iter();
        layers.add_environment(variables.map(|(name, value)| (name.into(), value.into())));
        layers
    }

    fn mistakes(layers: Layers) -> String {
        layers.finish().unwrap_err().to_string()
    }

    #[test]
    fn tables_are_named_by_the_file_and_by_the_environment() {
        let environment = [
            ("SEALRING_AUDIT__FILE_2__PATH", "/b"),
            ("SEALRING_AUDIT__FILE__PATH", "/c"),
            ("SEALRING_AUDIT__STRICT", "true"),
        ];
        let file = "[audit.file]\npath = \"/a\"\nmode = 7\n[audit.empty]\n[audition.x]\ny = 1";
        let mut layers = layers(file, &environment);
        assert_eq!(layers.names("audit"), ["empty", "file", "file_2"]);
        let mut section = layers.named("audit", "file");
        assert_eq!(section.required::<String>("path").as_deref(), Some("/c"));
        assert_eq!(section.required::<u64>("mode"), Some(7));
        let mut section = layers.named("audit", "file_2");
        assert_eq!(section.required::<String>("path").as_deref(), Some("/b"));
        assert_eq!(layers.named("audit", "empty").optional::<u64>("mode"), None);
        assert_eq!(layers.section("audit").optional("strict"), Some(true));
        assert_eq!(
            mistakes(layers),
            "FILE: audition.x: is not a known setting here"
        );
    }

    #[test]
    fn a_secret_of_a_named_table_has_two_forms_as_any_other() {
        let environment = [("SEALRING_AUDIT__A__KEY", "hunter2")];
        let mut layers = layers("[audit.a]\nkey_file = \"/nowhere\"", &environment);
        let secret = layers.named("audit", "a").required_secret("key").unwrap();
        assert_eq!(secret.value.expose_secret(), b"hunter2");
        assert!(layers.finish().is_ok());
    }

    #[test]
    fn a_mistake_in_a_named_table_says_where_it_is() {
        let environment = [
            ("SEALRING_AUDIT__B__MODE", "x"),
            ("SEALRING_AUDIT__B__UNKNOWN", "1"),
        ];
        let mut layers = layers(
            "[audit.a]\nmode = \"x\"\n[audit.a.deeper]\nz = 1",
            &environment,
        );
        for name in layers.names("audit") {
            layers.named("audit", &name).optional::<u64>("mode");
        }
        layers.named("audit", "b").required::<u64>("path");
        assert_eq!(
            mistakes(layers),
            "FILE: audit.a.deeper: must be a string, an integer, a boolean or a list of strings\n\
             FILE: audit.a.mode: must be a whole number, not negative\n\
             SEALRING_AUDIT__B__MODE: audit.b.mode: must be a whole number, not negative\n\
             FILE: audit.b.path: is missing; it must be a whole number, not negative\n\
             SEALRING_AUDIT__B__UNKNOWN: audit.b.unknown: is not a known setting here"
        );
    }

    #[test]
    fn a_variable_that_is_nearly_a_setting_is_a_mistake_unless_kubernetes_put_it_there() {
        for variable in ["SEALRING_KEK_PIN", "SEALRING_STORE_URL", "SEALRING_KEK"] {
            let found = mistakes(layers("", &[(variable, "hunter2")]));
            assert!(found.starts_with(variable) && found.contains("is no setting"));
            assert!(!found.contains("hunter2"));
        }
        let links = [
            ("SEALRING_PORT", "tcp://10.0.0.1:8200"),
            ("SEALRING_PORT_8200_TCP_ADDR", "10.0.0.1"),
            ("SEALRING_SERVICE_HOST", "10.0.0.1"),
            ("SEALRING_STORE_SERVICE_HOST", "10.0.0.1"),
            ("OTHER_SERVICE", "x"),
            ("SEALRING_REQUIRE_BACKENDS", "1"),
        ];
        assert!(layers("", &links).finish().is_ok());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for name in ["A", "a b", "a.b", "\u{e9}", "", "_a", "a_", "a__b"] {
            let mut layers = layers(&format!("[audit.\"{name}\"]\nmode = 1"), &[]);
            assert!(layers.names("audit").is_empty(), "{name}");
            let expected = format!("FILE: audit.{name}: is not a name: ");
            assert!(mistakes(layers).starts_with(&expected), "{name}");
        }
        let longest = "a".repeat(MAX_NAME_LEN);
        for (name, good) in [(longest.clone(), true), (longest + "a", false)] {
            let mut layers = layers(&format!("[audit.{name}]"), &[]);
            assert_eq!(layers.names("audit").len(), usize::from(good));
        }
    }

    #[test]
    fn a_name_of_the_environment_is_told_from_its_key() {
        for (variable, place) in [
            ("SEALRING_AUDIT__A___B", "audit.a_: is not a name"),
            ("SEALRING_AUDIT____B", "audit.: is not a name"),
            ("SEALRING_AUDIT__A__B__C", "audit.a.b: is not a name"),
        ] {
            let mut layers = layers("", &[(variable, "1")]);
            assert!(layers.names("audit").is_empty(), "{variable}");
            let found = mistakes(layers);
            assert!(found.starts_with(variable), "{found}");
            let reason = place.split_once(": ").unwrap().1;
            assert!(found.contains(reason), "{found}");
        }
    }

    #[test]
    fn tables_where_none_are_known_are_mistakes() {
        let mut layers = layers("[server]\nworkers = 1\n[server.x]\ny = 1", &[]);
        assert_eq!(layers.section("server").optional::<u64>("workers"), Some(1));
        assert_eq!(
            mistakes(layers),
            "FILE: server.x: is not a known setting here"
        );
    }
}
