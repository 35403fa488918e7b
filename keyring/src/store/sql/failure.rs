//! What can go wrong with a statement or a commit, told apart by type and code, never by text.

use sqlx::error::DatabaseError;

use crate::store::StoreError;

/// Why a piece of work stopped: the database failed, or the store's own rules say no.
#[derive(Debug)]
pub(crate) enum Failure {
    Database(sqlx::Error),
    Store(StoreError),
}

impl Failure {
    /// What a failed commit means. Only where the database says that it rolled back is that certain;
    /// a lost connection, a server shutting down or a disk that failed to sync leave it open.
    pub(super) fn of_commit(error: sqlx::Error) -> Self {
        let is_rolled_back = error.as_database_error().is_some_and(|error| {
            is_transient(error) || error.is_unique_violation() || error.is_foreign_key_violation()
        });
        if is_rolled_back {
            Self::Database(error)
        } else {
            Self::Store(StoreError::OutcomeUnknown)
        }
    }

    /// Whether the same transaction may well succeed when it is made again.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Database(error) => error.as_database_error().is_some_and(is_transient),
            Self::Store(_) => false,
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Database(error) => from_database(&error),
            Failure::Store(error) => error,
        }
    }
}

/// Gives a unique violation its meaning in the place where it happened; other failures stay what they are.
pub(crate) fn if_taken<T>(
    outcome: Result<T, sqlx::Error>,
    meaning: StoreError,
) -> Result<T, Failure> {
    outcome.map_err(|error| match error.as_database_error() {
        Some(database) if database.is_unique_violation() => meaning.into(),
        Some(_) | None => error.into(),
    })
}

/// Gives a reference to a missing row its meaning in the place where it happened.
pub(crate) fn if_gone<T>(
    outcome: Result<T, sqlx::Error>,
    meaning: StoreError,
) -> Result<T, Failure> {
    outcome.map_err(|error| match error.as_database_error() {
        Some(database) if database.is_foreign_key_violation() => meaning.into(),
        Some(_) | None => error.into(),
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "sqlx::Error is non-exhaustive"
)]
fn from_database(error: &sqlx::Error) -> StoreError {
    use sqlx::Error;
    match error {
        Error::ColumnDecode { .. } | Error::Decode(_) | Error::ColumnNotFound(_) => {
            StoreError::Corrupt("a column of another type")
        }
        // The database's own text may quote a value, so only its code is passed on.
        Error::Database(error) => unavailable(&format!(
            "error {} of the database",
            code_of(error.as_ref())
        )),
        Error::Io(error) => unavailable(&error.kind().to_string()),
        Error::PoolTimedOut => unavailable("no connection became free in time"),
        Error::PoolClosed => unavailable("the store is closed"),
        Error::WorkerCrashed => unavailable("the database's thread ended"),
        _ => unavailable("the connection failed"),
    }
}

fn unavailable(why: &str) -> StoreError {
    StoreError::Unavailable(why.to_owned())
}

fn code_of(error: &dyn DatabaseError) -> String {
    error
        .code()
        .map_or_else(|| "without a code".to_owned(), Into::into)
}

fn is_transient(error: &(dyn DatabaseError + 'static)) -> bool {
    error
        .code()
        .is_some_and(|code| TRANSIENT.contains(&code.as_ref()))
}

/// SQLSTATE of a serialization failure and of a deadlock. SQLite has neither: it has one writer.
const TRANSIENT: [&str; 2] = ["40001", "40P01"];
