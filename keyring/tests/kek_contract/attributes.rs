//! What a key in a token must be to serve as the KEK, and stay.

use cryptoki::object::Attribute;
use keyring::kek::pkcs11::Pkcs11Kek;
use keyring::test_support::softhsm::isolated;

use crate::fixtures::{KEY_ID, create, open, settings, with_key_id, with_token};
use crate::outcomes::assert_refused;
use crate::samples::{entropy, wrapped_by};
use crate::tokens::{any_session, generate, template, user_session};

#[test]
fn a_created_kek_can_be_neither_changed_copied_nor_destroyed() {
    isolated(|hsm| {
        with_token(hsm, async {
            let kek = create(settings(hsm)).await;
            let session = any_session(hsm);
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
            wrapped_by(&kek).await;
        });
    });
}

#[test]
fn every_wrong_attribute_is_refused_by_name() {
    isolated(|hsm| {
        with_token(hsm, async {
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
            for (number, (attribute, sentence)) in (1..).zip(wrong) {
                generate(&session, &[number], &[attribute]);
                let wrong = with_key_id(hsm, vec![number]);
                let outcome = Pkcs11Kek::create_or_adopt(wrong, entropy()).await;
                assert_refused(outcome, sentence);
            }
        });
    });
}

#[test]
fn a_key_that_was_ever_outside_the_token_is_refused() {
    isolated(|hsm| {
        with_token(hsm, async {
            let mut template = template(&KEY_ID, &[]);
            template.retain(|attribute| !matches!(attribute, Attribute::ValueLen(_)));
            template.push(Attribute::Value(vec![7; 32]));
            user_session(hsm).create_object(&template).unwrap();
            assert_refused(open(settings(hsm)).await, "CKA_LOCAL is false");
        });
    });
}
