//! What administrators say of quotas, field by field.

use std::time::Duration;

use crate::http::errors::Problem;
use crate::http::fields::Fields;
use crate::http::operation::Operation;
use crate::quota::{
    Budget, Per, QuotaPath, QuotaSettings, QuotaSpec, SettingsChange, SpecFault, Unit, Window,
};

/// Reads what a write of `sys/quotas/rate-limit/:name` says. As in Vault, a write replaces the whole quota. `mount_of` finds the mount
/// that a path lies on, the likes of `sys` and `auth/approle` included.
pub(super) fn spec(
    fields: &mut Fields<'_>,
    mount_of: impl FnOnce(&str) -> Option<String>,
) -> Result<QuotaSpec, Problem> {
    fields.ignore(&["name", "type"]);
    let inheritable = fields.boolean("inheritable")?.unwrap_or(true);
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
        inheritable,
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
    let mut per = match fields.restriction_list("per")? {
        None => vec![Per::Identity],
        Some(words) => words
            .iter()
            .map(|word| Per::parse(word))
            .collect::<Option<_>>()
            .ok_or(SpecFault::Per)?,
    };
    per.sort_unstable();
    per.dedup();
    let operations = fields.restriction_list("operations")?.unwrap_or_default();
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

/// Reads what a write of `sys/quotas/config` changes.
pub(super) fn settings_change(fields: &mut Fields<'_>) -> Result<SettingsChange, Problem> {
    let exempt_paths = fields.comma_list("rate_limit_exempt_paths")?;
    let count = exempt_paths.as_ref().map_or(0, Vec::len);
    if count > QuotaSettings::MAX_EXEMPT_PATHS {
        return Err(Problem::bad(format!(
            "'rate_limit_exempt_paths' has more than {} entries",
            QuotaSettings::MAX_EXEMPT_PATHS
        )));
    }
    Ok(SettingsChange {
        exempt_paths,
        audit_logging: fields.boolean("enable_rate_limit_audit_logging")?,
        response_headers: fields.boolean("enable_rate_limit_response_headers")?,
    })
}

#[cfg(test)]
mod tests;
