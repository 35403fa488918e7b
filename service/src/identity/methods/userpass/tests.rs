use std::sync::Arc;
use std::time::Duration;

use keyring::test_support::engine::ManualClock;

use super::*;
use crate::identity::cidr::Cidr;
use crate::identity::fixtures::{name, parts, secret};

const MOUNT: &str = "auth_userpass_00000000";

fn users() -> (Arc<Users>, Arc<ManualClock>) {
    let (parts, clock) = parts();
    let users = Users::new(parts, PasswordHasher::new(2));
    (Arc::new(users), clock)
}

async fn add(users: &Users, user: &str, password: &str, token: &TokenParams) {
    let password = users.record(secret(password), None).await.unwrap();
    let user = name(user);
    let put = users.put(MOUNT, &user, |_| {
        Ok::<_, ()>(User {
            password: password.clone(),
            token: token.clone(),
        })
    });
    put.await.unwrap().unwrap();
}

async fn log_in(users: &Users, user: &str, password: &str) -> Result<UserLogin, UserLoginError> {
    let attempt = Attempt {
        mount: MOUNT,
        name: &name(user),
        remote: Some([127, 0, 0, 1].into()),
    };
    users
        .log_in(attempt, LockoutRule::default(), secret(password))
        .await
}

#[tokio::test]
async fn a_user_logs_in_under_any_spelling_of_the_name() {
    let (users, _) = users();
    add(&users, "Ada", "sesame", &TokenParams::default()).await;
    for spelled in ["ada", "ADA", "aDa"] {
        assert_eq!(log_in(&users, spelled, "sesame").await.unwrap().name, "ada");
    }
    assert_eq!(users.names(MOUNT).await.unwrap(), ["ada"]);
    let ada = name("ada");
    let other_mount = Attempt {
        mount: "auth_userpass_11111111",
        name: &ada,
        remote: None,
    };
    let there = users.log_in(other_mount, LockoutRule::default(), secret("sesame"));
    assert!(matches!(there.await, Err(UserLoginError::Invalid)));
}

#[tokio::test]
async fn nobody_and_a_wrong_password_are_refused_in_the_same_words() {
    let (users, _) = users();
    add(&users, "ada", "sesame", &TokenParams::default()).await;
    let wrong = log_in(&users, "ada", "Sesame").await.unwrap_err();
    let nobody = log_in(&users, "bob", "sesame").await.unwrap_err();
    assert!(matches!(wrong, UserLoginError::Invalid));
    assert!(matches!(nobody, UserLoginError::Invalid));
}

#[tokio::test]
async fn five_guesses_lock_a_name_out_in_every_spelling_and_nobody_alike() {
    let (users, clock) = users();
    add(&users, "ada", "sesame", &TokenParams::default()).await;
    for spelled in ["ada", "Ada", "ADA", "adA", "aDA"] {
        assert!(log_in(&users, spelled, "guess").await.is_err());
        assert!(
            log_in(&users, &spelled.replace('a', "b"), "guess")
                .await
                .is_err()
        );
    }
    for _ in 0..5 {
        assert!(log_in(&users, "nobody", "guess").await.is_err());
    }
    for locked in ["ada", "Ada", "nobody", "NOBODY"] {
        let refused = log_in(&users, locked, "sesame").await;
        assert!(matches!(refused, Err(UserLoginError::Denied)), "{locked}");
    }
    clock.advance(Duration::from_mins(15));
    assert!(log_in(&users, "ada", "sesame").await.is_ok());
}

#[tokio::test]
async fn of_many_guesses_at_once_few_more_than_five_are_checked() {
    let (users, _) = users();
    add(&users, "ada", "sesame", &TokenParams::default()).await;
    let guesses: Vec<_> = (0..20)
        .map(|_| {
            let users = Arc::clone(&users);
            tokio::spawn(async move { log_in(&users, "ada", "guess").await })
        })
        .collect();
    let mut checked = 0;
    for guess in guesses {
        let refused = guess.await.unwrap().unwrap_err();
        checked += u32::from(matches!(refused, UserLoginError::Invalid));
    }
    assert!((5..=6).contains(&checked), "{checked} were checked");
}

#[tokio::test]
async fn a_user_bound_to_addresses_logs_in_from_there_only() {
    let (users, _) = users();
    for (user, block, fine) in [
        ("home", "127.0.0.0/8", true),
        ("away", "192.0.2.0/24", false),
    ] {
        let token = TokenParams {
            bound_cidrs: vec![Cidr::parse(block).unwrap()],
            ..TokenParams::default()
        };
        add(&users, user, "sesame", &token).await;
        assert_eq!(log_in(&users, user, "sesame").await.is_ok(), fine, "{user}");
    }
}

#[tokio::test]
async fn a_right_password_from_a_forbidden_address_counts_as_a_wrong_one() {
    let (users, _) = users();
    let token = TokenParams {
        bound_cidrs: vec![Cidr::parse("192.0.2.0/24").unwrap()],
        ..TokenParams::default()
    };
    add(&users, "ada", "sesame", &token).await;
    for (attempt, password) in ["guess", "sesame", "guess", "sesame", "sesame"]
        .iter()
        .enumerate()
    {
        let refused = log_in(&users, "ada", password).await;
        assert!(matches!(refused, Err(UserLoginError::Invalid)), "{attempt}");
    }
    for password in ["guess", "sesame"] {
        let refused = log_in(&users, "ada", password).await;
        assert!(matches!(refused, Err(UserLoginError::Denied)), "locked out");
    }
}

#[tokio::test]
async fn a_new_password_ends_the_old_one_and_a_deleted_user_is_nobody() {
    let (users, _) = users();
    add(&users, "ada", "old", &TokenParams::default()).await;
    add(&users, "ADA", "new", &TokenParams::default()).await;
    assert!(log_in(&users, "ada", "old").await.is_err());
    assert!(log_in(&users, "ada", "new").await.is_ok());
    assert!(users.delete(MOUNT, &name("Ada")).await.unwrap());
    assert!(log_in(&users, "ada", "new").await.is_err());
    assert!(!users.delete(MOUNT, &name("ada")).await.unwrap());
}
