//! Mounts: list, describe, enable, tune, disable.

use std::sync::Arc;
use std::time::Duration;

use keyring::algorithm::CipherType;
use keyring::mount::{ListingVisibility, Mount, MountSettings};
use keyring::name::MountPath;
use keyring::transit::{MountError, Transit};
use serde_json::json;

use super::auth_mounts::{self, lease_ttl};
use super::errors::Problem;
use super::fields::Fields;
use super::keys;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::route::{RESERVED, mount_of};
use super::text::Text;
use super::view;

/// `GET sys/mounts`
pub(super) fn list(request: &Request<'_>) -> Answer {
    let mounts = request.transit()?.mounts();
    Ok(Reply::data_twice(request.id, &view::by_path(&mounts)))
}

/// `GET sys/mounts/:path`
pub(super) fn read(request: &Request<'_>, path: &MountPath) -> Answer {
    let mount = find(request, path)?
        .ok_or_else(|| Problem::bad(format!("No secret engine mount at {path}/")))?;
    Ok(Reply::data_twice(request.id, &view::mount(&mount)))
}

/// `GET sys/internal/ui/mounts`: all mounts, or to who shows no token those that are meant for them.
pub(super) fn visible(request: &Request<'_>) -> Answer {
    let mounts = request.transit()?.mounts();
    let secret = match &request.caller {
        Some(_) => view::by_path(&mounts),
        None => view::for_strangers(&mounts),
    };
    let data = json!({"auth": auth_mounts::visible(request)?, "secret": secret});
    Ok(Reply::data(request.id, &data, &[]))
}

/// `GET sys/internal/ui/mounts/:path`: the mount that a path lies on.
pub(super) fn of_path(request: &Request<'_>, path: &MountPath) -> Answer {
    let mounts = request.transit()?.mounts();
    let segments: Vec<&str> = path.as_str().split('/').collect();
    let (mount, _) = mount_of(&segments, &mounts).ok_or_else(|| Problem::preflight_denied(path))?;
    let mut data = view::mount(mount);
    if let Some(fields) = data.as_object_mut() {
        fields.insert("path".to_owned(), json!(format!("{}/", mount.path)));
    }
    Ok(Reply::data(request.id, &data, &[]))
}

/// `POST sys/mounts/:path`
pub(super) async fn enable(request: &Request<'_>, path: &MountPath) -> Answer {
    let first = path.as_str().split('/').next().unwrap_or_default();
    if RESERVED.contains(&first) {
        return Err(Problem::bad(format!("cannot mount under {first}/")));
    }
    let mut fields = request.body.fields()?;
    let kind = fields.text("type")?.unwrap_or_default();
    if kind.as_str().is_empty() {
        return Err(Problem::bad("backend type must be specified as a string"));
    }
    if kind.as_str() != "transit" {
        return Err(Problem::bad("only mounts of type transit are offered"));
    }
    let settings = settings(&mut fields, MountSettings::default())?;
    let warnings = fields.warnings();
    let at = path.clone();
    change(request, path, |engine| async move {
        engine.enable_mount(at, settings).await
    })
    .await?;
    Ok(Reply::done(request.id, &warnings))
}

/// `GET sys/mounts/:path/tune`
pub(super) fn tune_read(request: &Request<'_>, path: &MountPath) -> Answer {
    let mount = found(request, path)?;
    Ok(Reply::data_twice(request.id, &view::tuning(&mount)))
}

/// `POST sys/mounts/:path/tune`
pub(super) async fn tune(request: &Request<'_>, path: &MountPath) -> Answer {
    let mount = found(request, path)?;
    let mut fields = request.body.fields()?;
    settings(&mut fields, mount.settings.clone())?;
    let body = request.body.copy();
    let edit = move |before| settings(&mut body.fields()?, before);
    let engine = Arc::clone(request.transit()?);
    let work = async move { engine.tune_mount(mount.id, edit).await };
    let tuned = request.detached(work).await?;
    tuned.map_err(|error| Problem::mount(path, error))??;
    Ok(Reply::done(request.id, &fields.warnings()))
}

