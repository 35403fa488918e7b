//! Keys on their way in: `wrapping_key`, `import`, `import_version` and `derive-key`.

use keyring::algorithm::{CipherType, KeyType, PairType};
use keyring::binding::Origin;
use keyring::history::{Cause, Provenance};
use keyring::mount::Mount;
use keyring::name::KeyName;
use keyring::transfer::byok::ImportHash;
use keyring::transfer::export::public_key_text;
use keyring::transit::{Agreement, KeySource, NewImport, NewRing};
use serde_json::json;

use super::errors::Problem;
use super::fields::Fields;
use super::keys::key_type;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::route::KeyTarget;
use super::text::Text;

/// `GET wrapping_key`
pub(super) async fn wrapping_key(request: &Request<'_>, mount: &Mount) -> Answer {
    let engine = std::sync::Arc::clone(request.transit()?);
    let id = mount.id;
    let failed = |error| Problem::engine(request.operation, mount.path.as_str(), error);
    let found = engine.pair_for_wrapping_key(id, &request.owner()).await;
    let found = found.map_err(failed)?;
    let key = request.detached(async move { engine.wrapping_key_with(id, found).await });
    let key = key.await?.map_err(failed)?;
    let pem = public_key_text(PairType::Rsa4096, &key);
    let pem = pem.map_err(|_| Problem::internal("the wrapping key cannot be shown"))?;
    Ok(Reply::data(request.id, &json!({"public_key": pem}), &[]))
}

/// `POST keys/:name/import`
pub(super) async fn create(request: &Request<'_>, key: &KeyTarget) -> Answer {
    let mut fields = request.body.fields()?;
    fields.captured("name");
    let import = import(&mut fields)?;
    let (by, found) = (brought_by(request, Cause::Import)?, request.found.take());
    request
        .on_ring(key, |engine, at| async move {
            if let Some(found) = found {
                engine.make_wrapping_key(at.mount, found).await?;
            }
            engine.import(&at, import, &by).await
        })
        .await?;
    Ok(Reply::nothing())
}

fn import(fields: &mut Fields<'_>) -> Result<NewImport, Problem> {
    fields.ignore(&["context"]);
    if fields.take("convergent_encryption").is_some() {
        return Err(Problem::multi(
            "import cannot be used on keys with convergent encryption enabled",
        ));
    }
    let name = fields.text("type")?;
    let name = name.map(|name| Text(name.as_str().to_lowercase().into()));
    let key_type = key_type(name, fields.text("parameter_set")?.as_ref())?;
    Ok(NewImport {
        key_type: key_type.unwrap_or(KeyType::Cipher(CipherType::Aes256Gcm96)),
        origin: Origin::Imported,
        allow_rotation: fields.boolean("allow_rotation")?.unwrap_or_default(),
        seal_id: seal_id(fields.text("seal_id")?.as_ref())?,
        new: NewRing {
            derived: fields.boolean("derived")?.unwrap_or_default(),
            exportable: fields.boolean("exportable")?.unwrap_or_default(),
            allow_plaintext_backup: fields
                .boolean("allow_plaintext_backup")?
                .unwrap_or_default(),
            auto_rotate_period: fields.duration("auto_rotate_period")?.unwrap_or_default(),
            ..NewRing::default()
        },
        source: source(fields)?,
    })
}

/// The key: private if there is a `ciphertext` at all.
fn source(fields: &mut Fields<'_>) -> Result<KeySource, Problem> {
    let hash = fields.text("hash_function")?;
    let hash = hash.as_ref().map_or("SHA256", Text::as_str);
    let hash = ImportHash::from_name(hash).ok_or_else(|| Problem::bad("unknown hash function"))?;
    let (ciphertext, public_key) = (fields.text("ciphertext")?, fields.text("public_key")?);
    Ok(match ciphertext {
        Some(ciphertext) => KeySource::Private {
            ciphertext: ciphertext.as_str().to_owned(),
            hash,
        },
        None => KeySource::Public(public_key.unwrap_or_default().as_str().to_owned()),
    })
}

fn seal_id(text: Option<&Text<'_>>) -> Result<Option<[u8; 16]>, Problem> {
    let Some(text) = text.filter(|text| !text.as_str().is_empty()) else {
        return Ok(None);
    };
    let bytes = data_encoding::BASE64.decode(text.as_str().as_bytes());
    let bytes = bytes.ok().and_then(|bytes| bytes.try_into().ok());
    bytes
        .map(Some)
        .ok_or_else(|| Problem::bad("seal_id must be 16 bytes in base64"))
}

/// `POST keys/:name/import_version`
pub(super) async fn add_version(request: &Request<'_>, key: &KeyTarget) -> Answer {
    let mut fields = request.body.fields()?;
    fields.captured("name");
    let version = fields.int("version")?;
    let source = source(&mut fields)?;
    let by = brought_by(request, Cause::Import)?;
    request
        .on_ring(key, |engine, at| async move {
            engine.import_version(&at, source, version, &by).await
        })
        .await?;
    Ok(Reply::nothing())
}

/// `POST derive-key/:name`
pub(super) async fn derive(request: &Request<'_>, key: &KeyTarget) -> Answer {
    let mut fields = request.body.fields()?;
    fields.captured("name");
    let agreement = agreement(&mut fields)?;
    let by = brought_by(request, Cause::Agreement)?;
    request
        .on_ring(key, |engine, at| async move {
            engine.agree(&at, agreement, &by).await
        })
        .await?;
    Ok(Reply::nothing())
}

fn agreement(fields: &mut Fields<'_>) -> Result<Agreement, Problem> {
    let algorithm = fields.text("key_derivation_algorithm")?.unwrap_or_default();
    if !matches!(algorithm.as_str(), "" | "ecdh") {
        return Err(Problem::bad("key_derivation_algorithm must be 'ecdh'"));
    }
    let base = fields.text("base_key_name")?.unwrap_or_default();
    let cipher = fields.text("derived_key_type")?.unwrap_or_default();
    let cipher = match cipher.as_str() {
        "" => Some(CipherType::Aes256Gcm96),
        name => CipherType::from_name(name),
    };
    let peer = fields.text("peer_public_key")?.unwrap_or_default();
    if peer.as_str().is_empty() {
        return Err(Problem::bad("missing peer_public_key"));
    }
    Ok(Agreement {
        base: KeyName::parse(base.as_str())
            .ok_or_else(|| Problem::bad("missing or invalid base_key_name"))?,
        base_version: fields.int("base_key_version")?.unwrap_or_default(),
        peer_public_key: peer.as_str().to_owned(),
        key_type: cipher.ok_or_else(|| Problem::bad("unknown derived_key_type"))?,
    })
}

fn brought_by(request: &Request<'_>, cause: Cause) -> Result<Provenance, Problem> {
    let by = request.provenance()?;
    Ok(Provenance { cause, ..by })
}
