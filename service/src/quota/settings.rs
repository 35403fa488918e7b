//! `sys/quotas/config`: what holds for all quotas.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What holds for all quotas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaSettings {
    /// Paths that no quota counts: each with all below it, or, with a `*` at its end, with all that begins so.
    pub exempt_paths: Vec<String>,
    /// Kept for clients that read it back. Refused requests are audited whatever it says.
    pub audit_logging: bool,
    /// Kept for clients that read it back. `Retry-After` is sent whatever it says.
    pub response_headers: bool,
}

impl QuotaSettings {
    /// How many paths may be exempt.
    pub const MAX_EXEMPT_PATHS: usize = 64;

    /// Whether no quota counts a request's path, without a slash at either end.
    pub fn exempts(&self, path: &str) -> bool {
        self.exempt_paths.iter().any(|exempt| {
            if let Some(prefix) = exempt.strip_suffix('*') {
                return path.starts_with(prefix);
            }
            path.strip_prefix(exempt.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// What reading them shows, as Vault does.
    pub fn view(&self) -> Map<String, Value> {
        [
            ("enable_rate_limit_audit_logging", json!(self.audit_logging)),
            (
                "enable_rate_limit_response_headers",
                json!(self.response_headers),
            ),
            ("rate_limit_exempt_paths", json!(self.exempt_paths)),
        ]
        .into_iter()
        .map(|(field, value)| (field.to_owned(), value))
        .collect()
    }
}

/// What a write changes of the settings; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingsChange {
    /// Paths that no quota counts, with or without slashes at their ends.
    pub exempt_paths: Option<Vec<String>>,
    /// See [`QuotaSettings::audit_logging`].
    pub audit_logging: Option<bool>,
    /// See [`QuotaSettings::response_headers`].
    pub response_headers: Option<bool>,
}

impl SettingsChange {
    /// Changes these settings.
    pub fn apply_to(&self, settings: &mut QuotaSettings) {
        if let Some(paths) = &self.exempt_paths {
            let canonical = paths.iter().map(|path| path.trim_matches('/').to_owned());
            settings.exempt_paths = canonical.filter(|path| !path.is_empty()).collect();
        }
        settings.audit_logging = self.audit_logging.unwrap_or(settings.audit_logging);
        settings.response_headers = self.response_headers.unwrap_or(settings.response_headers);
    }
}

impl Default for QuotaSettings {
    fn default() -> Self {
        let paths = [
            "sys/health",
            "sys/internal/ui/mounts",
            "sys/leader",
            "sys/seal-status",
            "sys/unseal",
        ];
        Self {
            exempt_paths: paths.map(str::to_owned).to_vec(),
            audit_logging: false,
            response_headers: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exempt_path_covers_what_lies_below_and_a_glob_what_begins_so() {
        let settings = QuotaSettings {
            exempt_paths: vec!["sys/health".to_owned(), "transit/keys/a*".to_owned()],
            ..QuotaSettings::default()
        };
        for (path, exempt) in [
            ("sys/health", true),
            ("sys/health/x", true),
            ("sys/healthy", false),
            ("transit/keys/ab", true),
            ("transit/keys/b", false),
            ("", false),
        ] {
            assert_eq!(settings.exempts(path), exempt, "{path}");
        }
        assert!(QuotaSettings::default().exempts("sys/health"));
        assert!(!QuotaSettings::default().exempts("transit/decrypt/a"));
    }
}
