//! The life of rings: create, read, list, configure, rotate, trim, delete.

use std::sync::Arc;

use keyring::algorithm::KeyType;
use keyring::error::Error;
use keyring::mount::Mount;
use keyring::policy::PolicyChange;
use keyring::secret::SecretBytes;
use keyring::transit::{Description, NewRing};

use super::errors::Problem;
use super::fields::Fields;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::route::KeyTarget;
use super::text::Text;
use super::view;

/// `POST keys/:name`
pub(super) async fn create(request: &Request<'_>, key: &KeyTarget) -> Answer {
    let mut fields = request.body.fields()?;
    fields.captured("name");
    let new = new_ring(&mut fields)?;
    let (by, found) = (request.provenance()?, request.found.take());
    let described = request
        .on_ring(key, |engine, at| async move {
            engine.create_with(&at, &new, found, &by).await
        })
        .await?;
    Ok(shown(request, &described, &fields.warnings()))
}

pub(super) fn new_ring(fields: &mut Fields<'_>) -> Result<NewRing, Problem> {
    // A context belongs to reading keys of signing rings; writing takes it and does nothing with it.
    fields.ignore(&["context"]);
    let parameter_set = fields.text("parameter_set")?;
    Ok(NewRing {
        key_type: key_type(fields.text("type")?, parameter_set.as_ref())?,
        derived: fields.boolean("derived")?.unwrap_or_default(),
        convergent: fields.boolean("convergent_encryption")?.unwrap_or_default(),
        exportable: fields.boolean("exportable")?.unwrap_or_default(),
        allow_plaintext_backup: fields
            .boolean("allow_plaintext_backup")?
            .unwrap_or_default(),
        auto_rotate_period: fields.duration("auto_rotate_period")?.unwrap_or_default(),
        key_size: fields.int("key_size")?,
    })
}

/// Types that Vault or OpenBao know and this server does not offer.
const NOT_OFFERED: [&str; 9] = [
    "aes128-cmac",
    "aes192-cmac",
    "aes256-cmac",
    "external-key",
    "hybrid",
    "managed_key",
    "slh-dsa",
    "ecdsa-secp256k1",
    "aes256-siv",
];

/// The key type a field names; empty or absent is the default. What it says is not repeated.
pub(super) fn key_type(
    name: Option<Text<'_>>,
    parameter_set: Option<&Text<'_>>,
) -> Result<Option<KeyType>, Problem> {
    let Some(name) = name else {
        return Ok(None);
    };
    match name.as_str() {
        "" => Ok(None),
        known if NOT_OFFERED.contains(&known) => Err(Problem::bad(
            "this key type is not offered here; see the documentation for those that are",
        )),
        "ml-dsa" => {
            let set = parameter_set.map(Text::as_str);
            KeyType::from_name("ml-dsa", set)
                .map(Some)
                .ok_or_else(|| Problem::bad("invalid parameter set: must be one of 44, 65, 87"))
        }
        other => KeyType::from_name(other, None)
            .map(Some)
            .ok_or_else(|| Problem::bad("unknown key type")),
    }
}

/// `GET keys/:name`
pub(super) async fn read(request: &Request<'_>, key: &KeyTarget) -> Answer {
    let context = context(request)?;
    let (described, derived) = request
        .on_ring(key, |engine, at| async move {
            let described = engine.describe(&at).await?;
            let derived = match context {
                Some(context) if derives_public_keys(&described) => {
                    engine.derived_public_keys(&at, context).await?
                }
                Some(_) | None => Vec::new(),
            };
            Ok((described, derived))
        })
        .await?;
    let shown = view::ring_with(&described, &derived);
    Ok(Reply::data(request.id, &shown, &[]))
}

/// Not while the ring is set aside: it can still be read, and uses no key.
const fn derives_public_keys(described: &Description) -> bool {
    let ring = &described.ring;
    ring.derived && ring.key_type.signs() && !ring.soft_deleted
}

/// The context for which derived public keys are asked; base64 in the query.
fn context(request: &Request<'_>) -> Result<Option<SecretBytes>, Problem> {
    let Some(text) = request.query_fields().text("context")? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    keyring::base64::decode_append(text.as_str().as_bytes(), &mut bytes)
        .map_err(|_| Problem::bad("failed to base64-decode context"))?;
    Ok((!bytes.is_empty()).then(|| SecretBytes::new(bytes)))
}

/// `DELETE keys/:name/soft-delete`
pub(super) async fn soft_delete(request: &Request<'_>, key: &KeyTarget) -> Answer {
    set_aside(request, key, true).await
}

/// `POST keys/:name/soft-delete-restore`
pub(super) async fn soft_restore(request: &Request<'_>, key: &KeyTarget) -> Answer {
    set_aside(request, key, false).await
}

async fn set_aside(request: &Request<'_>, key: &KeyTarget, aside: bool) -> Answer {
    let mut fields = request.body.fields()?;
    fields.captured("name");
    let by = request.provenance()?;
    let done = request
        .on_ring(key, |engine, at| async move {
            match engine.set_aside(&at, aside, &by).await {
                Err(Error::NotFound) => Ok(None),
                done => done.map(Some),
            }
        })
        .await?;
    let Some((described, changed)) = done else {
        return Ok(Reply::nothing());
    };
    let already = match (changed, aside) {
        (true, _) => None,
        (false, true) => Some("key was already marked as soft deleted".to_owned()),
        (false, false) => Some("key was already restored".to_owned()),
    };
    let warnings: Vec<String> = fields.warnings().into_iter().chain(already).collect();
    Ok(shown(request, &described, &warnings))
}

