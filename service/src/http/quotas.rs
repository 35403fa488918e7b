//! Quotas as administrators write and read them: `sys/quotas/rate-limit/:name` and `sys/quotas/config`.

use std::sync::Arc;
use std::time::Duration;

use keyring::name::KeyName;
use serde_json::{Value, json};

use super::errors::Problem;
use super::fields::Fields;
use super::operation::Operation;
use super::reply::{Answer, Reply};
use super::request::Request;
use super::route::Mounted;
use crate::identity::entries::{Entries, EntryError};
use crate::quota::stored::{QUOTAS, SETTINGS, SETTINGS_NAME};
use crate::quota::{
    Budget, Per, QuotaPath, QuotaSettings, QuotaSpec, SpecFault, Table, Unit, Window,
};

/// `POST sys/quotas/rate-limit/:name`
pub(super) async fn write(request: &Request<'_>, name: &KeyName) -> Answer {
    let mut fields = request.body.fields()?;
    let mounted = Mounted::of(request.opened);
    let spec = read_spec(&mut fields, |path| mounted.mount_of(path))?;
    let identity = Arc::clone(request.identity()?);
    let quotas = Arc::clone(&request.opened()?.quotas);
    let name = name.as_str().to_owned();
    let work = async move {
        let clash = clashes(&identity.entries, &name, &spec).await?;
        if clash {
            return Ok(Err(Problem::bad("a quota for this path and role exists under another name")));
        }
        let put = identity.entries.put(QUOTAS, &name, |_| Ok::<_, Problem>(spec.clone()));
        let put = put.await?;
        quotas.refresh(&identity.entries).await?;
        Ok::<_, EntryError>(put.map(drop))
    };
    request.front.detached.run(work).await???;
    Ok(said(request, &fields.warnings()))
}

/// Of two rate limits for one path, nobody could say which counts.
async fn clashes(entries: &Entries, name: &str, spec: &QuotaSpec) -> Result<bool, EntryError> {
    let limit = u32::try_from(Table::MAX_QUOTAS).unwrap_or(u32::MAX);
    let known = entries.list::<QuotaSpec>(QUOTAS, None, limit).await?;
    Ok(known
        .iter()
        .any(|entry| entry.name != name && entry.value.contends_with(spec)))
}

/// `GET sys/quotas/rate-limit/:name`
pub(super) async fn read(request: &Request<'_>, name: &KeyName) -> Answer {
    let entries = &request.identity()?.entries;
    let entry = entries.get::<QuotaSpec>(QUOTAS, name.as_str()).await?;
    let entry = entry.ok_or_else(Problem::absent)?;
    let data = Value::Object(entry.value.view(name.as_str()));
    Ok(Reply::data(request.id, &data, &[]))
}

/// `LIST sys/quotas/rate-limit`
pub(super) async fn list(request: &Request<'_>) -> Answer {
    let names = request.identity()?.entries.names(QUOTAS).await?;
    if names.is_empty() {
        return Err(Problem::absent());
    }
    Ok(Reply::data(request.id, &json!({"keys": names}), &[]))
}

/// `DELETE sys/quotas/rate-limit/:name`
pub(super) async fn delete(request: &Request<'_>, name: &KeyName) -> Answer {
    let identity = Arc::clone(request.identity()?);
    let quotas = Arc::clone(&request.opened()?.quotas);
    let name = name.as_str().to_owned();
    let work = async move {
        identity.entries.delete(QUOTAS, &name).await?;
        quotas.refresh(&identity.entries).await
    };
    request.front.detached.run(work).await??;
    Ok(Reply::nothing())
}

/// `GET sys/quotas/config`
pub(super) async fn read_config(request: &Request<'_>) -> Answer {
    let entries = &request.identity()?.entries;
    let settings = entries.get::<QuotaSettings>(SETTINGS, SETTINGS_NAME).await?;
    let settings = settings.map_or_else(QuotaSettings::default, |entry| entry.value);
    Ok(Reply::data(request.id, &Value::Object(settings.view()), &[]))
}

/// `POST sys/quotas/config`
pub(super) async fn write_config(request: &Request<'_>) -> Answer {
    let body = request.body.copy();
    let identity = Arc::clone(request.identity()?);
    let quotas = Arc::clone(&request.opened()?.quotas);
    let work = async move {
        let put = identity.entries.put(SETTINGS, SETTINGS_NAME, |known: Option<QuotaSettings>| {
            let mut settings = known.unwrap_or_default();
            update_settings(&mut settings, &mut body.fields()?)?;
            Ok::<_, Problem>(settings)
        });
        let put = put.await?;
        quotas.refresh(&identity.entries).await?;
        Ok::<_, EntryError>(put.map(drop))
    };
    request.front.detached.run(work).await???;
    Ok(Reply::nothing())
}

fn said(request: &Request<'_>, warnings: &[String]) -> Reply {
    if warnings.is_empty() {
        Reply::nothing()
    } else {
        Reply::data(request.id, &Value::Null, warnings)
    }
}

