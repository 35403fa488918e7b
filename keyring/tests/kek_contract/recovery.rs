//! What goes away under a running KEK makes it unavailable, and whole again on its return.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use keyring::test_support::softhsm::{SoftHsm, isolated};

use crate::fixtures::{KEY_ID, create, create_and_wrap, other_token, settings, with_token};
use crate::outcomes::{assert_recovers, assert_unavailable, unavailable};
use crate::samples::{unwrapped_by, wrapped_by};
use crate::tokens::{any_session, generate, kek_file, token_folder};

#[test]
fn a_token_that_went_away_under_load_works_again_when_it_returns() {
    isolated(|hsm| {
        with_token(hsm, async {
            let (kek, wrapped) = create_and_wrap(settings(hsm)).await;
            let tokens = Removed::from(hsm, hsm.token_directory());
            for _ in 0..20 {
                assert_unavailable(unwrapped_by(&kek, &wrapped).await);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            tokens.put_back();
            assert_recovers(&kek, &wrapped).await;
        });
    });
}

#[test]
fn a_token_that_was_away_while_nobody_asked_is_not_missed() {
    isolated(|hsm| {
        with_token(hsm, async {
            let (kek, wrapped) = create_and_wrap(settings(hsm)).await;
            Removed::from(hsm, hsm.token_directory()).put_back();
            unwrapped_by(&kek, &wrapped).await.unwrap();
        });
    });
}

#[test]
fn a_kek_that_disappears_is_unavailable_and_works_again_when_it_returns() {
    isolated(|hsm| {
        with_token(hsm, async {
            let (kek, wrapped) = create_and_wrap(settings(hsm)).await;
            let object = Removed::from(hsm, kek_file(hsm));
            for _ in 0..5 {
                assert_unavailable(unwrapped_by(&kek, &wrapped).await);
            }
            object.put_back();
            assert_recovers(&kek, &wrapped).await;
        });
    });
}

#[test]
fn a_lost_token_does_not_disturb_a_kek_in_another_token() {
    isolated(|hsm| {
        with_token(hsm, async {
            let folder = token_folder(hsm);
            let elsewhere = other_token(hsm);
            let (kek, wrapped) = create_and_wrap(settings(hsm)).await;
            let other = create(elsewhere).await;
            let lost = Removed::from(hsm, folder);
            for _ in 0..100 {
                assert_unavailable(unwrapped_by(&kek, &wrapped).await);
                wrapped_by(&other).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            lost.put_back();
            assert_recovers(&kek, &wrapped).await;
            wrapped_by(&other).await;
        });
    });
}

#[test]
fn a_login_that_was_lost_is_renewed() {
    isolated(|hsm| {
        with_token(hsm, async {
            let (kek, wrapped) = create_and_wrap(settings(hsm)).await;
            for _ in 0..3 {
                // A logout ends the login of all sessions of this process.
                any_session(hsm).logout().unwrap();
                unwrapped_by(&kek, &wrapped).await.unwrap();
            }
        });
    });
}

#[test]
fn another_key_under_the_same_id_rejects_no_row() {
    isolated(|hsm| {
        with_token(hsm, async {
            let (kek, wrapped) = create_and_wrap(settings(hsm)).await;
            Removed::from(hsm, kek_file(hsm));
            generate(&any_session(hsm), &KEY_ID, &[]);
            let why = unavailable(unwrapped_by(&kek, &wrapped).await);
            assert!(why.contains("another key"), "{why}");
        });
    });
}

/// A file or directory of SoftHSM, moved to where SoftHSM does not look.
struct Removed {
    place: PathBuf,
    away: PathBuf,
}

impl Removed {
    fn from(hsm: &SoftHsm, place: PathBuf) -> Self {
        let away = hsm.path().join("away");
        fs::rename(&place, &away).unwrap();
        Self { place, away }
    }

    fn put_back(self) {
        fs::rename(self.away, self.place).unwrap();
    }
}
