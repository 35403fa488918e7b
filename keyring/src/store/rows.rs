//! Rows as the database holds them, and the one way each becomes a value of the domain.

use super::StoreError;
use crate::algorithm::KeyType;
use crate::version::{Generation, Version};
pub(super) use audit::AuditHeadRow;
pub(super) use header::{HeaderRow, RootTokenRow, SecretRow};
pub(super) use history::{ChangeRow, CursorRow, EventRow};
pub(super) use identity::{
    AccessorRow, CredentialRow, EntryRow, GroupUseRow, HashRow, of_32, uses,
};
pub(super) use mount::MountRow;
pub(super) use ring::{DueRow, LoadedRow, NameRow, SummaryRow, UsageRow, VersionRow};

mod audit;
mod header;
mod history;
mod identity;
mod mount;
mod ring;

/// Every row as its value, or the first that cannot be one.
pub(super) fn values<R, T: TryFrom<R, Error = StoreError>>(
    rows: Vec<R>,
) -> Result<Vec<T>, StoreError> {
    rows.into_iter().map(T::try_from).collect()
}

/// The number, which the database holds with a sign.
pub(super) fn unsigned(number: i64, column: &'static str) -> Result<u64, StoreError> {
    known(u64::try_from(number).ok(), column)
}

fn known<T>(value: Option<T>, column: &'static str) -> Result<T, StoreError> {
    value.ok_or(StoreError::Corrupt(column))
}

fn version(number: i64, column: &'static str) -> Result<Version, StoreError> {
    known(Version::from_asked(number), column)
}

fn generation(number: i64, column: &'static str) -> Result<Generation, StoreError> {
    unsigned(number, column).map(Generation)
}

fn key_type(number: i64, column: &'static str) -> Result<KeyType, StoreError> {
    known(
        u32::try_from(number).ok().and_then(KeyType::from_number),
        column,
    )
}
