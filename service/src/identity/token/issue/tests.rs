use keyring::secret::SecretBytes;
use keyring::store::identity::Reach;

use super::*;
use crate::identity::fixtures::{Node, Token};
use crate::identity::token::lookup::Found;
use crate::identity::token::renew::{RenewError, RenewalTerms};
use crate::identity::token_params::TokenType;
use crate::identity::ttl::TtlLimits;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn new(params: TokenParams) -> NewToken {
    NewToken {
        params,
        ..NewToken::default()
    }
}

async fn refused(node: &Node, new: NewToken) -> IssueError {
    let issued = node.identity.issue(new, &AuthMountLimits::default()).await;
    issued.unwrap_err()
}

async fn renew(node: &Node, token: &Token, terms: &RenewalTerms) -> Result<Issued, RenewError> {
    let found = node.identity.find(&token.text).await.unwrap();
    node.identity
        .renew(found.ok_or(RenewError::NotFound)?, terms)
        .await
}

fn increment(seconds: u64) -> RenewalTerms {
    RenewalTerms {
        increment: secs(seconds),
        ..RenewalTerms::default()
    }
}

#[tokio::test]
async fn a_token_gets_default_and_what_it_is_given() {
    let node = Node::new().await;
    let params = TokenParams {
        policies: PolicySet::new(["app"]),
        ttl: secs(60),
        ..TokenParams::default()
    };
    let issued = node
        .identity
        .issue(new(params.clone()), &AuthMountLimits::default())
        .await
        .unwrap();
    assert_eq!(issued.policies, PolicySet::new(["app", "default"]));
    assert_eq!(
        (issued.ttl, issued.renewable, issued.orphan),
        (secs(60), true, true)
    );
    assert_eq!(issued.accessor.len(), 24);
    let without = TokenParams {
        no_default_policy: true,
        ..params
    };
    let issued = node
        .identity
        .issue(new(without), &AuthMountLimits::default())
        .await;
    assert_eq!(issued.unwrap().policies, PolicySet::new(["app"]));
}

#[tokio::test]
async fn nobody_logs_in_as_root_and_no_batch_token_is_root() {
    let node = Node::new().await;
    let root = || TokenParams {
        policies: PolicySet::root(),
        ..TokenParams::default()
    };
    let login = NewToken {
        scope: "auth_approle_1".to_owned(),
        ..new(root())
    };
    assert!(matches!(
        refused(&node, login).await,
        IssueError::RootByLogin
    ));
    let batch = TokenParams {
        token_type: TokenType::Batch,
        ..root()
    };
    assert!(matches!(
        refused(&node, new(batch)).await,
        IssueError::BatchRoot
    ));
}

#[tokio::test]
async fn only_a_root_token_of_which_nothing_is_said_lives_for_ever() {
    let node = Node::new().await;
    let root = node
        .issue(new(TokenParams {
            policies: PolicySet::root(),
            bound_cidrs: vec![Cidr::parse("10.0.0.0/8").unwrap()],
            ..TokenParams::default()
        }))
        .await;
    let body = node.stored(&root).await.unwrap().body;
    assert_eq!((body.expires_at, body.renewable), (None, false));
    assert!(body.bound_cidrs.is_empty());
    node.clock.advance(Duration::from_hours(100_000));
    assert!(node.lets_in(&root).await);
    let failed = renew(&node, &root, &increment(1)).await.unwrap_err();
    assert!(matches!(failed, RenewError::NotRenewable));
    let bounded = node
        .issue(new(TokenParams {
            policies: PolicySet::root(),
            explicit_max_ttl: secs(60),
            ..TokenParams::default()
        }))
        .await;
    let body = node.stored(&bounded).await.unwrap().body;
    assert_eq!(body.creation_ttl, secs(60));
}

#[tokio::test]
async fn a_chosen_text_is_a_token_on_every_node_and_costs_no_other_text_a_query() {
    let node = Node::new().await;
    let other = node.another().await;
    let chosen = |text: &str| NewToken {
        chosen: TokenText::parse(SecretBytes::new(text.as_bytes().to_vec())),
        ..NewToken::default()
    };
    let token = node.issue(chosen("my-token")).await;
    assert_eq!(token.text, "my-token");
    assert!(node.lets_in(&token).await);
    assert!(!other.lets_in(&token).await);
    other
        .identity
        .registry
        .inner()
        .refresh_chosen()
        .await
        .unwrap();
    assert!(other.lets_in(&token).await);
    assert_eq!(other.store.reads(), 1);
    let again = refused(&node, chosen("my-token")).await;
    assert!(matches!(again, IssueError::Taken));
    for bad in ["hvs.x", "a.b"] {
        assert!(matches!(
            refused(&node, chosen(bad)).await,
            IssueError::Choice(_)
        ));
    }
    *node.engine.root.lock().unwrap() = Some("my-root".to_owned());
    assert!(matches!(
        refused(&node, chosen("my-root")).await,
        IssueError::Taken
    ));
}

