//! Keys on their way out and whole rings both ways: `export`, `byok-export`, `backup` and `restore`.

use std::fmt::Write as _;

use keyring::history::{Cause, Provenance};
use keyring::name::KeyName;
use keyring::secret::SecretBytes;
use keyring::transfer::byok::ImportHash;
use keyring::transfer::export::{ExportFormat, ExportKind};
use keyring::transit::{Address, Exported, VersionChoice};

use super::errors::Problem;
use super::reply::envelope::{close_envelope, open_envelope};
use super::reply::print::{push_plain, push_text};
use super::reply::{Answer, Reply};
use super::request::Request;
use super::route::{KeyTarget, Target};

/// `GET export/:type/:name(/:version)`
pub(super) async fn export(request: &Request<'_>, key: &KeyTarget) -> Answer {
    let (kind, version) = key
        .rest
        .split_first()
        .ok_or_else(super::handlers::misrouted)?;
    let kind = ExportKind::from_name(kind).ok_or_else(|| Problem::bad("invalid export type"))?;
    let format = request.query_fields().text("format")?.unwrap_or_default();
    let format = ExportFormat::from_name(format.as_str());
    let format = format.ok_or_else(|| Problem::bad("invalid format"))?;
    let choice = choice(&version.join("/"))?;
    let exported = request
        .on_ring(key, |engine, at| async move {
            engine.export(&at, (kind, format), choice).await
        })
        .await?;
    Ok(shown(request, key, &exported))
}

/// `GET byok-export/:destination/:source(/:version)`
pub(super) async fn byok_export(request: &Request<'_>, key: &KeyTarget) -> Answer {
    let (name, version) = key
        .rest
        .split_first()
        .ok_or_else(super::handlers::misrouted)?;
    let destination = Address {
        mount: key.address.mount,
        name: KeyName::parse(name)
            .ok_or_else(|| Problem::multi("no such destination key to export to"))?,
    };
    let hash = request.query_fields().text("hash")?;
    let hash = hash.as_ref().map_or("SHA256", super::text::Text::as_str);
    let hash = ImportHash::from_name(hash).ok_or_else(|| Problem::bad("unknown hash function"))?;
    let choice = choice(&version.join("/"))?;
    let found = destination.clone();
    let is_there = request
        .on_ring(
            key,
            |engine, _| async move { engine.is_there(&found).await },
        )
        .await?;
    if !is_there {
        return Err(Problem::multi("no such destination key to export to"));
    }
    let exported = request
        .on_ring(key, |engine, at| async move {
            engine.byok_export(&at, &destination, choice, hash).await
        })
        .await?;
    Ok(shown(request, key, &exported))
}

fn choice(text: &str) -> Result<VersionChoice, Problem> {
    match text {
        "" => Ok(VersionChoice::All),
        "latest" => Ok(VersionChoice::Latest),
        number => {
            let digits = number.strip_prefix('v').unwrap_or(number);
            let number = digits.parse();
            let number = number.map_err(|_| Problem::bad("invalid key version"))?;
            Ok(VersionChoice::One(number))
        }
    }
}

/// Written straight into the answer: no copy of a key is left behind.
fn shown(request: &Request<'_>, key: &KeyTarget, exported: &Exported) -> Reply {
    let room: usize = exported
        .keys
        .iter()
        .map(|(_, text)| 2 * text.len() + 32)
        .sum();
    let mut bytes = open_envelope(request.id, room + 512);
    bytes.extend_from_slice(b"{\"keys\":{");
    for (index, (version, text)) in exported.keys.iter().enumerate() {
        if index > 0 {
            bytes.push(b',');
        }
        let mut number = String::new();
        let _ = write!(number, "{version}");
        push_plain(&mut bytes, &number);
        bytes.push(b':');
        let text = std::str::from_utf8(text.expose_secret()).unwrap_or_default();
        push_text(&mut bytes, text);
    }
    bytes.extend_from_slice(b"},\"name\":");
    push_plain(&mut bytes, key.address.name.as_str());
    if let Some(seal_id) = &exported.seal_id {
        bytes.extend_from_slice(b",\"seal_id\":");
        let text = data_encoding::BASE64.encode(seal_id.as_bytes());
        push_plain(&mut bytes, &text);
    }
    bytes.extend_from_slice(b",\"type\":");
    push_plain(&mut bytes, exported.key_type.name());
    bytes.push(b'}');
    close_envelope(&mut bytes, &[]);
    Reply::json(bytes)
}

/// `GET backup/:name`
pub(super) async fn back_up(request: &Request<'_>, key: &KeyTarget) -> Answer {
    let by = request.provenance()?;
    let text = request
        .on_ring(
            key,
            |engine, at| async move { engine.back_up(&at, &by).await },
        )
        .await?;
    let mut bytes = open_envelope(request.id, text.len() + 64);
    bytes.extend_from_slice(b"{\"backup\":\"");
    // Base64: nothing to escape.
    bytes.extend_from_slice(text.expose_secret());
    bytes.extend_from_slice(b"\"}");
    close_envelope(&mut bytes, &[]);
    Ok(Reply::json(bytes))
}

/// `POST restore(/:name)`
pub(super) async fn restore(request: &Request<'_>, target: &Target) -> Answer {
    let (mount, name) = match target.key() {
        Ok(key) => (key.address.mount, Some(key.address.name.clone())),
        Err(_) => (target.mount()?.id, None),
    };
    let mut fields = request.body.fields()?;
    fields.captured("name");
    let backup = fields.text("backup")?.unwrap_or_default();
    if backup.as_str().is_empty() {
        return Err(Problem::bad("'backup' must be supplied"));
    }
    let force = fields.boolean("force")?.unwrap_or_default();
    let by = Provenance {
        cause: Cause::Restore,
        ..request.provenance()?
    };
    let backup = SecretBytes::new(backup.as_str().as_bytes().to_vec());
    let engine = std::sync::Arc::clone(request.transit()?);
    let work = async move { engine.restore((mount, name), backup, force, &by).await };
    let done = request.detached(work).await?;
    done.map_err(|error| Problem::engine(request.operation, "", error))?;
    Ok(Reply::nothing())
}
