use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use keyring::store::identity::Reach;

use super::*;
use crate::identity::cidr::Cidr;
use crate::identity::fixtures::{Node, Token, keys};
use crate::identity::token::grant::NewToken;
use crate::identity::token_params::{TokenParams, TokenType};

fn bound(block: &str) -> NewToken {
    NewToken {
        params: TokenParams {
            bound_cidrs: vec![Cidr::parse(block).unwrap()],
            ..TokenParams::default()
        },
        ..NewToken::default()
    }
}

fn batch(parent: Option<CredentialHash>) -> NewToken {
    NewToken {
        params: TokenParams {
            token_type: TokenType::Batch,
            ttl: Duration::from_secs(100),
            ..TokenParams::default()
        },
        parent,
        ..NewToken::default()
    }
}

#[tokio::test]
async fn a_token_is_read_once_and_then_known() {
    let node = Node::new().await;
    let token = node.token(60, None).await;
    for _ in 0..100 {
        assert!(node.lets_in(&token).await);
    }
    assert_eq!(node.store.reads(), 1);
    let entry = node.identity.registry.resolve(&token.text, None).await;
    assert_eq!(entry.unwrap().hash, token.hash);
}

#[tokio::test]
async fn many_who_come_at_once_wait_for_one_read() {
    let node = Node::new().await;
    let token = node.token(60, None).await;
    node.store.hold_reads();
    let all = join_all((0..50).map(|_| node.lets_in(&token)));
    let (all, ()) = tokio::join!(all, async {
        node.store.read_arrived().await;
        node.store.release_reads();
    });
    assert!(all.into_iter().all(|let_in| let_in));
    assert_eq!(node.store.reads(), 1);
}

#[tokio::test]
async fn garbage_of_any_shape_costs_no_query() {
    let node = Node::new().await;
    let token = node.token(60, None).await;
    let wrong = token.text.replace(&token.text[10..14], "0000");
    for text in [
        "",
        "root",
        "hvs.",
        "hvb.",
        "hvb.AAAA",
        "s.abcdefghijklmnopqrstuvwx",
        wrong.as_str(),
        &"x".repeat(10_000),
        "hvs.\u{e4}\u{0}\u{f6}",
    ] {
        let resolved = node.identity.registry.resolve(text, None).await;
        assert_eq!(resolved.map(drop), Err(Refusal::Denied), "{text:.40}");
    }
    assert_eq!(node.store.reads(), 0);
}

#[tokio::test]
async fn a_token_that_is_gone_is_asked_for_once_a_second_at_most() {
    let node = Node::new().await;
    let token = node.token(60, None).await;
    let stored = node.stored(&token).await.unwrap();
    node.identity.revoke(&stored, Reach::Tree).await.unwrap();
    let before = node.store.reads();
    for _ in 0..100 {
        assert!(!node.lets_in(&token).await);
    }
    assert_eq!(node.store.reads(), before + 1);
    node.clock.advance(Duration::from_secs(1));
    assert!(!node.lets_in(&token).await);
    assert_eq!(node.store.reads(), before + 2);
}

#[tokio::test]
async fn no_load_brings_back_a_token_that_was_revoked_while_it_ran() {
    let node = Node::new().await;
    let token = node.token(60, None).await;
    node.store.hold_reads();
    let (_, ()) = tokio::join!(node.lets_in(&token), async {
        // It has been read, and is revoked before the answer is there.
        node.store.read_arrived().await;
        let revoke = node.store.inner();
        let (kind, at) = (CredentialKind::Token, node.now());
        revoke
            .revoke_credential(kind, token.hash, Reach::Tree, at)
            .await
            .unwrap();
        node.caches.revoked(&[token.hash]);
        node.store.release_reads();
    });
    assert!(!node.lets_in(&token).await);
}

