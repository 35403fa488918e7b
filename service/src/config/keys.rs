//! `[keys]`: what new rings are when nobody says.

use keyring::algorithm::CipherType;
use keyring::transit::Settings;

use super::section::Section;

/// Defaults of new rings.
#[derive(Debug)]
pub struct Keys {
    /// The type of rings created without one, where the mount has none either.
    pub default_key_type: CipherType,
}

impl Keys {
    /// Reads the section.
    pub fn read(section: &mut Section<'_>) -> Self {
        let default = Settings::default();
        Self {
            default_key_type: section.or("default_key_type", default.default_key_type),
        }
    }
}
