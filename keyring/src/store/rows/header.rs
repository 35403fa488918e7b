//! The store's own header, secrets and root tokens as rows.

use sqlx::FromRow;

use super::known;
use crate::clock::Timestamp;
use crate::ids::KekId;
use crate::kek::WrappedDek;
use crate::store::{StoreError, StoreHeader, StoredRootToken, StoredSecret};

#[derive(FromRow)]
pub(in crate::store) struct HeaderRow {
    store_id: Vec<u8>,
    kek: String,
    live_secret: Option<Vec<u8>>,
    unlock_copy: Vec<u8>,
    shares: i64,
    threshold: i64,
    created_at: i64,
}

impl TryFrom<HeaderRow> for StoreHeader {
    type Error = StoreError;

    fn try_from(row: HeaderRow) -> Result<Self, StoreError> {
        let live_secret = row
            .live_secret
            .map(|bytes| known(WrappedDek::from_bytes(bytes), "store_header.live_secret"));
        Ok(Self {
            store: known(
                row.store_id.as_slice().try_into().ok(),
                "store_header.store_id",
            )?,
            kek: known(KekId::parse(&row.kek), "store_header.kek")?,
            live_secret: live_secret.transpose()?,
            unlock_copy: row.unlock_copy,
            shares: known(row.shares.try_into().ok(), "store_header.shares")?,
            threshold: known(row.threshold.try_into().ok(), "store_header.threshold")?,
            created_at: Timestamp::from_micros(row.created_at),
        })
    }
}

#[derive(FromRow)]
pub(in crate::store) struct SecretRow {
    purpose: i64,
    kek: String,
    wrapped: Vec<u8>,
    material: Vec<u8>,
}

impl TryFrom<SecretRow> for StoredSecret {
    type Error = StoreError;

    fn try_from(row: SecretRow) -> Result<Self, StoreError> {
        Ok(Self {
            purpose: known(row.purpose.try_into().ok(), "store_secrets.purpose")?,
            kek: known(KekId::parse(&row.kek), "store_secrets.kek")?,
            wrapped: known(WrappedDek::from_bytes(row.wrapped), "store_secrets.wrapped")?,
            material: row.material,
        })
    }
}

#[derive(FromRow)]
pub(in crate::store) struct RootTokenRow {
    hash: Vec<u8>,
    accessor: String,
    created_at: i64,
}

impl TryFrom<RootTokenRow> for StoredRootToken {
    type Error = StoreError;

    fn try_from(row: RootTokenRow) -> Result<Self, StoreError> {
        Ok(Self {
            hash: known(row.hash.try_into().ok(), "root_tokens.hash")?,
            accessor: row.accessor,
            created_at: Timestamp::from_micros(row.created_at),
        })
    }
}
