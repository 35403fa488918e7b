//! Mounts as rows.

use sqlx::FromRow;

use super::{key_type, known};
use crate::clock::Timestamp;
use crate::ids::MountId;
use crate::mount::{Mount, MountSettings};
use crate::name::MountPath;
use crate::store::StoreError;

#[derive(FromRow)]
pub(in crate::store) struct MountRow {
    id: Vec<u8>,
    path: String,
    created_at: i64,
    description: String,
    default_key_type: Option<i64>,
}

impl TryFrom<MountRow> for Mount {
    type Error = StoreError;

    fn try_from(row: MountRow) -> Result<Self, StoreError> {
        let default_key_type = row.default_key_type.map(|number| {
            let column = "mounts.default_key_type";
            known(key_type(number, column)?.cipher(), column)
        });
        Ok(Self {
            id: known(MountId::try_from(&*row.id).ok(), "mounts.id")?,
            path: known(MountPath::parse(&row.path), "mounts.path")?,
            created_at: Timestamp::from_micros(row.created_at),
            settings: MountSettings {
                description: row.description,
                default_key_type: default_key_type.transpose()?,
            },
        })
    }
}
