//! Token roles: `auth/token/roles`.

use std::sync::Arc;

use keyring::name::KeyName;
use serde_json::{Map, Value, json};

use crate::http::auth::token_params::{cidrs, num_uses, policy_set};
use crate::http::errors::Problem;
use crate::http::fields::Fields;
use crate::http::reply::{Answer, Reply};
use crate::http::request::Request;
use crate::identity::token::role::{SHELF, TokenRole};
use crate::identity::token_params::TokenType;
use crate::identity::ttl::SYSTEM_TTL;

/// `LIST auth/token/roles`
pub(super) async fn list(request: &Request<'_>) -> Answer {
    let names = request.identity()?.entries.names(SHELF).await?;
    Reply::names(request.id, &names)
}

/// `GET auth/token/roles/:name`
pub(super) async fn read(request: &Request<'_>, name: &KeyName) -> Answer {
    let entries = &request.identity()?.entries;
    let role = entries.get::<TokenRole>(SHELF, name.as_str()).await?;
    let role = role.ok_or_else(Problem::absent)?;
    let data = view(name, &role.value);
    Ok(Reply::data(request.id, &Value::Object(data), &[]))
}

/// `DELETE auth/token/roles/:name`
pub(super) async fn delete(request: &Request<'_>, name: &KeyName) -> Answer {
    let (identity, name) = (Arc::clone(request.identity()?), name.clone());
    let work = async move { identity.entries.delete(SHELF, name.as_str()).await };
    request.detached(work).await??;
    Ok(Reply::nothing())
}

/// `POST auth/token/roles/:name`
pub(super) async fn write(request: &Request<'_>, name: &KeyName) -> Answer {
    let (identity, name) = (Arc::clone(request.identity()?), name.clone());
    let body = request.body.copy();
    let work = async move {
        let entries = &identity.entries;
        let written = entries.put(SHELF, name.as_str(), |old: Option<TokenRole>| {
            let mut fields = body.fields()?;
            fields.captured("role_name");
            let mut role = old.unwrap_or_default();
            update(&mut role, &mut fields)?;
            Ok::<_, Problem>(role)
        });
        Ok::<_, Problem>(written.await??.value)
    };
    let role = request.detached(work).await??;
    let bound = role.params.explicit_max_ttl;
    if bound <= SYSTEM_TTL {
        return Ok(Reply::nothing());
    }
    let warning = format!(
        "Given explicit max TTL of {} is greater than system/mount allowed value of {} seconds; tokens will live no \
         longer than that",
        bound.as_secs(),
        SYSTEM_TTL.as_secs()
    );
    Ok(Reply::data(request.id, &Value::Null, &[warning]))
}

fn update(role: &mut TokenRole, fields: &mut Fields<'_>) -> Result<(), Problem> {
    for (field, set) in [
        ("allowed_policies", &mut role.allowed_policies),
        ("allowed_policies_glob", &mut role.allowed_policies_glob),
        ("disallowed_policies", &mut role.disallowed_policies),
        (
            "disallowed_policies_glob",
            &mut role.disallowed_policies_glob,
        ),
    ] {
        if let Some(names) = fields.restriction_list(field)? {
            *set = policy_set(&names)?;
        }
    }
    if let Some(aliases) = fields.restriction_list("allowed_entity_aliases")? {
        // Normalised as policies are, and kept in the same bounds.
        let aliases = policy_set(&aliases)?;
        role.allowed_entity_aliases = aliases.iter().map(str::to_owned).collect();
    }
    if let Some(orphan) = fields.boolean("orphan")? {
        role.orphan = orphan;
    }
    if let Some(renewable) = fields.boolean("renewable")? {
        role.renewable = renewable;
    }
    if let Some(suffix) = fields.text("path_suffix")? {
        role.path_suffix = suffix.as_str().to_owned();
    }
    update_params(role, fields)?;
    Ok(role.check()?)
}

/// Of the fields common to all roles those that token roles have, in the names of today or, where absent, of old.
fn update_params(role: &mut TokenRole, fields: &mut Fields<'_>) -> Result<(), Problem> {
    let params = &mut role.params;
    let period = fields.duration("token_period")?;
    if let Some(period) = period.or(fields.duration("period")?) {
        params.period = period;
    }
    let bound = fields.duration("token_explicit_max_ttl")?;
    if let Some(bound) = bound.or(fields.duration("explicit_max_ttl")?) {
        params.explicit_max_ttl = bound;
    }
    let blocks = fields.restriction_list("token_bound_cidrs")?;
    if let Some(blocks) = blocks.or(fields.restriction_list("bound_cidrs")?) {
        params.bound_cidrs = cidrs("token_bound_cidrs", &blocks)?;
    }
    if let Some(uses) = fields.int("token_num_uses")? {
        params.num_uses = num_uses("token_num_uses", uses)?;
    }
    if let Some(no_default) = fields.boolean("token_no_default_policy")? {
        params.no_default_policy = no_default;
    }
    if let Some(word) = fields.text("token_type")? {
        params.token_type = match TokenType::parse(word.as_str()) {
            None | Some(TokenType::Default) => {
                return Err(Problem::bad("invalid 'token_type' value"));
            }
            Some(known) => known,
        };
    }
    Ok(())
}

fn view(name: &KeyName, role: &TokenRole) -> Map<String, Value> {
    let params = &role.params;
    let (bound, period) = (params.explicit_max_ttl.as_secs(), params.period.as_secs());
    let mut shown: Vec<(&str, Value)> = vec![
        ("allowed_entity_aliases", json!(role.allowed_entity_aliases)),
        ("allowed_policies", json!(role.allowed_policies)),
        ("allowed_policies_glob", json!(role.allowed_policies_glob)),
        ("disallowed_policies", json!(role.disallowed_policies)),
        (
            "disallowed_policies_glob",
            json!(role.disallowed_policies_glob),
        ),
        ("explicit_max_ttl", json!(bound)),
        ("name", json!(name.as_str())),
        ("orphan", json!(role.orphan)),
        ("path_suffix", json!(role.path_suffix)),
        ("period", json!(period)),
        ("renewable", json!(role.renewable)),
        ("token_explicit_max_ttl", json!(bound)),
        ("token_no_default_policy", json!(params.no_default_policy)),
        ("token_period", json!(period)),
        ("token_type", json!(params.token_type.word())),
    ];
    if !params.bound_cidrs.is_empty() {
        shown.push(("bound_cidrs", json!(params.bound_cidrs)));
        shown.push(("token_bound_cidrs", json!(params.bound_cidrs)));
    }
    if params.num_uses > 0 {
        shown.push(("token_num_uses", json!(params.num_uses)));
    }
    let named = shown.into_iter();
    named
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
