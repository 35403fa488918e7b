//! Credentials, each for itself.

use std::sync::Arc;

use futures_util::future::join_all;
use keyring::store::identity::{
    AccessorPage, CredentialHash, CredentialKind, Group, GroupUse, Reach, Renewal, StoredCredential,
};
use keyring::store::{KeyStore, StoreError};

use crate::samples::{added, child, credential, found, time, token};

fn all_kinds() -> [StoredCredential; 3] {
    CredentialKind::ALL.map(credential)
}

/// Whether the credential is there, whichever way it is looked for.
async fn is_there(store: &dyn KeyStore, credential: &StoredCredential) -> bool {
    let StoredCredential { kind, accessor, .. } = credential;
    let by_hash = found(store, credential).await;
    let by_accessor = store.credential_by_accessor(*kind, accessor).await.unwrap();
    assert_eq!(by_hash, by_accessor);
    by_hash.is_some()
}

async fn revoke(store: &dyn KeyStore, credential: &StoredCredential) -> bool {
    let StoredCredential { kind, hash, .. } = credential;
    let revoked = store.revoke_credential(*kind, *hash, Reach::Alone, time(200));
    revoked.await.unwrap()
}

pub(crate) async fn a_credential_is_found_as_it_was_added(store: Arc<dyn KeyStore>) {
    let parent = added(&*store, token()).await;
    for kind in CredentialKind::ALL {
        let full = StoredCredential {
            parent: Some(parent.hash),
            chosen: true,
            expires_at: Some(time(i64::MAX)),
            uses_left: Some(u32::MAX),
            body: (0..=255).collect(),
            ..credential(kind)
        };
        for new in [full, credential(kind)] {
            assert!(!is_there(&*store, &new).await);
            store.add_credential(&new).await.unwrap();
            assert!(is_there(&*store, &new).await);
            assert_eq!(found(&*store, &new).await, Some(new));
        }
    }
}

pub(crate) async fn one_kind_is_never_taken_for_another(store: Arc<dyn KeyStore>) {
    let hash = CredentialHash([7; 32]);
    let accessor = "accessor".to_owned();
    for (index, kind) in CredentialKind::ALL.into_iter().enumerate() {
        let own = StoredCredential {
            hash,
            accessor: accessor.clone(),
            body: kind_body(kind),
            ..credential(kind)
        };
        assert_eq!(found(&*store, &own).await, None, "{index}");
        store.add_credential(&own).await.unwrap();
    }
    for kind in CredentialKind::ALL {
        let found = store.credential(kind, hash).await.unwrap().unwrap();
        assert_eq!(found.body, kind_body(kind));
        let found = store.credential_by_accessor(kind, &accessor).await.unwrap();
        assert_eq!(found.unwrap().body, kind_body(kind));
    }
    let secret_id = CredentialKind::SecretId;
    let revoked = store.revoke_credential(secret_id, hash, Reach::Tree, time(1));
    assert!(revoked.await.unwrap());
    assert_eq!(store.credential(secret_id, hash).await.unwrap(), None);
    for kind in [CredentialKind::Token, CredentialKind::Wrapped] {
        assert!(store.credential(kind, hash).await.unwrap().is_some());
    }
}

fn kind_body(kind: CredentialKind) -> Vec<u8> {
    vec![kind.number()]
}

pub(crate) async fn a_hash_or_accessor_that_is_taken_is_refused(store: Arc<dyn KeyStore>) {
    for there in all_kinds() {
        let there = added(&*store, there).await;
        let same_hash = StoredCredential {
            hash: there.hash,
            ..credential(there.kind)
        };
        let same_accessor = StoredCredential {
            accessor: there.accessor.clone(),
            ..credential(there.kind)
        };
        for revoked in [false, true] {
            for new in [&same_hash, &same_accessor] {
                let refused = store.add_credential(new).await;
                assert!(matches!(refused, Err(StoreError::Exists)), "{refused:?}");
            }
            assert_eq!(is_there(&*store, &there).await, !revoked);
            if !revoked {
                assert!(revoke(&*store, &there).await);
            }
        }
    }
}

pub(crate) async fn of_concurrent_credentials_of_one_hash_one_is_added(store: Arc<dyn KeyStore>) {
    let hash = CredentialHash([3; 32]);
    let adds = (0..8).map(|_| {
        let (store, new) = (Arc::clone(&store), StoredCredential { hash, ..token() });
        tokio::spawn(async move { store.add_credential(&new).await.is_ok() })
    });
    let added = join_all(adds).await.into_iter().map(Result::unwrap);
    assert_eq!(added.filter(|done| *done).count(), 1);
}

