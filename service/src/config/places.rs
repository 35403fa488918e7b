//! Where each setting was given, for mistakes that show only when the whole configuration is known.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where settings were given.
#[derive(Debug, Default)]
pub struct Places {
    file: String,
    given: BTreeMap<(String, String), String>,
    secret_files: Vec<(String, PathBuf)>,
}

impl Places {
    /// Those of a file of this name, none yet.
    pub(super) fn in_file(file: String) -> Self {
        Self {
            file,
            ..Self::default()
        }
    }

    /// Where a setting was given; for one that was not, where it would be in the file.
    pub fn of(&self, section: &str, key: &str) -> String {
        let given = self.given.get(&(section.to_owned(), key.to_owned()));
        given
            .cloned()
            .unwrap_or_else(|| format!("{}: {section}.{key}", self.file))
    }

    /// The files that secrets were read from, with the place that names each.
    pub fn secret_files(&self) -> &[(String, PathBuf)] {
        &self.secret_files
    }

    pub(super) fn keep(&mut self, section: &str, key: &str, place: &str) {
        let setting = (section.to_owned(), key.to_owned());
        self.given.insert(setting, place.to_owned());
    }

    pub(super) fn keep_secret_file(&mut self, place: &str, path: PathBuf) {
        self.secret_files.push((place.to_owned(), path));
    }
}
