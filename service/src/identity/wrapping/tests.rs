use std::sync::Arc;

use super::*;
use crate::identity::fixtures::{parts, secret};

const MINUTE: Duration = Duration::from_mins(1);

async fn wrapped(wrapping: &Wrapping, response: &str) -> Wrapped {
    let accessor = Some("acc".to_owned());
    let (path, response) = ("auth/x/login".to_owned(), secret(response));
    let wrapped = wrapping
        .wrap("ada", (path, accessor), MINUTE, &response)
        .await;
    wrapped.unwrap()
}

fn is_gone<T>(answer: &Result<T, WrapError>) -> bool {
    matches!(answer, Err(WrapError::NotThere))
}

#[tokio::test]
async fn a_response_is_given_out_once_and_as_it_was() {
    let wrapping = Wrapping::new(parts().0);
    let response = "{\"data\":\n{\"a\":1.50}}\n";
    let wrapped = wrapped(&wrapping, response).await;
    let token = wrapped.token.expose_secret();
    let info = wrapping.look_up(token).await.unwrap();
    assert_eq!(info, wrapped.info);
    assert_eq!(
        (info.creation_path.as_str(), info.ttl),
        ("auth/x/login", MINUTE)
    );
    let out = wrapping.unwrap(token).await.unwrap();
    assert_eq!(out.expose_secret(), response.as_bytes());
    assert!(is_gone(&wrapping.unwrap(token).await));
    assert!(is_gone(&wrapping.look_up(token).await));
    assert!(is_gone(&wrapping.rewrap(token).await));
}

#[tokio::test]
async fn of_many_who_unwrap_at_once_one_gets_it() {
    let wrapping = Arc::new(Wrapping::new(parts().0));
    let token = Arc::new(wrapped(&wrapping, "x").await.token);
    let tries: Vec<_> = (0..32)
        .map(|number| {
            let (wrapping, token) = (Arc::clone(&wrapping), Arc::clone(&token));
            tokio::spawn(async move {
                match number % 2 {
                    0 => wrapping.unwrap(token.expose_secret()).await.is_ok(),
                    _ => wrapping.rewrap(token.expose_secret()).await.is_ok(),
                }
            })
        })
        .collect();
    let mut got = 0;
    for one in tries {
        got += u32::from(one.await.unwrap());
    }
    assert_eq!(got, 1);
}

#[tokio::test]
async fn a_response_is_kept_as_long_as_asked_and_no_longer() {
    let (parts, clock) = parts();
    let wrapping = Wrapping::new(parts);
    let (early, late) = (wrapped(&wrapping, "x").await, wrapped(&wrapping, "x").await);
    clock.advance(Duration::from_micros(59_999_999));
    assert!(wrapping.unwrap(early.token.expose_secret()).await.is_ok());
    clock.advance(Duration::from_micros(1));
    assert!(is_gone(&wrapping.look_up(late.token.expose_secret()).await));
    assert!(is_gone(&wrapping.rewrap(late.token.expose_secret()).await));
    assert!(is_gone(&wrapping.unwrap(late.token.expose_secret()).await));
}

#[tokio::test]
async fn rewrapping_gives_a_new_token_for_as_long_again() {
    let (parts, clock) = parts();
    let wrapping = Wrapping::new(parts);
    let first = wrapped(&wrapping, "x").await;
    clock.advance(Duration::from_secs(40));
    let second = wrapping.rewrap(first.token.expose_secret()).await.unwrap();
    assert_eq!(second.info.creation_path, "auth/x/login");
    assert_eq!(second.info.wrapped_accessor.as_deref(), Some("acc"));
    assert!(is_gone(&wrapping.unwrap(first.token.expose_secret()).await));
    clock.advance(Duration::from_secs(40));
    let out = wrapping.unwrap(second.token.expose_secret()).await.unwrap();
    assert_eq!(out.expose_secret(), b"x");
}

#[tokio::test]
async fn garbage_and_other_tokens_are_no_wrapping_tokens() {
    let (parts, _) = parts();
    let wrapping = Wrapping::new(parts.clone());
    let other = TokenText::generate(&parts.keys, parts.entropy.as_ref()).unwrap();
    for token in ["", "x", "hvs.x", "hvb.x", other.expose_secret()] {
        assert!(is_gone(&wrapping.unwrap(token).await), "{token}");
        assert!(is_gone(&wrapping.look_up(token).await), "{token}");
    }
}

#[tokio::test]
async fn what_is_too_long_is_not_kept() {
    let wrapping = Wrapping::new(parts().0);
    let wrap = |len| {
        let response = secret(&"x".repeat(len));
        let wrapping = wrapping.clone();
        async move {
            wrapping
                .wrap("ada", (String::new(), None), MINUTE, &response)
                .await
        }
    };
    assert!(wrap(Wrapping::MAX_RESPONSE_LEN).await.is_ok());
    let refused = wrap(Wrapping::MAX_RESPONSE_LEN + 1).await;
    assert!(matches!(refused, Err(WrapError::TooLong)));
}

#[tokio::test]
async fn of_one_caller_only_so_many_are_kept_and_of_so_many_bytes() {
    let (mut parts, clock) = parts();
    (parts.limits.wraps, parts.limits.wrap_bytes) = (3, 10_000);
    let wrapping = Wrapping::new(parts);
    let wrap = async |owner: &str, length: usize| {
        let (path, response) = ("sys/wrapping/wrap".to_owned(), secret(&"x".repeat(length)));
        wrapping.wrap(owner, (path, None), MINUTE, &response).await
    };
    let is_full =
        |answer: &Result<Wrapped, WrapError>| matches!(answer, Err(WrapError::CallerFull));
    let first = wrap("ada", 10).await.unwrap();
    assert!(wrap("ada", 10).await.is_ok() && wrap("ada", 10).await.is_ok());
    assert!(is_full(&wrap("ada", 10).await));
    assert!(wrapping.check_room("ada").await.is_err());
    assert!(wrapping.check_room("bob").await.is_ok());
    assert!(
        wrap("bob", 10).await.is_ok(),
        "another caller has a share too"
    );
    let again = wrapping.rewrap(first.token.expose_secret()).await.unwrap();
    assert!(is_full(&wrap("ada", 10).await));
    wrapping.unwrap(again.token.expose_secret()).await.unwrap();
    assert!(
        is_full(&wrap("ada", 10_000).await),
        "too long beside the others"
    );
    assert!(wrap("ada", 10).await.is_ok());
    clock.advance(MINUTE);
    assert!(
        wrap("ada", 5000).await.is_ok(),
        "those that expired do not count"
    );
    let all = (0..20).map(|_| wrap("eve", 1));
    let kept = futures_util::future::join_all(all).await;
    assert!(kept.iter().filter(|one| one.is_ok()).count() <= 3);
}