#[tokio::test]
async fn revoking_a_token_takes_its_whole_tree_and_only_that() {
    let node = Node::new().await;
    let root = node.token(60, None).await;
    let child = node.token(60, Some(root.hash)).await;
    let grandchild = node.token(60, Some(child.hash)).await;
    let sibling = node.token(60, Some(root.hash)).await;
    for token in [&root, &child, &grandchild, &sibling] {
        assert!(node.lets_in(token).await);
    }
    let stored = node.stored(&child).await.unwrap();
    assert!(!stored.is_orphan());
    assert!(node.identity.revoke(&stored, Reach::Tree).await.unwrap());
    assert!(!node.lets_in(&child).await);
    assert!(!node.lets_in(&grandchild).await);
    assert!(node.lets_in(&root).await && node.lets_in(&sibling).await);
    let gone = NewToken {
        parent: Some(child.hash),
        ..NewToken::default()
    };
    assert!(matches!(refused(&node, gone).await, IssueError::ParentGone));
}

#[tokio::test]
async fn children_of_a_token_revoked_alone_are_orphans_and_live() {
    let node = Node::new().await;
    let parent = node.token(60, None).await;
    let child = node.token(60, Some(parent.hash)).await;
    assert!(node.lets_in(&child).await);
    let stored = node.stored(&parent).await.unwrap();
    node.identity.revoke(&stored, Reach::Alone).await.unwrap();
    assert!(!node.lets_in(&parent).await);
    assert!(node.lets_in(&child).await);
    assert!(node.stored(&child).await.unwrap().is_orphan());
}

#[tokio::test]
async fn no_child_outlives_its_parent_even_if_it_was_given_longer() {
    let node = Node::new().await;
    let parent = node.token(60, None).await;
    let child = node.token(600, Some(parent.hash)).await;
    node.clock.advance(secs(59));
    assert!(node.lets_in(&child).await);
    node.clock.advance(secs(1));
    assert!(!node.lets_in(&child).await);
    assert!(node.stored(&child).await.is_none());
    let failed = renew(&node, &child, &increment(60)).await.unwrap_err();
    assert!(matches!(failed, RenewError::NotFound));
}

#[tokio::test]
async fn tokens_are_nested_only_so_deep() {
    let node = Node::new().await;
    let mut last = node.token(60, None).await;
    for _ in 0..TokenBody::MAX_DEPTH {
        last = node.token(60, Some(last.hash)).await;
    }
    assert!(node.lets_in(&last).await);
    let deeper = NewToken {
        parent: Some(last.hash),
        ..NewToken::default()
    };
    assert!(matches!(refused(&node, deeper).await, IssueError::TooDeep));
}

#[tokio::test]
async fn a_renewal_reaches_the_maximum_and_never_past_it() {
    let node = Node::new().await;
    let token = node.token(60, None).await;
    let terms = RenewalTerms {
        limits: TtlLimits::tuned(secs(60), secs(90)),
        ..increment(60)
    };
    node.clock.advance(secs(20));
    assert_eq!(renew(&node, &token, &terms).await.unwrap().ttl, secs(60));
    node.clock.advance(secs(59));
    let last = renew(&node, &token, &terms).await.unwrap();
    assert_eq!((last.ttl, last.warnings.len()), (secs(11), 1));
    assert!(
        node.stored(&token)
            .await
            .unwrap()
            .body
            .last_renewal
            .is_some()
    );
    node.clock.advance(Duration::from_micros(10_999_999));
    assert!(node.lets_in(&token).await);
    let shortest = renew(&node, &token, &terms).await.unwrap();
    assert_eq!(shortest.ttl, Duration::from_micros(1));
    node.clock.advance(Duration::from_micros(1));
    assert!(!node.lets_in(&token).await);
    assert!(matches!(
        renew(&node, &token, &terms).await.unwrap_err(),
        RenewError::NotFound
    ));
}

