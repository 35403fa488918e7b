//! The store's own header, secrets and root tokens in SQL.

use async_trait::async_trait;

use super::failure::{Failure, if_taken};
use super::lent::{Lent, in_time};
use super::statements::{Statements, params};
use super::{Connection, STATEMENT_ENDS, SqlStore, entries, mounts, query, transaction};
use crate::clock::Timestamp;
use crate::kek::WrappedDek;
use crate::mount::Mount;
use crate::store::identity::CredentialHash;
use crate::store::rows::{HeaderRow, RootTokenRow, SecretRow, values};
use crate::store::{HeaderStore, StoreError, StoreHeader, StoredRootToken, StoredSecret};

#[async_trait]
impl<S: SqlStore> HeaderStore for S {
    async fn header(&self) -> Result<Option<StoreHeader>, StoreError> {
        let rows: Vec<HeaderRow> = query(self, HEADER, &[]).await?;
        rows.into_iter()
            .next()
            .map(StoreHeader::try_from)
            .transpose()
    }

    async fn initialise(
        &self,
        header: &StoreHeader,
        secrets: &[StoredSecret],
        mount: &Mount,
    ) -> Result<(), StoreError> {
        let new = NewStore {
            header: header.clone(),
            secrets: secrets.to_vec(),
            mount: mount.clone(),
        };
        transaction(self, new, |db, new| Box::pin(initialise::<S>(db, new))).await
    }

    async fn secrets(&self) -> Result<Vec<StoredSecret>, StoreError> {
        values(query::<_, SecretRow>(self, SECRETS, &[]).await?)
    }

    async fn root_tokens(&self) -> Result<Vec<StoredRootToken>, StoreError> {
        values(query::<_, RootTokenRow>(self, ROOT_TOKENS, &[]).await?)
    }

    async fn replace_root_tokens(&self, token: &StoredRootToken) -> Result<(), StoreError> {
        transaction(self, token.clone(), |db, token| {
            Box::pin(replace_tokens::<S>(db, token))
        })
        .await
    }

    async fn revoke_root_token(
        &self,
        hash: CredentialHash,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        transaction(self, (hash, at), |db, (hash, at)| {
            Box::pin(revoke_token::<S>(db, hash, *at))
        })
        .await
    }

    async fn seal(&self) -> Result<(), StoreError> {
        transaction(self, (), |db, ()| Box::pin(seal::<S>(db))).await?;
        // The store is sealed, whatever becomes of this.
        if let Err(error) = forget_header(self).await {
            tracing::warn!(%error, "the database may keep the deleted secret for a while");
        }
        Ok(())
    }

    async fn unseal(&self, live: &WrappedDek) -> Result<(), StoreError> {
        transaction(self, live.clone(), |db, live| {
            Box::pin(unseal::<S>(db, live))
        })
        .await
    }
}

async fn forget_header<S: SqlStore>(store: &S) -> Result<(), StoreError> {
    let mut lent = Lent::from(&store.writes()).await?;
    let forgotten = in_time(STATEMENT_ENDS, lent.get().change(S::FORGET_HEADER, &[])).await;
    if forgotten.is_err() {
        lent.give_up();
    }
    forgotten?.map_err(Failure::from)?;
    Ok(())
}

struct NewStore {
    header: StoreHeader,
    secrets: Vec<StoredSecret>,
    mount: Mount,
}

async fn initialise<S: SqlStore>(db: &mut Connection<S>, new: &NewStore) -> Result<(), Failure> {
    let header = &new.header;
    let params = params![
        &header.store,
        &header.kek,
        &header.live_secret,
        &header.unlock_copy,
        u32::from(header.shares),
        u32::from(header.threshold),
        header.created_at,
    ];
    if_taken(db.change(INSERT_HEADER, params).await, StoreError::Exists)?;
    for secret in &new.secrets {
        insert_secret(db, secret).await?;
    }
    mounts::enable::<S>(db, &new.mount).await
}

async fn insert_secret<C: Statements>(
    db: &mut C,
    secret: &StoredSecret,
) -> Result<(), sqlx::Error> {
    let params = params![
        secret.purpose,
        &secret.kek,
        &secret.wrapped,
        &secret.material
    ];
    db.change(INSERT_SECRET, params).await.map(drop)
}

/// Only one replacement at a time, or two could each leave their token behind.
async fn replace_tokens<S: SqlStore>(
    db: &mut Connection<S>,
    token: &StoredRootToken,
) -> Result<(), Failure> {
    entries::begin_change::<S>(db).await?;
    let params = params![token.created_at, &token.hash];
    db.change(TELL_REPLACED, params).await?;
    db.change(DELETE_ROOT_TOKENS, &[]).await?;
    db.change(
        INSERT_ROOT_TOKEN,
        params![&token.hash, &token.accessor, token.created_at],
    )
    .await?;
    Ok(())
}

async fn revoke_token<S: SqlStore>(
    db: &mut Connection<S>,
    hash: &CredentialHash,
    at: Timestamp,
) -> Result<bool, Failure> {
    entries::begin_change::<S>(db).await?;
    let deleted = db.change(DELETE_ROOT_TOKEN, params![hash]).await?;
    if deleted > 0 {
        db.change(TELL_REVOKED, params![at, hash]).await?;
    }
    Ok(deleted > 0)
}

async fn seal<S: SqlStore>(db: &mut Connection<S>) -> Result<(), Failure> {
    entries::begin_change::<S>(db).await?;
    match db.change(SEAL, &[]).await? {
        0 => Err(StoreError::NotFound.into()),
        _ => Ok(()),
    }
}

async fn unseal<S: SqlStore>(db: &mut Connection<S>, live: &WrappedDek) -> Result<(), Failure> {
    entries::begin_change::<S>(db).await?;
    match db.change(UNSEAL, params![live]).await? {
        0 => Err(StoreError::NotFound.into()),
        _ => Ok(()),
    }
}

const HEADER: &str = "
    SELECT store_id, kek, live_secret, unlock_copy, shares, threshold, created_at FROM store_header";

const INSERT_HEADER: &str = "
    INSERT INTO store_header (one, store_id, kek, live_secret, unlock_copy, shares, threshold, created_at)
    VALUES (1, $1, $2, $3, $4, $5, $6, $7)";

const SECRETS: &str = "SELECT purpose, kek, wrapped, material FROM store_secrets ORDER BY purpose";

const INSERT_SECRET: &str =
    "INSERT INTO store_secrets (purpose, kek, wrapped, material) VALUES ($1, $2, $3, $4)";

const ROOT_TOKENS: &str = "SELECT hash, accessor, created_at FROM root_tokens ORDER BY created_at";

const TELL_REPLACED: &str = "
    INSERT INTO revocations (at, root_token) SELECT $1, hash FROM root_tokens WHERE hash <> $2";

const TELL_REVOKED: &str = "INSERT INTO revocations (at, root_token) VALUES ($1, $2)";

const DELETE_ROOT_TOKEN: &str = "DELETE FROM root_tokens WHERE hash = $1";

const SEAL: &str = "UPDATE store_header SET live_secret = NULL";

const UNSEAL: &str = "UPDATE store_header SET live_secret = COALESCE(live_secret, $1)";

const DELETE_ROOT_TOKENS: &str = "DELETE FROM root_tokens";

const INSERT_ROOT_TOKEN: &str =
    "INSERT INTO root_tokens (hash, accessor, created_at) VALUES ($1, $2, $3)";
