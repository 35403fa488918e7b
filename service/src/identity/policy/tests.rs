//! What policies must do: the language, decisions, and both against a model.

mod decisions;
mod differential;
mod examples;
mod language;
mod laws;
mod model;
mod mutations;
mod odd_paths;
mod random;

use super::{Policy, PolicyFault, PolicyName};

fn named(name: &str, text: &str) -> Result<Policy, PolicyFault> {
    Policy::parse(PolicyName::parse(name).unwrap(), text)
}

fn policy(text: &str) -> Policy {
    named("test", text).unwrap()
}
