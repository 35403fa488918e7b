//! What may be done to a ring and with its versions: tables, and the tests walk them.

use std::time::Duration;

use keyring::error::{Error, ItemError};
use keyring::job::{Job, OpenInput, SealInput};
use keyring::policy::PolicyChange;
use keyring::test_support::engine::{TestEngine, base64, by_hand, only, quick};
use keyring::transit::{Address, NewDataKey, NewRing};
use keyring::version::Version;

const NO_CHANGE: PolicyChange = PolicyChange {
    min_decryption: None,
    min_encryption: None,
    deletion_allowed: None,
    exportable: None,
    allow_plaintext_backup: None,
    auto_rotate_period: None,
};

/// A ring of seven versions with versions in every state, and a ciphertext of each.
struct Ring {
    engine: TestEngine,
    at: Address,
    sealed: Vec<String>,
}

/// The states of a version, each with the one that is in it.
const TRIMMED: i64 = 2;
const ARCHIVED: i64 = 3;
const DECRYPT_ONLY: i64 = 4;
const CURRENT: i64 = 6;
const LATEST: i64 = 7;
const FUTURE: i64 = 8;
const NEGATIVE: i64 = -1;

impl Ring {
    async fn new() -> Self {
        let engine = TestEngine::in_memory().await;
        let at = engine.create("ring", &NewRing::default()).await;
        let mut sealed = Vec::new();
        for number in 1..=LATEST {
            if number > 1 {
                engine.rotate(&at).await;
            }
            sealed.push(engine.encrypt(&at, b"x").await.expect("encrypted"));
        }
        let change = PolicyChange {
            min_decryption: Some(4),
            min_encryption: Some(5),
            ..NO_CHANGE
        };
        engine.configure(&at, &change).await;
        let trimmed = engine.transit.trim(&at, Some(3), &by_hand()).await;
        trimmed.expect("trimmed");
        Self { engine, at, sealed }
    }

    /// A ciphertext that names this version.
    fn sealed_with(&self, version: i64) -> String {
        let place = usize::try_from(version - 1).ok();
        let own = place.and_then(|place| self.sealed.get(place));
        own.cloned().unwrap_or_else(|| {
            let first = self.sealed.first().expect("a ciphertext");
            let (_, payload) = first.rsplit_once(':').expect("a payload");
            format!("vault:v{version}:{payload}")
        })
    }

    async fn encrypt(&self, node: &TestEngine, key_version: i64) -> Result<i64, ItemError> {
        let mut job = Job::new();
        job.push_plaintext(&SealInput {
            plaintext: &base64(b"x"),
            key_version,
            ..SealInput::default()
        });
        outcome(node.transit.encrypt(&self.at, job).await)
    }

    async fn decrypt(&self, node: &TestEngine, version: i64) -> Result<i64, ItemError> {
        let mut job = Job::new();
        job.push_ciphertext(&OpenInput {
            ciphertext: &self.sealed_with(version),
            ..OpenInput::default()
        });
        outcome(node.transit.decrypt(&self.at, job).await)
    }

    async fn rewrap(&self, node: &TestEngine, from: i64, to: i64) -> Result<i64, ItemError> {
        let mut job = Job::new();
        job.push_ciphertext(&OpenInput {
            ciphertext: &self.sealed_with(from),
            key_version: to,
            ..OpenInput::default()
        });
        outcome(node.transit.rewrap(&self.at, job).await)
    }

    async fn data_key(&self, node: &TestEngine, key_version: i64) -> Result<i64, ItemError> {
        let new = NewDataKey {
            length: 32,
            context: "",
            associated_data: "",
            key_version,
        };
        let made = node.transit.data_key(&self.at, new).await;
        made.map(|key| i64::from(key.version.number()))
            .map_err(|error| {
                let Error::Item(error) = error else {
                    unreachable!("the store and the KEK are there: {error}")
                };
                error
            })
    }
}

/// The refusal of a version above this latest one.
fn above(latest: u32) -> ItemError {
    let latest = Version::new(latest).expect("not zero");
    ItemError::VersionAboveLatest { latest }
}

/// The version of the one item, or its error.
fn outcome(outcomes: Result<keyring::job::Outcomes, Error>) -> Result<i64, ItemError> {
    let outcomes = outcomes.expect("the job runs");
    let done = outcomes.iter().next().expect("one item");
    done.map(|done| i64::from(done.version.number()))
}

