//! What every KEK promises, whatever holds it.

use futures_util::future::join_all;
use keyring::binding::{Binding, Origin};
use keyring::ids::{KekId, RingId, StoreId};
use keyring::kek::{Kek, WrappedDek};
use keyring::version::Version;

use crate::outcomes::assert_rejected;
use crate::samples::{binding, dek, flipped};

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
