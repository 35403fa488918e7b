//! What every KEK promises, asked of each; then what only one kind can promise.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on shall fail where it stands"
)]

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, KeyType, ObjectClass};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;
use futures_util::future::join_all;
use keyring::binding::{Binding, Origin};
use keyring::entropy::SystemEntropy;
use keyring::ids::{KekId, RingId, StoreId};
use keyring::kek::pkcs11::{Pkcs11Kek, Pkcs11Settings, Provenance, TokenSelector};
use keyring::kek::software::SoftwareKek;
use keyring::kek::{Kek, KekError, KekSetupError, WrappedDek};
use keyring::secret::{Dek, SecretBytes};
use keyring::test_support::softhsm::{SoftHsm, isolated};
use keyring::version::Version;
use rustix::fs::{FileType, Mode};

/// Each law becomes a test for each kind of KEK.
macro_rules! contract {
    ($($law:ident),+ $(,)?) => {
        mod software {
            use super::*;
            $(
                #[test]
                fn $law() {
                    block_on(with_software(async |kek, other| laws::$law(kek, other).await));
                }
            )+
        }

        mod pkcs11 {
            use super::*;
            $(
                #[test]
                fn $law() {
                    isolated(|hsm| {
                        block_on(with_pkcs11(hsm, async |kek, other| laws::$law(kek, other).await));
                    });
                }
            )+
        }
    };
}

contract! {
    what_was_wrapped_unwraps_to_the_same_bytes,
    wrapping_twice_gives_different_bytes,
    another_binding_is_rejected,
    every_flipped_bit_is_rejected,
    another_kek_is_rejected,
    parallel_calls_do_not_disturb_each_other,
    a_tampered_row_does_not_disturb_the_others,
    the_id_is_printable_and_its_own,
}

mod laws {
    use super::*;

    pub(crate) async fn what_was_wrapped_unwraps_to_the_same_bytes(kek: &dyn Kek, _: &dyn Kek) {
        let binding = binding(kek);
        for _ in 0..8 {
            let dek = dek();
            let wrapped = kek.wrap_dek(&dek, &binding).await.unwrap();
            assert_eq!(wrapped.as_bytes().len(), WrappedDek::LEN);
            let opened = kek.unwrap_dek(&wrapped, &binding).await.unwrap();
            assert_eq!(opened.expose_secret(), dek.expose_secret());
        }
    }

    pub(crate) async fn wrapping_twice_gives_different_bytes(kek: &dyn Kek, _: &dyn Kek) {
        let (dek, binding) = (dek(), binding(kek));
        let first = kek.wrap_dek(&dek, &binding).await.unwrap();
        let second = kek.wrap_dek(&dek, &binding).await.unwrap();
        assert_ne!(
            first.as_bytes()[..12],
            second.as_bytes()[..12],
            "the nonce repeats"
        );
        assert_ne!(first.as_bytes()[12..], second.as_bytes()[12..]);
    }

    pub(crate) async fn another_binding_is_rejected(kek: &dyn Kek, other: &dyn Kek) {
        let right = binding(kek);
        let wrapped = kek.wrap_dek(&dek(), &right).await.unwrap();
        let wrong = [
            Binding {
                store: StoreId::from_bytes([9; 16]),
                ..right.clone()
            },
            Binding {
                ring: RingId::from_bytes([9; 16]),
                ..right.clone()
            },
            Binding {
                version: Version::new(2).unwrap(),
                ..right.clone()
            },
            Binding {
                key_type: 8,
                ..right.clone()
            },
            Binding {
                origin: Origin::Imported,
                ..right.clone()
            },
            Binding {
                kek: other.id().clone(),
                ..right.clone()
            },
        ];
        for binding in wrong {
            assert_rejected(kek.unwrap_dek(&wrapped, &binding).await);
        }
        kek.unwrap_dek(&wrapped, &right).await.unwrap();
    }

    pub(crate) async fn every_flipped_bit_is_rejected(kek: &dyn Kek, _: &dyn Kek) {
        let binding = binding(kek);
        let wrapped = kek.wrap_dek(&dek(), &binding).await.unwrap();
        for bit in 0..WrappedDek::LEN * 8 {
            assert_rejected(kek.unwrap_dek(&flipped(&wrapped, bit), &binding).await);
        }
        kek.unwrap_dek(&wrapped, &binding).await.unwrap();
    }

    pub(crate) async fn another_kek_is_rejected(kek: &dyn Kek, other: &dyn Kek) {
        let binding = binding(kek);
        let wrapped = kek.wrap_dek(&dek(), &binding).await.unwrap();
        assert_rejected(other.unwrap_dek(&wrapped, &binding).await);
        kek.unwrap_dek(&wrapped, &binding).await.unwrap();
    }

