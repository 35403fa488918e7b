use std::time::Duration;

use super::*;
use crate::identity::fixtures::parts;
use crate::identity::token_params::TokenType;

fn path(text: &str) -> MountPath {
    MountPath::parse(text).unwrap()
}

fn mounts() -> AuthMounts {
    AuthMounts::new(parts().0)
}

async fn enable(mounts: &AuthMounts, at: &str) -> Result<Arc<AuthMount>, AuthMountError> {
    let config = AuthMountConfig::default();
    mounts.enable(path(at), MethodKind::AppRole, config).await
}

fn found(mounts: &AuthMounts, segments: &[&str]) -> Option<(String, usize)> {
    let (mount, rest) = mounts.find(segments)?;
    Some((mount.path.as_str().to_owned(), rest.len()))
}

#[tokio::test]
async fn a_method_answers_below_its_path_and_nowhere_else() {
    let mounts = mounts();
    enable(&mounts, "team/apps").await.unwrap();
    enable(&mounts, "teams").await.unwrap();
    let at = |segments| found(&mounts, segments);
    assert_eq!(
        at(&["team", "apps", "login"]),
        Some(("team/apps".to_owned(), 1))
    );
    assert_eq!(at(&["team", "apps"]), Some(("team/apps".to_owned(), 0)));
    assert_eq!(at(&["teams", "role", "a"]), Some(("teams".to_owned(), 2)));
    assert_eq!(at(&["token", "create"]), Some(("token".to_owned(), 1)));
    let elsewhere: [&[&str]; 4] = [&["team"], &["team", "appsx"], &["x"], &[]];
    for nowhere in elsewhere {
        assert_eq!(at(nowhere), None, "{nowhere:?}");
    }
}

#[tokio::test]
async fn paths_above_and_below_a_method_are_taken() {
    let mounts = mounts();
    enable(&mounts, "team/apps").await.unwrap();
    for taken in ["team/apps", "team", "team/apps/eu", "token", "token/x"] {
        let refused = enable(&mounts, taken).await;
        assert!(matches!(refused, Err(AuthMountError::InUse(_))), "{taken}");
    }
    enable(&mounts, "team/app").await.unwrap();
    enable(&mounts, "tokens").await.unwrap();
}

#[tokio::test]
async fn the_built_in_method_is_there_and_stays_as_it_is() {
    let mounts = mounts();
    mounts.refresh().await.unwrap();
    assert_eq!(mounts.all().len(), 1);
    let config = AuthMountConfig::default();
    let second = mounts.enable(path("tokens"), MethodKind::Token, config);
    assert!(matches!(second.await, Err(AuthMountError::BuiltIn)));
    let disabled = mounts.begin_disabling(&path("token")).await;
    assert!(matches!(disabled, Err(AuthMountError::BuiltIn)));
    let tuned = mounts.tune(&path("token"), Ok::<_, ()>).await;
    assert!(matches!(tuned, Err(AuthMountError::BuiltIn)));
}

#[tokio::test]
async fn another_node_sees_a_method_once_it_looks() {
    let (parts, _) = parts();
    let (here, there) = (AuthMounts::new(parts.clone()), AuthMounts::new(parts));
    let mount = enable(&here, "approle").await.unwrap();
    assert_eq!(found(&there, &["approle"]), None);
    assert!(there.is_enabled(&mount.accessor).await.unwrap());
    assert_eq!(there.at(&path("approle")).as_deref(), Some(&*mount));
    assert!(!there.is_enabled("auth_approle_ffffffff").await.unwrap());
}

#[tokio::test]
async fn what_is_tuned_is_kept_and_what_is_refused_is_not() {
    let mounts = mounts();
    enable(&mounts, "approle").await.unwrap();
    let at = path("approle");
    let tuned = mounts.tune(&at, |config| {
        Ok::<_, ()>(AuthMountConfig {
            max_lease_ttl: Duration::from_hours(1),
            token_type: TokenType::Batch,
            ..config
        })
    });
    assert!(matches!(tuned.await, Ok(Ok(()))));
    let refused = mounts.tune(&at, |_| Err::<AuthMountConfig, _>("no"));
    assert!(matches!(refused.await, Ok(Err("no"))));
    mounts.refresh().await.unwrap();
    let mount = mounts.at(&path("approle")).unwrap();
    assert_eq!(mount.config.limits().max, Duration::from_hours(1));
    assert_eq!(mount.config.token_type, TokenType::Batch);
    let nowhere = mounts.tune(&path("nowhere"), Ok::<_, ()>).await;
    assert!(matches!(nowhere, Err(AuthMountError::NotFound)));
}

#[tokio::test]
async fn a_disabled_method_answers_no_more_and_its_path_is_free_when_all_is_gone() {
    let mounts = mounts();
    let first = enable(&mounts, "approle").await.unwrap();
    let begun = mounts.begin_disabling(&first.path).await.unwrap().unwrap();
    assert_eq!(begun.accessor, first.accessor);
    assert_eq!(found(&mounts, &["approle"]), None);
    assert!(!mounts.is_enabled(&first.accessor).await.unwrap());
    let early = enable(&mounts, "approle").await;
    assert!(matches!(early, Err(AuthMountError::InUse(_))));
    // As if this node had died in between, and an operator asked again.
    let again = mounts.begin_disabling(&first.path).await.unwrap().unwrap();
    mounts.remove(&again).await.unwrap();
    assert_eq!(mounts.begin_disabling(&first.path).await.unwrap(), None);
    let second = enable(&mounts, "approle").await.unwrap();
    assert_ne!(second.accessor, first.accessor);
}
