//! Names of metrics: Prometheus' rules for them, over all that a service shows and all that is documented.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::tls::authority::Authority;
use crate::tls::encrypted::Encrypted;

#[test]
fn every_metric_obeys_the_rules_of_prometheus_and_is_documented() {
    let text = metrics_of_a_busy_service();
    assert_eq!(mistakes(&text), Vec::<String>::new());
    let families = families(&text);
    let shown = families.iter().map(|family| family.name);
    let own: BTreeSet<_> = shown.filter(|name| !name.starts_with(STANDARD)).collect();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let page = fs::read_to_string(page).unwrap();
    assert_eq!(own, documented(&page));
    check_with_promtool(&text);
}

#[test]
fn each_rule_finds_what_breaks_it() {
    for (sound, family) in [
        ("a gauge", "sealring_ring_cache_rings gauge Rings."),
        ("a counter", "sealring_kek_calls_total counter Calls."),
        ("a duration", "sealring_kek_call_seconds histogram Calls."),
        ("an age", "sealring_seconds_since_start gauge Age."),
        ("the library's", "process_open_fds gauge Files."),
    ] {
        assert_eq!(
            mistakes(&exposed(family, "")),
            Vec::<String>::new(),
            "{sound}"
        );
    }
    for (family, labels, mistake) in [
        (
            "build_info gauge Version.",
            "",
            "begins with no known prefix",
        ),
        (
            "sealring_sealring_up gauge Up.",
            "",
            "begins with its prefix twice",
        ),
        ("sealring_Up gauge Up.", "", "is not in snake case"),
        ("sealring__up gauge Up.", "", "is not in snake case"),
        (
            "sealring_kek:calls gauge Calls.",
            "",
            "is not in snake case",
        ),
        (
            "sealring_kek_calls counter Calls.",
            "",
            "counts without _total",
        ),
        (
            "sealring_rings_total gauge Rings.",
            "",
            "is no counter and ends with _total",
        ),
        (
            "sealring_rings_count gauge Rings.",
            "",
            "has an ending of histograms",
        ),
        ("sealring_rings gauge ", "", "has no help"),
        ("sealring_rings untyped Rings.", "", "has no type"),
        ("sealring_rings_gauge gauge Rings.", "", "names its type"),
        (
            "sealring_call_ms gauge Calls.",
            "",
            "is in another unit than the base unit",
        ),
        (
            "sealring_age_days gauge Age.",
            "",
            "is in another unit than the base unit",
        ),
        (
            "sealring_cache_mebibytes gauge Size.",
            "",
            "is in another unit than the base unit",
        ),
        (
            "sealring_seconds_waited gauge Waits.",
            "",
            "has its unit in the middle",
        ),
        (
            "sealring_call histogram Calls.",
            "",
            "is a histogram without a unit",
        ),
        (
            "sealring_rings gauge Rings.",
            "{le=\"1\"}",
            "has a label of histograms",
        ),
        (
            "sealring_rings gauge Rings.",
            "{Kind=\"a\"}",
            "has a label that is not in snake case",
        ),
    ] {
        let found = mistakes(&exposed(family, labels));
        let name = family.split(' ').next().unwrap();
        assert_eq!(found, [format!("{name} {mistake}")]);
    }
    let twice = exposed("sealring_rings gauge Rings.", "").repeat(2);
    assert_eq!(mistakes(&twice), ["sealring_rings is there twice"]);
}

/// All metrics of a service whose listeners, rings and quotas have all had something to count.
fn metrics_of_a_busy_service() -> String {
    let authority = Authority::new("servers");
    let listener = "
[listener.public]
address = \"127.0.0.1:0\"
tls_cert_file = \"DIR/cert\"
tls_key_file = \"DIR/key\"
";
    let identity = authority.issue();
    let service = Encrypted::start(&identity, authority, listener);
    let key = service.app.ring(json!({}));
    service.app.seal(&key, "");
    service.app.metrics()
}

/// What the text format calls a metric family.
struct Family<'a> {
    name: &'a str,
    kind: &'a str,
    help: &'a str,
    labels: BTreeSet<&'a str>,
}

/// The families of a text in the exposition format; samples belong to the family before them.
fn families(text: &str) -> Vec<Family<'_>> {
    let mut families: Vec<Family<'_>> = Vec::new();
    for line in text.lines() {
        if let Some(told) = line.strip_prefix("# HELP ") {
            let (name, help) = told.split_once(' ').unwrap_or((told, ""));
            families.push(Family {
                name,
                kind: "untyped",
                help,
                labels: BTreeSet::new(),
            });
            continue;
        }
        let family = families.last_mut().expect("help comes first");
        if let Some(told) = line.strip_prefix("# TYPE ") {
            family.kind = told.strip_prefix(family.name).unwrap().trim();
        } else {
            assert!(line.starts_with(family.name), "{line}");
            family.labels.extend(labels(line));
        }
    }
    families
}

/// The names of a sample's labels. No value of ours holds a quotation mark.
fn labels(sample: &str) -> impl Iterator<Item = &str> {
    let inner = sample
        .split_once('{')
        .and_then(|(_, rest)| rest.rsplit_once('}'))
        .map_or("", |(inner, _)| inner);
    let names = inner.split('"').step_by(2);
    names.filter_map(|name| name.trim_start_matches(',').strip_suffix('='))
}