/// Reads what a write of `sys/quotas/rate-limit/:name` says. As in Vault, a write replaces the whole quota. `mount_of` finds the mount
/// that a path lies on, the likes of `sys` and `auth/approle` included.
pub(super) fn read_spec(
    fields: &mut Fields<'_>,
    mount_of: impl FnOnce(&str) -> Option<String>,
) -> Result<QuotaSpec, Problem> {
    fields.ignore(&["inheritable", "name", "type"]);
    let path = fields.text("path")?.unwrap_or_default();
    let path = QuotaPath::parse(path.as_str(), mount_of).ok_or(SpecFault::Mount)?;
    let role = fields.text("role")?.unwrap_or_default().0.into_owned();
    let block = fields.duration("block_interval")?.unwrap_or_default();
    if block > Window::MAX_INTERVAL {
        return Err(SpecFault::Block.into());
    }
    let budget_windows = windows(fields)?;
    let rate = fields.thousandths("rate")?;
    let interval = fields.duration("interval")?;
    let (windows, budget) = match (budget_windows, rate) {
        (Some(_), Some(_)) => return Err(SpecFault::WindowsAndRate.into()),
        (Some(windows), None) => (windows, Some(budget(fields)?)),
        (None, rate) => (vec![rate_window(rate.unwrap_or_default(), interval)?], None),
    };
    let is_of_login = path.mount.starts_with("auth/") && budget.is_none();
    if !role.is_empty() && !is_of_login {
        return Err(SpecFault::Role.into());
    }
    Ok(QuotaSpec {
        path,
        role,
        windows,
        block_seconds: block.as_secs(),
        budget,
    })
}

/// Vault's one window: an interval of zero, or none, is a second.
fn rate_window(rate: u64, interval: Option<Duration>) -> Result<Window, SpecFault> {
    let interval = interval
        .filter(|interval| !interval.is_zero())
        .unwrap_or(Duration::from_secs(1));
    if interval > Window::MAX_INTERVAL {
        return Err(SpecFault::Interval);
    }
    Window::new(Unit::Requests, rate, interval).ok_or(SpecFault::Rate)
}

/// The windows of a budget, if it is one.
fn windows(fields: &mut Fields<'_>) -> Result<Option<Vec<Window>>, Problem> {
    let objects = fields
        .objects("windows")
        .map_err(|_| SpecFault::Windows)?
        .map(|objects| objects.into_iter().map(window).collect());
    let windows: Option<Option<Vec<Window>>> = objects;
    match windows {
        None => Ok(None),
        Some(Some(windows)) if (1..=Window::MAX_WINDOWS).contains(&windows.len()) => {
            Ok(Some(windows))
        }
        Some(_) => Err(SpecFault::Windows.into()),
    }
}

fn window(mut fields: Fields<'_>) -> Option<Window> {
    let interval = fields.duration("interval").ok()??;
    let items = fields.thousandths("items").ok()?;
    let requests = fields.thousandths("requests").ok()?;
    let (unit, limit) = match (items, requests) {
        (Some(items), None) => (Unit::Items, items),
        (None, Some(requests)) => (Unit::Requests, requests),
        (None, None) | (Some(_), Some(_)) => return None,
    };
    // A key that is spelled wrong must not leave a budget that nobody meant.
    let window = Window::new(unit, limit, interval)?;
    fields.are_read().then_some(window)
}

/// What else a budget says: told apart by identity unless it says otherwise, and about everything.
fn budget(fields: &mut Fields<'_>) -> Result<Budget, Problem> {
    let mut per = match fields.comma_list("per")? {
        None => vec![Per::Identity],
        Some(words) => words
            .iter()
            .map(|word| Per::parse(word))
            .collect::<Option<_>>()
            .ok_or(SpecFault::Per)?,
    };
    per.sort_unstable();
    per.dedup();
    let operations = fields.comma_list("operations")?.unwrap_or_default();
    let is_known = |word: &String| {
        Operation::ALL
            .iter()
            .any(|operation| operation.word() == word)
    };
    if !operations.iter().all(is_known) {
        return Err(SpecFault::Operations.into());
    }
    Ok(Budget { per, operations })
}

/// Changes what a write of `sys/quotas/config` names; the rest stays.
pub(super) fn update_settings(
    settings: &mut QuotaSettings,
    fields: &mut Fields<'_>,
) -> Result<(), Problem> {
    if let Some(paths) = fields.comma_list("rate_limit_exempt_paths")? {
        if paths.len() > QuotaSettings::MAX_EXEMPT_PATHS {
            return Err(Problem::bad(format!(
                "'rate_limit_exempt_paths' has more than {} entries",
                QuotaSettings::MAX_EXEMPT_PATHS
            )));
        }
        let canonical = paths.iter().map(|path| path.trim_matches('/').to_owned());
        settings.exempt_paths = canonical.filter(|path| !path.is_empty()).collect();
    }
    if let Some(audited) = fields.boolean("enable_rate_limit_audit_logging")? {
        settings.audit_logging = audited;
    }
    if let Some(headers) = fields.boolean("enable_rate_limit_response_headers")? {
        settings.response_headers = headers;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