#[tokio::test]
async fn each_operation_does_with_a_version_in_each_state_what_the_table_says() {
    use ItemError::{TooNew, TooOld, VersionBelowMinimum, VersionNegative};
    let ring = Ring::new().await;
    let above_latest = above(7);
    // version, encrypt and data key and rewrap to, decrypt and rewrap from
    let table = [
        (0, Ok(LATEST), None),
        (1, Err(VersionBelowMinimum), Some(Err(TooOld))),
        (TRIMMED, Err(VersionBelowMinimum), Some(Err(TooOld))),
        (ARCHIVED, Err(VersionBelowMinimum), Some(Err(TooOld))),
        (
            DECRYPT_ONLY,
            Err(VersionBelowMinimum),
            Some(Ok(DECRYPT_ONLY)),
        ),
        (5, Ok(5), Some(Ok(5))),
        (CURRENT, Ok(CURRENT), Some(Ok(CURRENT))),
        (LATEST, Ok(LATEST), Some(Ok(LATEST))),
        (FUTURE, Err(above_latest), Some(Err(TooNew))),
        (i64::from(u32::MAX), Err(above_latest), Some(Err(TooNew))),
        (NEGATIVE, Err(VersionNegative), None),
        (i64::MIN, Err(VersionNegative), None),
        (i64::MAX, Err(above_latest), None),
    ];
    let cold = ring.engine.another_node(quick()).await;
    for node in [&ring.engine, &cold] {
        for (version, seals, opens) in table {
            assert_eq!(
                ring.encrypt(node, version).await,
                seals,
                "encrypt with {version}"
            );
            assert_eq!(
                ring.data_key(node, version).await,
                seals,
                "data key with {version}"
            );
            let rewrapped = ring.rewrap(node, CURRENT, version).await;
            assert_eq!(rewrapped, seals, "rewrap to {version}");
            let Some(opens) = opens else { continue };
            assert_eq!(
                ring.decrypt(node, version).await,
                opens,
                "decrypt {version}"
            );
            let rewrapped = ring.rewrap(node, version, 0).await;
            assert_eq!(rewrapped, opens.map(|_| LATEST), "rewrap from {version}");
        }
    }
}

#[tokio::test]
async fn without_a_minimum_for_encryption_an_archived_version_is_no_such_version() {
    let engine = TestEngine::in_memory().await;
    let at = engine.create("ring", &NewRing::default()).await;
    for _ in 0..2 {
        engine.rotate(&at).await;
    }
    let change = PolicyChange {
        min_decryption: Some(2),
        ..NO_CHANGE
    };
    engine.configure(&at, &change).await;
    for (version, expected) in [(1, Err(ItemError::NoSuchVersion)), (2, Ok(2)), (3, Ok(3))] {
        let mut job = Job::new();
        job.push_plaintext(&SealInput {
            key_version: version,
            ..SealInput::default()
        });
        assert_eq!(outcome(engine.transit.encrypt(&at, job).await), expected);
    }
    let texts = [
        (ItemError::NoSuchVersion, "no such key version"),
        (
            ItemError::VersionNegative,
            "requested version for encryption is negative",
        ),
        (
            above(7),
            "requested version for encryption is higher than the latest key version",
        ),
        (
            ItemError::VersionBelowMinimum,
            "requested version for encryption is less than the minimum encryption key version",
        ),
        (ItemError::TooNew, "invalid ciphertext: version is too new"),
        (
            ItemError::TooOld,
            "ciphertext or signature version is disallowed by policy (too old)",
        ),
    ];
    for (error, text) in texts {
        assert_eq!(error.to_string(), text);
    }
}

/// Everything about a ring that a refused change must leave alone.
async fn state(engine: &TestEngine, at: &Address) -> (keyring::ring::StoredRing, usize) {
    let described = engine.transit.describe(at).await.expect("described");
    let history = engine.transit.history(at, 0, 1000).await.expect("history");
    (described.ring, history.len())
}

/// A ring of ten versions: minimum for decryption 3, for encryption 9, as hvac's test has it.
async fn ring_of_ten(engine: &TestEngine, name: &str) -> Address {
    let at = engine.create(name, &NewRing::default()).await;
    for _ in 0..9 {
        engine.rotate(&at).await;
    }
    let change = PolicyChange {
        min_decryption: Some(3),
        min_encryption: Some(9),
        ..NO_CHANGE
    };
    engine.configure(&at, &change).await;
    at
}

async fn refused(engine: &TestEngine, at: &Address, change: PolicyChange, text: &str) {
    let before = state(engine, at).await;
    let result = engine.transit.configure(at, &change, &by_hand()).await;
    let error = result.expect_err(text);
    assert!(matches!(error, Error::Rule(_)), "{error:?}");
    assert_eq!(error.to_string(), text);
    assert_eq!(state(engine, at).await, before, "{text}");
}

