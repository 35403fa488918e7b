use std::sync::Arc;
use std::time::Duration;

use keyring::secret::SecretBytes;
use keyring::test_support::engine::ManualClock;

use super::login::{AppRoleLogin, LoginError};
use super::secret_id::SecretIdTerms;
use super::secret_ids::{NewSecretId, SecretIdRef};
use super::*;
use crate::identity::cidr::Cidr;
use crate::identity::fixtures::{name, parts, secret};

const MOUNT: &str = "auth_approle_00000000";
const MAX: Duration = Duration::from_hours(768);

fn app_roles() -> (Arc<AppRoles>, Arc<ManualClock>) {
    let (parts, clock) = parts();
    (Arc::new(AppRoles::new(parts)), clock)
}

async fn put(roles: &AppRoles, role: &str, edit: impl Fn(&mut Role)) -> Result<(), AppRoleError> {
    let role = name(role);
    let put = roles.put(MOUNT, &role, |draft| {
        let (Draft::New(mut role) | Draft::Old(mut role)) = draft;
        edit(&mut role);
        Ok::<_, AppRoleError>(role)
    });
    put.await?
}

async fn role_id(roles: &AppRoles, role: &str) -> String {
    let role = roles.role(MOUNT, &name(role)).await.unwrap();
    role.unwrap().role_id
}

async fn add(roles: &AppRoles, role: &str, terms: SecretIdTerms) -> NewSecretId {
    let made = roles
        .add_secret_id(MOUNT, &name(role), MAX, (terms, None))
        .await;
    made.unwrap()
}

async fn log_in(
    roles: &AppRoles,
    role_id: &str,
    secret_id: &SecretBytes,
) -> Result<AppRoleLogin, LoginError> {
    let home = Some([127, 0, 0, 1].into());
    roles.log_in(MOUNT, role_id, secret_id, home).await
}

fn is_invalid(login: &Result<AppRoleLogin, LoginError>) -> bool {
    matches!(login, Err(LoginError::Invalid))
}

#[tokio::test]
async fn a_role_id_and_one_of_its_secret_ids_are_a_login() {
    let (roles, _) = app_roles();
    put(&roles, "Web", |_| {}).await.unwrap();
    let metadata = [("tier".to_owned(), "1".to_owned())];
    let terms = SecretIdTerms {
        metadata: metadata.clone().into(),
        ..SecretIdTerms::default()
    };
    let made = add(&roles, "web", terms).await;
    let id = role_id(&roles, "WEB").await;
    let login = log_in(&roles, &id, &made.text).await.unwrap();
    assert_eq!(login.role, "web");
    let said = [("role_name".to_owned(), "web".to_owned())];
    assert_eq!(login.metadata, said.into_iter().chain(metadata).collect());
    assert_eq!(roles.names(MOUNT).await.unwrap(), ["web"]);
}

#[tokio::test]
async fn a_secret_id_is_worth_nothing_with_any_other_role() {
    let (roles, _) = app_roles();
    let mut made = Vec::new();
    for role in ["a", "b", "c"] {
        put(&roles, role, |_| {}).await.unwrap();
        let secret_id = add(&roles, role, SecretIdTerms::default()).await;
        made.push((role, role_id(&roles, role).await, secret_id));
    }
    let pairs = made
        .iter()
        .flat_map(|one| made.iter().map(move |other| (one, other)));
    for ((of, id, _), (role, _, secret_id)) in pairs {
        let fits = of == role;
        let login = log_in(&roles, id, &secret_id.text).await;
        assert_eq!(login.is_ok(), fits, "{of} {role}");
        assert!(fits || is_invalid(&login));
        for which in [
            SecretIdRef::Text(&secret_id.text),
            SecretIdRef::Accessor(&secret_id.accessor),
        ] {
            let found = roles.secret_id(MOUNT, &name(of), which).await.unwrap();
            assert_eq!(found.is_some(), fits, "{of} {role}");
            if !fits {
                let destroyed = roles.destroy_secret_id(MOUNT, &name(of), which).await;
                assert!(!destroyed.unwrap(), "{of} {role}");
            }
        }
    }
    for (role, id, secret_id) in &made {
        assert!(log_in(&roles, id, &secret_id.text).await.is_ok(), "{role}");
    }
}

#[tokio::test]
async fn of_64_logins_at_once_with_one_use_one_succeeds() {
    let (roles, _) = app_roles();
    put(&roles, "web", |role| role.secret_id_num_uses = 1)
        .await
        .unwrap();
    let id: Arc<str> = role_id(&roles, "web").await.into();
    for _ in 0..20 {
        let made = Arc::new(add(&roles, "web", SecretIdTerms::default()).await);
        let tries: Vec<_> = (0..64)
            .map(|_| {
                let (roles, id, made) = (Arc::clone(&roles), Arc::clone(&id), Arc::clone(&made));
                tokio::spawn(async move { log_in(&roles, &id, &made.text).await })
            })
            .collect();
        let mut succeeded = 0;
        for one in tries {
            let login = one.await.unwrap();
            succeeded += u32::from(login.is_ok());
            assert!(login.is_ok() || is_invalid(&login));
        }
        assert_eq!(succeeded, 1);
    }
}