    pub(crate) async fn parallel_calls_do_not_disturb_each_other(kek: &dyn Kek, _: &dyn Kek) {
        let calls = (1..=64).map(async |number| {
            let binding = Binding {
                version: Version::new(number).unwrap(),
                ..binding(kek)
            };
            let dek = dek();
            let wrapped = kek.wrap_dek(&dek, &binding).await.unwrap();
            let opened = kek.unwrap_dek(&wrapped, &binding).await.unwrap();
            assert_eq!(opened.expose_secret(), dek.expose_secret());
        });
        join_all(calls).await;
    }

    pub(crate) async fn a_tampered_row_does_not_disturb_the_others(kek: &dyn Kek, _: &dyn Kek) {
        let (binding, dek) = (binding(kek), dek());
        let wrapped = kek.wrap_dek(&dek, &binding).await.unwrap();
        let calls = (0..64).map(async |number| {
            if number % 4 == 0 {
                assert_rejected(kek.unwrap_dek(&flipped(&wrapped, number), &binding).await);
            } else {
                let opened = kek.unwrap_dek(&wrapped, &binding).await.unwrap();
                assert_eq!(opened.expose_secret(), dek.expose_secret());
            }
        });
        join_all(calls).await;
    }

    pub(crate) async fn the_id_is_printable_and_its_own(kek: &dyn Kek, other: &dyn Kek) {
        assert_eq!(KekId::parse(kek.id().as_str()).as_ref(), Some(kek.id()));
        assert_ne!(kek.id(), other.id());
        assert!(format!("{kek:?}").contains(kek.id().as_str()));
    }
}

#[test]
fn a_wrapped_key_of_another_length_is_not_one() {
    for length in [0, 12, 28, WrappedDek::LEN - 1, WrappedDek::LEN + 1] {
        assert!(WrappedDek::from_bytes(vec![0; length]).is_none());
    }
}

mod software_file {
    use super::*;

    #[test]
    fn a_created_key_opens_again_under_the_same_id() {
        block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("kek");
            let created = SoftwareKek::create(&path, entropy()).unwrap();
            let wrapped = created.wrap_dek(&dek(), &binding(&created)).await.unwrap();
            let opened = SoftwareKek::open(&path, entropy()).unwrap();
            assert_eq!(opened.id(), created.id());
            opened
                .unwrap_dek(&wrapped, &binding(&created))
                .await
                .unwrap();
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
                0o600
            );
        });
    }

    #[test]
    fn the_id_is_short_and_not_part_of_the_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kek");
        let kek = SoftwareKek::create(&path, entropy()).unwrap();
        let digits = kek.id().as_str().strip_prefix("software:").unwrap();
        assert_eq!(digits.len(), 16);
        assert!(!fs::read_to_string(&path).unwrap().contains(digits));
    }

    #[test]
    fn an_existing_file_is_never_overwritten() {
        let (_directory, path) = created();
        let before = fs::read(&path).unwrap();
        assert_refused(SoftwareKek::create(&path, entropy()), "already exists");
        assert_eq!(fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_file_that_others_can_reach_is_refused() {
        let (_directory, path) = created();
        for mode in [0o640, 0o604, 0o620, 0o602, 0o610, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_refused(
                SoftwareKek::open(&path, entropy()),
                &format!("mode {mode:04o}"),
            );
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        SoftwareKek::open(&path, entropy()).unwrap();
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        let (_directory, path) = created();
        if std::os::unix::fs::chown(&path, Some(65_534), None).is_err() {
            let _ = writeln!(io::stderr(), "SKIPPED: only root can give a file away");
            return;
        }
        assert_refused(SoftwareKek::open(&path, entropy()), "belongs to user 65534");
    }

    #[test]
    fn a_symbolic_link_is_not_followed() {
        let (directory, path) = created();
        let link = directory.path().join("link");
        symlink(&path, &link).unwrap();
        assert_refused(SoftwareKek::open(&link, entropy()), "symbolic link");
        let dangling = directory.path().join("dangling");
        symlink(directory.path().join("nowhere"), &dangling).unwrap();
        assert_refused(SoftwareKek::create(&dangling, entropy()), "already exists");
    }

    #[test]
    fn a_file_that_holds_anything_else_is_refused() {
        let (_directory, path) = created();
        let good = fs::read_to_string(&path).unwrap();
        let cut = good[..good.len() - 2].to_owned();
        let wrong = [
            String::new(),
            good.trim_end().to_owned(),
            good.replace("kek-1", "kek-2"),
            good.replace('\n', "\r\n"),
            format!("{cut}\n"),
            format!("{cut}g\n"),
            format!("{cut}+\n"),
            format!("{good}\n"),
        ];
        let key = good[30..60].to_owned();
        for text in wrong {
            fs::write(&path, &text).unwrap();
            let error = SoftwareKek::open(&path, entropy()).unwrap_err().to_string();
            assert!(
                error.contains("does not hold a KEK") || error.contains("is longer"),
                "{error}"
            );
            assert!(!error.contains(&key), "the sentence holds part of the key");
        }
    }

    #[test]
    fn a_missing_file_and_a_directory_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let missing = SoftwareKek::open(&directory.path().join("none"), entropy());
        assert_refused(missing, "does not exist");
        assert_refused(
            SoftwareKek::open(directory.path(), entropy()),
            "not a regular file",
        );
    }

    fn created() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kek");
        SoftwareKek::create(&path, entropy()).unwrap();
        (directory, path)
    }
}