pub(crate) async fn accessors_are_listed_page_by_page(store: Arc<dyn KeyStore>) {
    let named = |accessor: &str, scope: &str, expires_at: Option<i64>| StoredCredential {
        accessor: accessor.to_owned(),
        scope: scope.to_owned(),
        expires_at: expires_at.map(time),
        ..token()
    };
    for new in [
        named("c", "one", None),
        named("a", "two", Some(201)),
        named("B", "one", Some(300)),
        named("expired", "one", Some(200)),
        named("b", "", None),
    ] {
        added(&*store, new).await;
    }
    let revoked = added(&*store, named("revoked", "one", None)).await;
    assert!(revoke(&*store, &revoked).await);
    added(&*store, credential(CredentialKind::SecretId)).await;
    let page = async |scope, after, limit| {
        let page = AccessorPage {
            scope,
            now: time(200),
            after,
            limit,
        };
        store
            .accessors(CredentialKind::Token, &page)
            .await
            .unwrap()
            .join(" ")
    };
    assert_eq!(page(None, None, 100).await, "B a b c");
    assert_eq!(page(None, Some("a"), 1).await, "b");
    assert_eq!(page(None, Some("a\0"), 9).await, "b c");
    assert_eq!(page(Some("one"), None, 100).await, "B c");
    assert_eq!(page(Some("one"), Some("B"), 100).await, "c");
    assert_eq!(page(Some(""), None, 100).await, "b");
    assert_eq!(page(Some("nobody"), None, 100).await, "");
}

pub(crate) async fn a_chosen_token_is_listed_and_grows_the_epoch(store: Arc<dyn KeyStore>) {
    let epoch = async || {
        let end = store.end().await.unwrap();
        store.changes_since(end).await.unwrap().identity_epoch
    };
    let before = epoch().await;
    added(&*store, token()).await;
    assert_eq!(epoch().await, before);
    let chosen = |kind| StoredCredential {
        chosen: true,
        ..credential(kind)
    };
    let token = added(&*store, chosen(CredentialKind::Token)).await;
    assert!(epoch().await > before);
    let secret = added(&*store, chosen(CredentialKind::SecretId)).await;
    let of_kind = async |kind| store.chosen_credentials(kind).await.unwrap();
    assert_eq!(of_kind(CredentialKind::Token).await, [token.hash]);
    assert_eq!(of_kind(CredentialKind::SecretId).await, [secret.hash]);
    assert!(revoke(&*store, &token).await);
    assert_eq!(of_kind(CredentialKind::Token).await, []);
}

pub(crate) async fn a_group_counts_what_is_there_and_has_not_expired(store: Arc<dyn KeyStore>) {
    let kind = CredentialKind::Wrapped;
    let of_scope = |scope: &str, length: usize, end: Option<i64>| StoredCredential {
        scope: scope.to_owned(),
        body: vec![7; length],
        expires_at: end.map(time),
        ..credential(kind)
    };
    let first = added(&*store, of_scope("a", 100, None)).await;
    added(&*store, of_scope("a", 20, Some(50))).await;
    added(&*store, of_scope("b", 3, None)).await;
    let parent = added(&*store, token()).await;
    for _ in 0..2 {
        let child = StoredCredential {
            parent: Some(parent.hash),
            ..token()
        };
        added(&*store, child).await;
    }
    let sum = async |group, now| {
        let GroupUse { count, bytes } = store.group_use(group, time(now)).await.unwrap();
        (count, bytes)
    };
    assert_eq!(sum(Group::Scope(kind, "a"), 49).await, (2, 120));
    assert_eq!(sum(Group::Scope(kind, "a"), 50).await, (1, 100));
    assert_eq!(
        sum(Group::Scope(CredentialKind::Token, "a"), 0).await,
        (0, 0)
    );
    assert_eq!(sum(Group::Scope(kind, "c"), 0).await, (0, 0));
    assert_eq!(sum(Group::Children(parent.hash), 0).await.0, 2);
    assert_eq!(sum(Group::Children(first.hash), 0).await, (0, 0));
    store
        .take_credential(kind, first.hash, time(1))
        .await
        .unwrap();
    assert_eq!(sum(Group::Scope(kind, "a"), 49).await, (1, 20));
}