#[tokio::test]
async fn a_periodic_token_lives_as_long_as_it_is_renewed() {
    let node = Node::new().await;
    let token = node
        .issue(new(TokenParams {
            period: secs(60),
            ..TokenParams::default()
        }))
        .await;
    for _ in 0..100 {
        node.clock.advance(Duration::from_secs(59));
        let renewed = renew(&node, &token, &increment(5)).await.unwrap();
        assert_eq!(renewed.ttl, secs(60));
    }
    node.clock.advance(secs(60));
    assert!(!node.lets_in(&token).await);
}

#[tokio::test]
async fn of_two_renewals_at_once_none_is_lost() {
    let node = Node::new().await;
    let token = node.token(60, None).await;
    let found = async || node.identity.find(&token.text).await.unwrap().unwrap();
    let (one, two) = (found().await, found().await);
    node.clock.advance(secs(10));
    let terms = increment(60);
    node.identity.renew(one, &terms).await.unwrap();
    node.clock.advance(secs(1));
    let second = node.identity.renew(two, &terms).await.unwrap();
    assert_eq!(second.ttl, secs(60));
    let expires = node.stored(&token).await.unwrap().row.expires_at;
    assert_eq!(expires, Some(node.now().plus(secs(60))));
}

#[tokio::test]
async fn a_token_that_is_good_for_one_use_serves_one_of_many() {
    let node = Node::new().await;
    let other = node.another().await;
    let token = node
        .issue(new(TokenParams {
            num_uses: 1,
            ..TokenParams::default()
        }))
        .await;
    let mut served = 0;
    let resolve = async |node: &Node| node.identity.registry.resolve(&token.text, None).await;
    let known = [
        resolve(&node).await.unwrap(),
        resolve(&other).await.unwrap(),
    ];
    for _ in 0..10 {
        for (node, entry) in [&node, &other].into_iter().zip(&known) {
            served += u32::from(node.identity.spend(entry).await.is_ok());
        }
    }
    assert_eq!(served, 1);
    assert!(!node.lets_in(&token).await && !other.lets_in(&token).await);
}

#[tokio::test]
async fn a_token_bound_to_its_login_stays_there() {
    let node = Node::new().await;
    let params = || TokenParams {
        strictly_bind_ip: true,
        ..TokenParams::default()
    };
    let nowhere = refused(&node, new(params())).await;
    assert!(matches!(nowhere, IssueError::NoAddress));
    let home = "192.0.2.7".parse().unwrap();
    let token = node
        .issue(NewToken {
            remote: Some(home),
            ..new(params())
        })
        .await;
    let resolve = |remote| node.identity.registry.resolve(&token.text, remote);
    assert!(resolve(Some(home)).await.is_ok());
    assert!(resolve(Some("192.0.2.8".parse().unwrap())).await.is_err());
    assert!(resolve(None).await.is_err());
}

#[tokio::test]
async fn a_batch_token_has_no_accessor_and_is_neither_renewed_nor_too_long() {
    let node = Node::new().await;
    let batch = || TokenParams {
        token_type: TokenType::Batch,
        ..TokenParams::default()
    };
    let limits = AuthMountLimits::default();
    let issued = node.identity.issue(new(batch()), &limits).await.unwrap();
    assert_eq!((issued.accessor.as_str(), issued.renewable), ("", false));
    let found = node
        .identity
        .find(issued.text.unwrap().expose_secret())
        .await
        .unwrap()
        .unwrap();
    assert!(matches!(found, Found::Batch(_)));
    let failed = node.identity.renew(found, &RenewalTerms::default()).await;
    assert!(matches!(failed.unwrap_err(), RenewError::Batch));
    let counted = TokenParams {
        num_uses: 1,
        ..batch()
    };
    assert!(matches!(
        refused(&node, new(counted)).await,
        IssueError::BatchUses
    ));
    let names: Vec<String> = (0..256).map(|number| format!("{number:0>100}")).collect();
    let long = TokenParams {
        policies: PolicySet::new(names.iter().map(String::as_str)),
        ..batch()
    };
    assert!(matches!(
        refused(&node, new(long)).await,
        IssueError::TooLong
    ));
}

#[tokio::test]
async fn a_token_is_found_by_its_accessor_and_listed_by_it() {
    let node = Node::new().await;
    let token = node.token(60, None).await;
    let accessor = node.stored(&token).await.unwrap().body.accessor;
    let found = node.identity.find_by_accessor(&accessor).await.unwrap();
    assert!(matches!(found, Some(Found::Service(stored)) if stored.row.hash == token.hash));
    assert_eq!(node.identity.accessors(None, 10).await.unwrap(), [accessor]);
    assert!(node.identity.find_by_accessor("x").await.unwrap().is_none());
}
