//! Policies: `sys/policies/acl`, and `sys/policy` as it was of old.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::errors::Problem;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::route::identity::PolicyTarget;
use crate::identity::policy::{PolicyName, text_of};

/// `LIST sys/policies/acl`, and also GET of `sys/policy`.
pub(super) async fn list(request: &Request<'_>, target: &PolicyTarget) -> Answer {
    let mut names = request.identity()?.policies.names().await?;
    names.push(PolicyName::root().as_str().to_owned());
    if target.is_legacy {
        let data = json!({"keys": names, "policies": names});
        return Ok(Reply::data_twice(request.id, &data));
    }
    Reply::names(request.id, &names)
}

/// `GET sys/policies/acl/:name`
pub(super) async fn read(request: &Request<'_>, target: &PolicyTarget) -> Answer {
    // No policy has a name that none can have.
    let name = named(target).map_err(|_| Problem::absent())?;
    let text = request.identity()?.policies.text(&name).await?;
    let text = match text {
        // It is there, and has no rules: it needs none.
        None if name.is_root() => String::new(),
        None => return Err(Problem::absent()),
        Some(text) => text,
    };
    let rules = if target.is_legacy { "rules" } else { "policy" };
    let data: Map<String, Value> = [("name", json!(name.as_str())), (rules, json!(text))]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    let data = Value::Object(data);
    Ok(if target.is_legacy {
        Reply::data_twice(request.id, &data)
    } else {
        Reply::data(request.id, &data, &[])
    })
}

/// `POST sys/policies/acl/:name`
pub(super) async fn write(request: &Request<'_>, target: &PolicyTarget) -> Answer {
    let name = named(target)?;
    let mut fields = request.body.fields()?;
    fields.captured("name");
    let mut warnings = Vec::new();
    if target.name.as_deref() != Some(name.as_str()) {
        warnings.push(format!("policy name was converted to {name}"));
    }
    let policy = fields.text("policy")?.unwrap_or_default();
    let rules = fields.text("rules")?.unwrap_or_default();
    let field = if policy.as_str().is_empty() && target.is_legacy {
        warnings.push("'rules' is deprecated, please use 'policy' instead".to_owned());
        rules
    } else {
        policy
    };
    if field.as_str().is_empty() {
        return Err(Problem::bad("'policy' parameter not supplied or empty"));
    }
    let text = text_of(field.as_str())?.into_owned();
    let identity = Arc::clone(request.identity()?);
    let work = async move { identity.policies.put(&name, &text).await };
    request.detached(work).await??;
    warnings.extend(fields.warnings());
    Ok(Reply::done(request.id, &warnings))
}

/// `DELETE sys/policies/acl/:name`
pub(super) async fn delete(request: &Request<'_>, target: &PolicyTarget) -> Answer {
    let Ok(name) = named(target) else {
        return Ok(Reply::nothing());
    };
    let identity = Arc::clone(request.identity()?);
    let work = async move { identity.policies.delete(&name).await };
    request.detached(work).await??;
    Ok(Reply::nothing())
}

fn named(target: &PolicyTarget) -> Result<PolicyName, Problem> {
    Ok(PolicyName::parse(
        target.name.as_deref().unwrap_or_default(),
    )?)
}
