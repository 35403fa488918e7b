//! What an administrator says of a quota: where it applies, to whom, how much.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::window::{Unit, Window};

/// A quota as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaSpec {
    /// Where it applies.
    pub path: QuotaPath,
    /// The role whose logins it is about; empty for all requests.
    pub role: String,
    /// How much; one window of requests for a rate limit.
    pub windows: Vec<Window>,
    /// For how many seconds a refusal blocks; 0 for as long as the window says.
    pub block_seconds: u64,
    /// What makes it a budget; absent for a rate limit.
    pub budget: Option<Budget>,
    /// Kept and given back; there are no namespaces that could inherit it.
    #[serde(default = "inheritable")]
    pub inheritable: bool,
}

/// A quota is inheritable unless it says otherwise.
const fn inheritable() -> bool {
    true
}

/// What a budget says beyond a rate limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Who is told apart, by all of these together; with none, all share it.
    pub per: Vec<Per>,
    /// The words of the operations it is about; with none, all.
    pub operations: Vec<String>,
}

/// By what callers are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// By client address; by its first 64 bits if it is IPv6, for these are what one customer is given.
    Address,
    /// By who is logged in. Requests before a login are not counted.
    Identity,
    /// By ring. Requests about none are not counted.
    Key,
}

/// Where a quota applies: everywhere, on a mount, or on paths of a mount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaPath {
    /// The mount's path without a slash at its end; empty for everywhere.
    pub mount: String,
    /// The path below the mount, which may end in `*` for any end; empty for the whole mount.
    pub suffix: String,
}

/// Why what an administrator says is no quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecFault {
    /// The block interval is out of bounds.
    #[error("'block' is invalid")]
    Block,
    /// The interval is out of bounds.
    #[error("'interval' is invalid")]
    Interval,
    /// No mount is there.
    #[error("invalid mount path")]
    Mount,
    /// An operation is not known.
    #[error(
        "'operations' must be a list of operations as the metric sealring_transit_operations_total names them"
    )]
    Operations,
    /// It is not known by what to tell callers apart.
    #[error("'per' must be a list of \"address\", \"identity\" and \"key\"")]
    Per,
    /// The rate is out of bounds.
    #[error("'rate' is invalid")]
    Rate,
    /// A role where there are none.
    #[error("'role' needs the path of an auth mount, and a rate")]
    Role,
    /// The windows are none.
    #[error(
        "'windows' must be a list of 1 to 4 objects like {{\"requests\": 10, \"interval\": \"1s\"}} or {{\"items\": 1000, \"interval\": \"24h\"}}"
    )]
    Windows,
    /// A rate and windows at once.
    #[error("'windows' is given beside 'rate'; give one of them")]
    WindowsAndRate,
}

impl Per {
    /// The word of the field `per`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Identity => "identity",
            Self::Key => "key",
        }
    }

    /// What is meant by a word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Address, Self::Identity, Self::Key]
            .into_iter()
            .find(|per| per.word() == word)
    }
}

impl QuotaPath {
    /// Takes a path apart at its mount, which `mount_of` finds; `None` if none is there.
    pub fn parse(path: &str, mount_of: impl FnOnce(&str) -> Option<String>) -> Option<Self> {
        let path = path.trim_matches('/');
        if path.is_empty() {
            return Some(Self::default());
        }
        let mount = mount_of(path)?;
        let suffix = below(path, &mount)?.to_owned();
        Some(Self { mount, suffix })
    }

    /// Whether a request's path, without a slash at either end, lies there.
    pub fn matches(&self, path: &str) -> bool {
        let Some(rest) = below(path, &self.mount) else {
            return false;
        };
        match self.suffix.strip_suffix('*') {
            Some(prefix) => rest.starts_with(prefix),
            None => self.suffix.is_empty() || rest == self.suffix,
        }
    }

    /// How narrow it is, to compare paths that match the same request.
    pub(super) fn narrowness(&self) -> (bool, usize, usize) {
        let is_exact = !self.suffix.is_empty() && !self.suffix.ends_with('*');
        (is_exact, self.suffix.len(), self.mount.len())
    }

    /// The path as Vault shows it.
    fn shown(&self) -> String {
        if self.mount.is_empty() {
            String::new()
        } else {
            format!("{}/{}", self.mount, self.suffix)
        }
    }
}

/// What of a path lies below another, whole segments only.
fn below<'a>(path: &'a str, parent: &str) -> Option<&'a str> {
    if parent.is_empty() {
        return Some(path);
    }
    let rest = path.strip_prefix(parent)?;
    if rest.is_empty() {
        Some(rest)
    } else {
        rest.strip_prefix('/')
    }
}

impl QuotaSpec {
    /// Whether two rate limits would contend for the same requests. Budgets all count.
    pub fn contends_with(&self, other: &Self) -> bool {
        self.budget.is_none()
            && other.budget.is_none()
            && self.path == other.path
            && self.role == other.role
    }

