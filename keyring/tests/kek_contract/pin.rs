//! A PIN that the token refused is never tried again.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use keyring::kek::KekSetupError;
use keyring::kek::pkcs11::{Pkcs11Kek, Pkcs11Settings};
use keyring::test_support::softhsm::{SoftHsm, isolated};

use crate::fixtures::{PIN, create, create_and_wrap, open, settings, with_pin, with_token};
use crate::outcomes::{assert_refused, assert_unavailable};
use crate::samples::unwrapped_by;
use crate::tokens::{any_session, token, token_files, user_session};

#[test]
fn a_refused_pin_is_tried_once_however_often_the_process_restarts() {
    isolated(|hsm| {
        with_token(hsm, async {
            create(settings(hsm)).await.close().await;
            assert!(!token(hsm).user_pin_count_low());
            assert_refused(open_with(hsm, WRONG).await, "it will not be tried again");
            assert!(token(hsm).user_pin_count_low(), "the token saw the PIN");
            // A login by somebody else clears the token's flag, so that it shows any further try.
            drop(user_session(hsm));
            assert!(!token(hsm).user_pin_count_low());
            for _ in 0..20 {
                assert_refused(open_with(hsm, WRONG).await, "refused this PIN before");
            }
            assert!(!token(hsm).user_pin_count_low(), "the PIN was tried again");
            open_with(hsm, PIN).await.unwrap();
        });
    });
}

#[test]
fn another_pin_is_tried_and_a_success_clears_the_memory() {
    isolated(|hsm| {
        with_token(hsm, async {
            create(settings(hsm)).await.close().await;
            assert_refused(open_with(hsm, WRONG).await, "it will not be tried again");
            assert_refused(open_with(hsm, "4321").await, "it will not be tried again");
            assert_refused(open_with(hsm, WRONG).await, "refused this PIN before");
            open_with(hsm, PIN).await.unwrap().close().await;
            // Somebody may have given the token this very PIN meanwhile.
            assert_refused(open_with(hsm, WRONG).await, "it will not be tried again");
        });
    });
}

#[test]
fn a_pin_changed_under_a_running_kek_is_tried_once() {
    isolated(|hsm| {
        with_token(hsm, async {
            let (kek, wrapped) = create_and_wrap(settings(hsm)).await;
            let session = any_session(hsm);
            let (old, new) = (AuthPin::new(PIN.into()), AuthPin::new("changed".into()));
            session.set_pin(&old, &new).unwrap();
            session.logout().unwrap();
            assert_unavailable(unwrapped_by(&kek, &wrapped).await);
            assert!(token(hsm).user_pin_count_low(), "the token saw the old PIN");
            session.login(UserType::User, Some(&new)).unwrap();
            session.logout().unwrap();
            for _ in 0..10 {
                assert_unavailable(unwrapped_by(&kek, &wrapped).await);
            }
            assert!(
                !token(hsm).user_pin_count_low(),
                "the old PIN was tried again"
            );
            kek.close().await;
            assert_refused(open(settings(hsm)).await, "before");
            let restarted = open_with(hsm, "changed").await.unwrap();
            unwrapped_by(&restarted, &wrapped).await.unwrap();
        });
    });
}

#[test]
fn the_memory_of_refused_pins_is_private_and_holds_no_pin() {
    isolated(|hsm| {
        with_token(hsm, async {
            assert_refused(open_with(hsm, WRONG).await, "refused the PIN");
            let path = memory_file(hsm);
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
                0o600
            );
            assert!(!fs::read_to_string(&path).unwrap().contains(WRONG));
        });
    });
}

#[test]
fn without_a_memory_no_pin_is_tried() {
    isolated(|hsm| {
        with_token(hsm, async {
            let nowhere = Pkcs11Settings {
                state_dir: PathBuf::from("/proc/nowhere"),
                ..with_pin(hsm, WRONG)
            };
            assert_refused(open(nowhere).await, "/proc/nowhere");
            assert!(!token(hsm).user_pin_count_low());
            assert_refused(open_with(hsm, WRONG).await, "refused the PIN");
            fs::write(memory_file(hsm), "torn").unwrap();
            assert_refused(open_with(hsm, PIN).await, "damaged");
        });
    });
}

#[test]
fn a_pin_is_not_tried_where_a_wrong_one_would_lock_the_token() {
    isolated(|hsm| {
        with_token(hsm, async {
            set_token_flag(hsm, CKF_USER_PIN_FINAL_TRY);
            assert!(token(hsm).user_pin_final_try());
            assert_refused(open_with(hsm, PIN).await, "one more wrong PIN would lock");
        });
    });
}

#[test]
fn a_locked_pin_is_named() {
    isolated(|hsm| {
        with_token(hsm, async {
            set_token_flag(hsm, CKF_USER_PIN_LOCKED);
            assert!(token(hsm).user_pin_locked());
            assert_refused(open_with(hsm, PIN).await, "is locked");
        });
    });
}

#[test]
fn the_pin_appears_in_no_sentence() {
    isolated(|hsm| {
        with_token(hsm, async {
            for _ in 0..2 {
                let error = open_with(hsm, WRONG).await.unwrap_err();
                assert!(!error.to_string().contains(WRONG));
                assert!(!format!("{error:?} {:?}", with_pin(hsm, WRONG)).contains(WRONG));
            }
        });
    });
}

async fn open_with(hsm: &SoftHsm, pin: &str) -> Result<Pkcs11Kek, KekSetupError> {
    open(with_pin(hsm, pin)).await
}

fn memory_file(hsm: &SoftHsm) -> PathBuf {
    let files = fs::read_dir(hsm.path().join("state")).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    // Beside it lies the file that the processes lock.
    files.find(|file| file.extension().is_none()).unwrap()
}

/// SoftHSM never sets these flags itself, so they are written into its file, where all flags of a
/// fresh token are one big-endian word.
fn set_token_flag(hsm: &SoftHsm, flag: u64) {
    let path = token_files(hsm)
        .find(|path| path.ends_with("token.object"))
        .unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let fresh = FRESH_TOKEN.to_be_bytes();
    let place = bytes.windows(8).position(|window| window == fresh).unwrap();
    bytes[place..place + 8].copy_from_slice(&(FRESH_TOKEN | flag).to_be_bytes());
    fs::write(path, bytes).unwrap();
}

const WRONG: &str = "99887766";
/// RNG, login required, user PIN initialised, restore key not needed, token initialised.
const FRESH_TOKEN: u64 = 0x42d;
const CKF_USER_PIN_FINAL_TRY: u64 = 0x2_0000;
const CKF_USER_PIN_LOCKED: u64 = 0x4_0000;
