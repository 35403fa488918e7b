//! Tokens and their descendants.

use std::sync::Arc;

use keyring::store::identity::{CredentialKind, Reach, StoredCredential};
use keyring::store::{KeyStore, StoreError};

use crate::samples::{added, child, credential, found, time, token};

/// A token with two children, one of which has a child, a secret id and a wrapped response.
struct Family {
    root: StoredCredential,
    heir: StoredCredential,
    sibling: StoredCredential,
    grandchildren: [StoredCredential; 3],
}

impl Family {
    async fn of(store: &dyn KeyStore, root: StoredCredential) -> Self {
        let root = added(store, root).await;
        let heir = added(store, child(&root)).await;
        let sibling = added(store, child(&root)).await;
        let parent = Some(heir.hash);
        let [token, secret_id, wrapped] = CredentialKind::ALL.map(|kind| StoredCredential {
            parent,
            ..credential(kind)
        });
        let grandchildren = [
            added(store, token).await,
            added(store, secret_id).await,
            added(store, wrapped).await,
        ];
        Self {
            root,
            heir,
            sibling,
            grandchildren,
        }
    }

    fn members(&self) -> impl Iterator<Item = &StoredCredential> {
        [&self.root, &self.heir, &self.sibling]
            .into_iter()
            .chain(&self.grandchildren)
    }

    async fn living(&self, store: &dyn KeyStore) -> usize {
        let mut living = 0;
        for member in self.members() {
            living += usize::from(found(store, member).await.is_some());
        }
        living
    }
}

async fn revoke(store: &dyn KeyStore, token: &StoredCredential, reach: Reach) -> bool {
    let revoked = store.revoke_credential(token.kind, token.hash, reach, time(200));
    revoked.await.unwrap()
}

pub(crate) async fn a_tree_is_revoked_with_all_its_descendants(store: Arc<dyn KeyStore>) {
    let (family, other) = (
        Family::of(&*store, token()).await,
        Family::of(&*store, token()).await,
    );
    let cursor = store.end().await.unwrap();
    assert!(revoke(&*store, &family.root, Reach::Tree).await);
    assert!(!revoke(&*store, &family.root, Reach::Tree).await);
    assert_eq!(family.living(&*store).await, 0);
    assert_eq!(other.living(&*store).await, 6);
    let told = store.changes_since(cursor).await.unwrap().revoked;
    let tokens = family
        .members()
        .filter(|member| member.kind == CredentialKind::Token);
    let mut expected: Vec<_> = tokens.map(|member| member.hash).collect();
    let mut told_once = told.clone();
    expected.sort_unstable();
    told_once.sort_unstable();
    assert_eq!(told_once, expected);
}

pub(crate) async fn a_branch_is_revoked_without_the_rest(store: Arc<dyn KeyStore>) {
    let family = Family::of(&*store, token()).await;
    assert!(revoke(&*store, &family.heir, Reach::Tree).await);
    assert_eq!(family.living(&*store).await, 2);
    assert!(found(&*store, &family.root).await.is_some());
    assert!(found(&*store, &family.sibling).await.is_some());
}

pub(crate) async fn revoking_a_token_alone_makes_orphans_of_its_children(store: Arc<dyn KeyStore>) {
    let family = Family::of(&*store, token()).await;
    assert!(revoke(&*store, &family.heir, Reach::Alone).await);
    assert_eq!(family.living(&*store).await, 5);
    for orphan in &family.grandchildren {
        assert_eq!(found(&*store, orphan).await.unwrap().parent, None);
    }
    assert!(revoke(&*store, &family.root, Reach::Tree).await);
    assert_eq!(family.living(&*store).await, 3);
    for orphan in &family.grandchildren {
        assert!(found(&*store, orphan).await.is_some());
    }
}