    /// What reading the quota shows: Vault's fields, and for a budget ours instead of the rate.
    pub fn view(&self, name: &str) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut add = |field: &str, value: Value| fields.insert(field.to_owned(), value);
        add("block_interval", json!(self.block_seconds));
        add("inheritable", json!(self.inheritable));
        add("name", json!(name));
        add("path", json!(self.path.shown()));
        add("role", json!(self.role));
        add("type", json!("rate-limit"));
        match (&self.budget, self.windows.first()) {
            (Some(budget), _) => {
                let words: Vec<_> = budget.per.iter().map(|per| per.word()).collect();
                let windows: Vec<_> = self.windows.iter().map(window_view).collect();
                add("operations", json!(budget.operations));
                add("per", json!(words));
                add("windows", json!(windows));
            }
            (None, Some(window)) => {
                add("interval", seconds_or_text(window));
                add("rate", number(window.limit_thousandths));
            }
            (None, None) => {}
        }
        fields
    }
}

fn window_view(window: &Window) -> Value {
    let limit = number(window.limit_thousandths);
    let interval = seconds_or_text(window);
    match window.unit {
        Unit::Items => json!({"items": limit, "interval": interval}),
        Unit::Requests => json!({"requests": limit, "interval": interval}),
    }
}

/// Vault knows whole seconds only.
fn seconds_or_text(window: &Window) -> Value {
    if window.interval_millis.is_multiple_of(1000) {
        json!(window.interval_millis / 1000)
    } else {
        json!(format!("{}ms", window.interval_millis))
    }
}

fn number(thousandths: u64) -> Value {
    if thousandths.is_multiple_of(1000) {
        json!(thousandths / 1000)
    } else {
        json!(std::time::Duration::from_millis(thousandths).as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn path(mount: &str, suffix: &str) -> QuotaPath {
        QuotaPath {
            mount: mount.to_owned(),
            suffix: suffix.to_owned(),
        }
    }

    #[test]
    fn a_path_is_taken_apart_at_its_mount() {
        let mount_of = |path: &str| {
            ["team/transit", "transit"]
                .into_iter()
                .find(|mount| below(path, mount).is_some())
                .map(str::to_owned)
        };
        for (given, expected) in [
            ("", Some(path("", ""))),
            ("/", Some(path("", ""))),
            ("transit", Some(path("transit", ""))),
            ("transit/", Some(path("transit", ""))),
            (
                "team/transit/decrypt/*",
                Some(path("team/transit", "decrypt/*")),
            ),
            ("transitive", None),
        ] {
            assert_eq!(QuotaPath::parse(given, mount_of), expected, "{given}");
        }
    }

    #[test]
    fn a_quota_matches_whole_segments_and_globs_any_end() {
        for (quota, request, matches) in [
            (path("", ""), "sys/health", true),
            (path("transit", ""), "transit/decrypt/a", true),
            (path("transit", ""), "transit", true),
            (path("transit", ""), "transitive/decrypt/a", false),
            (path("transit", "decrypt/a"), "transit/decrypt/a", true),
            (path("transit", "decrypt/a"), "transit/decrypt/ab", false),
            (path("transit", "decrypt/a"), "transit/decrypt/a/b", false),
            (path("transit", "decrypt/*"), "transit/decrypt/ab", true),
            (path("transit", "decrypt/a*"), "transit/decrypt/b", false),
            (path("transit", "*"), "transit/keys/b", true),
        ] {
            assert_eq!(quota.matches(request), matches, "{quota:?} {request}");
        }
    }

    #[test]
    fn a_rate_limit_is_shown_as_vault_shows_it_and_a_budget_with_its_windows() {
        let window =
            |unit, limit, millis| Window::new(unit, limit, Duration::from_millis(millis)).unwrap();
        let rate = QuotaSpec {
            inheritable: true,
            path: path("transit", ""),
            role: String::new(),
            windows: vec![window(Unit::Requests, 897_300, 120_000)],
            block_seconds: 300,
            budget: None,
        };
        assert_eq!(
            Value::Object(rate.view("global")),
            json!({"block_interval": 300, "inheritable": true, "interval": 120, "name": "global", "path": "transit/", "rate": 897.3,
                   "role": "", "type": "rate-limit"})
        );
        let budget = QuotaSpec {
            inheritable: true,
            windows: vec![
                window(Unit::Items, 1_000_000, 86_400_000),
                window(Unit::Requests, 1000, 500),
            ],
            block_seconds: 0,
            budget: Some(Budget {
                per: vec![Per::Identity, Per::Key],
                operations: vec!["decrypt".to_owned()],
            }),
            ..rate
        };
        let shown = budget.view("pii");
        assert_eq!(
            shown.get("windows"),
            Some(
                &json!([{"items": 1000, "interval": 86400}, {"requests": 1, "interval": "500ms"}])
            )
        );
        assert_eq!(shown.get("per"), Some(&json!(["identity", "key"])));
        assert_eq!(shown.get("operations"), Some(&json!(["decrypt"])));
        assert_eq!(shown.get("rate"), None);
    }

    #[test]
    fn what_is_stored_reads_back() {
        let spec = QuotaSpec {
            inheritable: true,
            path: path("transit", "decrypt/*"),
            role: "app".to_owned(),
            windows: vec![Window::new(Unit::Items, 7, Duration::from_secs(1)).unwrap()],
            block_seconds: 1,
            budget: Some(Budget {
                per: vec![Per::Address],
                operations: Vec::new(),
            }),
        };
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<QuotaSpec>(&text).unwrap(), spec);
    }
}
