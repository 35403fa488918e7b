//! Auth methods: list, describe, enable, tune, disable.

use std::time::Duration;

use keyring::name::MountPath;
use serde_json::{Map, Value, json};

use super::auth::methods;
use super::errors::Problem;
use super::fields::{FieldFault, Fields};
use super::json::Value as Field;
use super::mounts;
use super::reply::{Answer, Reply};
use super::request::Request;
use crate::identity::auth_mounts::AuthMountError;
use crate::identity::auth_mounts::mount::{AuthMount, AuthMountConfig, MethodKind};
use crate::identity::methods::userpass::lockout::LockoutRule;

/// `GET sys/auth`
pub(super) fn list(request: &Request<'_>) -> Answer {
    let mounts = methods(request)?.mounts.all();
    let all = by_path(mounts.iter().map(AsRef::as_ref));
    Ok(Reply::data_twice(request.id, &all))
}

/// `GET sys/auth/:path`
pub(super) fn read(request: &Request<'_>, path: &MountPath) -> Answer {
    let mount = methods(request)?.mounts.at(path);
    let mount = mount.ok_or_else(|| Problem::bad(format!("No auth engine at {path}/")))?;
    Ok(Reply::data_twice(request.id, &view(&mount)))
}

/// The methods as `GET sys/internal/ui/mounts` shows them: to strangers only those that are meant for them.
pub(super) fn visible(request: &Request<'_>) -> Result<Value, Problem> {
    let mounts = methods(request)?.mounts.all();
    let stranger = request.caller.is_none();
    let shown = mounts
        .iter()
        .map(AsRef::as_ref)
        .filter(|mount: &&AuthMount| mount.config.listed_unauthenticated || !stranger);
    if stranger {
        let brief = |mount: &AuthMount| {
            let (kind, description) = (mount.kind.word(), &mount.config.description);
            let brief = json!({"type": kind, "description": description, "options": null});
            (format!("{}/", mount.path), brief)
        };
        return Ok(Value::Object(shown.map(brief).collect()));
    }
    Ok(by_path(shown))
}

/// `POST sys/auth/:path`
pub(super) async fn enable(request: &Request<'_>, path: &MountPath) -> Answer {
    let mut fields = request.body.fields()?;
    let kind = kind(&mut fields)?;
    let mut config = AuthMountConfig::default();
    describe(&mut config, &mut fields)?;
    if let Some(mut inner) = fields.object("config")? {
        configure(&mut config, &mut inner)?;
        fields.leave(inner);
    }
    fields.ignore_unset(&mounts::NOT_OFFERED);
    let warnings = fields.warnings();
    let (methods, at) = (methods(request)?.clone(), path.clone());
    let work = async move { methods.mounts.enable(at, kind, config).await };
    let enabled = request.detached(work).await?;
    enabled.map_err(|error| match error {
        AuthMountError::BuiltIn => Problem::bad("token credential backend cannot be instantiated"),
        other @ (AuthMountError::Entry(_)
        | AuthMountError::InUse(_)
        | AuthMountError::NotFound
        | AuthMountError::TooMany) => Problem::auth_mount(path, other),
    })?;
    Ok(Reply::done(request.id, &warnings))
}

/// `GET sys/auth/:path/tune`
pub(super) fn tune_read(request: &Request<'_>, path: &MountPath) -> Answer {
    let mount = methods(request)?.mounts.at(path);
    let mount = mount.ok_or_else(|| Problem::auth_mount(path, AuthMountError::NotFound))?;
    Ok(Reply::data_twice(request.id, &tuning(&mount.config)))
}

/// `POST sys/auth/:path/tune`
pub(super) async fn tune(request: &Request<'_>, path: &MountPath) -> Answer {
    let (methods, at) = (methods(request)?.clone(), path.clone());
    let body = request.body.copy();
    let work = async move {
        let mut warnings = Vec::new();
        let edit = |mut config: AuthMountConfig| {
            let mut fields = body.fields()?;
            describe(&mut config, &mut fields)?;
            configure(&mut config, &mut fields)?;
            fields.ignore_unset(&mounts::NOT_OFFERED);
            warnings = fields.warnings();
            Ok::<_, Problem>(config)
        };
        let tuned = methods.mounts.tune(&at, edit).await;
        tuned.map(|tuned| tuned.map(|()| warnings))
    };
    let tuned = request.detached(work).await?;
    let warnings = tuned.map_err(|error| Problem::auth_mount(path, error))??;
    Ok(Reply::done(request.id, &warnings))
}

/// `DELETE sys/auth/:path`: also fine if there is none.
pub(super) async fn disable(request: &Request<'_>, path: &MountPath) -> Answer {
    let (methods, at) = (methods(request)?.clone(), path.clone());
    let work = async move { methods.disable(&at).await };
    let disabled = request.detached(work).await?;
    disabled.map_err(|error| Problem::auth_disable(path, error))?;
    Ok(Reply::nothing())
}

fn kind(fields: &mut Fields<'_>) -> Result<MethodKind, Problem> {
    let word = fields.text("type")?.unwrap_or_default();
    match word.as_str() {
        "" => Err(Problem::bad("backend type must be specified as a string")),
        "oidc" => Err(Problem::bad(
            "logins through a browser (type oidc) are not offered; a method of type jwt takes the tokens of an OIDC issuer",
        )),
        "transit" => Err(Problem::bad("cannot mount under auth/")),
        word => MethodKind::parse(word).ok_or_else(|| {
            Problem::bad(
                "plugin not found in the catalog; offered are approle, cert, jwt, kubernetes and userpass",
            )
        }),
    }
}

