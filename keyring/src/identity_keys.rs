//! The keys behind identity: they hash what callers present, check what tokens look like, and seal what is known of
//! them, so that somebody who can read and write the database neither learns a secret nor grants himself anything.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;

use crate::binding::push_field;
use crate::derive::{token_check_key, wrapped_response_key};
use crate::entropy::{Entropy, EntropyError};
use crate::record::{RecordError, open_secret, seal_secret};
use crate::secret::{Dek, SecretBytes};
use crate::store::identity::{CredentialHash, CredentialKind, EntryPlace};

/// The store's keys for entries and credentials.
pub struct IdentityKeys {
    pepper: hmac::Key,
    check: hmac::Key,
    fronts: Fronts,
    sealing: Dek,
    entropy: Arc<dyn Entropy>,
}

/// What stands before each kind of credential in its hash. Every request hashes a token, so it is made once.
struct Fronts {
    secret_id: Box<[u8]>,
    token: Box<[u8]>,
    wrapped: Box<[u8]>,
}

impl Fronts {
    fn new() -> Self {
        Self {
            secret_id: Self::of(CredentialKind::SecretId),
            token: Self::of(CredentialKind::Token),
            wrapped: Self::of(CredentialKind::Wrapped),
        }
    }

    fn of(kind: CredentialKind) -> Box<[u8]> {
        let mut front = Vec::with_capacity(64);
        push_field(&mut front, b"sealring-credential-1");
        push_field(&mut front, &[kind.number()]);
        front.into()
    }
}

/// Something sealed does not open: it was not sealed with this store's key for this place, or it was changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("something sealed does not open in its place")]
pub struct Rejected;

impl IdentityKeys {
    /// The keys made of the store's token pepper and identity key.
    pub fn new(pepper: &SecretBytes, sealing: Dek, entropy: Arc<dyn Entropy>) -> Self {
        let pepper = pepper.expose_secret();
        Self {
            pepper: hmac::Key::new(hmac::HMAC_SHA256, pepper),
            check: hmac::Key::new(hmac::HMAC_SHA256, token_check_key(pepper).as_slice()),
            fronts: Fronts::new(),
            sealing,
            entropy,
        }
    }

    /// The hash under which a credential is stored: HMAC-SHA256 under the pepper, the kind in front. Comparing hashes
    /// needs no constant time: who does not know the pepper cannot steer them.
    pub fn hash(&self, kind: CredentialKind, presented: &[u8]) -> CredentialHash {
        let front = match kind {
            CredentialKind::Token => &self.fronts.token,
            CredentialKind::SecretId => &self.fronts.secret_id,
            CredentialKind::Wrapped => &self.fronts.wrapped,
        };
        let mut context = hmac::Context::with_key(&self.pepper);
        context.update(front);
        context.update(presented);
        CredentialHash(bytes_of(context.sign()))
    }

    /// The check inside a token's text: tells garbage from what this store may have given out, without a look into
    /// the store. Proves nothing else: a wrong text has the right check once in 2^40.
    pub fn check(&self, text: &[u8]) -> [u8; CHECK_LEN] {
        let tag = bytes_of(hmac::sign(&self.check, text));
        *tag.first_chunk().expect("a check is shorter than its tag")
    }

    /// Seals under the store's identity key, for this place alone; 28 bytes longer than what it seals.
    pub fn seal(&self, place: &[u8], plain: &SecretBytes) -> Result<Vec<u8>, EntropyError> {
        self.seal_with(self.sealing.expose_secret(), place, plain)
    }

    /// Undoes [`seal`](Self::seal) for the same place.
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Result<SecretBytes, Rejected> {
        open_secret(sealed, self.sealing.expose_secret(), place).map_err(|_| Rejected)
    }

    /// Seals under a key made of the identity key and a credential, whose text the store does not have: without its
    /// holder nobody opens it again.
    pub fn seal_under(
        &self,
        credential: &[u8],
        place: &[u8],
        plain: &SecretBytes,
    ) -> Result<Vec<u8>, EntropyError> {
        let key = wrapped_response_key(self.sealing.expose_secret(), credential);
        self.seal_with(&key, place, plain)
    }

    /// Undoes [`seal_under`](Self::seal_under) for the same credential and place.
    pub fn open_under(
        &self,
        credential: &[u8],
        place: &[u8],
        sealed: &[u8],
    ) -> Result<SecretBytes, Rejected> {
        let key = wrapped_response_key(self.sealing.expose_secret(), credential);
        open_secret(sealed, &key, place).map_err(|_| Rejected)
    }

    /// What an entry's body is bound to.
    pub fn place_of_entry(&self, place: &EntryPlace) -> Vec<u8> {
        let EntryPlace { kind, scope, name } = place;
        let mut out = Vec::with_capacity(64 + kind.len() + scope.len() + name.len());
        push_field(&mut out, b"sealring-entry-1");
        push_field(&mut out, kind.as_bytes());
        push_field(&mut out, scope.as_bytes());
        push_field(&mut out, name.as_bytes());
        out
    }

