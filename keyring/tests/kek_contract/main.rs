//! What every KEK promises, asked of each; then what only one kind can promise.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on shall fail where it stands"
)]

mod attributes;
mod fixtures;
mod hanging;
mod key_file;
mod laws;
mod outcomes;
mod pin;
mod recovery;
mod samples;
mod start_up;
mod tokens;

use keyring::kek::WrappedDek;

/// Each law becomes a test for each kind of KEK.
macro_rules! contract {
    ($($law:ident),+ $(,)?) => {
        mod software {
            $(
                #[test]
                fn $law() {
                    crate::fixtures::with_software(async |kek, other| {
                        crate::laws::$law(kek, other).await;
                    });
                }
            )+
        }

        mod pkcs11 {
            $(
                #[test]
                fn $law() {
                    keyring::test_support::softhsm::isolated(|hsm| {
                        crate::fixtures::with_pkcs11(hsm, async |kek, other| {
                            crate::laws::$law(kek, other).await;
                        });
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

#[test]
fn a_wrapped_key_of_another_length_is_not_one() {
    for length in [0, 12, 28, WrappedDek::LEN - 1, WrappedDek::LEN + 1] {
        assert!(WrappedDek::from_bytes(vec![0; length]).is_none());
    }
}