fn describe(config: &mut AuthMountConfig, fields: &mut Fields<'_>) -> Result<(), Problem> {
    if let Some(description) = fields.text("description")? {
        if description.as_str().len() > AuthMountConfig::MAX_DESCRIPTION_LEN {
            return Err(Problem::bad("description is too long"));
        }
        description.as_str().clone_into(&mut config.description);
    }
    Ok(())
}

/// Reads settings, which stand in `config` when a method is enabled and at the top when it is tuned. Those this server has not
/// stay among the fields.
fn configure(config: &mut AuthMountConfig, fields: &mut Fields<'_>) -> Result<(), Problem> {
    if let Some(ttl) = lease_ttl(fields, "default_lease_ttl")? {
        config.default_lease_ttl = ttl;
    }
    if let Some(ttl) = lease_ttl(fields, "max_lease_ttl")? {
        config.max_lease_ttl = ttl;
    }
    if config.max_lease_ttl > Duration::ZERO && config.default_lease_ttl > config.max_lease_ttl {
        return Err(Problem::bad(
            "given default lease TTL greater than given max lease TTL",
        ));
    }
    if let Some(word) = fields.text("token_type")? {
        let known = AuthMountConfig::token_type(word.as_str());
        config.token_type = known.ok_or_else(|| Problem::bad("invalid value for 'token_type'"))?;
    }
    if let Some(word) = fields.text("listing_visibility")? {
        config.listed_unauthenticated = match word.as_str() {
            "unauth" => true,
            "" | "hidden" => false,
            _ => return Err(Problem::bad("invalid listing_visibility")),
        };
    }
    if let Some(mut inner) = fields.object("user_lockout_config")? {
        config.lockout = Some(lockout(config.lockout(), &mut inner)?);
        fields.leave(inner);
    }
    Ok(())
}

/// A lifetime; the word `system` stands for the system's, like zero. An empty text says nothing.
pub(super) fn lease_ttl(
    fields: &mut Fields<'_>,
    name: &'static str,
) -> Result<Option<Duration>, FieldFault> {
    match fields.take(name) {
        Some(Field::Text(word)) if word.is_empty() => Ok(None),
        Some(Field::Text(word)) if word == "system" => Ok(Some(Duration::ZERO)),
        Some(value) => Fields::of(name, value).duration(name),
        None => Ok(None),
    }
}

fn lockout(before: LockoutRule, fields: &mut Fields<'_>) -> Result<LockoutRule, Problem> {
    let mut rule = before;
    if let Some(threshold) = fields.int("lockout_threshold")? {
        let threshold = u32::try_from(threshold).ok().filter(|count| *count > 0);
        rule.threshold =
            threshold.ok_or_else(|| Problem::bad("unable to parse user lockout threshold"))?;
    }
    if let Some(duration) = fields.duration("lockout_duration")? {
        rule.duration = duration;
    }
    if let Some(reset) = fields.duration("lockout_counter_reset_duration")? {
        rule.counter_reset = reset;
    }
    if let Some(off) = fields.boolean("lockout_disable")? {
        rule.enabled = !off;
    }
    Ok(rule)
}

fn by_path<'m>(mounts: impl Iterator<Item = &'m AuthMount>) -> Value {
    let entries = mounts.map(|mount| (format!("{}/", mount.path), view(mount)));
    Value::Object(entries.collect::<Map<_, _>>())
}

/// A method as `GET sys/auth` shows it.
fn view(mount: &AuthMount) -> Value {
    let config = &mount.config;
    let mut shown = json!({
        "default_lease_ttl": config.default_lease_ttl.as_secs(),
        "force_no_cache": false,
        "max_lease_ttl": config.max_lease_ttl.as_secs(),
        "token_type": config.token_type.word(),
    });
    if let Some(shown) = shown.as_object_mut() {
        if config.listed_unauthenticated {
            shown.insert("listing_visibility".to_owned(), json!("unauth"));
        }
        if let Some(rule) = config.lockout {
            let fields = Value::Object(lockout_view(rule));
            shown.insert("user_lockout_config".to_owned(), fields);
        }
    }
    json!({
        "accessor": mount.accessor,
        "config": shown,
        "deprecation_status": "supported",
        "description": config.description,
        "external_entropy_access": false,
        "local": false,
        "options": null,
        "plugin_version": "",
        "running_plugin_version": "",
        "running_sha256": "",
        "seal_wrap": false,
        "type": mount.kind.word(),
        "uuid": mount.uuid.hyphenated().to_string(),
    })
}

/// A method's settings as `GET sys/auth/:path/tune` shows them: the lifetimes that hold, not those that were set.
fn tuning(config: &AuthMountConfig) -> Value {
    let limits = config.limits();
    let mut shown = json!({
        "default_lease_ttl": limits.default.as_secs(),
        "description": config.description,
        "force_no_cache": false,
        "max_lease_ttl": limits.max.as_secs(),
        "token_type": config.token_type.word(),
    });
    if let Some(shown) = shown.as_object_mut() {
        if config.listed_unauthenticated {
            shown.insert("listing_visibility".to_owned(), json!("unauth"));
        }
        shown.extend(config.lockout.map(lockout_view).unwrap_or_default());
    }
    shown
}

fn lockout_view(rule: LockoutRule) -> Map<String, Value> {
    let fields = [
        (
            "user_lockout_counter_reset_duration",
            json!(rule.counter_reset.as_secs()),
        ),
        ("user_lockout_disable", json!(!rule.enabled)),
        ("user_lockout_duration", json!(rule.duration.as_secs())),
        ("user_lockout_threshold", json!(rule.threshold)),
    ];
    let named = fields.map(|(name, value)| (name.to_owned(), value));
    named.into_iter().collect()
}

#[cfg(test)]
mod tests;