pub(crate) async fn a_child_needs_a_parent_that_is_there(store: Arc<dyn KeyStore>) {
    let never = token();
    let revoked = added(&*store, token()).await;
    assert!(revoke(&*store, &revoked, Reach::Alone).await);
    let counted = StoredCredential {
        uses_left: Some(1),
        ..token()
    };
    let used_up = added(&*store, counted).await;
    let used = store.use_credential(used_up.kind, used_up.hash, time(150));
    assert_eq!(used.await.unwrap(), Some(0));
    let no_token = added(&*store, credential(CredentialKind::SecretId)).await;
    for parent in [never, revoked, used_up, no_token] {
        let new = child(&parent);
        let refused = store.add_credential(&new).await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
        assert_eq!(found(&*store, &new).await, None);
    }
}

pub(crate) async fn a_family_that_grows_while_it_is_revoked_leaves_nobody(
    store: Arc<dyn KeyStore>,
) {
    for _ in 0..5 {
        let root = added(&*store, token()).await;
        let growing: Vec<_> = (0..6)
            .map(|_| {
                let (store, root) = (Arc::clone(&store), root.clone());
                tokio::spawn(async move {
                    let (mut parent, mut born) = (root, Vec::new());
                    // A chain, so that most parents are deep in the tree.
                    loop {
                        let next = child(&parent);
                        match store.add_credential(&next).await {
                            Ok(()) => born.push(next.clone()),
                            Err(StoreError::NotFound) => return born,
                            Err(error) => unreachable!("{error:?}"),
                        }
                        parent = next;
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        let some = async || {
            let page = keyring::store::identity::AccessorPage {
                scope: None,
                now: time(0),
                after: None,
                limit: 20,
            };
            store
                .accessors(CredentialKind::Token, &page)
                .await
                .unwrap()
                .len()
                == 20
        };
        while !some().await {
            tokio::task::yield_now().await;
        }
        assert!(revoke(&*store, &root, Reach::Tree).await);
        for growing in growing {
            for born in growing.await.unwrap() {
                assert_eq!(found(&*store, &born).await, None);
            }
        }
    }
}

pub(crate) async fn descendants_of_an_expired_token_end_with_it(store: Arc<dyn KeyStore>) {
    let expiring = StoredCredential {
        expires_at: Some(time(200)),
        ..token()
    };
    let family = Family::of(&*store, expiring.clone()).await;
    let childless = StoredCredential {
        hash: token().hash,
        accessor: "childless".to_owned(),
        ..expiring
    };
    let childless = added(&*store, childless).await;
    let cursor = store.end().await.unwrap();
    assert_eq!(store.expire_families(time(199)).await.unwrap(), 0);
    assert_eq!(family.living(&*store).await, 6);
    assert_eq!(store.expire_families(time(200)).await.unwrap(), 6);
    assert_eq!(store.expire_families(time(200)).await.unwrap(), 0);
    assert_eq!(family.living(&*store).await, 0);
    let told = store.changes_since(cursor).await.unwrap().revoked;
    assert!(told.contains(&family.sibling.hash) && told.contains(&family.grandchildren[0].hash));
    // Nobody depends on it, so its end can wait.
    assert!(found(&*store, &childless).await.is_some());
}

pub(crate) async fn purging_revokes_the_descendants_of_what_expired(store: Arc<dyn KeyStore>) {
    let expiring = StoredCredential {
        expires_at: Some(time(199)),
        ..token()
    };
    let family = Family::of(&*store, expiring).await;
    let cursor = store.end().await.unwrap();
    assert_eq!(store.purge_credentials(time(200)).await.unwrap(), 1);
    assert_eq!(family.living(&*store).await, 0);
    let told = store.changes_since(cursor).await.unwrap().revoked;
    assert!(told.contains(&family.sibling.hash) && told.contains(&family.grandchildren[0].hash));
    store.add_credential(&family.sibling).await.unwrap_err();
    assert_eq!(store.purge_credentials(time(201)).await.unwrap(), 5);
}
