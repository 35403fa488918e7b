//! What is known of a token: stored sealed beside its hash, or, for a batch token, sealed into its text.

use std::collections::BTreeMap;
use std::time::Duration;

use keyring::clock::Timestamp;
use keyring::entropy::EntropyError;
use keyring::identity_keys::IdentityKeys;
use keyring::secret::SecretBytes;
use keyring::store::identity::{CredentialHash, CredentialKind, EntryPlace, StoredCredential};
use serde::{Deserialize, Serialize};

use crate::identity::cidr::Cidr;
use crate::identity::policy_set::PolicySet;
use crate::identity::token_params::TokenKind;
use crate::identity::ttl::seconds;

/// A token, without its text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenBody {
    /// Names it without giving it away; empty for batch tokens.
    pub accessor: String,
    /// Where it may be used from; empty for anywhere.
    pub bound_cidrs: Vec<Cidr>,
    /// Its lifetime as it was given; zero if it never expires.
    #[serde(with = "seconds")]
    pub creation_ttl: Duration,
    /// How many tokens it descends from.
    pub depth: u8,
    /// What it is called in histories and logs.
    pub display_name: String,
    /// Always empty: there are no entities.
    pub entity_id: String,
    /// When it expires, in microseconds since the epoch; none if never.
    pub expires_at: Option<i64>,
    /// The bound on the age it can ever reach, by its creator; zero for none.
    #[serde(with = "seconds")]
    pub explicit_max_ttl: Duration,
    /// When it was issued, in microseconds since the epoch.
    pub issued_at: i64,
    /// What it is.
    pub kind: TokenKind,
    /// When it was last renewed, in microseconds since the epoch.
    pub last_renewal: Option<i64>,
    /// What its creator, or a login, says of it.
    pub meta: Option<BTreeMap<String, String>>,
    /// The bound on the age it can be renewed to, by its role; zero for none.
    #[serde(with = "seconds")]
    pub max_ttl: Duration,
    /// How many requests it is good for; zero for any number.
    pub num_uses: u32,
    /// Who logged in, by a name that nobody else has on the mount of `scope`; empty for tokens made by tokens, and in those of
    /// releases that did not know it.
    #[serde(default)]
    pub owner: String,
    /// The hash of a batch token's parent; that of a service token is in its row.
    pub parent: Option<[u8; 32]>,
    /// The path that issued it.
    pub path: String,
    /// Its lifetime at each renewal, if it is periodic; zero if not.
    #[serde(with = "seconds")]
    pub period: Duration,
    /// What it may do.
    pub policies: PolicySet,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// Whether the root token of `init` made it, which is in no row and so in no parent column.
    pub root_child: bool,
    /// The token role it was made with.
    pub role: Option<String>,
    /// The accessor of the auth mount that issued it; empty for tokens made by tokens.
    pub scope: String,
    /// Its lifetime by its role, which a renewal gives again; zero for the mount's default.
    #[serde(with = "seconds")]
    pub ttl: Duration,
}

/// A stored token's body does not belong to its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored token failed its integrity check")]
pub struct TokenTampered;

impl TokenBody {
    /// The lifetime it got when it was issued or last renewed; zero if it never expires.
    pub fn granted(&self) -> Duration {
        let from = self.last_renewal.unwrap_or(self.issued_at);
        let span = self
            .expires_at
            .and_then(|end| u64::try_from(end.saturating_sub(from)).ok());
        Duration::from_micros(span.unwrap_or_default())
    }

    /// How many tokens one may descend from: each of them is looked at whenever it is used.
    pub const MAX_DEPTH: u8 = 32;

    /// When it was issued.
    pub const fn issued(&self) -> Timestamp {
        Timestamp::from_micros(self.issued_at)
    }

