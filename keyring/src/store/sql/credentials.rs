//! Credentials in SQL.

use async_trait::async_trait;

use super::endings::{self, Family, USE_ONE, Used};
use super::entries::{before_nul, begin_change};
use super::failure::{Failure, if_taken};
use super::statements::{Statements, params};
use super::{AnyRow, Connection, SqlStore, query, transaction, unhurried};
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::identity::{
    AccessorPage, CredentialHash, CredentialKind, CredentialStore, Group, GroupUse, Reach, Renewal,
    StoredCredential,
};
use crate::store::rows::{AccessorRow, CredentialRow, GroupUseRow, HashRow, uses, values};

#[async_trait]
impl<S: SqlStore> CredentialStore for S {
    async fn add_credential(&self, credential: &StoredCredential) -> Result<(), StoreError> {
        transaction(self, credential.clone(), |db, credential| {
            Box::pin(add::<S>(db, credential))
        })
        .await
    }

    async fn credential(
        &self,
        kind: CredentialKind,
        hash: CredentialHash,
    ) -> Result<Option<StoredCredential>, StoreError> {
        one(query(self, CREDENTIAL, params![kind, &hash]).await?)
    }

    async fn credential_by_accessor(
        &self,
        kind: CredentialKind,
        accessor: &str,
    ) -> Result<Option<StoredCredential>, StoreError> {
        if accessor.contains('\0') {
            return Ok(None);
        }
        one(query(self, BY_ACCESSOR, params![kind, accessor]).await?)
    }

    async fn accessors(
        &self,
        kind: CredentialKind,
        page: &AccessorPage<'_>,
    ) -> Result<Vec<String>, StoreError> {
        let after = before_nul(page.after.unwrap_or_default());
        let rows: Vec<AccessorRow> = match page.scope {
            None => query(self, ACCESSORS, params![kind, page.now, after, page.limit]).await?,
            Some(scope) => {
                let params = params![kind, page.now, after, page.limit, scope];
                query(self, ACCESSORS_OF_SCOPE, params).await?
            }
        };
        Ok(rows.into_iter().map(|row| row.accessor).collect())
    }

    async fn chosen_credentials(
        &self,
        kind: CredentialKind,
    ) -> Result<Vec<CredentialHash>, StoreError> {
        values(query::<_, HashRow>(self, CHOSEN, params![kind]).await?)
    }

    async fn group_use(&self, group: Group<'_>, now: Timestamp) -> Result<GroupUse, StoreError> {
        let rows: Vec<GroupUseRow> = match group {
            Group::Children(parent) => query(self, USE_OF_CHILDREN, params![&parent, now]).await?,
            Group::Scope(kind, scope) => {
                query(self, USE_OF_SCOPE, params![scope, kind, now]).await?
            }
        };
        let row = rows.into_iter().next();
        row.map_or(Ok(GroupUse::default()), GroupUse::try_from)
    }

    async fn renew_credential(
        &self,
        kind: CredentialKind,
        hash: CredentialHash,
        renewal: &Renewal,
    ) -> Result<(), StoreError> {
        let renewal = (kind, hash, renewal.clone());
        transaction(self, renewal, |db, (kind, hash, renewal)| {
            Box::pin(renew::<S>(db, *kind, hash, renewal))
        })
        .await
    }

    async fn use_credential(
        &self,
        kind: CredentialKind,
        hash: CredentialHash,
        now: Timestamp,
    ) -> Result<Option<u32>, StoreError> {
        transaction(self, Presented { kind, hash, now }, |db, presented| {
            Box::pin(use_one::<S>(db, presented))
        })
        .await
    }

    async fn take_credential(
        &self,
        kind: CredentialKind,
        hash: CredentialHash,
        now: Timestamp,
    ) -> Result<Option<StoredCredential>, StoreError> {
        transaction(self, Presented { kind, hash, now }, |db, presented| {
            Box::pin(take::<S>(db, presented))
        })
        .await
    }

    async fn revoke_credential(
        &self,
        kind: CredentialKind,
        hash: CredentialHash,
        reach: Reach,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let now = at;
        let revoked = (Presented { kind, hash, now }, reach);
        transaction(self, revoked, |db, (revoked, reach)| {
            Box::pin(revoke::<S>(db, revoked, *reach))
        })
        .await
    }

    async fn expire_families(&self, now: Timestamp) -> Result<u64, StoreError> {
        // Most of the time there are none, and a transaction that writes waits for others.
        if query::<_, AnyRow>(self, EXPIRED_PARENT, params![now])
            .await?
            .is_empty()
        {
            return Ok(0);
        }
        unhurried(self, now, |db, now| Box::pin(expire::<S>(db, *now))).await
    }