mod pkcs11_start {
    use super::*;

    #[test]
    fn init_creates_the_kek_once_and_then_adopts_it() {
        isolated(|hsm| {
            hsm.init_token("kek", PIN);
            block_on(async {
                let init = Pkcs11Kek::create_or_adopt(settings(hsm), entropy()).await;
                let (created, provenance) = init.unwrap();
                assert_eq!(provenance, Provenance::Created);
                let wrapped = created.wrap_dek(&dek(), &binding(&created)).await.unwrap();
                created.close().await;
                let again = Pkcs11Kek::create_or_adopt(settings(hsm), entropy()).await;
                let (adopted, provenance) = again.unwrap();
                assert_eq!(provenance, Provenance::Adopted);
                adopted
                    .unwrap_dek(&wrapped, &binding(&adopted))
                    .await
                    .unwrap();
                adopted.close().await;
                let opened = Pkcs11Kek::open(settings(hsm), entropy()).await.unwrap();
                assert_eq!(opened.id().as_str(), "pkcs11:0a0b");
                opened
                    .unwrap_dek(&wrapped, &binding(&opened))
                    .await
                    .unwrap();
            });
        });
    }

    #[test]
    fn a_created_kek_can_be_neither_changed_copied_nor_destroyed() {
        isolated(|hsm| {
            hsm.init_token("kek", PIN);
            block_on(async {
                let kek = create(settings(hsm)).await;
                let session = module(hsm).open_rw_session(token(hsm, "kek").0).unwrap();
                let key = session
                    .find_objects(&[Attribute::Id(KEY_ID.to_vec())])
                    .unwrap()[0];
                session
                    .update_attributes(key, &[Attribute::Wrap(true)])
                    .unwrap_err();
                session
                    .copy_object(key, &[Attribute::Wrap(true)])
                    .unwrap_err();
                session.destroy_object(key).unwrap_err();
                kek.wrap_dek(&dek(), &binding(&kek)).await.unwrap();
            });
        });
    }

    #[test]
    fn keks_of_one_module_work_side_by_side_and_outlive_each_other() {
        isolated(|hsm| {
            hsm.init_token("kek", PIN);
            hsm.init_token("other", "2222");
            block_on(async {
                let first = create(settings(hsm)).await;
                let token = TokenSelector::Label("other".to_owned());
                let elsewhere = Pkcs11Settings {
                    token,
                    ..with_pin(hsm, "2222")
                };
                let second = create(elsewhere).await;
                let third = Pkcs11Kek::open(settings(hsm), entropy()).await.unwrap();
                let wrapped = first.wrap_dek(&dek(), &binding(&first)).await.unwrap();
                first.close().await;
                third.unwrap_dek(&wrapped, &binding(&third)).await.unwrap();
                assert_rejected(second.unwrap_dek(&wrapped, &binding(&second)).await);
            });
        });
    }

    #[test]
    fn a_token_is_found_by_its_serial_number_too() {
        isolated(|hsm| {
            hsm.init_token("kek", PIN);
            block_on(async {
                create(settings(hsm)).await.close().await;
                let serial = token(hsm, "kek").1.serial_number().to_owned();
                let token = TokenSelector::Serial(serial);
                let by_serial = Pkcs11Settings {
                    token,
                    ..settings(hsm)
                };
                Pkcs11Kek::open(by_serial, entropy()).await.unwrap();
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
                    assert_refused(Pkcs11Kek::open(wrong, entropy()).await, sentence);
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
                let none = Pkcs11Kek::open(settings(hsm), entropy()).await;
                assert_refused(none, "no token labelled \"kek\" is present");
                let twice = TokenSelector::Label("twice".to_owned());
                let ambiguous = Pkcs11Settings {
                    token: twice,
                    ..settings(hsm)
                };
                assert_refused(
                    Pkcs11Kek::open(ambiguous, entropy()).await,
                    "more than one token",
                );
            });
        });
    }

