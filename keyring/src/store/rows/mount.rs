//! Mounts as rows.

use std::time::Duration;

use sqlx::FromRow;

use super::{key_type, known, unsigned};
use crate::clock::Timestamp;
use crate::ids::MountId;
use crate::mount::{ListingVisibility, Mount, MountSettings};
use crate::name::MountPath;
use crate::store::StoreError;

#[derive(FromRow)]
pub(in crate::store) struct MountRow {
    id: Vec<u8>,
    path: String,
    created_at: i64,
    description: String,
    default_key_type: Option<i64>,
    upsert: bool,
    cache_size: i64,
    default_lease_seconds: i64,
    max_lease_seconds: i64,
    listing_visibility: Option<String>,
}

impl TryFrom<MountRow> for Mount {
    type Error = StoreError;

    fn try_from(row: MountRow) -> Result<Self, StoreError> {
        let default_key_type = row.default_key_type.map(|number| {
            let column = "mounts.default_key_type";
            known(key_type(number, column)?.cipher(), column)
        });
        let listing_visibility = row.listing_visibility.as_deref().map(|word| {
            known(
                ListingVisibility::from_word(word),
                "mounts.listing_visibility",
            )
        });
        let default_lease = unsigned(row.default_lease_seconds, "mounts.default_lease_seconds")?;
        let max_lease = unsigned(row.max_lease_seconds, "mounts.max_lease_seconds")?;
        Ok(Self {
            id: known(MountId::try_from(&*row.id).ok(), "mounts.id")?,
            path: known(MountPath::parse(&row.path), "mounts.path")?,
            created_at: Timestamp::from_micros(row.created_at),
            settings: MountSettings {
                description: row.description,
                default_key_type: default_key_type.transpose()?,
                upsert: row.upsert,
                cache_size: unsigned(row.cache_size, "mounts.cache_size")?,
                default_lease_ttl: Duration::from_secs(default_lease),
                max_lease_ttl: Duration::from_secs(max_lease),
                listing_visibility: listing_visibility.transpose()?,
            },
        })
    }
}
