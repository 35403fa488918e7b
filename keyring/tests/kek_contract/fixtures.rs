//! A fresh KEK of each kind, and a second one to tell it from.

use keyring::kek::pkcs11::{Pkcs11Kek, Pkcs11Settings, Provenance, TokenSelector};
use keyring::kek::software::SoftwareKek;
use keyring::kek::{Kek, KekSetupError, WrappedDek};
use keyring::secret::SecretBytes;
use keyring::test_support::softhsm::SoftHsm;

use crate::samples::{entropy, wrapped_by};

/// The label of the token that holds the KEK.
pub(crate) const LABEL: &str = "kek";
pub(crate) const PIN: &str = "1234-user-pin";
pub(crate) const KEY_ID: [u8; 2] = [0x0a, 0x0b];

pub(crate) fn with_software(law: impl AsyncFnOnce(&dyn Kek, &dyn Kek)) {
    let directory = tempfile::tempdir().unwrap();
    let kek = SoftwareKek::create(&directory.path().join("one"), entropy()).unwrap();
    let other = SoftwareKek::create(&directory.path().join("two"), entropy()).unwrap();
    block_on(law(&kek, &other));
}

pub(crate) fn with_pkcs11(hsm: &SoftHsm, law: impl AsyncFnOnce(&dyn Kek, &dyn Kek)) {
    with_token(hsm, async {
        let kek = create(settings(hsm)).await;
        let other = create(with_key_id(hsm, vec![0xff])).await;
        law(&kek, &other).await;
    });
}

/// Runs a test beside a token that is labelled and has the PIN as [`settings`] say, and holds no key.
pub(crate) fn with_token(hsm: &SoftHsm, test: impl Future<Output = ()>) {
    hsm.init_token(LABEL, PIN);
    block_on(test);
}

pub(crate) fn settings(hsm: &SoftHsm) -> Pkcs11Settings {
    with_pin(hsm, PIN)
}

pub(crate) fn with_pin(hsm: &SoftHsm, pin: &str) -> Pkcs11Settings {
    Pkcs11Settings::new(
        hsm.module().to_owned(),
        TokenSelector::Label(LABEL.to_owned()),
        SecretBytes::new(pin.as_bytes().to_vec()),
        KEY_ID.to_vec(),
        hsm.path().join("state"),
    )
}

pub(crate) fn with_key_id(hsm: &SoftHsm, key_id: Vec<u8>) -> Pkcs11Settings {
    Pkcs11Settings {
        key_id,
        ..settings(hsm)
    }
}

pub(crate) fn in_token(token: TokenSelector, settings: Pkcs11Settings) -> Pkcs11Settings {
    Pkcs11Settings { token, ..settings }
}

/// Adds a second token, with a PIN of its own, and leads to it. A module that runs already does not see it.
pub(crate) fn other_token(hsm: &SoftHsm) -> Pkcs11Settings {
    let (label, pin) = ("other", "2222");
    hsm.init_token(label, pin);
    in_token(TokenSelector::Label(label.to_owned()), with_pin(hsm, pin))
}

pub(crate) async fn create(settings: Pkcs11Settings) -> Pkcs11Kek {
    let (kek, provenance) = Pkcs11Kek::create_or_adopt(settings, entropy())
        .await
        .unwrap();
    assert_eq!(provenance, Provenance::Created);
    kek
}

/// A new KEK, and a key that it wrapped.
pub(crate) async fn create_and_wrap(settings: Pkcs11Settings) -> (Pkcs11Kek, WrappedDek) {
    let kek = create(settings).await;
    let wrapped = wrapped_by(&kek).await;
    (kek, wrapped)
}

pub(crate) async fn open(settings: Pkcs11Settings) -> Result<Pkcs11Kek, KekSetupError> {
    Pkcs11Kek::open(settings, entropy()).await
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(future)
}