    #[test]
    fn a_missing_kek_is_named_and_not_made_by_opening() {
        isolated(|hsm| {
            hsm.init_token("kek", PIN);
            block_on(async {
                for _ in 0..2 {
                    let missing = Pkcs11Kek::open(settings(hsm), entropy()).await;
                    assert_refused(missing, "holds no secret key with CKA_ID 0a0b");
                }
            });
        });
    }

    #[test]
    fn two_keys_with_one_id_are_refused() {
        isolated(|hsm| {
            hsm.init_token("kek", PIN);
            block_on(async {
                create(settings(hsm)).await.close().await;
                generate(&user_session(hsm), &KEY_ID, &[]);
                assert_refused(
                    Pkcs11Kek::open(settings(hsm), entropy()).await,
                    "holds 2 keys",
                );
            });
        });
    }

    #[test]
    fn every_wrong_attribute_is_refused_by_name() {
        isolated(|hsm| {
            hsm.init_token("kek", PIN);
            let session = user_session(hsm);
            let wrong = [
                (Attribute::Token(false), "CKA_TOKEN is false"),
                (Attribute::Private(false), "CKA_PRIVATE is false"),
                (Attribute::Sensitive(false), "CKA_SENSITIVE is false"),
                (Attribute::Encrypt(false), "CKA_ENCRYPT is false"),
                (Attribute::Decrypt(false), "CKA_DECRYPT is false"),
                (Attribute::Extractable(true), "CKA_EXTRACTABLE is true"),
                (Attribute::Wrap(true), "CKA_WRAP is true"),
                (Attribute::Unwrap(true), "CKA_UNWRAP is true"),
                (Attribute::Derive(true), "CKA_DERIVE is true"),
                (Attribute::Sign(true), "CKA_SIGN is true"),
                (Attribute::Modifiable(true), "CKA_MODIFIABLE is true"),
                (Attribute::ValueLen(16.into()), "CKA_VALUE_LEN is not"),
            ];
            block_on(async {
                for (number, (attribute, sentence)) in (1..).zip(wrong) {
                    generate(&session, &[number], &[attribute]);
                    let wrong = Pkcs11Settings {
                        key_id: vec![number],
                        ..settings(hsm)
                    };
                    let outcome = Pkcs11Kek::create_or_adopt(wrong, entropy()).await;
                    assert_refused(outcome, sentence);
                }
            });
        });
    }

    #[test]
    fn a_key_that_was_ever_outside_the_token_is_refused() {
        isolated(|hsm| {
            hsm.init_token("kek", PIN);
            let mut template = template(&KEY_ID, &[]);
            template.retain(|attribute| !matches!(attribute, Attribute::ValueLen(_)));
            template.push(Attribute::Value(vec![7; 32]));
            user_session(hsm).create_object(&template).unwrap();
            block_on(async {
                let outcome = Pkcs11Kek::open(settings(hsm), entropy()).await;
                assert_refused(outcome, "CKA_LOCAL is false");
            });
        });
    }

    #[test]
    fn an_id_that_cannot_name_a_kek_is_refused() {
        isolated(|hsm| {
            block_on(async {
                for length in [0, 125] {
                    let wrong = Pkcs11Settings {
                        key_id: vec![1; length],
                        ..settings(hsm)
                    };
                    assert_refused(Pkcs11Kek::open(wrong, entropy()).await, "cannot name a KEK");
                }
            });
        });
    }
}

mod pkcs11_pin {
    use super::*;

    #[test]
    fn a_refused_pin_is_tried_once_however_often_the_process_restarts() {
        isolated(|hsm| {
            hsm.init_token("kek", PIN);
            block_on(async {
                create(settings(hsm)).await.close().await;
                assert!(!token(hsm, "kek").1.user_pin_count_low());
                assert_refused(open_with(hsm, WRONG).await, "it will not be tried again");
                assert!(
                    token(hsm, "kek").1.user_pin_count_low(),
                    "the token saw the PIN"
                );
                // A login by somebody else clears the token's flag, so that it shows any further try.
                drop(user_session(hsm));
                assert!(!token(hsm, "kek").1.user_pin_count_low());
                for _ in 0..20 {
                    assert_refused(open_with(hsm, WRONG).await, "refused this PIN before");
                }
                assert!(
                    !token(hsm, "kek").1.user_pin_count_low(),
                    "the PIN was tried again"
                );
                open_with(hsm, PIN).await.unwrap();
            });
        });
    }