    /// What a credential's body is bound to.
    pub fn place_of_credential(&self, kind: CredentialKind, hash: &CredentialHash) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        push_field(&mut out, b"sealring-credential-body-1");
        push_field(&mut out, &[kind.number()]);
        push_field(&mut out, &hash.0);
        out
    }

    fn seal_with(
        &self,
        key: &[u8; 32],
        place: &[u8],
        plain: &SecretBytes,
    ) -> Result<Vec<u8>, EntropyError> {
        match seal_secret(plain, key, place, self.entropy.as_ref()) {
            Ok(sealed) => Ok(sealed),
            Err(RecordError::Entropy(error)) => Err(error),
            Err(RecordError::Format | RecordError::Rejected) => {
                unreachable!("sealing reads nothing that could be malformed")
            }
        }
    }
}

impl fmt::Debug for IdentityKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityKeys(..)")
    }
}

fn bytes_of(tag: hmac::Tag) -> [u8; 32] {
    tag.as_ref().try_into().expect("HMAC-SHA256 is 32 bytes")
}

/// Length of [`IdentityKeys::check`].
pub const CHECK_LEN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;
    use crate::store_keys::TokenPepper;

    fn keys() -> IdentityKeys {
        keys_of(1, 2)
    }

    fn keys_of(pepper: u8, sealing: u8) -> IdentityKeys {
        IdentityKeys::new(
            &SecretBytes::new(vec![pepper; 32]),
            Dek::from_slice(&[sealing; 32]).unwrap(),
            Arc::new(SystemEntropy),
        )
    }

    fn secret(text: &str) -> SecretBytes {
        SecretBytes::new(text.as_bytes().to_vec())
    }

    fn place(kind: &str, scope: &str, name: &str) -> EntryPlace {
        EntryPlace {
            kind: kind.to_owned(),
            scope: scope.to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn a_hash_is_of_its_kind_text_and_pepper() {
        let kinds = CredentialKind::ALL;
        let mut hashes: Vec<_> = kinds.map(|kind| keys().hash(kind, b"text").0).to_vec();
        hashes.push(keys().hash(CredentialKind::Token, b"texu").0);
        hashes.push(keys().hash(CredentialKind::Token, b"").0);
        hashes.push(keys_of(3, 2).hash(CredentialKind::Token, b"text").0);
        hashes.push(TokenPepper::new(&SecretBytes::new(vec![1; 32])).hash(b"text"));
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), kinds.len() + 4);
        assert_eq!(
            keys().hash(CredentialKind::Token, b"text"),
            keys_of(1, 9).hash(CredentialKind::Token, b"text")
        );
    }

    #[test]
    fn a_check_depends_on_the_whole_text_and_on_the_pepper() {
        assert_eq!(keys().check(b"text"), keys().check(b"text"));
        assert_ne!(keys().check(b"text"), keys().check(b"texu"));
        assert_ne!(keys().check(b"text"), keys_of(3, 2).check(b"text"));
        let hash = keys().hash(CredentialKind::Token, b"text").0;
        assert_ne!(keys().check(b"text"), hash[..CHECK_LEN]);
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_alone() {
        let sealed = keys().seal(b"here", &secret("plain")).unwrap();
        let opened = keys().open(b"here", &sealed).unwrap();
        assert_eq!(opened.expose_secret(), b"plain");
        assert_eq!(sealed.len(), "plain".len() + 28);
        for (keys, place) in [(keys(), "elsewhere"), (keys(), ""), (keys_of(1, 3), "here")] {
            let opened = keys.open(place.as_bytes(), &sealed);
            assert_eq!(opened.map(drop), Err(Rejected));
        }
    }

    #[test]
    fn what_is_sealed_under_a_credential_takes_both_it_and_the_store() {
        let sealed = keys()
            .seal_under(b"token", b"here", &secret("plain"))
            .unwrap();
        let open = |keys: IdentityKeys, credential: &[u8], place: &[u8]| {
            keys.open_under(credential, place, &sealed)
                .map(|plain| plain.expose_secret().to_vec())
        };
        assert_eq!(open(keys(), b"token", b"here").unwrap(), b"plain");
        assert_eq!(open(keys(), b"other", b"here"), Err(Rejected));
        assert_eq!(open(keys(), b"token", b"there"), Err(Rejected));
        assert_eq!(open(keys_of(1, 3), b"token", b"here"), Err(Rejected));
        assert_eq!(keys().open(b"here", &sealed).map(drop), Err(Rejected));
    }

    #[test]
    fn no_two_places_are_alike() {
        let keys = keys();
        let mut places = vec![
            keys.place_of_entry(&place("policy", "", "a")),
            keys.place_of_entry(&place("policy", "a", "")),
            keys.place_of_entry(&place("policya", "", "")),
            keys.place_of_entry(&place("polic", "y", "a")),
        ];
        for kind in CredentialKind::ALL {
            places.push(keys.place_of_credential(kind, &CredentialHash([1; 32])));
            places.push(keys.place_of_credential(kind, &CredentialHash([2; 32])));
        }
        let count = places.len();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), count);
    }

    #[test]
    fn they_do_not_print() {
        assert_eq!(format!("{:?}", keys()), "IdentityKeys(..)");
    }
}
