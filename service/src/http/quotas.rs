//! Quotas as administrators write and read them: `sys/quotas/rate-limit/:name` and `sys/quotas/config`.

mod read;

use std::sync::Arc;

use keyring::name::KeyName;
use serde_json::Value;

use super::errors::Problem;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::route::Mounted;
use crate::identity::Identity;
use crate::identity::entries::EntryError;
use crate::quota::stored::{QUOTAS, SETTINGS, SETTINGS_NAME};
use crate::quota::{QuotaSettings, QuotaSpec, Quotas, Table};

/// `LIST sys/quotas/rate-limit`
pub(super) async fn list(request: &Request<'_>) -> Answer {
    let names = request.identity()?.entries.names(QUOTAS).await?;
    Reply::names(request.id, &names)
}

/// `GET sys/quotas/rate-limit/:name`
pub(super) async fn read(request: &Request<'_>, name: &KeyName) -> Answer {
    let entries = &request.identity()?.entries;
    let quota = entries.get::<QuotaSpec>(QUOTAS, name.as_str()).await?;
    let quota = quota.ok_or_else(Problem::absent)?;
    let data = Value::Object(quota.value.view(name.as_str()));
    Ok(Reply::data(request.id, &data, &[]))
}

/// `POST sys/quotas/rate-limit/:name`
pub(super) async fn write(request: &Request<'_>, name: &KeyName) -> Answer {
    let mut fields = request.body.fields()?;
    // Clients send it, and an answer without a body has nowhere to warn of it.
    fields.ignore(&["name"]);
    let mounted = Mounted::of(request.opened);
    let spec = read::spec(&mut fields, |path| mounted.mount_of(path))?;
    let (identity, quotas) = parts(request)?;
    let name = name.as_str().to_owned();
    let work = async move {
        check_beside_others(&identity, &name, &spec).await?;
        let put = identity.entries.put(QUOTAS, &name, |_: Option<QuotaSpec>| {
            Ok::<_, Problem>(spec.clone())
        });
        put.await??;
        in_force(&quotas, &identity).await;
        Ok::<_, Problem>(())
    };
    request.detached(work).await??;
    Ok(Reply::done(request.id, &fields.warnings()))
}

/// `DELETE sys/quotas/rate-limit/:name`
pub(super) async fn delete(request: &Request<'_>, name: &KeyName) -> Answer {
    let (identity, quotas) = parts(request)?;
    let name = name.as_str().to_owned();
    let work = async move {
        identity.entries.delete(QUOTAS, &name).await?;
        in_force(&quotas, &identity).await;
        Ok::<_, EntryError>(())
    };
    request.detached(work).await??;
    Ok(Reply::nothing())
}

/// `GET sys/quotas/config`
pub(super) async fn read_config(request: &Request<'_>) -> Answer {
    let entries = &request.identity()?.entries;
    let stored = entries
        .get::<QuotaSettings>(SETTINGS, SETTINGS_NAME)
        .await?;
    let settings = stored.map_or_else(QuotaSettings::default, |entry| entry.value);
    Ok(Reply::data(
        request.id,
        &Value::Object(settings.view()),
        &[],
    ))
}

/// `POST sys/quotas/config`
pub(super) async fn write_config(request: &Request<'_>) -> Answer {
    let mut fields = request.body.fields()?;
    let change = read::settings_change(&mut fields)?;
    let (identity, quotas) = parts(request)?;
    let work = async move {
        let changed = |stored: Option<QuotaSettings>| {
            let mut settings = stored.unwrap_or_default();
            change.apply_to(&mut settings);
            Ok::<_, Problem>(settings)
        };
        let put = identity.entries.put(SETTINGS, SETTINGS_NAME, changed);
        put.await??;
        in_force(&quotas, &identity).await;
        Ok::<_, Problem>(())
    };
    request.detached(work).await??;
    Ok(Reply::done(request.id, &fields.warnings()))
}

fn parts(request: &Request<'_>) -> Result<(Arc<Identity>, Arc<Quotas>), Problem> {
    let opened = request.opened()?;
    Ok((Arc::clone(&opened.identity), Arc::clone(&opened.quotas)))
}

/// Of two rate limits for the same requests one would never count.
async fn check_beside_others(
    identity: &Identity,
    name: &str,
    spec: &QuotaSpec,
) -> Result<(), Problem> {
    let limit = u32::try_from(Table::MAX_QUOTAS).unwrap_or(u32::MAX);
    let stored = identity
        .entries
        .list::<QuotaSpec>(QUOTAS, None, limit)
        .await?;
    let mut others = stored.iter().filter(|entry| entry.name != name);
    if let Some(other) = others.clone().find(|other| other.value.contends_with(spec)) {
        return Err(Problem::bad(format!(
            "quota rule with similar properties exists under the name \"{}\"",
            other.name
        )));
    }
    if others.by_ref().count() >= Table::MAX_QUOTAS {
        return Err(Problem::bad(format!(
            "there are {} quotas already, and no more may be",
            Table::MAX_QUOTAS
        )));
    }
    Ok(())
}

/// Shows this node's own change at once. The change has been made: if reading it back fails, the next poll does it.
async fn in_force(quotas: &Quotas, identity: &Identity) {
    if let Err(error) = quotas.refresh(&identity.entries).await {
        tracing::warn!(%error, "changed quotas could not be read back");
    }
}
