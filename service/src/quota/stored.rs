//! Quotas in the store: entries like policies and roles, read whole when something there has changed.

use super::{QuotaSettings, QuotaSpec, Quotas, Table};
use crate::identity::entries::{Entries, EntryError, Shelf};

/// Where quotas stand, by name.
pub const QUOTAS: Shelf<'static> = Shelf {
    kind: "quota",
    scope: "",
};

/// Where the settings for all quotas stand, under [`SETTINGS_NAME`].
pub const SETTINGS: Shelf<'static> = Shelf {
    kind: "quota-config",
    scope: "",
};

/// The one name there.
pub const SETTINGS_NAME: &str = "config";

impl Quotas {
    /// Puts in force what the store holds by now. After an error everything stays as it was.
    pub async fn refresh(&self, entries: &Entries) -> Result<(), EntryError> {
        let _turn = self.refreshing.lock().await;
        let limit = u32::try_from(Table::MAX_QUOTAS).unwrap_or(u32::MAX);
        let specs = entries.list::<QuotaSpec>(QUOTAS, None, limit).await?;
        let settings = entries
            .get::<QuotaSettings>(SETTINGS, SETTINGS_NAME)
            .await?
            .map_or_else(QuotaSettings::default, |entry| entry.value);
        let named = specs.into_iter().map(|entry| (entry.name, entry.value));
        self.replace(named, settings);
        Ok(())
    }
}
