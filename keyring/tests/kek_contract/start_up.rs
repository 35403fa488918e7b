//! How a PKCS#11 KEK starts: what it finds or creates, and what it refuses by name.

use keyring::kek::Kek as _;
use keyring::kek::pkcs11::{Pkcs11Kek, Pkcs11Settings, Provenance, TokenSelector};
use keyring::test_support::softhsm::isolated;

use crate::fixtures::{
    KEY_ID, PIN, block_on, create, in_token, open, other_token, settings, with_key_id, with_token,
};
use crate::outcomes::{assert_refused, assert_rejected};
use crate::samples::{entropy, unwrapped_by, wrapped_by};
use crate::tokens::{generate, token, user_session};

#[test]
fn init_creates_the_kek_once_and_then_adopts_it() {
    isolated(|hsm| {
        with_token(hsm, async {
            let init = Pkcs11Kek::create_or_adopt(settings(hsm), entropy()).await;
            let (created, provenance) = init.unwrap();
            assert_eq!(provenance, Provenance::Created);
            let wrapped = wrapped_by(&created).await;
            created.close().await;
            let again = Pkcs11Kek::create_or_adopt(settings(hsm), entropy()).await;
            let (adopted, provenance) = again.unwrap();
            assert_eq!(provenance, Provenance::Adopted);
            unwrapped_by(&adopted, &wrapped).await.unwrap();
            adopted.close().await;
            let opened = open(settings(hsm)).await.unwrap();
            assert_eq!(opened.id().as_str(), "pkcs11:0a0b");
            unwrapped_by(&opened, &wrapped).await.unwrap();
        });
    });
}

#[test]
fn keks_of_one_module_work_side_by_side_and_outlive_each_other() {
    isolated(|hsm| {
        with_token(hsm, async {
            let elsewhere = other_token(hsm);
            let first = create(settings(hsm)).await;
            let second = create(elsewhere).await;
            let third = open(settings(hsm)).await.unwrap();
            let wrapped = wrapped_by(&first).await;
            first.close().await;
            unwrapped_by(&third, &wrapped).await.unwrap();
            assert_rejected(unwrapped_by(&second, &wrapped).await);
        });
    });
}

#[test]
fn a_token_is_found_by_its_serial_number_too() {
    isolated(|hsm| {
        with_token(hsm, async {
            create(settings(hsm)).await.close().await;
            let serial = token(hsm).serial_number().to_owned();
            let by_serial = in_token(TokenSelector::Serial(serial), settings(hsm));
            open(by_serial).await.unwrap();
        });
    });
}

#[test]
fn a_module_that_is_not_one_is_named() {
    isolated(|hsm| {
        block_on(async {
            for (path, sentence) in [
                ("libsofthsm2.so", "absolute path"),
                (
                    "/nowhere/libsofthsm2.so",
                    "/nowhere/libsofthsm2.so cannot be found",
                ),
                (
                    "/etc/passwd",
                    "/etc/passwd cannot be loaded as a PKCS#11 module",
                ),
            ] {
                let wrong = Pkcs11Settings {
                    module: path.into(),
                    ..settings(hsm)
                };
                assert_refused(open(wrong).await, sentence);
            }
        });
    });
}

#[test]
fn a_token_that_is_missing_or_ambiguous_is_named() {
    isolated(|hsm| {
        hsm.init_token("twice", PIN);
        hsm.init_token("twice", PIN);
        block_on(async {
            let none = open(settings(hsm)).await;
            assert_refused(none, "no token labelled \"kek\" is present");
            let twice = TokenSelector::Label("twice".to_owned());
            let ambiguous = open(in_token(twice, settings(hsm))).await;
            assert_refused(ambiguous, "more than one token");
        });
    });
}

#[test]
fn a_missing_kek_is_named_and_not_made_by_opening() {
    isolated(|hsm| {
        with_token(hsm, async {
            for _ in 0..2 {
                let missing = open(settings(hsm)).await;
                assert_refused(missing, "holds no secret key with CKA_ID 0a0b");
            }
        });
    });
}

#[test]
fn two_keys_with_one_id_are_refused() {
    isolated(|hsm| {
        with_token(hsm, async {
            create(settings(hsm)).await.close().await;
            generate(&user_session(hsm), &KEY_ID, &[]);
            assert_refused(open(settings(hsm)).await, "holds 2 keys");
        });
    });
}

#[test]
fn an_id_that_cannot_name_a_kek_is_refused() {
    isolated(|hsm| {
        block_on(async {
            for length in [0, 125] {
                let wrong = with_key_id(hsm, vec![1; length]);
                assert_refused(open(wrong).await, "cannot name a KEK");
            }
        });
    });
}