    #[test]
    fn another_pin_is_tried_and_a_success_clears_the_memory() {
        isolated(|hsm| {
            hsm.init_token("kek", PIN);
            block_on(async {
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
    fn the_memory_of_refused_pins_is_private_and_holds_no_pin() {
        isolated(|hsm| {
            hsm.init_token("kek", PIN);
            block_on(async {
                assert_refused(open_with(hsm, WRONG).await, "refused the PIN");
            });
            let path = memory_file(hsm);
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
                0o600
            );
            assert!(!fs::read_to_string(&path).unwrap().contains(WRONG));
        });
    }

    #[test]
    fn without_a_memory_no_pin_is_tried() {
        isolated(|hsm| {
            hsm.init_token("kek", PIN);
            block_on(async {
                let state_dir = PathBuf::from("/proc/nowhere");
                let nowhere = Pkcs11Settings {
                    state_dir,
                    ..with_pin(hsm, WRONG)
                };
                assert_refused(Pkcs11Kek::open(nowhere, entropy()).await, "/proc/nowhere");
                assert!(!token(hsm, "kek").1.user_pin_count_low());
                assert_refused(open_with(hsm, WRONG).await, "refused the PIN");
                fs::write(memory_file(hsm), "torn").unwrap();
                assert_refused(open_with(hsm, PIN).await, "damaged");
            });
        });
    }

    #[test]
    fn a_pin_is_not_tried_where_a_wrong_one_would_lock_the_token() {
        isolated(|hsm| {
            hsm.init_token("kek", PIN);
            set_token_flag(hsm, CKF_USER_PIN_FINAL_TRY);
            block_on(async {
                assert!(token(hsm, "kek").1.user_pin_final_try());
                assert_refused(open_with(hsm, PIN).await, "one more wrong PIN would lock");
            });
        });
    }

    #[test]
    fn a_locked_pin_is_named() {
        isolated(|hsm| {
            hsm.init_token("kek", PIN);
            set_token_flag(hsm, CKF_USER_PIN_LOCKED);
            block_on(async {
                assert!(token(hsm, "kek").1.user_pin_locked());
                assert_refused(open_with(hsm, PIN).await, "is locked");
            });
        });
    }

    #[test]
    fn the_pin_appears_in_no_sentence() {
        isolated(|hsm| {
            hsm.init_token("kek", PIN);
            block_on(async {
                for _ in 0..2 {
                    let error = open_with(hsm, WRONG).await.unwrap_err();
                    assert!(!error.to_string().contains(WRONG));
                    assert!(!format!("{error:?} {:?}", with_pin(hsm, WRONG)).contains(WRONG));
                }
            });
        });
    }

    async fn open_with(hsm: &SoftHsm, pin: &str) -> Result<Pkcs11Kek, KekSetupError> {
        Pkcs11Kek::open(with_pin(hsm, pin), entropy()).await
    }

    fn memory_file(hsm: &SoftHsm) -> PathBuf {
        let mut files = fs::read_dir(hsm.path().join("state")).unwrap();
        files.next().unwrap().unwrap().path()
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
}

mod pkcs11_faults {
    use super::*;

    #[test]
    fn a_token_that_went_away_under_load_works_again_when_it_returns() {
        isolated(|hsm| {
            hsm.init_token("kek", PIN);
            block_on(async {
                let kek = create(settings(hsm)).await;
                let wrapped = kek.wrap_dek(&dek(), &binding(&kek)).await.unwrap();
                let away = hsm.path().join("away");
                fs::rename(hsm.token_directory(), &away).unwrap();
                for _ in 0..20 {
                    assert_unavailable(kek.unwrap_dek(&wrapped, &binding(&kek)).await);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                fs::rename(&away, hsm.token_directory()).unwrap();
                recovers(&kek, &wrapped).await;
            });
        });
    }

    #[test]
    fn a_token_that_was_away_while_nobody_asked_is_not_missed() {
        isolated(|hsm| {
            hsm.init_token("kek", PIN);
            block_on(async {
                let kek = create(settings(hsm)).await;
                let wrapped = kek.wrap_dek(&dek(), &binding(&kek)).await.unwrap();
                let away = hsm.path().join("away");
                fs::rename(hsm.token_directory(), &away).unwrap();
                fs::rename(&away, hsm.token_directory()).unwrap();
                kek.unwrap_dek(&wrapped, &binding(&kek)).await.unwrap();
            });
        });
    }

    #[test]
    fn a_kek_that_disappears_is_unavailable_and_works_again_when_it_returns() {
        isolated(|hsm| {
            hsm.init_token("kek", PIN);
            block_on(async {
                let kek = create(settings(hsm)).await;
                let wrapped = kek.wrap_dek(&dek(), &binding(&kek)).await.unwrap();
                let (object, kept) = (kek_file(hsm), hsm.path().join("kept"));
                fs::rename(&object, &kept).unwrap();
                for _ in 0..5 {
                    assert_unavailable(kek.unwrap_dek(&wrapped, &binding(&kek)).await);
                }
                fs::rename(&kept, &object).unwrap();
                recovers(&kek, &wrapped).await;
            });
        });
    }

    #[test]
    fn a_lost_token_does_not_disturb_a_kek_in_another_token() {
        isolated(|hsm| {
            hsm.init_token("kek", PIN);
            let lost = token_files(hsm)
                .next()
                .unwrap()
                .parent()
                .unwrap()
                .to_owned();
            hsm.init_token("other", "2222");
            block_on(async {
                let kek = create(settings(hsm)).await;
                let wrapped = kek.wrap_dek(&dek(), &binding(&kek)).await.unwrap();
                let other_token = TokenSelector::Label("other".to_owned());
                let elsewhere = Pkcs11Settings {
                    token: other_token,
                    ..with_pin(hsm, "2222")
                };
                let other = create(elsewhere).await;
                let away = hsm.path().join("away");
                fs::rename(&lost, &away).unwrap();
                for _ in 0..100 {
                    assert_unavailable(kek.unwrap_dek(&wrapped, &binding(&kek)).await);
                    other.wrap_dek(&dek(), &binding(&other)).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                fs::rename(&away, &lost).unwrap();
                recovers(&kek, &wrapped).await;
                other.wrap_dek(&dek(), &binding(&other)).await.unwrap();
            });
        });
    }

    #[test]
    fn a_login_that_was_lost_is_renewed() {
        isolated(|hsm| {
            hsm.init_token("kek", PIN);
            block_on(async {
                let kek = create(settings(hsm)).await;
                let wrapped = kek.wrap_dek(&dek(), &binding(&kek)).await.unwrap();
                for _ in 0..3 {
                    // A logout ends the login of all sessions of this process.
                    any_session(hsm).logout().unwrap();
                    kek.unwrap_dek(&wrapped, &binding(&kek)).await.unwrap();
                }
            });
        });
    }

    #[test]
    fn a_pin_changed_under_a_running_kek_is_tried_once() {
        isolated(|hsm| {
            hsm.init_token("kek", PIN);
            block_on(async {
                let kek = create(settings(hsm)).await;
                let wrapped = kek.wrap_dek(&dek(), &binding(&kek)).await.unwrap();
                let session = any_session(hsm);
                let (old, new) = (AuthPin::new(PIN.into()), AuthPin::new("changed".into()));
                session.set_pin(&old, &new).unwrap();
                session.logout().unwrap();
                assert_unavailable(kek.unwrap_dek(&wrapped, &binding(&kek)).await);
                assert!(
                    token(hsm, "kek").1.user_pin_count_low(),
                    "the token saw the old PIN"
                );
                session.login(UserType::User, Some(&new)).unwrap();
                session.logout().unwrap();
                for _ in 0..10 {
                    assert_unavailable(kek.unwrap_dek(&wrapped, &binding(&kek)).await);
                }
                assert!(
                    !token(hsm, "kek").1.user_pin_count_low(),
                    "the old PIN was tried again"
                );
                kek.close().await;
                assert_refused(Pkcs11Kek::open(settings(hsm), entropy()).await, "before");
                let restarted = Pkcs11Kek::open(with_pin(hsm, "changed"), entropy())
                    .await
                    .unwrap();
                restarted
                    .unwrap_dek(&wrapped, &binding(&restarted))
                    .await
                    .unwrap();
            });
        });
    }

    #[test]
    fn another_key_under_the_same_id_rejects_no_row() {
        isolated(|hsm| {
            hsm.init_token("kek", PIN);
            block_on(async {
                let kek = create(settings(hsm)).await;
                let wrapped = kek.wrap_dek(&dek(), &binding(&kek)).await.unwrap();
                let (object, kept) = (kek_file(hsm), hsm.path().join("kept"));
                fs::rename(&object, &kept).unwrap();
                generate(&any_session(hsm), &KEY_ID, &[]);
                let why = unavailable(kek.unwrap_dek(&wrapped, &binding(&kek)).await);
                assert!(why.contains("another key"), "{why}");
            });
        });
    }

    #[test]
    fn a_token_that_hangs_costs_a_caller_the_deadline_and_a_full_queue_nothing() {
        isolated(|hsm| {
            hsm.init_token("kek", PIN);
            block_on(async {
                let call_deadline = Duration::from_millis(300);
                let kek = create(Pkcs11Settings {
                    call_deadline,
                    ..settings(hsm)
                })
                .await;
                let wrapped = kek.wrap_dek(&dek(), &binding(&kek)).await.unwrap();
                let stuck = Stuck::start(hsm, kek_file(hsm));
                let start = Instant::now();
                let calls = (0..400).map(async |_| {
                    let why = unavailable(kek.unwrap_dek(&wrapped, &binding(&kek)).await);
                    (why, start.elapsed())
                });
                let (full, late): (Vec<_>, Vec<_>) = join_all(calls)
                    .await
                    .into_iter()
                    .partition(|(why, _)| why.contains("queue"));
                assert!(
                    full.len() > 100,
                    "{} calls found the queue full",
                    full.len()
                );
                assert!(full.iter().all(|(_, waited)| *waited < call_deadline));
                assert!(late.len() > 200, "{} calls waited", late.len());
                for (why, waited) in late {
                    assert!(why.contains("did not answer within 300 ms"), "{why}");
                    assert!(waited < call_deadline * 4, "{waited:?}");
                }
                stuck.end();
                recovers(&kek, &wrapped).await;
            });
        });
    }

    /// A pipe in place of the KEK's file: whoever opens it to read waits until somebody writes.
    struct Stuck {
        object: PathBuf,
        kept: PathBuf,
        pipe: PathBuf,
    }

    impl Stuck {
        fn start(hsm: &SoftHsm, object: PathBuf) -> Self {
            let (kept, pipe) = (hsm.path().join("kept"), hsm.path().join("pipe"));
            let (kind, mode) = (FileType::Fifo, Mode::RUSR | Mode::WUSR);
            rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0).unwrap();
            fs::copy(&object, &kept).unwrap();
            fs::rename(&pipe, &object).unwrap();
            Self { object, kept, pipe }
        }

        fn end(&self) {
            fs::rename(&self.object, &self.pipe).unwrap();
            fs::rename(&self.kept, &self.object).unwrap();
            // Opened for both, a pipe waits for nobody; closed again, it ends whoever read.
            fs::File::options()
                .read(true)
                .write(true)
                .open(&self.pipe)
                .unwrap();
        }
    }

    /// A session beside those of a KEK that is logged in.
    fn any_session(hsm: &SoftHsm) -> Session {
        module(hsm).open_rw_session(token(hsm, "kek").0).unwrap()
    }

    /// The row was never at fault, and the back-off stays short after a short outage.
    async fn recovers(kek: &Pkcs11Kek, wrapped: &WrappedDek) {
        let patience = Instant::now() + Duration::from_secs(5);
        while let Err(error) = kek.unwrap_dek(wrapped, &binding(kek)).await {
            assert!(!matches!(error, KekError::Rejected), "the row is as it was");
            assert!(Instant::now() < patience, "not recovered: {error}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn kek_file(hsm: &SoftHsm) -> PathBuf {
        let is_object = |path: &PathBuf| path.extension().is_some_and(|end| end == "object");
        token_files(hsm)
            .find(|path| is_object(path) && !path.ends_with("token.object"))
            .unwrap()
    }
}

const PIN: &str = "1234-user-pin";
const KEY_ID: [u8; 2] = [0x0a, 0x0b];

async fn with_software(law: impl AsyncFnOnce(&dyn Kek, &dyn Kek)) {
    let directory = tempfile::tempdir().unwrap();
    let kek = SoftwareKek::create(&directory.path().join("one"), entropy()).unwrap();
    let other = SoftwareKek::create(&directory.path().join("two"), entropy()).unwrap();
    law(&kek, &other).await;
}

async fn with_pkcs11(hsm: &SoftHsm, law: impl AsyncFnOnce(&dyn Kek, &dyn Kek)) {
    hsm.init_token("kek", PIN);
    let kek = create(settings(hsm)).await;
    let other = create(Pkcs11Settings {
        key_id: vec![0xff],
        ..settings(hsm)
    })
    .await;
    law(&kek, &other).await;
}

fn settings(hsm: &SoftHsm) -> Pkcs11Settings {
    with_pin(hsm, PIN)
}

fn with_pin(hsm: &SoftHsm, pin: &str) -> Pkcs11Settings {
    Pkcs11Settings::new(
        hsm.module().to_owned(),
        TokenSelector::Label("kek".to_owned()),
        SecretBytes::new(pin.as_bytes().to_vec()),
        KEY_ID.to_vec(),
        hsm.path().join("state"),
    )
}

async fn create(settings: Pkcs11Settings) -> Pkcs11Kek {
    let (kek, provenance) = Pkcs11Kek::create_or_adopt(settings, entropy())
        .await
        .unwrap();
    assert_eq!(provenance, Provenance::Created);
    kek
}

/// The module as another library in this process would use it.
fn module(hsm: &SoftHsm) -> Pkcs11 {
    let module = Pkcs11::new(hsm.module()).unwrap();
    // Whoever comes second is told so.
    let _ = module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK));
    module
}

fn token(hsm: &SoftHsm, label: &str) -> (Slot, TokenInfo) {
    let module = module(hsm);
    let slots = module
        .get_slots_with_initialized_token()
        .unwrap()
        .into_iter();
    let mut tokens = slots.map(|slot| (slot, module.get_token_info(slot).unwrap()));
    tokens.find(|(_, info)| info.label() == label).unwrap()
}

/// A session beside those of the KEK, logged in.
fn user_session(hsm: &SoftHsm) -> Session {
    let session = module(hsm).open_rw_session(token(hsm, "kek").0).unwrap();
    session
        .login(UserType::User, Some(&AuthPin::new(PIN.into())))
        .unwrap();
    session
}

fn token_files(hsm: &SoftHsm) -> impl Iterator<Item = PathBuf> {
    let token = fs::read_dir(hsm.token_directory())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs::read_dir(token)
        .unwrap()
        .map(|file| file.unwrap().path())
}

fn generate(session: &Session, id: &[u8], changes: &[Attribute]) {
    session
        .generate_key(&Mechanism::AesKeyGen, &template(id, changes))
        .unwrap();
}

/// A good KEK, but for the changes.
fn template(id: &[u8], changes: &[Attribute]) -> Vec<Attribute> {
    let mut template = vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::ValueLen(32.into()),
        Attribute::Id(id.to_vec()),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
        Attribute::Extractable(false),
        Attribute::Wrap(false),
        Attribute::Unwrap(false),
        Attribute::Derive(false),
        Attribute::Sign(false),
        Attribute::Modifiable(false),
    ];
    for change in changes {
        template.retain(|attribute| attribute.attribute_type() != change.attribute_type());
        template.push(change.clone());
    }
    template
}

fn binding(kek: &dyn Kek) -> Binding {
    Binding {
        store: StoreId::from_bytes([1; 16]),
        ring: RingId::from_bytes([2; 16]),
        version: Version::FIRST,
        key_type: 20_001,
        origin: Origin::Generated,
        kek: kek.id().clone(),
    }
}

fn dek() -> Dek {
    Dek::generate(&SystemEntropy).unwrap()
}

fn entropy() -> Arc<SystemEntropy> {
    Arc::new(SystemEntropy)
}

fn flipped(wrapped: &WrappedDek, bit: usize) -> WrappedDek {
    let mut bytes = wrapped.as_bytes().to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    WrappedDek::from_bytes(bytes).unwrap()
}

fn assert_rejected(outcome: Result<Dek, KekError>) {
    match outcome {
        Err(KekError::Rejected) => {}
        Err(KekError::Unavailable(why)) => panic!("unavailable instead of rejected: {why}"),
        Ok(_) => panic!("a wrapped key opened where it must not"),
    }
}

fn assert_unavailable(outcome: Result<Dek, KekError>) {
    unavailable(outcome);
}

fn unavailable(outcome: Result<Dek, KekError>) -> String {
    match outcome {
        Err(KekError::Unavailable(why)) => why,
        Err(KekError::Rejected) => panic!("rejected instead of unavailable"),
        Ok(_) => panic!("a KEK that is away opened a wrapped key"),
    }
}

fn assert_refused<T>(outcome: Result<T, KekSetupError>, sentence: &str) {
    match outcome {
        Err(KekSetupError(said)) => {
            assert!(
                said.contains(sentence),
                "{said:?} does not say {sentence:?}"
            );
        }
        Ok(_) => panic!("opened, but should have said {sentence:?}"),
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(future)
}
