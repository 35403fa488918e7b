//! How credentials end: one alone, or whole families, each time by one row that the stream of changes tells.
//!
//! Nothing is missed in a family that grows meanwhile. Who adds a child holds its parent, and who ends the parent waits
//! for that; so the family is gone through again until nobody was found that was not there the time before.

use sqlx::FromRow;

use super::failure::Failure;
use super::statements::{Param, Statements, params};
use super::{Connection, SqlStore, announce};
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::identity::{CredentialHash, CredentialKind};

/// Whose families end.
#[derive(Clone, Copy)]
pub(super) enum Family<'a> {
    /// Those of tokens that have expired and have children.
    Expired,
    /// That of a token.
    Of(&'a CredentialHash),
    /// Those of whatever belongs to a scope.
    Scope(&'a str),
}

/// How many uses a use has left.
#[derive(FromRow)]
pub(super) struct Used {
    pub(super) uses_left: i64,
}

/// Ends one credential; whether it was there.
pub(super) async fn end_one<S: SqlStore>(
    db: &mut Connection<S>,
    kind: CredentialKind,
    hash: &CredentialHash,
    at: Timestamp,
) -> Result<bool, Failure> {
    // Asked first, because a revocation that ends nothing is still a row.
    if db.row::<Found>(THERE, params![kind, hash]).await?.is_none() {
        return Ok(false);
    }
    let by = revocation::<S>(db, at).await?;
    let ended = db.change(END_ONE, params![kind, hash, by, NOTHING]).await?;
    Ok(ended > 0)
}

/// Ends these families with all their members; how many.
pub(super) async fn end_families<S: SqlStore>(
    db: &mut Connection<S>,
    family: Family<'_>,
    at: Timestamp,
) -> Result<u64, Failure> {
    let by = revocation::<S>(db, at).await?;
    let (sql, whose) = match family {
        Family::Expired => (END_EXPIRED, Param::from(at)),
        Family::Of(hash) => (END_TREE, hash.into()),
        Family::Scope(scope) => (END_SCOPE, scope.into()),
    };
    let params = params![whose, CredentialKind::Token, by, NOTHING];
    let mut all = 0;
    loop {
        match db.change(sql, params).await? {
            0 => return Ok(all),
            ended => all += ended,
        }
    }
}

/// Writes that something ends, and lets other processes know.
async fn revocation<S: SqlStore>(db: &mut Connection<S>, at: Timestamp) -> Result<i64, Failure> {
    let row: Option<(i64,)> = db.row(INSERT_REVOCATION, params![at]).await?;
    announce::<S>(db).await?;
    let (sequence,) = row.ok_or(StoreError::Corrupt("revocations"))?;
    Ok(sequence)
}

/// All that is left of the body of what has ended.
const NOTHING: &[u8] = &[];

/// A row of which nothing is wanted but that it is there.
#[derive(FromRow)]
struct Found {}

const THERE: &str =
    "SELECT kind FROM credentials WHERE kind = $1 AND hash = $2 AND ended_by IS NULL";

const INSERT_REVOCATION: &str = "INSERT INTO revocations (at) VALUES ($1) RETURNING sequence";

pub(super) const USE_ONE: &str = "
    UPDATE credentials SET uses_left = uses_left - 1
    WHERE kind = $1 AND hash = $2 AND ended_by IS NULL AND uses_left > 0
        AND (expires_at IS NULL OR expires_at > $3)
    RETURNING uses_left";

const END_ONE: &str = "
    UPDATE credentials SET ended_by = $3, body = $4
    WHERE kind = $1 AND hash = $2 AND ended_by IS NULL";

/// A statement that ends whatever the first query gives, and all descendants of it.
macro_rules! end_families {
    ($first:literal) => {
        concat!(
            "WITH RECURSIVE family (kind, hash) AS (
                SELECT kind, hash FROM credentials WHERE ",
            $first,
            " UNION
                SELECT child.kind, child.hash FROM family
                JOIN credentials child ON child.parent = family.hash AND family.kind = $2
            )
            UPDATE credentials SET ended_by = $3, body = $4
            WHERE (kind, hash) IN (SELECT kind, hash FROM family) AND ended_by IS NULL"
        )
    };
}

const END_TREE: &str = end_families!("hash = $1 AND kind = $2");

const END_SCOPE: &str = end_families!("scope = $1");

/// Those that this revocation has ended belong to it, so that their descendants are found again.
const END_EXPIRED: &str =
    end_families!("has_children AND ended_by IS NULL AND expires_at <= $1 OR ended_by = $3");

#[cfg(test)]
pub(super) fn statements() -> [&'static str; 6] {
    [THERE, USE_ONE, END_ONE, END_TREE, END_SCOPE, END_EXPIRED]
}