#[tokio::test]
async fn a_secret_id_is_good_until_its_time_is_over() {
    let (roles, clock) = app_roles();
    put(&roles, "web", |role| {
        role.secret_id_ttl = Duration::from_mins(1);
    })
    .await
    .unwrap();
    let id = role_id(&roles, "web").await;
    let made = add(&roles, "web", SecretIdTerms::default()).await;
    clock.advance(Duration::from_mins(1) - Duration::from_micros(1));
    assert!(log_in(&roles, &id, &made.text).await.is_ok());
    clock.advance(Duration::from_micros(1));
    assert!(is_invalid(&log_in(&roles, &id, &made.text).await));
    let which = SecretIdRef::Text(&made.text);
    assert_eq!(
        roles.secret_id(MOUNT, &name("web"), which).await.unwrap(),
        None
    );
    let listed = roles
        .secret_id_accessors(MOUNT, &name("web"))
        .await
        .unwrap();
    assert_eq!(listed, [""; 0]);
}

#[tokio::test]
async fn a_refused_address_takes_no_use() {
    let (roles, _) = app_roles();
    let away = vec![Cidr::parse("192.0.2.0/24").unwrap()];
    put(&roles, "web", |role| role.secret_id_num_uses = 1)
        .await
        .unwrap();
    let terms = SecretIdTerms {
        cidrs: away.clone(),
        ..SecretIdTerms::default()
    };
    let made = add(&roles, "web", terms).await;
    let id = role_id(&roles, "web").await;
    for _ in 0..3 {
        let refused = log_in(&roles, &id, &made.text).await;
        assert!(matches!(refused, Err(LoginError::Invalid)));
    }
    let there = Some([192, 0, 2, 7].into());
    assert!(roles.log_in(MOUNT, &id, &made.text, there).await.is_ok());

    put(&roles, "bound", |role| {
        role.secret_id_bound_cidrs.clone_from(&away);
    })
    .await
    .unwrap();
    let made = add(&roles, "bound", SecretIdTerms::default()).await;
    let refused = log_in(&roles, &role_id(&roles, "bound").await, &made.text).await;
    assert!(matches!(refused, Err(LoginError::Invalid)));
    let id = role_id(&roles, "bound").await;
    let socket = roles.log_in(MOUNT, &id, &made.text, None).await;
    assert!(matches!(socket, Err(LoginError::Invalid)));
}

#[tokio::test]
async fn an_unknown_role_and_a_wrong_secret_id_are_refused_in_the_same_words() {
    let (roles, _) = app_roles();
    put(&roles, "web", |_| {}).await.unwrap();
    let id = role_id(&roles, "web").await;
    let made = add(&roles, "web", SecretIdTerms::default()).await;
    for (id, secret_id) in [(id.as_str(), secret("x")), ("nobody", secret("x"))] {
        assert!(is_invalid(&log_in(&roles, id, &secret_id).await), "{id}");
        let none = log_in(&roles, id, &secret("")).await;
        assert!(matches!(none, Err(LoginError::MissingSecretId)), "{id}");
    }
    assert!(is_invalid(&log_in(&roles, "nobody", &made.text).await));
}

#[tokio::test]
async fn a_secret_id_that_somebody_chose_works_for_its_role_until_it_is_destroyed() {
    let (parts, clock) = parts();
    let roles = AppRoles::new(parts.clone());
    for role in ["a", "b"] {
        put(&roles, role, |_| {}).await.unwrap();
    }
    let choose = async |role: &str| {
        let terms = (SecretIdTerms::default(), Some(secret("sesame")));
        roles.add_secret_id(MOUNT, &name(role), MAX, terms).await
    };
    let id = role_id(&roles, "a").await;
    assert!(is_invalid(&log_in(&roles, &id, &secret("sesame")).await));
    choose("a").await.unwrap();
    assert!(log_in(&roles, &id, &secret("sesame")).await.is_ok());
    assert!(matches!(
        choose("a").await,
        Err(AppRoleError::SecretIdTaken)
    ));
    choose("b").await.unwrap();
    let sesame = secret("sesame");
    let which = SecretIdRef::Text(&sesame);
    assert!(
        roles
            .destroy_secret_id(MOUNT, &name("a"), which)
            .await
            .unwrap()
    );
    assert!(is_invalid(&log_in(&roles, &id, &sesame).await));
    assert!(matches!(
        choose("a").await,
        Err(AppRoleError::SecretIdTaken)
    ));
    // Until what has ended is purged.
    clock.advance(Duration::from_secs(1));
    parts
        .credentials
        .purge_credentials(parts.now())
        .await
        .unwrap();
    choose("a").await.unwrap();
    assert!(log_in(&roles, &id, &sesame).await.is_ok());
}

