//! Opening a sealed store again with its unlock shares.

use subtle::ConstantTimeEq;

use super::SetupError;
use super::secrets::{Room, header, unwrapped};
use crate::derive::unlock_copy_key;
use crate::record::open_secret;
use crate::secret::{Dek, SecretBytes};
use crate::shares::{ShareError, UnlockShare, combine};
use crate::store::{KeyStore, StoreHeader};
use crate::store_keys::Purpose;
use crate::transit::Parts;

/// Whether a store is sealed, and what opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealState {
    /// Whether the live copy of the store secret is gone.
    pub sealed: bool,
    /// How many unlock shares were made.
    pub shares: u8,
    /// How many of them open the store.
    pub threshold: u8,
}

/// Why a store stays sealed.
#[derive(Debug, thiserror::Error)]
pub enum UnsealError {
    /// One of the texts is not an unlock share, or has a typing error.
    #[error("not an unlock share, or one with a typing error")]
    Malformed,
    /// The shares do not open this store: they are of different sets, of another store's, or forged.
    #[error("the unlock shares do not open this store")]
    Rejected,
    /// The store or the KEK failed, or they do not belong together.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// More different shares are needed.
    #[error("more unlock shares are needed")]
    TooFew,
}

impl From<ShareError> for UnsealError {
    fn from(error: ShareError) -> Self {
        match error {
            ShareError::Malformed | ShareError::Mistyped => Self::Malformed,
            ShareError::OtherSet => Self::Rejected,
            ShareError::TooFew => Self::TooFew,
        }
    }
}

/// Whether the store is sealed; [`SetupError::NotInitialised`] without a header. Needs no KEK.
pub async fn seal_state(store: &dyn KeyStore) -> Result<SealState, SetupError> {
    let header = store.header().await?.ok_or(SetupError::NotInitialised)?;
    Ok(SealState {
        sealed: header.live_secret.is_none(),
        shares: header.shares,
        threshold: header.threshold,
    })
}

/// Checks one unlock share's text by itself, so that a caller who collects them can refuse it at once; answers the
/// set it belongs to and its number there.
pub fn examine_share(share: &SecretBytes) -> Result<([u8; 8], u8), UnsealError> {
    let share = parse(share)?;
    Ok((share.set(), share.number()))
}

/// Brings the live copy of the store secret back. It is written only after the secret from the shares has opened a
/// secret of the store, and the KEK has given back what it wrapped. A store that is not sealed stays as it is.
pub async fn unseal(parts: &Parts, shares: &[SecretBytes]) -> Result<(), UnsealError> {
    let header = header(parts).await?;
    if header.live_secret.is_some() {
        return Ok(());
    }
    let shares: Vec<_> = shares.iter().map(parse).collect::<Result<_, _>>()?;
    let secret = recovered(&header, &shares)?;
    let room = Room {
        parts,
        store: header.store,
        secret: &secret,
        records: parts.store.secrets().await.map_err(SetupError::from)?,
    };
    room.open(Purpose::RowMac).await?;
    let binding = Purpose::StoreSecret.binding(header.store, &header.kek);
    let live = parts.kek.wrap_dek(&secret, &binding).await;
    let live = live.map_err(SetupError::from)?;
    let reopened = unwrapped(parts, &live, &binding, "the store secret").await?;
    if !bool::from(secret.expose_secret().ct_eq(reopened.expose_secret())) {
        let what = "the key-encryption key does not give back what it wrapped";
        return Err(SetupError::Integrity(what).into());
    }
    let written = parts.store.unseal(&live).await;
    Ok(written.map_err(SetupError::from)?)
}

/// The store secret from the copy that outlives sealing.
fn recovered(header: &StoreHeader, shares: &[UnlockShare]) -> Result<Dek, UnsealError> {
    let key = combine(shares)?;
    let key = Dek::from_slice(key.expose_secret()).ok_or(UnsealError::Rejected)?;
    let key = unlock_copy_key(key.expose_secret());
    let place = Purpose::StoreSecret
        .binding(header.store, &header.kek)
        .encode();
    let secret = open_secret(&header.unlock_copy, &key, &place);
    let secret = secret.map_err(|_| UnsealError::Rejected)?;
    Dek::from_slice(secret.expose_secret()).ok_or(UnsealError::Rejected)
}

fn parse(share: &SecretBytes) -> Result<UnlockShare, UnsealError> {
    let text = std::str::from_utf8(share.expose_secret()).map_err(|_| UnsealError::Malformed)?;
    Ok(UnlockShare::parse(text)?)
}
