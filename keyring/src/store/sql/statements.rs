//! One way to run a statement on either database: the text and its values in, rows out.

use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, FromRow, PgConnection, SqliteConnection};

use crate::algorithm::{CipherType, KeyType};
use crate::clock::Timestamp;
use crate::ids::{KekId, MountId, RingId, StoreId};
use crate::kek::WrappedDek;
use crate::name::{KeyName, MountPath};
use crate::store::identity::{CredentialHash, CredentialKind};
use crate::version::{Generation, Version};

/// A connection that runs statements whose placeholders are `$1`, `$2` and so on.
#[async_trait]
pub(crate) trait Statements: Send {
    /// Runs a statement; how many rows it inserted, updated or deleted.
    async fn change(&mut self, sql: &'static str, params: &[Param<'_>])
    -> Result<u64, sqlx::Error>;

    /// All rows of a query.
    async fn rows<R: Record>(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<Vec<R>, sqlx::Error>;

    /// The row of a query that has at most one.
    async fn row<R: Record>(
        &mut self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<Option<R>, sqlx::Error> {
        Ok(self.rows(sql, params).await?.into_iter().next())
    }
}

/// A row that both databases can give.
pub(crate) trait Record:
    Send + Unpin + 'static + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow>
{
}

impl<R> Record for R where
    R: Send + Unpin + 'static + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow>
{
}

/// A value for a placeholder. An absent one still has a type, which PostgreSQL needs.
#[derive(Clone, Copy)]
pub(crate) enum Param<'a> {
    Bool(bool),
    Bytes(Option<&'a [u8]>),
    Int(Option<i64>),
    Text(Option<&'a str>),
}

/// The values of a statement, in the order of its placeholders.
macro_rules! params {
    ($($value:expr),* $(,)?) => { &[$($crate::store::sql::statements::Param::from($value)),*] };
}
pub(crate) use params;

macro_rules! statements {
    ($connection:ty, $arguments:ty) => {
        #[async_trait]
        impl Statements for $connection {
            async fn change(
                &mut self,
                sql: &'static str,
                params: &[Param<'_>],
            ) -> Result<u64, sqlx::Error> {
                let arguments: $arguments = bind(params)?;
                Ok(sqlx::query_with(sql, arguments)
                    .execute(self)
                    .await?
                    .rows_affected())
            }

            async fn rows<R: Record>(
                &mut self,
                sql: &'static str,
                params: &[Param<'_>],
            ) -> Result<Vec<R>, sqlx::Error> {
                let arguments: $arguments = bind(params)?;
                sqlx::query_as_with(sql, arguments).fetch_all(self).await
            }
        }

        impl Bind for $arguments {
            fn bind(&mut self, param: Param<'_>) -> Result<(), sqlx::error::BoxDynError> {
                match param {
                    Param::Bool(value) => self.add(value),
                    Param::Bytes(value) => self.add(value),
                    Param::Int(value) => self.add(value),
                    Param::Text(value) => self.add(value),
                }
            }
        }
    };
}

statements!(SqliteConnection, SqliteArguments);
statements!(PgConnection, PgArguments);

/// One database's list of arguments.
trait Bind: Default {
    fn bind(&mut self, param: Param<'_>) -> Result<(), sqlx::error::BoxDynError>;
}

fn bind<A: Bind>(params: &[Param<'_>]) -> Result<A, sqlx::Error> {
    let mut arguments = A::default();
    for param in params {
        arguments.bind(*param).map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// The number as both databases hold it. Neither has a larger one, so a larger one compares as the largest.
pub(crate) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

macro_rules! param_from {
    ($($type:ty: $value:ident => $param:expr;)+) => {
        $(impl<'a> From<$type> for Param<'a> {
            fn from($value: $type) -> Self {
                $param
            }
        })+
    };
}

param_from! {
    bool: value => Self::Bool(value);
    i64: value => Self::Int(Some(value));
    u32: value => Self::Int(Some(value.into()));
    u64: value => Self::Int(Some(integer(value)));
    Option<u64>: value => Self::Int(value.map(integer));
    KeyType: value => value.number().into();
    Option<CipherType>: value => Self::Int(value.map(|value| KeyType::from(value).number().into()));
    Version: value => value.number().into();
    Option<Version>: value => Self::Int(value.map(|value| value.number().into()));
    Generation: value => value.0.into();
    Timestamp: value => value.micros().into();
    Option<Timestamp>: value => Self::Int(value.map(Timestamp::micros));
    Option<u32>: value => Self::Int(value.map(i64::from));
    CredentialKind: value => u32::from(value.number()).into();
    &'a CredentialHash: value => Self::Bytes(Some(&value.0));
    &'a Option<CredentialHash>: value => Self::Bytes(value.as_ref().map(|hash| hash.0.as_slice()));
    &'a [u8; 16]: value => Self::Bytes(Some(value));
    &'a str: value => Self::Text(Some(value));
    Option<&'a str>: value => Self::Text(value);
    &'a String: value => Self::Text(Some(value));
    &'a Option<String>: value => Self::Text(value.as_deref());
    &'a KeyName: value => value.as_str().into();
    &'a MountPath: value => value.as_str().into();
    &'a KekId: value => value.as_str().into();
    &'a [u8]: value => Self::Bytes(Some(value));
    &'a Vec<u8>: value => Self::Bytes(Some(value));
    &'a Option<Vec<u8>>: value => Self::Bytes(value.as_deref());
    &'a [u8; 32]: value => Self::Bytes(Some(value));
    &'a StoreId: value => Self::Bytes(Some(value.as_bytes()));
    &'a MountId: value => Self::Bytes(Some(value.as_bytes()));
    &'a RingId: value => Self::Bytes(Some(value.as_bytes()));
    &'a WrappedDek: value => Self::Bytes(Some(value.as_bytes()));
    &'a Option<WrappedDek>: value => Self::Bytes(value.as_ref().map(WrappedDek::as_bytes));
}
