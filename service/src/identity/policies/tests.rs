use std::sync::Arc;

use super::*;
use crate::identity::fixtures::Node;
use crate::identity::policy::{Asked, Capability, NoParameters};

fn name(text: &str) -> PolicyName {
    PolicyName::parse(text).unwrap()
}

async fn may_read(node: &Node, powers: &Powers, path: &str) -> bool {
    let acl = node.identity.policies.acl(powers).await.unwrap();
    let asked = Asked {
        path,
        parameters: &NoParameters,
        wrap_ttl: None,
    };
    acl.decide(Capability::Read, &asked).allowed
}

const READ_A: &str = r#"path "a" { capabilities = ["read"] }"#;

#[tokio::test]
async fn a_policy_counts_from_its_writing_to_its_deletion() {
    let node = Node::new().await;
    let policies = &node.identity.policies;
    let powers = policies.powers(&PolicySet::new(["app"]));
    assert!(!may_read(&node, &powers, "a").await);
    policies.put(&name("app"), READ_A).await.unwrap();
    assert!(may_read(&node, &powers, "a").await);
    assert!(!may_read(&node, &powers, "b").await);
    assert!(policies.delete(&name("app")).await.unwrap());
    assert!(!policies.delete(&name("app")).await.unwrap());
    assert!(!may_read(&node, &powers, "a").await);
}

#[tokio::test]
async fn a_change_elsewhere_counts_as_soon_as_it_is_told() {
    let node = Node::new().await;
    let other = node.another().await;
    let powers = other.identity.policies.powers(&PolicySet::new(["app"]));
    assert!(!may_read(&other, &powers, "a").await);
    node.identity
        .policies
        .put(&name("app"), READ_A)
        .await
        .unwrap();
    assert!(!may_read(&other, &powers, "a").await);
    other.caches.entries_changed();
    assert!(may_read(&other, &powers, "a").await);
}

#[tokio::test]
async fn tokens_of_the_same_policies_share_what_these_allow() {
    let node = Node::new().await;
    let policies = &node.identity.policies;
    let one = policies.powers(&PolicySet::new(["b", "a"]));
    let two = policies.powers(&PolicySet::new(["a", "B"]));
    assert!(Arc::ptr_eq(&one, &two));
    let first = policies.acl(&one).await.unwrap();
    assert!(Arc::ptr_eq(&first, &policies.acl(&two).await.unwrap()));
}

#[tokio::test]
async fn root_and_default_are_always_there() {
    let node = Node::new().await;
    let policies = &node.identity.policies;
    assert_eq!(policies.names().await.unwrap(), ["default"]);
    for (policy, expected) in [("root", true), ("Default", true), ("x", false), ("", false)] {
        assert_eq!(policies.exists(policy).await.unwrap(), expected, "{policy}");
    }
    let root = policies.powers(&PolicySet::root());
    assert!(may_read(&node, &root, "anything").await);
    policies.put(&name("default"), READ_A).await.unwrap();
    let default = policies.powers(&PolicySet::new(["default"]));
    assert!(may_read(&node, &default, "a").await);
    assert_eq!(policies.names().await.unwrap(), ["default"]);
    let failed = policies.put(&name("ROOT"), READ_A).await.unwrap_err();
    assert!(matches!(failed, PolicyChangeError::UpdateRoot));
    let failed = policies.delete(&name("default")).await.unwrap_err();
    assert!(matches!(failed, PolicyChangeError::DeleteDefault));
}

#[tokio::test]
async fn what_is_no_policy_is_not_written() {
    let node = Node::new().await;
    let policies = &node.identity.policies;
    let failed = policies.put(&name("app"), "path {").await.unwrap_err();
    assert!(matches!(failed, PolicyChangeError::Text(_)));
    assert!(!policies.exists("app").await.unwrap());
}
