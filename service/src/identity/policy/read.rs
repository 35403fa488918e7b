//! From a tree to rules. Where a key stands several times in one block, lists add up and other values are the last.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::capability::{Capabilities, Capability};
use super::fault::{Mistake, PolicyFault};
use super::parameter::Literal;
use super::path::RulePath;
use super::restrictions::{ByName, Restrictions};
use super::syntax::{Item, Node, Value};
use super::{MAX_RULES, Rule};
use crate::http::weak;

type Read<T> = Result<T, PolicyFault>;

/// The rules of a policy's items.
pub(super) fn rules(items: Vec<Item<'_>>) -> Read<Box<[Rule]>> {
    let mut rules = Vec::new();
    for item in items {
        match &*item.key {
            "path" => read_paths(item.value, &mut rules)?,
            "name" => drop(text(item.value)?),
            _ => return Err(item.at.fault(Mistake::UnknownKey)),
        }
    }
    Ok(rules.into())
}

/// `{"a": {…}, "b": {…}}`, or a list of such.
fn read_paths(node: Node<'_>, rules: &mut Vec<Rule>) -> Read<()> {
    let objects = match node.value {
        Value::List(nodes) => nodes,
        Value::Bool(_) | Value::Integer(_) | Value::Null | Value::Object(_) | Value::Text(_) => {
            vec![node]
        }
    };
    for item in objects
        .into_iter()
        .map(object)
        .collect::<Read<Vec<_>>>()?
        .into_iter()
        .flatten()
    {
        if rules.len() == MAX_RULES {
            return Err(item.at.fault(Mistake::TooManyRules));
        }
        let path = RulePath::parse(&item.key).map_err(|mistake| item.at.fault(mistake))?;
        rules.push(rule(path, object(item.value)?)?);
    }
    Ok(())
}

/// What a path block says as it is read.
#[derive(Debug, Default)]
struct Block<'t> {
    capabilities: Option<Capabilities>,
    legacy: Capabilities,
    restrictions: Restrictions,
    required: Vec<Cow<'t, str>>,
}

fn rule(path: RulePath, items: Vec<Item<'_>>) -> Read<Rule> {
    let mut block = Block::default();
    for item in items {
        block.read(item)?;
    }
    let capabilities = block.capabilities.unwrap_or_default() | block.legacy;
    let mut restrictions = block.restrictions;
    let required = block.required.iter().map(|name| name.to_ascii_lowercase());
    restrictions.required = required.map(String::into_boxed_str).collect();
    // Nothing more can be demanded of what is denied.
    let demanding = !capabilities.is_deny() && !restrictions.is_empty();
    Ok(Rule {
        path,
        capabilities,
        restrictions: demanding.then(|| Arc::new(restrictions)),
    })
}

impl<'t> Block<'t> {
    fn read(&mut self, item: Item<'t>) -> Read<()> {
        let Item { key, at, value } = item;
        match &*key {
            "allowed_parameters" => parameters(value, &mut self.restrictions.allowed)?,
            "capabilities" => {
                let read = capabilities(value)?;
                self.capabilities = Some(self.capabilities.unwrap_or_default() | read);
            }
            "comment" => drop(text(value)?),
            "denied_parameters" => parameters(value, &mut self.restrictions.denied)?,
            "max_wrapping_ttl" => self.restrictions.max_wrapping_ttl = ttl(&value)?,
            "min_wrapping_ttl" => self.restrictions.min_wrapping_ttl = ttl(&value)?,
            "policy" => self.legacy = legacy(value)?,
            "required_parameters" => {
                let names = list(value)?.into_iter().map(item_text);
                self.required.extend(names.collect::<Read<Vec<_>>>()?);
            }
            "control_group"
            | "expiration"
            | "list_scan_response_keys_filter_path"
            | "mfa_methods"
            | "pagination_limit" => return Err(at.fault(Mistake::NotOffered)),
            _ => return Err(at.fault(Mistake::UnknownKey)),
        }
        let restrictions = &self.restrictions;
        let ttls = restrictions
            .max_wrapping_ttl
            .zip(restrictions.min_wrapping_ttl);
        if ttls.is_some_and(|(max, min)| max < min) {
            return Err(at.fault(Mistake::TtlsCrossed));
        }
        Ok(())
    }
}