#[tokio::test]
async fn no_load_outlives_the_news_that_anything_may_have_changed() {
    let node = Node::new().await;
    let token = node.token(60, None).await;
    node.store.hold_reads();
    let (let_in, ()) = tokio::join!(node.lets_in(&token), async {
        node.store.read_arrived().await;
        let (kind, at) = (CredentialKind::Token, node.now());
        let inner = node.store.inner();
        inner
            .revoke_credential(kind, token.hash, Reach::Tree, at)
            .await
            .unwrap();
        node.caches.everything_may_have_changed();
        node.store.release_reads();
    });
    assert!(!let_in);
}

#[tokio::test]
async fn a_revocation_elsewhere_counts_as_soon_as_it_is_told() {
    let node = Node::new().await;
    let other = node.another().await;
    let token = node.token(60, None).await;
    assert!(other.lets_in(&token).await);
    let stored = node.stored(&token).await.unwrap();
    node.identity.revoke(&stored, Reach::Tree).await.unwrap();
    other.caches.revoked(&[token.hash]);
    assert!(!other.lets_in(&token).await);
}

#[tokio::test]
async fn a_token_lives_to_the_microsecond_of_its_expiry() {
    let node = Node::new().await;
    let token = node.token(60, None).await;
    assert!(node.lets_in(&token).await);
    node.clock.advance(Duration::from_micros(59_999_999));
    assert!(node.lets_in(&token).await);
    node.clock.advance(Duration::from_micros(1));
    assert!(!node.lets_in(&token).await);
    assert!(node.stored(&token).await.is_none());
}

#[tokio::test]
async fn a_token_renewed_elsewhere_lives_here_too() {
    let node = Node::new().await;
    let other = node.another().await;
    let token = node.token(60, None).await;
    assert!(other.lets_in(&token).await);
    node.clock.advance(Duration::from_secs(30));
    let found = node.identity.find(&token.text).await.unwrap().unwrap();
    let terms = crate::identity::token::renew::RenewalTerms::default();
    node.identity.renew(found, &terms).await.unwrap();
    node.clock.advance(Duration::from_secs(31));
    assert!(other.lets_in(&token).await);
}

#[tokio::test]
async fn while_the_store_is_away_known_tokens_go_on_and_others_wait() {
    let node = Node::new().await;
    let (known, unknown) = (node.token(60, None).await, node.token(60, None).await);
    assert!(node.lets_in(&known).await);
    node.store.set_away(true);
    let resolve = async |token: &Token| {
        let registry = &node.identity.registry;
        registry.resolve(&token.text, None).await.map(drop)
    };
    assert_eq!(resolve(&known).await, Ok(()));
    assert_eq!(resolve(&unknown).await, Err(Refusal::Unavailable));
    let garbage = node.identity.registry.resolve("hvs.garbage", None).await;
    assert_eq!(garbage.map(drop), Err(Refusal::Denied));
    // Lifetimes run on.
    node.clock.advance(Duration::from_mins(1));
    assert_eq!(resolve(&known).await, Err(Refusal::Unavailable));
}

#[tokio::test]
async fn when_the_store_has_been_away_too_long_nobody_is_let_in() {
    let node = Node::new().await;
    let token = node.token(60, None).await;
    assert!(node.lets_in(&token).await);
    node.store.set_away(true);
    node.engine.stale.store(true, Ordering::SeqCst);
    let resolved = node.identity.registry.resolve(&token.text, None).await;
    assert_eq!(resolved.map(drop), Err(Refusal::Unavailable));
}

#[tokio::test]
async fn a_token_bound_to_addresses_is_used_from_there_alone() {
    let node = Node::new().await;
    let token = node.issue(bound("10.0.0.0/8")).await;
    let from = async |address: Option<&str>| {
        let remote = address.map(|text| text.parse().unwrap());
        let registry = &node.identity.registry;
        registry.resolve(&token.text, remote).await.map(drop)
    };
    assert_eq!(from(Some("10.1.2.3")).await, Ok(()));
    assert_eq!(from(Some("::ffff:10.1.2.3")).await, Ok(()));
    assert_eq!(from(Some("11.1.2.3")).await, Err(Refusal::Denied));
    assert_eq!(from(None).await, Err(Refusal::Denied));
    assert_eq!(from(Some("10.1.2.3")).await, Ok(()));
}