#[tokio::test]
async fn each_rule_of_the_settings_refuses_with_its_text_and_changes_nothing() {
    let engine = TestEngine::in_memory().await;
    let at = ring_of_ten(&engine, "ring").await;
    let rules = [
        (Some(-1), None, "min decryption version cannot be negative"),
        (
            Some(11),
            None,
            "cannot set min decryption version of 11, latest key version is 10",
        ),
        (None, Some(-1), "min encryption version cannot be negative"),
        (
            None,
            Some(11),
            "cannot set min encryption version of 11, latest key version is 10",
        ),
        (
            Some(i64::MAX),
            None,
            "cannot set min decryption version of 9223372036854775807, latest key version is 10",
        ),
        (
            Some(10),
            None,
            "cannot set min encryption/decryption values; min encryption version of 9 must be greater than or equal \
             to min decryption version of 10",
        ),
        (
            Some(6),
            Some(5),
            "cannot set min encryption/decryption values; min encryption version of 5 must be greater than or equal \
             to min decryption version of 6",
        ),
    ];
    for (min_decryption, min_encryption, text) in rules {
        let change = PolicyChange {
            min_decryption,
            min_encryption,
            // Whatever else is asked for in the same request does not happen either.
            deletion_allowed: Some(true),
            exportable: Some(true),
            ..NO_CHANGE
        };
        refused(&engine, &at, change, text).await;
    }
    for seconds in [1, 3599] {
        let change = PolicyChange {
            auto_rotate_period: Some(Duration::from_secs(seconds)),
            deletion_allowed: Some(true),
            ..NO_CHANGE
        };
        let text = "auto rotate period must be 0 to disable or at least an hour";
        refused(&engine, &at, change, text).await;
    }
}

#[tokio::test]
async fn after_a_trim_the_minimums_stay_at_or_above_the_oldest_version() {
    let engine = TestEngine::in_memory().await;
    let at = ring_of_ten(&engine, "ring").await;
    engine.transit.trim(&at, Some(3), &by_hand()).await.unwrap();
    let encryption = "min encryption version should not be less than min available version";
    let decryption = "min decryption version should not be less then min available version";
    let rules = [
        (None, Some(0), encryption),
        (Some(2), None, decryption),
        (Some(0), None, decryption),
        (Some(2), Some(2), encryption),
    ];
    for (min_decryption, min_encryption, text) in rules {
        let change = PolicyChange {
            min_decryption,
            min_encryption,
            ..NO_CHANGE
        };
        refused(&engine, &at, change, text).await;
    }
    let allowed = PolicyChange {
        min_decryption: Some(3),
        min_encryption: Some(3),
        ..NO_CHANGE
    };
    engine.configure(&at, &allowed).await;
}

#[tokio::test]
async fn each_rule_of_trimming_refuses_with_its_text_and_changes_nothing() {
    let engine = TestEngine::in_memory().await;
    let at = ring_of_ten(&engine, "ring").await;
    engine.transit.trim(&at, Some(2), &by_hand()).await.unwrap();
    let free = engine.create("free", &NewRing::default()).await;
    let new = ring_of_ten(&engine, "new").await;
    let rules = [
        (&at, None, "missing min_available_version"),
        (&free, None, "missing min_available_version"),
        (
            &at,
            Some(1),
            "minimum available version cannot be decremented",
        ),
        (
            &at,
            Some(0),
            "minimum available version cannot be decremented",
        ),
        (
            &free,
            Some(1),
            "minimum available version cannot be set when minimum encryption version is not set",
        ),
        (
            &at,
            Some(10),
            "minimum available version cannot be greater than minmum encryption version",
        ),
        (
            &at,
            Some(i64::MAX),
            "minimum available version cannot be greater than minmum encryption version",
        ),
        (
            &at,
            Some(4),
            "minimum available version cannot be greater than minimum decryption version",
        ),
        (
            &new,
            Some(-1),
            "minimum available version cannot be decremented",
        ),
        (
            &new,
            Some(0),
            "minimum available version should be positive",
        ),
    ];
    for (at, asked, text) in rules {
        let before = state(&engine, at).await;
        let error = engine
            .transit
            .trim(at, asked, &by_hand())
            .await
            .expect_err(text);
        assert_eq!(error.to_string(), text);
        assert_eq!(state(&engine, at).await, before, "{text}");
    }
}

