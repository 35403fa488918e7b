//! Tokens of a cluster verified by its keys. Pure.

use jsonwebtoken::Algorithm;
use keyring::clock::Timestamp;

use super::account::ServiceAccount;
use crate::identity::methods::jose::jws::{Jws, JwsFault};
use crate::identity::methods::jose::key_set::KeySet;
use crate::identity::methods::jose::times::{Leeways, TimeFault};

/// The algorithms that clusters sign with.
const ALGORITHMS: [Algorithm; 8] = [
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
];

/// What a token must say, besides of whom it is.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'e> {
    /// Whom it must be meant for; empty where the API server is asked and sees to that.
    pub audience: &'e str,
    /// Who must have issued it; `None` for anybody who has the keys.
    pub issuer: Option<&'e str>,
    /// Whether the API server is asked too: it knows which tokens without an end still count.
    pub reviewed: bool,
}

/// Why a token is not verified. Says nothing of what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfflineFault {
    /// It does not tell of one service account.
    #[error("the token is not of a service account")]
    Account,
    /// It is meant for somebody else.
    #[error("invalid audience (aud) claim: audience claim does not match any expected audience")]
    Audience,
    /// It never ends, and only the cluster knows whether it still counts.
    #[error("no expiration time (exp) claim in token, which only a token review can make up for")]
    Endless,
    /// Somebody else issued it.
    #[error("invalid issuer (iss) claim")]
    Issuer,
    /// Without an audience, tokens that are meant for others would do.
    #[error("the role has no audience, which verifying tokens by pem_keys needs")]
    NoAudience,
    /// It is not valid now.
    #[error(transparent)]
    Time(#[from] TimeFault),
    /// It is not signed by the cluster.
    #[error(transparent)]
    Token(#[from] JwsFault),
}

/// The account of a token that one of these keys has signed and that says what is expected at this instant.
pub fn verify(
    token: &str,
    keys: &KeySet,
    expected: Expected<'_>,
    now: Timestamp,
) -> Result<ServiceAccount, OfflineFault> {
    if expected.audience.is_empty() && !expected.reviewed {
        return Err(OfflineFault::NoAudience);
    }
    let claims = keys.verify(&Jws::parse(token)?, &ALGORITHMS)?;
    if expected
        .issuer
        .is_some_and(|issuer| claims.issuer() != issuer)
    {
        return Err(OfflineFault::Issuer);
    }
    let mut audiences = claims.audiences().iter();
    if !expected.audience.is_empty() && !audiences.any(|audience| audience == expected.audience) {
        return Err(OfflineFault::Audience);
    }
    match claims.times().expires_at {
        Some(_) => claims.times().check(now, Leeways::default())?,
        None if expected.reviewed => {}
        None => return Err(OfflineFault::Endless),
    }
    ServiceAccount::from_claims(&claims).ok_or(OfflineFault::Account)
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header};
    use rcgen::KeyPair;
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn projected() -> Value {
        json!({
            "iss": "https://cluster",
            "aud": ["sealring", "other"],
            "iat": NOW,
            "nbf": NOW,
            "exp": NOW + 600,
            "sub": "system:serviceaccount:ns:app",
            "kubernetes.io": {
                "namespace": "ns",
                "serviceaccount": {"name": "app", "uid": "u-1"},
            },
        })
    }

    fn sign(pair: &KeyPair, claims: &Value) -> String {
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
        jsonwebtoken::encode(&Header::new(Algorithm::ES256), claims, &key).unwrap()
    }

    fn check(
        change: impl FnOnce(&mut Value),
        expected: Expected<'_>,
        at: i64,
    ) -> Result<ServiceAccount, OfflineFault> {
        let pair = KeyPair::generate().unwrap();
        let mut claims = projected();
        change(&mut claims);
        let keys = KeySet::from_pems(&[pair.public_key_pem()]).unwrap();
        verify(
            &sign(&pair, &claims),
            &keys,
            expected,
            Timestamp::from_micros(at * 1_000_000),
        )
    }

    const EXPECTED: Expected<'static> = Expected {
        audience: "sealring",
        issuer: Some("https://cluster"),
        reviewed: false,
    };

    #[test]
    fn a_token_of_the_cluster_is_of_its_account() {
        let account = check(|_| {}, EXPECTED, NOW).unwrap();
        assert_eq!(
            (account.namespace.as_str(), account.name.as_str()),
            ("ns", "app")
        );
        assert_eq!(account.uid, "u-1");
    }

    #[test]
    fn audience_issuer_end_and_account_are_all_needed() {
        let without = |name: &'static str| {
            let remove = move |claims: &mut Value| {
                claims.as_object_mut().unwrap().remove(name);
            };
            check(remove, EXPECTED, NOW)
        };
        assert_eq!(without("aud"), Err(OfflineFault::Audience));
        assert_eq!(without("iss"), Err(OfflineFault::Issuer));
        assert_eq!(without("exp"), Err(OfflineFault::Endless));
        assert_eq!(without("sub"), Err(OfflineFault::Account));
        assert_eq!(without("kubernetes.io"), Err(OfflineFault::Account));
        let with =
            |name: &'static str, value: Value| check(|claims| claims[name] = value, EXPECTED, NOW);
        assert!(with("aud", json!("sealring")).is_ok());
        for other in [json!("sealring2"), json!(["other"]), json!([]), json!("")] {
            assert_eq!(with("aud", other), Err(OfflineFault::Audience));
        }
        assert_eq!(
            with("aud", json!(1)),
            Err(OfflineFault::Token(JwsFault::Claims))
        );
        assert_eq!(
            with("exp", json!("never")),
            Err(OfflineFault::Token(JwsFault::Claims))
        );
        assert_eq!(
            with("iss", json!("https://other")),
            Err(OfflineFault::Issuer)
        );
    }

    #[test]
    fn a_role_without_an_audience_takes_no_token_offline() {
        let nobody = Expected {
            audience: "",
            ..EXPECTED
        };
        assert_eq!(check(|_| {}, nobody, NOW), Err(OfflineFault::NoAudience));
    }

    #[test]
    fn a_review_makes_up_for_end_and_audience_but_not_for_what_is_wrong() {
        let reviewed = Expected {
            audience: "",
            reviewed: true,
            ..EXPECTED
        };
        let old = |claims: &mut Value| {
            for name in ["aud", "exp", "iat", "nbf"] {
                claims.as_object_mut().unwrap().remove(name);
            }
        };
        assert!(check(old, reviewed, NOW).is_ok());
        assert_eq!(
            check(|_| {}, reviewed, NOW + 660),
            Err(OfflineFault::Time(TimeFault::Expired))
        );
        let other = Expected {
            audience: "x",
            ..reviewed
        };
        assert_eq!(check(|_| {}, other, NOW), Err(OfflineFault::Audience));
    }

    #[test]
    fn the_issuer_is_looked_at_if_one_is_expected() {
        let anybody = Expected {
            issuer: None,
            ..EXPECTED
        };
        assert!(check(|claims| claims["iss"] = json!("x"), anybody, NOW).is_ok());
    }

    #[test]
    fn tokens_of_another_time_or_cluster_are_refused() {
        let over = check(|_| {}, EXPECTED, NOW + 660);
        assert_eq!(over, Err(OfflineFault::Time(TimeFault::Expired)));
        assert!(check(|_| {}, EXPECTED, NOW + 659).is_ok());
        let early = check(|_| {}, EXPECTED, NOW - 61);
        assert_eq!(early, Err(OfflineFault::Time(TimeFault::NotYet)));
        let (ours, theirs) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let keys = KeySet::from_pems(&[ours.public_key_pem()]).unwrap();
        let now = Timestamp::from_micros(NOW * 1_000_000);
        let foreign = verify(&sign(&theirs, &projected()), &keys, EXPECTED, now);
        assert_eq!(foreign, Err(OfflineFault::Token(JwsFault::Signature)));
    }
}