fn capabilities(node: Node<'_>) -> Read<Capabilities> {
    let mut capabilities = Capabilities::NONE;
    for node in list(node)? {
        let at = node.at;
        let word = item_text(node)?;
        capabilities |= match &*word {
            "deny" => Capabilities::DENY,
            word => Capability::parse(word)
                .ok_or(at.fault(Mistake::UnknownCapability))?
                .into(),
        };
    }
    Ok(capabilities)
}

/// The words of the language before there were capabilities.
fn legacy(node: Node<'_>) -> Read<Capabilities> {
    use Capability::{Create, Delete, List, Read, Sudo, Update};
    let at = node.at;
    Ok(match &*text(node)? {
        "" => Capabilities::NONE,
        "deny" => Capabilities::DENY,
        "read" => [Read, List].into_iter().collect(),
        "write" => [Create, Read, Update, Delete, List].into_iter().collect(),
        "sudo" => [Create, Read, Update, Delete, List, Sudo]
            .into_iter()
            .collect(),
        _ => return Err(at.fault(Mistake::UnknownLegacyWord)),
    })
}

/// Seconds or a duration; zero sets nothing.
fn ttl(node: &Node<'_>) -> Read<Option<Duration>> {
    let read = match &node.value {
        Value::Integer(number) => weak::seconds((*number).into()),
        Value::Text(text) => weak::exact_go_duration(text),
        Value::Bool(_) | Value::List(_) | Value::Null | Value::Object(_) => {
            return Err(node.at.fault(Mistake::Ttl));
        }
    };
    let ttl = read.map_err(|_| node.at.fault(Mistake::Ttl))?;
    Ok((!ttl.is_zero()).then_some(ttl))
}

fn parameters(node: Node<'_>, into: &mut ByName) -> Read<()> {
    for item in object(node)? {
        let values = list(item.value)?.into_iter().map(literal);
        let values = values.collect::<Read<BTreeSet<_>>>()?;
        let name = item.key.to_ascii_lowercase();
        // Within a block lists add up, also with an empty one.
        into.entry(name.into()).or_default().extend(values);
    }
    Ok(())
}

fn literal(node: Node<'_>) -> Read<Literal> {
    match node.value {
        Value::Bool(value) => Ok(Literal::Bool(value)),
        Value::Integer(number) => Ok(Literal::Integer(number)),
        Value::Text(text) => Ok(Literal::Text(text.into())),
        Value::List(_) | Value::Null | Value::Object(_) => {
            Err(node.at.fault(Mistake::ParameterValue))
        }
    }
}

fn object(node: Node<'_>) -> Read<Vec<Item<'_>>> {
    match node.value {
        Value::Object(items) => Ok(items),
        Value::Bool(_) | Value::Integer(_) | Value::List(_) | Value::Null | Value::Text(_) => {
            Err(node.at.fault(Mistake::ExpectedObject))
        }
    }
}

fn list(node: Node<'_>) -> Read<Vec<Node<'_>>> {
    match node.value {
        Value::List(nodes) => Ok(nodes),
        Value::Bool(_) | Value::Integer(_) | Value::Null | Value::Object(_) | Value::Text(_) => {
            Err(node.at.fault(Mistake::ExpectedList))
        }
    }
}

fn text(node: Node<'_>) -> Read<Cow<'_, str>> {
    text_or(node, Mistake::ExpectedText)
}

fn item_text(node: Node<'_>) -> Read<Cow<'_, str>> {
    text_or(node, Mistake::ExpectedItemText)
}

fn text_or(node: Node<'_>, mistake: Mistake) -> Read<Cow<'_, str>> {
    match node.value {
        Value::Text(text) => Ok(text),
        Value::Bool(_) | Value::Integer(_) | Value::List(_) | Value::Null | Value::Object(_) => {
            Err(node.at.fault(mistake))
        }
    }
}