    /// When it expires.
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires_at.map(Timestamp::from_micros)
    }

    /// The body sealed for the row of this token.
    pub fn seal(
        &self,
        keys: &IdentityKeys,
        hash: &CredentialHash,
    ) -> Result<Vec<u8>, EntropyError> {
        let place = keys.place_of_credential(CredentialKind::Token, hash);
        keys.seal(&place, &self.to_json())
    }

    /// The body of a row. What a store decides on is repeated in the body, so that nobody who can write to the database
    /// prolongs a token, gives it more uses, or has one answer for another.
    pub fn open(keys: &IdentityKeys, row: &StoredCredential) -> Result<Self, TokenTampered> {
        let place = keys.place_of_credential(CredentialKind::Token, &row.hash);
        let plain = keys.open(&place, &row.body).map_err(|_| TokenTampered)?;
        let body: Self =
            serde_json::from_slice(plain.expose_secret()).map_err(|_| TokenTampered)?;
        let uses = match (row.uses_left, body.num_uses) {
            (None, 0) => true,
            (Some(left), given) => left <= given,
            (None, _) => false,
        };
        let same = row.accessor == body.accessor
            && row.scope == body.scope
            && row.expires_at == body.expires();
        (uses && same).then_some(body).ok_or(TokenTampered)
    }

    /// The body sealed for a batch token's text.
    pub fn seal_batch(&self, keys: &IdentityKeys) -> Result<Vec<u8>, EntropyError> {
        keys.seal(&place_of_batch(keys), &self.to_json())
    }

    /// The body of a batch token's text; `None` if this store did not seal it.
    pub fn open_batch(keys: &IdentityKeys, sealed: &[u8]) -> Option<Self> {
        let plain = keys.open(&place_of_batch(keys), sealed).ok()?;
        serde_json::from_slice(plain.expose_secret()).ok()
    }

    fn to_json(&self) -> SecretBytes {
        SecretBytes::new(serde_json::to_vec(self).expect("a body always prints to memory"))
    }
}

/// No entry is ever stored under this kind.
fn place_of_batch(keys: &IdentityKeys) -> Vec<u8> {
    keys.place_of_entry(&EntryPlace {
        kind: "batch-token".to_owned(),
        scope: String::new(),
        name: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::keys;
    use super::*;

    fn row(body: &TokenBody) -> StoredCredential {
        let hash = CredentialHash([7; 32]);
        StoredCredential {
            kind: CredentialKind::Token,
            hash,
            accessor: body.accessor.clone(),
            scope: body.scope.clone(),
            parent: None,
            chosen: false,
            created_at: body.issued(),
            expires_at: body.expires(),
            uses_left: (body.num_uses > 0).then_some(body.num_uses),
            body: body.seal(&keys(), &hash).unwrap(),
        }
    }

    fn body() -> TokenBody {
        TokenBody {
            accessor: "acc".to_owned(),
            expires_at: Some(10),
            num_uses: 3,
            policies: PolicySet::new(["a"]),
            ..TokenBody::default()
        }
    }

    #[test]
    fn a_row_gives_its_body_back() {
        assert_eq!(TokenBody::open(&keys(), &row(&body())), Ok(body()));
        let used = StoredCredential {
            uses_left: Some(1),
            ..row(&body())
        };
        assert!(TokenBody::open(&keys(), &used).is_ok());
    }

    #[test]
    fn no_column_that_grants_something_can_be_changed() {
        let changes: [fn(&mut StoredCredential); 7] = [
            |row| row.accessor = "other".to_owned(),
            |row| row.scope = "other".to_owned(),
            |row| row.expires_at = Some(Timestamp::from_micros(11)),
            |row| row.expires_at = None,
            |row| row.uses_left = Some(4),
            |row| row.uses_left = None,
            |row| row.hash = CredentialHash([8; 32]),
        ];
        for change in changes {
            let mut row = row(&body());
            change(&mut row);
            assert_eq!(TokenBody::open(&keys(), &row), Err(TokenTampered));
        }
    }

    #[test]
    fn a_batch_body_opens_as_nothing_else() {
        let sealed = body().seal_batch(&keys()).unwrap();
        assert_eq!(TokenBody::open_batch(&keys(), &sealed), Some(body()));
        let stored = row(&body()).body;
        assert_eq!(TokenBody::open_batch(&keys(), &stored), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(TokenBody::open_batch(&keys(), &changed), None);
        }
    }
}