pub(crate) async fn a_renewal_replaces_what_it_has_read(store: Arc<dyn KeyStore>) {
    let renew = async |credential: &StoredCredential, read_expiry, expires_at, body: &[u8]| {
        let renewal = Renewal {
            read_expiry,
            expires_at,
            body: body.to_vec(),
        };
        let StoredCredential { kind, hash, .. } = credential;
        store.renew_credential(*kind, *hash, &renewal).await
    };
    for there in all_kinds() {
        let there = added(&*store, there).await;
        for (read, next) in [
            (None, Some(time(300))),
            (Some(time(300)), Some(time(400))),
            (Some(time(400)), Some(time(250))),
            (Some(time(250)), None),
        ] {
            for stale in [
                Some(time(999)),
                if read.is_some() { None } else { Some(time(1)) },
            ] {
                let refused = renew(&there, stale, Some(time(5)), b"stale").await;
                assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
            }
            renew(&there, read, next, b"renewed").await.unwrap();
            let found = found(&*store, &there).await.unwrap();
            assert_eq!((found.expires_at, &*found.body), (next, &b"renewed"[..]));
        }
        assert!(revoke(&*store, &there).await);
        let gone = renew(&there, None, None, b"").await;
        assert!(matches!(gone, Err(StoreError::NotFound)), "{gone:?}");
    }
}

pub(crate) async fn of_concurrent_renewals_one_succeeds(store: Arc<dyn KeyStore>) {
    let there = added(&*store, token()).await;
    let renewals = (0..8).map(|number| {
        let store = Arc::clone(&store);
        let renewal = Renewal {
            read_expiry: None,
            expires_at: Some(time(300 + number)),
            body: Vec::new(),
        };
        tokio::spawn(async move {
            let renewed = store.renew_credential(there.kind, there.hash, &renewal);
            renewed.await.is_ok()
        })
    });
    let renewed = join_all(renewals).await.into_iter().map(Result::unwrap);
    assert_eq!(renewed.filter(|done| *done).count(), 1);
}

pub(crate) async fn uses_are_taken_one_by_one_until_none_is_left(store: Arc<dyn KeyStore>) {
    for new in all_kinds() {
        let counted = StoredCredential {
            uses_left: Some(3),
            ..new
        };
        let there = added(&*store, counted).await;
        let take = async || {
            store
                .use_credential(there.kind, there.hash, time(150))
                .await
        };
        assert_eq!(take().await.unwrap(), Some(2));
        let found = found(&*store, &there).await.unwrap();
        assert_eq!((found.uses_left, &found.body), (Some(2), &there.body));
        assert_eq!(take().await.unwrap(), Some(1));
        assert_eq!(take().await.unwrap(), Some(0));
        assert!(!is_there(&*store, &there).await);
        assert_eq!(take().await.unwrap(), None);
    }
    let uncounted = added(&*store, token()).await;
    let used = store.use_credential(uncounted.kind, uncounted.hash, time(150));
    assert_eq!(used.await.unwrap(), None);
    assert!(is_there(&*store, &uncounted).await);
}

pub(crate) async fn of_n_callers_for_the_last_use_one_gets_it(store: Arc<dyn KeyStore>) {
    for uses in [1, 5] {
        let counted = StoredCredential {
            uses_left: Some(uses),
            ..token()
        };
        let there = added(&*store, counted).await;
        let cursor = store.end().await.unwrap();
        let tries = (0..16).map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                store
                    .use_credential(there.kind, there.hash, time(150))
                    .await
            })
        });
        let outcomes = join_all(tries).await.into_iter();
        let mut left: Vec<_> = outcomes.filter_map(|used| used.unwrap().unwrap()).collect();
        left.sort_unstable();
        assert_eq!(left, (0..uses).collect::<Vec<_>>());
        let told = store.changes_since(cursor).await.unwrap().revoked;
        assert!(told.contains(&there.hash), "{told:?}");
    }
}

pub(crate) async fn of_n_callers_one_takes_a_credential(store: Arc<dyn KeyStore>) {
    for new in all_kinds() {
        let there = added(&*store, new).await;
        let tries = (0..16).map(|_| {
            let (store, kind, hash) = (Arc::clone(&store), there.kind, there.hash);
            tokio::spawn(async move { store.take_credential(kind, hash, time(150)).await })
        });
        let outcomes = join_all(tries).await.into_iter();
        let taken: Vec<_> = outcomes
            .filter_map(|taken| taken.unwrap().unwrap())
            .collect();
        assert_eq!(taken, std::slice::from_ref(&there));
        assert!(!is_there(&*store, &there).await);
    }
}

