//! A second opinion: the rules of decision written down once more, slowly, over plain lists.

/// A rule: its path as written, its words, and what it says of parameters (names, and patterns where none are any).
#[derive(Clone, Debug)]
pub(super) struct ModelRule {
    pub(super) path: String,
    pub(super) words: Vec<&'static str>,
    pub(super) allowed: Vec<(&'static str, Vec<&'static str>)>,
    pub(super) denied: Vec<(&'static str, Vec<&'static str>)>,
    pub(super) required: Vec<&'static str>,
}

/// Whether the rules allow a word at a path, with these parameters.
pub(super) fn allows(rules: &[ModelRule], word: &str, path: &str, given: &[(&str, &str)]) -> bool {
    let slashed = format!("{path}/");
    let forms = if word == "list" {
        vec![&*slashed, path]
    } else {
        vec![path]
    };
    let is_exact = |rule: &str| !rule.ends_with('*') && !has_plus(rule);
    let exact = forms.iter().find(|form| {
        rules
            .iter()
            .any(|rule| is_exact(&rule.path) && rule.path == **form)
    });
    let best = exact.map(|form| (*form).to_owned()).or_else(|| {
        let wider = |form: &&str| {
            let paths = rules.iter().map(|rule| &rule.path);
            let matching = paths.filter(|rule| !is_exact(rule) && matches(rule, form));
            matching.max_by_key(|rule| rank(rule)).cloned()
        };
        forms.iter().find_map(wider)
    });
    let Some(best) = best else { return false };
    let merged: Vec<&ModelRule> = rules.iter().filter(|rule| rule.path == best).collect();
    let says = |word: &str| merged.iter().any(|rule| rule.words.contains(&word));
    if says("deny") || !says(word) {
        return false;
    }
    if word == "list" || word == "delete" {
        return true;
    }
    let values = |lists: &[&(&str, Vec<&'static str>)], name: &str| -> Option<Vec<&'static str>> {
        let named: Vec<_> = lists.iter().filter(|(known, _)| *known == name).collect();
        let any = named.iter().any(|(_, values)| values.is_empty());
        let all = named
            .iter()
            .flat_map(|(_, values)| values.clone())
            .collect();
        (!named.is_empty()).then_some(if any { Vec::new() } else { all })
    };
    let hits = |patterns: &[&str], value: &str| {
        patterns.is_empty()
            || patterns
                .iter()
                .any(|pattern| match pattern.strip_suffix('*') {
                    Some(start) if !start.is_empty() => value.starts_with(start),
                    _ => *pattern == value,
                })
    };
    let allowed: Vec<_> = merged.iter().flat_map(|rule| &rule.allowed).collect();
    let denied: Vec<_> = merged.iter().flat_map(|rule| &rule.denied).collect();
    let mut required = merged.iter().flat_map(|rule| &rule.required);
    required.all(|name| given.iter().any(|(known, _)| known == name))
        && given.iter().all(|(name, value)| {
            let is_denied = values(&denied, "*").is_some()
                || values(&denied, name).is_some_and(|patterns| hits(&patterns, value));
            let is_allowed = match values(&allowed, name) {
                Some(patterns) => hits(&patterns, value),
                None => allowed.is_empty() || values(&allowed, "*").is_some(),
            };
            !is_denied && is_allowed
        })
}

// The first segment must be a plus alone, others need only begin with one.
fn has_plus(rule: &str) -> bool {
    let mut segments = rule.split('/');
    segments.next() == Some("+") || segments.any(|segment| segment.starts_with('+'))
}

fn matches(rule: &str, path: &str) -> bool {
    let open = rule.strip_suffix('*');
    if !has_plus(rule) {
        return open.is_some_and(|prefix| path.starts_with(prefix));
    }
    let pattern: Vec<&str> = open.unwrap_or(rule).split('/').collect();
    let segments: Vec<&str> = path.split('/').collect();
    let enough = if open.is_some() {
        segments.len() >= pattern.len()
    } else {
        segments.len() == pattern.len()
    };
    enough
        && pattern
            .iter()
            .zip(&segments)
            .enumerate()
            .all(|(index, (wanted, found))| {
                let is_open_end = open.is_some() && index == pattern.len() - 1;
                wanted == found || *wanted == "+" || (is_open_end && found.starts_with(wanted))
            })
}

/// First wildcard late, no star at the end, few pluses, long, and then the greater text.
fn rank(rule: &str) -> (usize, bool, std::cmp::Reverse<usize>, usize, &str) {
    let text = rule.strip_suffix('*').unwrap_or(rule);
    let first = if has_plus(rule) {
        rule.find('+').unwrap()
    } else {
        text.len()
    };
    let pluses = text.split('/').filter(|segment| *segment == "+").count();
    (
        first,
        !rule.ends_with('*'),
        std::cmp::Reverse(pluses),
        text.len(),
        text,
    )
}
