//! Usage in SQL. Each booking is a transaction, so that a lost connection is told apart from a lost answer.

use async_trait::async_trait;

use super::failure::{Failure, if_gone};
use super::statements::{Statements, params};
use super::{Connection, SqlStore, query, transaction};
use crate::ids::RingId;
use crate::store::rows::{UsageRow, unsigned, values};
use crate::store::{StoreError, UsageStore};
use crate::version::Version;

#[async_trait]
impl<S: SqlStore> UsageStore for S {
    async fn lease_usage(
        &self,
        ring: RingId,
        version: Version,
        uses: u64,
    ) -> Result<u64, StoreError> {
        transaction(
            self,
            Booking {
                ring,
                version,
                uses,
            },
            |db, booking| Box::pin(lease::<S>(db, booking)),
        )
        .await
    }

    async fn return_usage(
        &self,
        ring: RingId,
        version: Version,
        uses: u64,
    ) -> Result<(), StoreError> {
        transaction(
            self,
            Booking {
                ring,
                version,
                uses,
            },
            |db, booking| Box::pin(give_back::<S>(db, booking)),
        )
        .await
    }

    async fn usage(&self, ring: RingId, from: Version) -> Result<Vec<(Version, u64)>, StoreError> {
        values(query::<_, UsageRow>(self, USAGE, params![&ring, from]).await?)
    }
}

struct Booking {
    ring: RingId,
    version: Version,
    uses: u64,
}

async fn lease<S: SqlStore>(db: &mut Connection<S>, booking: &Booking) -> Result<u64, Failure> {
    let outcome = db
        .row(LEASE, params![&booking.ring, booking.version, booking.uses])
        .await;
    let total: Option<(i64,)> = if_gone(outcome, StoreError::NotFound)?;
    let (total,) = total.ok_or(StoreError::NotFound)?;
    Ok(unsigned(total, "ring_usage.uses")?)
}

async fn give_back<S: SqlStore>(db: &mut Connection<S>, booking: &Booking) -> Result<(), Failure> {
    db.change(
        GIVE_BACK,
        params![&booking.ring, booking.version, booking.uses],
    )
    .await?;
    Ok(())
}

/// A total that no longer fits stays at the largest number: the count is never below the truth.
const LEASE: &str = "
    INSERT INTO ring_usage (ring_id, version, uses)
    SELECT ring_id, version, $3 FROM ring_versions WHERE ring_id = $1 AND version = $2
    ON CONFLICT (ring_id, version) DO UPDATE SET uses = CASE
        WHEN ring_usage.uses > 9223372036854775807 - excluded.uses THEN 9223372036854775807
        ELSE ring_usage.uses + excluded.uses
    END
    RETURNING uses";

const GIVE_BACK: &str = "
    UPDATE ring_usage SET uses = CASE WHEN uses > $3 THEN uses - $3 ELSE 0 END WHERE ring_id = $1 AND version = $2";

const USAGE: &str = "
    SELECT version, uses FROM ring_usage WHERE ring_id = $1 AND version >= $2 AND uses > 0 ORDER BY version";
