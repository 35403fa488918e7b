//! A token as others reach it: through the module as another library would, and through SoftHSM's files.

use std::fs;
use std::path::PathBuf;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, KeyType, ObjectClass};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;
use keyring::test_support::softhsm::SoftHsm;

use crate::fixtures::{LABEL, PIN};

/// The module as another library in this process would use it.
fn module(hsm: &SoftHsm) -> Pkcs11 {
    let module = Pkcs11::new(hsm.module()).unwrap();
    // Whoever comes second is told so.
    let _ = module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK));
    module
}

fn slot_and_token(hsm: &SoftHsm) -> (Slot, TokenInfo) {
    let module = module(hsm);
    let slots = module
        .get_slots_with_initialized_token()
        .unwrap()
        .into_iter();
    let mut tokens = slots.map(|slot| (slot, module.get_token_info(slot).unwrap()));
    tokens.find(|(_, info)| info.label() == LABEL).unwrap()
}

/// The token that holds the KEK, as it describes itself now.
pub(crate) fn token(hsm: &SoftHsm) -> TokenInfo {
    slot_and_token(hsm).1
}

/// A session beside those of the KEK, which share its login.
pub(crate) fn any_session(hsm: &SoftHsm) -> Session {
    module(hsm).open_rw_session(slot_and_token(hsm).0).unwrap()
}

/// A session beside those of the KEK, logged in.
pub(crate) fn user_session(hsm: &SoftHsm) -> Session {
    let session = any_session(hsm);
    session
        .login(UserType::User, Some(&AuthPin::new(PIN.into())))
        .unwrap();
    session
}

/// The directory of the only token.
pub(crate) fn token_folder(hsm: &SoftHsm) -> PathBuf {
    let mut tokens = fs::read_dir(hsm.token_directory()).unwrap();
    tokens.next().unwrap().unwrap().path()
}

pub(crate) fn token_files(hsm: &SoftHsm) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(token_folder(hsm))
        .unwrap()
        .map(|file| file.unwrap().path())
}

pub(crate) fn kek_file(hsm: &SoftHsm) -> PathBuf {
    let is_object = |path: &PathBuf| path.extension().is_some_and(|end| end == "object");
    token_files(hsm)
        .find(|path| is_object(path) && !path.ends_with("token.object"))
        .unwrap()
}

pub(crate) fn generate(session: &Session, id: &[u8], changes: &[Attribute]) {
    session
        .generate_key(&Mechanism::AesKeyGen, &template(id, changes))
        .unwrap();
}

/// A good KEK, but for the changes.
pub(crate) fn template(id: &[u8], changes: &[Attribute]) -> Vec<Attribute> {
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