/// `DELETE sys/mounts/:path`: also fine if there is none.
pub(super) async fn disable(request: &Request<'_>, path: &MountPath) -> Answer {
    if RESERVED.contains(&path.as_str()) {
        return Err(Problem::bad(format!("cannot unmount \"{path}/\"")));
    }
    let at = path.clone();
    change(request, path, |engine| async move {
        engine.disable_mount(at).await.map(|_was_there| ())
    })
    .await
}

async fn change<F>(
    request: &Request<'_>,
    path: &MountPath,
    work: impl FnOnce(Arc<Transit>) -> F,
) -> Answer
where
    F: Future<Output = Result<(), MountError>> + Send + 'static,
{
    let work = work(Arc::clone(request.transit()?));
    let result = request.detached(work).await?;
    result.map_err(|error| Problem::mount(path, error))?;
    Ok(Reply::nothing())
}

fn find(request: &Request<'_>, path: &MountPath) -> Result<Option<Mount>, Problem> {
    let mounts = request.transit()?.mounts();
    Ok(mounts.iter().find(|mount| mount.path == *path).cloned())
}

fn found(request: &Request<'_>, path: &MountPath) -> Result<Mount, Problem> {
    find(request, path)?.ok_or_else(|| Problem::mount(path, MountError::NotFound))
}

/// The settings after what the fields say. They may stand at the top, or where clients put them: in the config when a mount is
/// enabled, the default key type also among the options. Settings this server has not stay among the fields, unless they say
/// nothing.
fn settings(fields: &mut Fields<'_>, before: MountSettings) -> Result<MountSettings, Problem> {
    let mut after = before;
    if let Some(description) = fields.text("description")? {
        if description.as_str().len() > MountSettings::MAX_DESCRIPTION_LEN {
            return Err(Problem::bad("description is too long"));
        }
        description.as_str().clone_into(&mut after.description);
    }
    for group in ["config", "options"] {
        if let Some(mut inner) = fields.object(group)? {
            configure(&mut after, &mut inner)?;
            fields.leave(inner);
        }
    }
    configure(&mut after, fields)?;
    fields.ignore(&["type"]);
    fields.ignore_unset(&NOT_OFFERED);
    if after.max_lease_ttl > Duration::ZERO && after.default_lease_ttl > after.max_lease_ttl {
        return Err(Problem::bad(
            "given default lease TTL greater than given max lease TTL",
        ));
    }
    Ok(after)
}

/// A ring that is made without saying of what type encrypts.
fn default_key_type(name: Text<'_>) -> Result<Option<CipherType>, Problem> {
    let Some(key_type) = keys::key_type(Some(name), None)? else {
        return Ok(None);
    };
    let cipher = key_type.cipher();
    cipher
        .map(Some)
        .ok_or_else(|| Problem::bad("default_key_type must be a cipher"))
}

fn configure(settings: &mut MountSettings, fields: &mut Fields<'_>) -> Result<(), Problem> {
    if let Some(name) = fields.text(DEFAULT_KEY_TYPE)? {
        settings.default_key_type = default_key_type(name)?;
    }
    if let Some(ttl) = lease_ttl(fields, "default_lease_ttl")? {
        settings.default_lease_ttl = ttl;
    }
    if let Some(ttl) = lease_ttl(fields, "max_lease_ttl")? {
        settings.max_lease_ttl = ttl;
    }
    if let Some(word) = fields.text("listing_visibility")? {
        settings.listing_visibility = match word.as_str() {
            "" => None,
            word => Some(
                ListingVisibility::from_word(word)
                    .ok_or_else(|| Problem::bad("invalid listing_visibility"))?,
            ),
        };
    }
    Ok(())
}

const DEFAULT_KEY_TYPE: &str = "default_key_type";