/// `LIST keys`
pub(super) async fn list(request: &Request<'_>, mount: &Mount) -> Answer {
    let mut fields = request.query_fields();
    let after = fields
        .text("after")?
        .filter(|text| !text.as_str().is_empty());
    let limit = fields.limit()?;
    let engine = Arc::clone(request.transit()?);
    let id = mount.id;
    let names = request.detached(async move {
        let after = after.as_ref().map(Text::as_str);
        engine.list(id, after, limit).await
    });
    let names = names
        .await?
        .map_err(|error| Problem::engine(request.operation, mount.path.as_str(), error))?;
    let names: Vec<&str> = names.iter().map(keyring::name::KeyName::as_str).collect();
    Reply::names(request.id, &names)
}

/// `POST keys/:name/config`
pub(super) async fn configure(request: &Request<'_>, key: &KeyTarget) -> Answer {
    let mut fields = request.body.fields()?;
    fields.captured("name");
    let change = policy_change(&mut fields)?;
    let by = request.provenance()?;
    let raised = change.min_decryption == Some(0);
    let described = request
        .on_ring(key, |engine, at| async move {
            engine.configure(&at, &change, &by).await
        })
        .await?;
    let mut warnings = fields.warnings();
    if raised {
        warnings.push(NUMBERS_START_AT_1.to_owned());
    }
    Ok(shown(request, &described, &warnings))
}

const NUMBERS_START_AT_1: &str = "since Vault 0.3 (prior to the OpenBao fork), transit key numbering starts at 1; \
                                  forcing minimum to 1";

fn policy_change(fields: &mut Fields<'_>) -> Result<PolicyChange, Problem> {
    Ok(PolicyChange {
        min_decryption: fields.int("min_decryption_version")?,
        min_encryption: fields.int("min_encryption_version")?,
        deletion_allowed: fields.boolean("deletion_allowed")?,
        exportable: fields.boolean("exportable")?,
        allow_plaintext_backup: fields.boolean("allow_plaintext_backup")?,
        auto_rotate_period: fields.duration("auto_rotate_period")?,
    })
}

/// `POST keys/:name/rotate`
pub(super) async fn rotate(request: &Request<'_>, key: &KeyTarget) -> Answer {
    let mut fields = request.body.fields()?;
    fields.captured("name");
    let if_version = fields.int("if_version")?;
    let (by, found) = (request.provenance()?, request.found.take());
    let described = request
        .on_ring(key, |engine, at| async move {
            engine.rotate_with(&at, if_version, found, &by).await
        })
        .await?;
    Ok(shown(request, &described, &fields.warnings()))
}

/// `POST keys/:name/trim`
pub(super) async fn trim(request: &Request<'_>, key: &KeyTarget) -> Answer {
    let mut fields = request.body.fields()?;
    fields.captured("name");
    let min_available = fields.int("min_available_version")?;
    let by = request.provenance()?;
    let described = request
        .on_ring(key, |engine, at| async move {
            engine.trim(&at, min_available, &by).await
        })
        .await?;
    Ok(shown(request, &described, &fields.warnings()))
}

/// `DELETE keys/:name`
pub(super) async fn delete(request: &Request<'_>, key: &KeyTarget) -> Answer {
    let by = request.provenance()?;
    request
        .on_ring(
            key,
            |engine, at| async move { engine.delete(&at, &by).await },
        )
        .await?;
    Ok(Reply::nothing())
}

fn shown(request: &Request<'_>, described: &Description, warnings: &[String]) -> Reply {
    Reply::data(request.id, &view::ring(described), warnings)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use keyring::algorithm::CipherType;

    use super::*;

    fn fields(body: &'static str) -> Fields<'static> {
        Fields::from_json(body.as_bytes()).unwrap()
    }

    #[test]
    fn what_terraform_sends_makes_a_ring() {
        let mut body = fields(
            r#"{"type":"aes256-gcm96","derived":true,"convergent_encryption":"true","auto_rotate_period":0,"key_size":0}"#,
        );
        let expected = NewRing {
            key_type: Some(CipherType::Aes256Gcm96.into()),
            derived: true,
            convergent: true,
            key_size: Some(0),
            ..NewRing::default()
        };
        assert_eq!(new_ring(&mut body), Ok(expected));
        assert!(body.warnings().is_empty());
    }

    #[test]
    fn an_empty_body_makes_the_default_ring() {
        for body in ["", "null", "{}", r#"{"type":"","auto_rotate_period":null}"#] {
            assert_eq!(
                new_ring(&mut fields(body)),
                Ok(NewRing::default()),
                "{body}"
            );
        }
    }

    #[test]
    fn types_are_offered_known_or_unknown() {
        for (body, expected) in [
            (r#"{"type":"slh-dsa"}"#, "not offered"),
            (r#"{"type":"ml-dsa"}"#, "invalid parameter set"),
            (r#"{"type":"c2VjcmV0"}"#, "unknown key type"),
        ] {
            let problem = new_ring(&mut fields(body)).unwrap_err();
            assert_eq!(problem.status.as_u16(), 400);
            let text = format!("{problem:?}");
            assert!(text.contains(expected) && !text.contains("c2V"), "{text}");
        }
        for name in NOT_OFFERED {
            assert_eq!(
                KeyType::from_name(name, None),
                None,
                "{name} is offered after all"
            );
        }
    }

    #[test]
    fn a_change_says_only_what_it_names() {
        let mut body = fields(
            r#"{"min_decryption_version":"3","exportable":false,"auto_rotate_period":"30d","min_encryption_versoin":1}"#,
        );
        let expected = PolicyChange {
            min_decryption: Some(3),
            exportable: Some(false),
            auto_rotate_period: Some(Duration::from_hours(30 * 24)),
            ..PolicyChange::default()
        };
        assert_eq!(policy_change(&mut body), Ok(expected));
        assert_eq!(body.warnings().len(), 1);
    }
}