#[tokio::test]
async fn invented_ids_are_looked_up_only_so_often() {
    let (roles, _) = app_roles();
    put(&roles, "web", |_| {}).await.unwrap();
    put(&roles, "custom", |role| {
        "custom-id".clone_into(&mut role.role_id);
    })
    .await
    .unwrap();
    let made = add(&roles, "custom", SecretIdTerms::default()).await;
    assert!(log_in(&roles, "custom-id", &made.text).await.is_ok());
    for number in 0..1000 {
        let login = log_in(&roles, &format!("id-{number}"), &secret("x")).await;
        assert!(is_invalid(&login));
    }
    // Who is known is let in all the same, also after entries have changed.
    roles.entries_changed();
    assert!(log_in(&roles, "custom-id", &made.text).await.is_ok());
    // Where nobody chose a secret id, invented ones cost nothing.
    let id = role_id(&roles, "web").await;
    for number in 0..1000 {
        let login = log_in(&roles, &id, &secret(&format!("secret-{number}"))).await;
        assert!(is_invalid(&login));
    }
}

#[tokio::test]
async fn a_role_id_leads_to_one_role_and_follows_its_changes() {
    let (roles, _) = app_roles();
    put(&roles, "a", |role| "one".clone_into(&mut role.role_id))
        .await
        .unwrap();
    let made = add(&roles, "a", SecretIdTerms::default()).await;
    let taken = put(&roles, "b", |role| "one".clone_into(&mut role.role_id)).await;
    assert!(matches!(taken, Err(AppRoleError::RoleIdTaken)));
    put(&roles, "a", |role| "two".clone_into(&mut role.role_id))
        .await
        .unwrap();
    assert!(is_invalid(&log_in(&roles, "one", &made.text).await));
    assert!(log_in(&roles, "two", &made.text).await.is_ok());
    put(&roles, "b", |role| "one".clone_into(&mut role.role_id))
        .await
        .unwrap();
    assert!(is_invalid(&log_in(&roles, "one", &made.text).await));
    assert!(log_in(&roles, "two", &made.text).await.is_ok());
}

#[tokio::test]
async fn a_role_made_again_has_none_of_the_old_secret_ids() {
    let (roles, _) = app_roles();
    let put_web = || put(&roles, "web", |role| "id".clone_into(&mut role.role_id));
    put_web().await.unwrap();
    let made = add(&roles, "web", SecretIdTerms::default()).await;
    assert!(log_in(&roles, "id", &made.text).await.is_ok());
    assert!(roles.delete(MOUNT, &name("WEB")).await.unwrap());
    assert!(is_invalid(&log_in(&roles, "id", &made.text).await));
    assert!(!roles.delete(MOUNT, &name("web")).await.unwrap());
    put_web().await.unwrap();
    assert!(is_invalid(&log_in(&roles, "id", &made.text).await));
    let which = SecretIdRef::Accessor(&made.accessor);
    let gone = roles.secret_id(MOUNT, &name("web"), which).await;
    assert_eq!(gone.unwrap(), None);
}

#[tokio::test]
async fn retiring_a_mount_takes_all_secret_ids_of_its_roles() {
    let (roles, _) = app_roles();
    let mut made = Vec::new();
    for number in 0..3 {
        let role = format!("role-{number}");
        put(&roles, &role, |_| {}).await.unwrap();
        made.push((
            role_id(&roles, &role).await,
            add(&roles, &role, SecretIdTerms::default()).await,
        ));
    }
    roles.retire_mount(MOUNT).await.unwrap();
    for (id, made) in made {
        assert!(is_invalid(&log_in(&roles, &id, &made.text).await));
    }
}

#[tokio::test]
async fn another_node_follows_once_it_hears_that_entries_have_changed() {
    let (parts, _) = parts();
    let (here, there) = (AppRoles::new(parts.clone()), AppRoles::new(parts));
    put(&here, "web", |_| {}).await.unwrap();
    let made = add(&here, "web", SecretIdTerms::default()).await;
    let id = role_id(&here, "web").await;
    assert!(log_in(&there, &id, &made.text).await.is_ok());
    put(&here, "web", |role| role.token.num_uses = 7)
        .await
        .unwrap();
    there.entries_changed();
    let login = log_in(&there, &id, &made.text).await.unwrap();
    assert_eq!(login.params.num_uses, 7);
}