    async fn purge_credentials(&self, before: Timestamp) -> Result<u64, StoreError> {
        unhurried(self, before, |db, before| Box::pin(purge::<S>(db, *before))).await
    }
}

/// A credential somebody shows, and when.
struct Presented {
    kind: CredentialKind,
    hash: CredentialHash,
    now: Timestamp,
}

fn one(rows: Vec<CredentialRow>) -> Result<Option<StoredCredential>, StoreError> {
    rows.into_iter()
        .next()
        .map(StoredCredential::try_from)
        .transpose()
}

async fn add<S: SqlStore>(
    db: &mut Connection<S>,
    credential: &StoredCredential,
) -> Result<(), Failure> {
    if credential.chosen {
        begin_change::<S>(db).await?;
    }
    if let Some(parent) = &credential.parent {
        // This first: two that hold the parent together could not both go on to change it.
        let token = CredentialKind::Token;
        db.change(MARK_PARENT, params![token, parent]).await?;
        let held: Option<AnyRow> = db
            .row(S::HOLD_TOKEN, params![parent, credential.created_at])
            .await?;
        held.ok_or(StoreError::NotFound)?;
    }
    let params = params![
        credential.kind,
        &credential.hash,
        &credential.accessor,
        &credential.scope,
        &credential.parent,
        credential.chosen,
        credential.created_at,
        credential.expires_at,
        credential.uses_left,
        &credential.body,
    ];
    if_taken(
        db.change(INSERT_CREDENTIAL, params).await,
        StoreError::Exists,
    )?;
    Ok(())
}

async fn renew<S: SqlStore>(
    db: &mut Connection<S>,
    kind: CredentialKind,
    hash: &CredentialHash,
    renewal: &Renewal,
) -> Result<(), Failure> {
    let params = params![
        kind,
        hash,
        renewal.read_expiry,
        renewal.expires_at,
        &renewal.body
    ];
    if db.change(RENEW, params).await? > 0 {
        return Ok(());
    }
    let there: Option<CredentialRow> = db.row(CREDENTIAL, params![kind, hash]).await?;
    let missed = there.map_or(StoreError::NotFound, |_| StoreError::Conflict);
    Err(missed.into())
}

async fn use_one<S: SqlStore>(
    db: &mut Connection<S>,
    presented: &Presented,
) -> Result<Option<u32>, Failure> {
    let Presented { kind, hash, now } = presented;
    let used: Option<Used> = db.row(USE_ONE, params![*kind, hash, *now]).await?;
    let Some(Used { uses_left }) = used else {
        return Ok(None);
    };
    if uses_left == 0 {
        endings::end_one::<S>(db, *kind, hash, *now).await?;
    }
    Ok(Some(uses(uses_left)?))
}

async fn take<S: SqlStore>(
    db: &mut Connection<S>,
    presented: &Presented,
) -> Result<Option<StoredCredential>, Failure> {
    let Presented { kind, hash, now } = presented;
    let row: Option<CredentialRow> = db.row(UNEXPIRED, params![*kind, hash, *now]).await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let taken = endings::end_one::<S>(db, *kind, hash, *now).await?;
    Ok(taken
        .then_some(row)
        .map(StoredCredential::try_from)
        .transpose()?)
}

async fn revoke<S: SqlStore>(
    db: &mut Connection<S>,
    revoked: &Presented,
    reach: Reach,
) -> Result<bool, Failure> {
    let Presented { kind, hash, now } = revoked;
    if !endings::end_one::<S>(db, *kind, hash, *now).await? {
        return Ok(false);
    }
    if *kind == CredentialKind::Token {
        match reach {
            Reach::Alone => {
                db.change(ORPHAN_CHILDREN, params![hash]).await?;
            }
            Reach::Tree => {
                endings::end_families::<S>(db, Family::Of(hash), *now).await?;
            }
        }
    }
    Ok(true)
}

async fn expire<S: SqlStore>(db: &mut Connection<S>, now: Timestamp) -> Result<u64, Failure> {
    endings::end_families::<S>(db, Family::Expired, now).await
}

async fn purge<S: SqlStore>(db: &mut Connection<S>, before: Timestamp) -> Result<u64, Failure> {
    expire::<S>(db, before).await?;
    let expired = db.change(PURGE_EXPIRED, params![before]).await?;
    let ended = db.change(PURGE_ENDED, params![before]).await?;
    db.change(PURGE_REVOCATIONS, params![before]).await?;
    Ok(expired + ended)
}