#[tokio::test]
async fn batch_children_never_outlive_their_parents() {
    let node = Node::new().await;
    for way in ["revoked", "expired", "revoked elsewhere"] {
        let parent = node.token(60, None).await;
        let child = node.issue(batch(Some(parent.hash))).await;
        assert!(child.text.starts_with("hvb."));
        assert!(node.lets_in(&child).await, "{way}");
        let stored = node.stored(&parent).await.unwrap();
        match way {
            "revoked" => {
                node.identity.revoke(&stored, Reach::Tree).await.unwrap();
            }
            "expired" => node.clock.advance(Duration::from_mins(1)),
            _ => {
                let other = node.another().await;
                other.identity.revoke(&stored, Reach::Tree).await.unwrap();
                node.caches.revoked(&[parent.hash]);
            }
        }
        assert!(!node.lets_in(&child).await, "{way}");
        assert!(node.identity.find(&child.text).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_batch_token_without_a_parent_needs_no_store_and_expires() {
    let node = Node::new().await;
    let token = node.issue(batch(None)).await;
    node.store.set_away(true);
    assert!(node.lets_in(&token).await);
    node.clock.advance(Duration::from_secs(100));
    assert!(!node.lets_in(&token).await);
    assert_eq!(node.store.reads(), 0);
}

#[tokio::test]
async fn the_root_token_of_init_comes_through_the_same_door() {
    let node = Node::new().await;
    let root = "my-root".to_owned();
    *node.engine.root.lock().unwrap() = Some(root.clone());
    let hash = keys().hash(CredentialKind::Token, root.as_bytes());
    for _ in 0..2 {
        let entry = node.identity.registry.resolve(&root, None).await.unwrap();
        assert!(entry.is_initial && entry.powers.is_root());
        assert_eq!(&*entry.accessor, "root-accessor");
    }
    *node.engine.root.lock().unwrap() = None;
    node.caches.revoked(&[hash]);
    let gone = node.identity.registry.resolve(&root, None).await;
    assert_eq!(gone.map(drop), Err(Refusal::Denied));
    assert_eq!(node.store.reads(), 0);
}

#[tokio::test]
async fn a_row_that_was_changed_lets_nobody_in() {
    let node = Node::new().await;
    let token = node.token(60, None).await;
    let inner = node.store.inner();
    let kind = CredentialKind::Token;
    let row = inner.credential(kind, token.hash).await.unwrap().unwrap();
    let longer = keyring::store::identity::Renewal {
        read_expiry: row.expires_at,
        expires_at: row.expires_at.map(|at| at.plus(Duration::from_secs(1))),
        body: row.body,
    };
    inner
        .renew_credential(kind, token.hash, &longer)
        .await
        .unwrap();
    let resolved = node.identity.registry.resolve(&token.text, None).await;
    assert_eq!(resolved.map(drop), Err(Refusal::Tampered));
}

#[tokio::test]
async fn a_hundred_thousand_tokens_weigh_less_than_a_hundred_mebibytes() {
    let node = Node::new().await;
    let body = TokenBody {
        accessor: "a".repeat(24),
        display_name: "approle-some-application".to_owned(),
        expires_at: Some(i64::MAX),
        policies: PolicySet::new(["default", "app"]),
        ..TokenBody::default()
    };
    let inner = node.identity.registry.inner();
    for number in 0..100_000_u32 {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&number.to_be_bytes());
        let powers = inner.policies.powers(&body.policies);
        let hash = CredentialHash(hash);
        let entry = TokenEntry::new(&body, hash, None, powers, inner.moment()).unwrap();
        inner.live.insert(hash, Arc::new(entry));
    }
    let (tokens, bytes) = inner.size();
    assert_eq!(tokens, 100_000);
    assert!(bytes < 100 << 20, "{bytes}");
}