pub(crate) async fn a_credential_is_over_from_its_expiry_on(store: Arc<dyn KeyStore>) {
    let expiring = |kind| StoredCredential {
        expires_at: Some(time(200)),
        uses_left: Some(9),
        ..credential(kind)
    };
    for (now, is_valid) in [(199, true), (200, false), (201, false)] {
        for kind in CredentialKind::ALL {
            let there = added(&*store, expiring(kind)).await;
            let page = AccessorPage {
                scope: None,
                now: time(now),
                after: None,
                limit: 1000,
            };
            let listed = store.accessors(kind, &page).await.unwrap();
            assert_eq!(listed.contains(&there.accessor), is_valid, "{now}");
            let used = store
                .use_credential(kind, there.hash, time(now))
                .await
                .unwrap();
            assert_eq!(used, is_valid.then_some(8), "{now}");
            let taken = store
                .take_credential(kind, there.hash, time(now))
                .await
                .unwrap();
            assert_eq!(taken.is_some(), is_valid, "{now}");
            // Else it is there until it is purged: expiry is the caller's to check.
            assert_eq!(is_there(&*store, &there).await, !is_valid);
        }
        let parent = added(&*store, expiring(CredentialKind::Token)).await;
        let late = StoredCredential {
            created_at: time(now),
            ..child(&parent)
        };
        let outcome = store.add_credential(&late).await;
        assert_eq!(outcome.is_ok(), is_valid, "{now}");
        assert!(
            matches!(outcome, Ok(()) | Err(StoreError::NotFound)),
            "{outcome:?}"
        );
    }
}

pub(crate) async fn purging_deletes_what_was_over_before(store: Arc<dyn KeyStore>) {
    let expiring = |at| StoredCredential {
        expires_at: Some(time(at)),
        ..token()
    };
    let old = added(&*store, expiring(199)).await;
    let young = added(&*store, expiring(200)).await;
    let revoked = added(&*store, token()).await;
    assert!(revoke(&*store, &revoked).await);
    let lasting = added(&*store, token()).await;

    assert_eq!(store.purge_credentials(time(200)).await.unwrap(), 1);
    assert!(!is_there(&*store, &old).await);
    assert!(is_there(&*store, &young).await);
    // Its tombstone still is.
    store.add_credential(&revoked).await.unwrap_err();
    let end = store.end().await.unwrap();
    assert_eq!(store.purge_credentials(time(201)).await.unwrap(), 2);
    assert_eq!(store.purge_credentials(time(201)).await.unwrap(), 0);
    for again in [old, young, revoked] {
        store.add_credential(&again).await.unwrap();
    }
    assert!(is_there(&*store, &lasting).await);
    assert!(!store.end().await.unwrap().is_behind(end));
}

pub(crate) async fn revoked_and_used_up_tokens_are_told(store: Arc<dyn KeyStore>) {
    let counted = |kind| StoredCredential {
        uses_left: Some(1),
        ..credential(kind)
    };
    let start = store.end().await.unwrap();
    let mut expected = Vec::new();
    for kind in CredentialKind::ALL {
        let revoked = added(&*store, counted(kind)).await;
        assert!(revoke(&*store, &revoked).await);
        let used = added(&*store, counted(kind)).await;
        store
            .use_credential(kind, used.hash, time(150))
            .await
            .unwrap();
        let taken = added(&*store, counted(kind)).await;
        store
            .take_credential(kind, taken.hash, time(150))
            .await
            .unwrap();
        if kind == CredentialKind::Token {
            expected.extend([revoked.hash, used.hash, taken.hash]);
        }
    }
    let changes = store.changes_since(start).await.unwrap();
    assert_eq!(
        (changes.revoked, changes.rings),
        (expected.clone(), Vec::new())
    );

    let next = added(&*store, token()).await;
    assert!(revoke(&*store, &next).await);
    let later = store.changes_since(changes.next).await.unwrap();
    // A little earlier is allowed.
    assert_eq!(later.revoked.last(), Some(&next.hash));
    expected.push(next.hash);
    assert!(later.revoked.iter().all(|told| expected.contains(told)));
    assert!(!revoke(&*store, &next).await, "it is no longer there");
}

pub(crate) async fn polling_during_concurrent_revocations_misses_none(store: Arc<dyn KeyStore>) {
    let mut cursor = store.end().await.unwrap();
    let writers: Vec<_> = (0..6)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut revoked = Vec::new();
                for _ in 0..10 {
                    let token = added(&*store, token()).await;
                    assert!(revoke(&*store, &token).await);
                    revoked.push(token.hash);
                }
                revoked
            })
        })
        .collect();
    let mut told = std::collections::BTreeSet::new();
    while writers.iter().any(|writer| !writer.is_finished()) {
        let changes = store.changes_since(cursor).await.unwrap();
        told.extend(changes.revoked);
        cursor = changes.next;
        tokio::task::yield_now().await;
    }
    told.extend(store.changes_since(cursor).await.unwrap().revoked);
    for revoked in join_all(writers).await {
        assert!(revoked.unwrap().iter().all(|hash| told.contains(hash)));
    }
    assert_eq!(told.len(), 60);
}
