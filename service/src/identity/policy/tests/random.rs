//! Random rules, paths and requests from a few words, so that they meet often. Seeded: a failure comes again.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Map, Value, json};

use super::model::ModelRule;

/// A source of things to try.
pub(super) struct Random(StdRng);

const SEGMENTS: [&str; 9] = ["a", "b", "ab", "abc", "A", "+", "+", "a+", "+a"];
const ENDS: [&str; 6] = ["", "", "*", "/*", "/", "a*"];
const WORDS: [&str; 8] = [
    "create", "read", "update", "delete", "list", "sudo", "patch", "deny",
];
const NAMES: [&str; 3] = ["x", "y", "*"];
const PATTERNS: [&str; 4] = ["1v", "2v", "1*", "*"];

/// Words that requests need.
pub(super) const ASKED: [&str; 6] = ["create", "read", "update", "delete", "list", "patch"];

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound)
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A path that policies may have.
    pub(super) fn rule_path(&mut self) -> String {
        loop {
            let count = self.below(4) + 1;
            let segments: Vec<&str> = (0..count).map(|_| self.pick(&SEGMENTS)).collect();
            let path = segments.join("/") + self.pick(&ENDS);
            if !path.contains("+*") {
                return if self.below(20) == 0 {
                    "*".to_owned()
                } else {
                    path
                };
            }
        }
    }

    /// A canonical path of a request, often one that this rule's path is about.
    pub(super) fn path(&mut self, near: &str) -> String {
        if self.below(4) == 0 {
            let count = self.below(4) + 1;
            let segments: Vec<&str> = (0..count).map(|_| self.pick(&SEGMENTS)).collect();
            return segments.join("/");
        }
        let (text, more) = match near.strip_suffix('*') {
            Some(prefix) => (prefix.to_owned() + self.pick(&["", "a", "b/a", "a/b"]), 0),
            None => (near.to_owned(), self.below(8)),
        };
        let segments = text.split('/').filter(|segment| !segment.is_empty());
        let mut segments: Vec<&str> = segments
            .map(|segment| if segment == "+" { "b" } else { segment })
            .collect();
        if more == 7 || segments.is_empty() {
            segments.push("a");
        }
        segments.join("/")
    }

    /// A rule; one in four restricts parameters.
    pub(super) fn rule(&mut self) -> ModelRule {
        let words = (0..self.below(4)).map(|_| self.pick(&WORDS)).collect();
        let mut rule = ModelRule {
            path: self.rule_path(),
            words,
            allowed: Vec::new(),
            denied: Vec::new(),
            required: Vec::new(),
        };
        if self.below(4) == 0 {
            rule.allowed = self.lists();
            rule.denied = self.lists();
            rule.required = (0..self.below(2)).map(|_| self.pick(&["x", "y"])).collect();
        }
        rule
    }

    fn lists(&mut self) -> Vec<(&'static str, Vec<&'static str>)> {
        let mut lists = Vec::new();
        for name in NAMES {
            if self.below(3) == 0 {
                lists.push((
                    name,
                    (0..self.below(3)).map(|_| self.pick(&PATTERNS)).collect(),
                ));
            }
        }
        lists
    }

    /// The parameters of a request.
    pub(super) fn given(&mut self) -> Vec<(&'static str, &'static str)> {
        let names = ["x", "y", "z"]
            .into_iter()
            .filter(|_| self.0.random_bool(0.4))
            .collect::<Vec<_>>();
        names
            .into_iter()
            .map(|name| (name, self.pick(&["1v", "2v", "12v", "*"])))
            .collect()
    }
}

/// The parameters as a body.
pub(super) fn body(given: &[(&str, &str)]) -> Map<String, Value> {
    let fields = given
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)));
    fields.collect()
}

/// The rules as HCL.
pub(super) fn hcl(rules: &[ModelRule]) -> String {
    let lists = |lists: &[(&str, Vec<&str>)]| -> String {
        let each = lists
            .iter()
            .map(|(name, values)| format!("{name:?} = {values:?}\n"));
        each.collect()
    };
    let block = |rule: &ModelRule| {
        format!(
            "path {:?} {{ # {}\n capabilities = {:?}, allowed_parameters {{ {} }}\n denied_parameters = {{ {} }}\n \
             required_parameters = {:?} }}\n",
            rule.path,
            "a comment",
            rule.words,
            lists(&rule.allowed),
            lists(&rule.denied),
            rule.required
        )
    };
    rules.iter().map(block).collect()
}

/// The rules as JSON.
pub(super) fn json(rules: &[ModelRule]) -> String {
    let lists = |lists: &[(&str, Vec<&str>)]| -> Map<String, Value> {
        let each = lists
            .iter()
            .map(|(name, values)| ((*name).to_owned(), json!(values)));
        each.collect()
    };
    let block = |rule: &ModelRule| {
        json!({ &rule.path: {
            "capabilities": rule.words,
            "allowed_parameters": lists(&rule.allowed),
            "denied_parameters": lists(&rule.denied),
            "required_parameters": rule.required,
        }})
    };
    json!({"path": rules.iter().map(block).collect::<Vec<_>>()}).to_string()
}