/// Every breach of a rule, as a sentence.
fn mistakes(text: &str) -> Vec<String> {
    let families = families(text);
    let mut seen = BTreeSet::new();
    let mut mistakes = Vec::new();
    for family in &families {
        if !seen.insert(family.name) {
            mistakes.push(format!("{} is there twice", family.name));
        }
        let found = RULES.iter().filter(|(is_broken, _)| is_broken(family));
        mistakes.extend(found.map(|(_, mistake)| format!("{} {mistake}", family.name)));
    }
    mistakes
}

type Rule = (fn(&Family<'_>) -> bool, &'static str);

/// The rules of prometheus.io/docs/practices/naming, as `promtool check metrics` understands them, and a prefix.
const RULES: [Rule; 14] = [
    (
        |family| !family.name.starts_with(PREFIX) && !family.name.starts_with(STANDARD),
        "begins with no known prefix",
    ),
    (
        |family| {
            let rest = family.name.strip_prefix(PREFIX);
            rest.is_some_and(|rest| rest.starts_with(PREFIX))
        },
        "begins with its prefix twice",
    ),
    (|family| !is_snake_case(family.name), "is not in snake case"),
    (
        |family| family.kind == "counter" && !family.name.ends_with("_total"),
        "counts without _total",
    ),
    (
        |family| family.kind != "counter" && family.name.ends_with("_total"),
        "is no counter and ends with _total",
    ),
    (
        |family| {
            ["_bucket", "_count", "_sum"]
                .iter()
                .any(|end| family.name.ends_with(end))
        },
        "has an ending of histograms",
    ),
    (|family| family.help.trim().is_empty(), "has no help"),
    (|family| family.kind == "untyped", "has no type"),
    (
        |family| words(family).any(|word| TYPES.contains(&word)),
        "names its type",
    ),
    (
        |family| words(family).any(is_other_unit),
        "is in another unit than the base unit",
    ),
    (
        |family| {
            let name = family.name.strip_suffix("_total").unwrap_or(family.name);
            // What it is since may stand behind it.
            let name = name.split("_since_").next().unwrap_or(name);
            let last = name.rsplit('_').next();
            words(family).any(|word| BASE_UNITS.contains(&word) && Some(word) != last)
        },
        "has its unit in the middle",
    ),
    (
        |family| {
            let last = family.name.rsplit('_').next();
            family.kind == "histogram" && !last.is_some_and(|last| BASE_UNITS.contains(&last))
        },
        "is a histogram without a unit",
    ),
    (
        |family| family.kind != "histogram" && family.labels.contains("le"),
        "has a label of histograms",
    ),
    (
        |family| family.labels.iter().any(|label| !is_snake_case(label)),
        "has a label that is not in snake case",
    ),
];

fn words<'a>(family: &Family<'a>) -> impl Iterator<Item = &'a str> {
    family.name.split('_')
}

fn is_snake_case(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.split('_').all(is_word)
}

fn is_other_unit(word: &str) -> bool {
    let is_multiple = |unit| {
        let prefix = word.strip_suffix(unit);
        prefix.is_some_and(|prefix| MULTIPLES.contains(&prefix))
    };
    OTHER_UNITS.contains(&word) || BASE_UNITS.into_iter().any(is_multiple)
}

/// The metrics in the table of this page, but for the standard ones.
fn documented(page: &str) -> BTreeSet<&str> {
    let (_, section) = page.split_once("\n## Metrics\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let cells = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let names = cells.flat_map(|cell| cell.split(", "));
    names
        .map(|name| name.trim_matches('`'))
        .filter(|name| !name.starts_with(STANDARD))
        .collect()
}

/// A family as the text format has it, from its name, kind and help, with one sample.
fn exposed(family: &str, labels: &str) -> String {
    let (name, rest) = family.split_once(' ').unwrap();
    let (kind, help) = rest.split_once(' ').unwrap();
    format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name}{labels} 1\n")
}

/// Prometheus' own opinion, where its tool is installed.
fn check_with_promtool(text: &str) {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            // Not by eprintln, which the test harness keeps to itself when a test passes.
            let _ = writeln!(
                io::stderr(),
                "SKIPPED (in CI too): promtool (Debian: prometheus): {error}"
            );
            return;
        }
    };
    let mut input = child.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    let out = child.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{complaints}");
}

const PREFIX: &str = "sealring_";
/// Metrics of the process, under the names that all client libraries give them.
const STANDARD: &str = "process_";
const TYPES: [&str; 5] = ["counter", "gauge", "histogram", "summary", "untyped"];
const BASE_UNITS: [&str; 4] = ["bytes", "ratio", "seconds", "celsius"];
const OTHER_UNITS: [&str; 13] = [
    "bits", "days", "hours", "kb", "kib", "mb", "mib", "minutes", "ms", "ns", "percent", "us",
    "weeks",
];
const MULTIPLES: [&str; 10] = [
    "gibi", "giga", "kibi", "kilo", "mebi", "mega", "micro", "milli", "nano", "tebi",
];