/// Settings of mounts that clients send whether or not they are set, and that are not offered.
pub(super) const NOT_OFFERED: [&str; 17] = [
    "allowed_managed_keys",
    "allowed_response_headers",
    "audit_non_hmac_request_keys",
    "audit_non_hmac_response_keys",
    "delegated_auth_accessors",
    "external_entropy_access",
    "force_no_cache",
    "identity_token_key",
    "local",
    "options",
    "passthrough_request_headers",
    "plugin_name",
    "plugin_version",
    "seal_wrap",
    "token_type",
    "user_lockout_config",
    "version",
];

#[cfg(test)]
mod tests {
    use keyring::algorithm::CipherType;

    use super::*;

    fn read(body: &'static str) -> Result<MountSettings, Problem> {
        let before = MountSettings {
            description: "before".to_owned(),
            default_key_type: Some(CipherType::Aes128Gcm96),
            ..MountSettings::default()
        };
        settings(&mut Fields::from_json(body.as_bytes()).unwrap(), before)
    }

    #[test]
    fn the_default_key_type_may_stand_in_three_places() {
        for body in [
            r#"{"default_key_type":"aes256-gcm96"}"#,
            r#"{"options":{"default_key_type":"aes256-gcm96","version":"2"}}"#,
            r#"{"config":{"default_key_type":"aes256-gcm96","max_lease_ttl":"0s"}}"#,
        ] {
            let after = read(body).unwrap();
            assert_eq!(
                after.default_key_type,
                Some(CipherType::Aes256Gcm96),
                "{body}"
            );
            assert_eq!(after.description, "before");
        }
        assert_eq!(
            read(r#"{"default_key_type":""}"#).unwrap().default_key_type,
            None
        );
    }

    #[test]
    fn what_the_cli_sends_changes_only_what_it_names() {
        let body = r#"{"type":"transit","description":"x","config":{"options":null,"default_lease_ttl":"0s","force_no_cache":false},"options":null,"local":false}"#;
        let after = read(body).unwrap();
        assert_eq!(after.description, "x");
        assert_eq!(after.default_key_type, Some(CipherType::Aes128Gcm96));
    }

    #[test]
    fn what_terraform_sends_is_kept() {
        let enabled = read(
            r#"{"type":"transit","config":{"default_lease_ttl":"3600s","max_lease_ttl":"24h","listing_visibility":"unauth"}}"#,
        );
        let enabled = enabled.unwrap();
        assert_eq!(enabled.default_lease_ttl, Duration::from_hours(1));
        assert_eq!(enabled.max_lease_ttl, Duration::from_hours(24));
        assert_eq!(
            enabled.listing_visibility,
            Some(ListingVisibility::Unauthenticated)
        );
        let mut tuning =
            Fields::from_json(br#"{"default_lease_ttl":"system","listing_visibility":""}"#)
                .unwrap();
        let tuned = settings(&mut tuning, enabled).unwrap();
        assert_eq!(tuned.default_lease_ttl, Duration::ZERO);
        assert_eq!(tuned.max_lease_ttl, Duration::from_hours(24));
        assert_eq!(tuned.listing_visibility, None);
    }

    #[test]
    fn bad_settings_are_refused_without_repeating_them() {
        for body in [
            r#"{"options":{"default_key_type":"c2VjcmV0"}}"#,
            r#"{"config":{"default_key_type":[]}}"#,
            r#"{"default_key_type":"c2VjcmV0"}"#,
            r#"{"description":{}}"#,
            r#"{"listing_visibility":"c2VjcmV0"}"#,
            r#"{"config":{"max_lease_ttl":"c2VjcmV0"}}"#,
            r#"{"default_lease_ttl":"2h","max_lease_ttl":"1h"}"#,
        ] {
            let problem = format!("{:?}", read(body).unwrap_err());
            assert!(!problem.contains("c2V"), "{problem}");
        }
    }
}