#[tokio::test]
async fn a_change_that_changes_nothing_is_accepted_and_leaves_no_trace() {
    let engine = TestEngine::in_memory().await;
    let at = ring_of_ten(&engine, "ring").await;
    engine.transit.trim(&at, Some(2), &by_hand()).await.unwrap();
    let before = state(&engine, &at).await;
    let nothing = [
        NO_CHANGE,
        PolicyChange {
            min_decryption: Some(3),
            min_encryption: Some(9),
            exportable: Some(false),
            allow_plaintext_backup: Some(false),
            deletion_allowed: Some(false),
            auto_rotate_period: Some(Duration::ZERO),
        },
    ];
    for change in nothing {
        engine.configure(&at, &change).await;
    }
    engine.transit.trim(&at, Some(2), &by_hand()).await.unwrap();
    assert_eq!(state(&engine, &at).await, before);
}

#[tokio::test]
async fn a_ring_opened_for_export_stays_so_and_deletion_goes_both_ways() {
    let engine = TestEngine::in_memory().await;
    let at = engine.create("ring", &NewRing::default()).await;
    for (asked, expected) in [(false, false), (true, true), (false, true)] {
        let change = PolicyChange {
            exportable: Some(asked),
            allow_plaintext_backup: Some(asked),
            deletion_allowed: Some(asked),
            ..NO_CHANGE
        };
        engine.configure(&at, &change).await;
        let (ring, _) = state(&engine, &at).await;
        assert_eq!(ring.policy.exportable, expected);
        assert_eq!(ring.policy.allow_plaintext_backup, expected);
        assert_eq!(ring.policy.deletion_allowed, asked);
    }
    let refused = engine.transit.delete(&at, &by_hand()).await.unwrap_err();
    assert_eq!(refused.to_string(), "deletion is not allowed for this key");
    engine.encrypt(&at, b"x").await.unwrap();
    let change = PolicyChange {
        deletion_allowed: Some(true),
        ..NO_CHANGE
    };
    engine.configure(&at, &change).await;
    engine.transit.delete(&at, &by_hand()).await.unwrap();
    let gone = engine.encrypt(&at, b"x").await;
    assert!(matches!(gone, Err(Error::NotFound)), "{gone:?}");
    let history = engine.transit.history(&at, 0, 100).await.unwrap();
    assert_eq!(history.len(), 5, "the history outlives the ring");
}

#[tokio::test]
async fn creating_a_ring_refuses_what_the_settings_refuse_and_creates_nothing() {
    let engine = TestEngine::in_memory().await;
    let at = engine.at("ring");
    let refused = [
        (
            NewRing {
                convergent: true,
                ..NewRing::default()
            },
            "convergent encryption requires derivation to be enabled",
        ),
        (
            NewRing {
                auto_rotate_period: Duration::from_secs(3599),
                ..NewRing::default()
            },
            "auto rotate period must be 0 to disable or at least an hour",
        ),
    ];
    for (new, text) in refused {
        let error = engine.transit.create(&at, &new, &by_hand()).await;
        assert_eq!(error.expect_err(text).to_string(), text);
        let there = engine.transit.describe(&at).await;
        assert!(matches!(there, Err(Error::NotFound)), "{there:?}");
        assert!(engine.transit.history(&at, 0, 9).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn creating_a_ring_that_exists_describes_it_and_changes_nothing() {
    let engine = TestEngine::in_memory().await;
    let at = engine.create("ring", &NewRing::default()).await;
    engine.rotate(&at).await;
    let before = state(&engine, &at).await;
    let other = NewRing {
        derived: true,
        exportable: true,
        ..NewRing::default()
    };
    let described = engine
        .transit
        .create(&at, &other, &by_hand())
        .await
        .unwrap();
    assert_eq!(described.ring, before.0);
    assert_eq!(state(&engine, &at).await, before);
}

#[tokio::test]
async fn a_derived_ring_needs_a_context_and_another_ring_ignores_one() {
    let engine = TestEngine::in_memory().await;
    let derived = NewRing {
        derived: true,
        ..NewRing::default()
    };
    let at = engine.create("derived", &derived).await;
    let missing = engine.encrypt(&at, b"x").await;
    assert!(
        matches!(missing, Err(Error::Item(ItemError::MissingContext))),
        "{missing:?}"
    );
    let at = engine.create("plain", &NewRing::default()).await;
    let mut job = Job::new();
    job.push_plaintext(&SealInput {
        plaintext: &base64(b"x"),
        context: &base64(b"ignored"),
        ..SealInput::default()
    });
    let sealed = only(&engine.transit.encrypt(&at, job).await.unwrap()).unwrap();
    assert_eq!(engine.decrypt(&at, &sealed).await.unwrap(), base64(b"x"));
}