const CREDENTIAL: &str = "
    SELECT kind, hash, accessor, scope, parent, chosen, created_at, expires_at, uses_left, body
    FROM credentials WHERE kind = $1 AND hash = $2 AND ended_by IS NULL";

const UNEXPIRED: &str = "
    SELECT kind, hash, accessor, scope, parent, chosen, created_at, expires_at, uses_left, body
    FROM credentials
    WHERE kind = $1 AND hash = $2 AND ended_by IS NULL AND (expires_at IS NULL OR expires_at > $3)";

const BY_ACCESSOR: &str = "
    SELECT kind, hash, accessor, scope, parent, chosen, created_at, expires_at, uses_left, body
    FROM credentials WHERE kind = $1 AND accessor = $2 AND ended_by IS NULL";

const ACCESSORS: &str = "
    SELECT accessor FROM credentials
    WHERE kind = $1 AND ended_by IS NULL AND (expires_at IS NULL OR expires_at > $2) AND accessor > $3
    ORDER BY accessor LIMIT $4";

const ACCESSORS_OF_SCOPE: &str = "
    SELECT accessor FROM credentials
    WHERE kind = $1 AND ended_by IS NULL AND (expires_at IS NULL OR expires_at > $2) AND accessor > $3
        AND scope = $5
    ORDER BY accessor LIMIT $4";

const CHOSEN: &str = "SELECT hash FROM credentials WHERE chosen AND kind = $1 AND ended_by IS NULL";

const USE_OF_CHILDREN: &str = "
    SELECT COUNT(*) AS credentials, CAST(COALESCE(SUM(LENGTH(body)), 0) AS BIGINT) AS bytes
    FROM credentials
    WHERE parent = $1 AND ended_by IS NULL AND (expires_at IS NULL OR expires_at > $2)";

const USE_OF_SCOPE: &str = "
    SELECT COUNT(*) AS credentials, CAST(COALESCE(SUM(LENGTH(body)), 0) AS BIGINT) AS bytes
    FROM credentials
    WHERE scope = $1 AND kind = $2 AND ended_by IS NULL AND (expires_at IS NULL OR expires_at > $3)";

const MARK_PARENT: &str = "
    UPDATE credentials SET has_children = TRUE WHERE kind = $1 AND hash = $2 AND NOT has_children";

const INSERT_CREDENTIAL: &str = "
    INSERT INTO credentials (
        kind, hash, accessor, scope, parent, chosen, created_at, expires_at, uses_left, body
    ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

const RENEW: &str = "
    UPDATE credentials SET expires_at = $4, body = $5
    WHERE kind = $1 AND hash = $2 AND ended_by IS NULL AND expires_at IS NOT DISTINCT FROM $3";

const ORPHAN_CHILDREN: &str = "UPDATE credentials SET parent = NULL WHERE parent = $1";

const EXPIRED_PARENT: &str = "
    SELECT kind FROM credentials
    WHERE has_children AND ended_by IS NULL AND expires_at <= $1 LIMIT 1";

const PURGE_EXPIRED: &str = "DELETE FROM credentials WHERE expires_at < $1";

const PURGE_ENDED: &str = "
    DELETE FROM credentials WHERE ended_by IN (SELECT sequence FROM revocations WHERE at < $1)";

/// The newest stays, so that the stream's end never goes back.
const PURGE_REVOCATIONS: &str = "
    DELETE FROM revocations WHERE at < $1 AND sequence < (SELECT MAX(sequence) FROM revocations)";

#[cfg(test)]
mod tests {
    use super::super::endings::statements as endings;
    use super::*;
    use crate::store::sqlite::SqliteStore;

    #[tokio::test]
    async fn no_credential_is_searched_for() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("keys.db"))
            .await
            .unwrap();
        let own = [
            CREDENTIAL,
            UNEXPIRED,
            BY_ACCESSOR,
            ACCESSORS,
            ACCESSORS_OF_SCOPE,
            CHOSEN,
            USE_OF_CHILDREN,
            USE_OF_SCOPE,
            MARK_PARENT,
            RENEW,
            ORPHAN_CHILDREN,
            EXPIRED_PARENT,
            PURGE_EXPIRED,
            PURGE_ENDED,
        ];
        for statement in own.into_iter().chain(endings()) {
            let steps = store.plan_of(statement).await;
            let is_slow = |step: &String| {
                step.contains("SCAN credentials") || step.contains("SCAN revocations")
            };
            assert!(!steps.is_empty());
            assert!(!steps.iter().any(is_slow), "{statement}: {steps:?}");
        }
    }
}
