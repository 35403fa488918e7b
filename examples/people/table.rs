//! The application's table: people in an SQLite file, each row with the version of the key that sealed it.

use std::path::Path;

use anyhow::{Context as _, ensure};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{FromRow, Row as _};

use crate::person::{COLUMNS, Person};
use crate::transit::Sealed;

/// The file's tables.
#[derive(Debug)]
pub(crate) struct Table {
    pool: SqlitePool,
}

/// One person as stored.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The primary key.
    pub(crate) id: u32,
    /// The name, in the clear.
    pub(crate) name: String,
    /// The encrypted columns, in the order of [`COLUMNS`].
    pub(crate) values: Vec<String>,
    key_version: u32,
}

impl FromRow<'_, SqliteRow> for Row {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        let values = COLUMNS.iter().map(|column| row.try_get(*column));
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            values: values.collect::<sqlx::Result<_>>()?,
            key_version: row.try_get("key_version")?,
        })
    }
}

impl Table {
    /// Opens the file, creating it and its tables where they are missing.
    pub(crate) async fn open(path: &Path) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            // A plaintext that is overwritten is to be gone from the file, not only from the table.
            .pragma("secure_delete", "on");
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options)
            .await
            .with_context(|| format!("opening {}", path.display()))?;
        for statement in [CREATE_PEOPLE, CREATE_WITNESS, CREATE_ORIGIN] {
            sqlx::query(statement).execute(&pool).await?;
        }
        Ok(Self { pool })
    }

    /// Refuses a file whose ciphertexts another store made; a new file is marked as this one's.
    pub(crate) async fn belongs_to(&self, store_id: &str) -> anyhow::Result<()> {
        sqlx::query("INSERT INTO origin (id, store_id) VALUES (1, ?) ON CONFLICT DO NOTHING")
            .bind(store_id)
            .execute(&self.pool)
            .await?;
        let marked: String = sqlx::query_scalar("SELECT store_id FROM origin WHERE id = 1")
            .fetch_one(&self.pool)
            .await?;
        ensure!(
            marked == store_id,
            "it belongs to store {marked}, this is {store_id}"
        );
        Ok(())
    }

    /// Adds the people that are missing up to this number; how many those were.
    pub(crate) async fn add_people(&self, rows: u32) -> anyhow::Result<u32> {
        let present: u32 = sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM people")
            .fetch_one(&self.pool)
            .await?;
        let mut transaction = self.pool.begin().await?;
        for id in present + 1..=rows {
            let person = Person::number(id);
            let mut insert = sqlx::query(INSERT_PERSON).bind(id).bind(&person.name);
            for value in person.columns() {
                insert = insert.bind(value);
            }
            insert.execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(rows.saturating_sub(present))
    }

    /// The first rows whose key is older than this version; version 0 is plaintext.
    pub(crate) async fn rows_below(&self, version: u32, limit: u32) -> anyhow::Result<Vec<Row>> {
        let select = "SELECT * FROM people WHERE key_version < ? ORDER BY key_version, id LIMIT ?";
        let query = sqlx::query_as(select).bind(version).bind(limit);
        Ok(query.fetch_all(&self.pool).await?)
    }

    /// How many rows have a key older than this version.
    pub(crate) async fn count_below(&self, version: u32) -> anyhow::Result<u32> {
        let select = "SELECT count(*) FROM people WHERE key_version < ?";
        let query = sqlx::query_scalar(select).bind(version);
        Ok(query.fetch_one(&self.pool).await?)
    }

    /// One row.
    pub(crate) async fn row(&self, id: u32) -> anyhow::Result<Row> {
        let query = sqlx::query_as("SELECT * FROM people WHERE id = ?").bind(id);
        Ok(query.fetch_one(&self.pool).await?)
    }

    /// Puts sealed values into their rows, all or none, and only where a row is still as it was read.
    pub(crate) async fn replace(&self, rows: &[Row], sealed: &[Sealed]) -> anyhow::Result<()> {
        let mut transaction = self.pool.begin().await?;
        for (row, values) in rows.iter().zip(sealed.chunks(COLUMNS.len())) {
            let mut update = sqlx::query(UPDATE_PERSON);
            for value in values {
                update = update.bind(&value.ciphertext);
            }
            let version = values.iter().map(|value| value.key_version).min();
            let update = update.bind(version).bind(row.id).bind(row.key_version);
            let changed = update.execute(&mut *transaction).await?.rows_affected();
            ensure!(changed == 1, "row {} was changed by somebody else", row.id);
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Keeps a copy of a row, as somebody with an old backup would.
    pub(crate) async fn keep_witness(&self, row: &Row) -> anyhow::Result<()> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("DELETE FROM witness")
            .execute(&mut *transaction)
            .await?;
        let mut insert = sqlx::query(INSERT_WITNESS).bind(row.id).bind(&row.name);
        for value in &row.values {
            insert = insert.bind(value);
        }
        let insert = insert.bind(row.key_version);
        insert.execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The copy.
    pub(crate) async fn witness(&self) -> anyhow::Result<Row> {
        let query = sqlx::query_as("SELECT * FROM witness");
        query
            .fetch_one(&self.pool)
            .await
            .context("the file has no row from before the rotation; --fresh starts over")
    }

    /// Closes the file.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

const CREATE_PEOPLE: &str = "CREATE TABLE IF NOT EXISTS people (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, national_id TEXT NOT NULL,
    card_number TEXT NOT NULL, notes TEXT NOT NULL, key_version INTEGER NOT NULL DEFAULT 0)";

const CREATE_WITNESS: &str = "CREATE TABLE IF NOT EXISTS witness (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, national_id TEXT NOT NULL,
    card_number TEXT NOT NULL, notes TEXT NOT NULL, key_version INTEGER NOT NULL)";

const CREATE_ORIGIN: &str =
    "CREATE TABLE IF NOT EXISTS origin (id INTEGER PRIMARY KEY, store_id TEXT NOT NULL)";

const INSERT_PERSON: &str = "INSERT INTO people (id, name, email, national_id, card_number, notes)
    VALUES (?, ?, ?, ?, ?, ?)";

const UPDATE_PERSON: &str = "UPDATE people
    SET email = ?, national_id = ?, card_number = ?, notes = ?, key_version = ?
    WHERE id = ? AND key_version = ?";

const INSERT_WITNESS: &str = "INSERT INTO witness
    (id, name, email, national_id, card_number, notes, key_version) VALUES (?, ?, ?, ?, ?, ?, ?)";
