//! MACs of stored rows: those of earlier releases still hold, and whatever differs between two rows shows in them.
//! The fixed ones were computed from the layout in `README.md`, by another program.

use std::collections::HashMap;
use std::time::Duration;

use keyring::algorithm::{CipherType, KeyType};
use keyring::binding::Origin;
use keyring::clock::Timestamp;
use keyring::ids::{KekId, MountId, RingId};
use keyring::kek::WrappedDek;
use keyring::name::KeyName;
use keyring::policy::RingPolicy;
use keyring::ring::{Journey, Kdf, Moment, StoredRing, StoredVersion};
use keyring::row_mac::RowMac;
use keyring::version::{Generation, Version};

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\n";

fn mac() -> RowMac {
    RowMac::new(&[0x11; 32])
}

fn version(number: u32) -> Version {
    Version::new(number).expect("not zero")
}

fn moment(at: i64, number: u32) -> Moment {
    Moment {
        at: Timestamp::from_micros(at),
        version: version(number),
    }
}

/// A ring as the first releases had it, with every setting that those had.
fn ring() -> StoredRing {
    StoredRing {
        id: RingId::from_bytes([1; 16]),
        mount: MountId::from_bytes([2; 16]),
        name: KeyName::parse("orders").expect("a name"),
        key_type: CipherType::Aes256GcmSiv.into(),
        derived: true,
        convergent: false,
        kdf: Kdf::Hkdf,
        key_size: None,
        created_at: Timestamp::from_micros(1_700_000_000_000_001),
        generation: Generation(7),
        latest: version(5),
        min_available: Some(version(2)),
        policy: RingPolicy {
            min_decryption: version(3),
            min_encryption: Some(version(4)),
            deletion_allowed: true,
            exportable: false,
            allow_plaintext_backup: true,
            auto_rotate_period: Some(Duration::from_hours(24)),
        },
        soft_deleted: false,
        journey: Journey::default(),
        due_at: None,
        mac: [0; 32],
    }
}

/// One with none of them.
fn plain_ring() -> StoredRing {
    StoredRing {
        key_type: CipherType::Aes256Gcm96.into(),
        derived: false,
        created_at: Timestamp::from_micros(-1),
        generation: Generation::FIRST,
        latest: Version::FIRST,
        min_available: None,
        policy: RingPolicy {
            min_decryption: Version::FIRST,
            min_encryption: None,
            deletion_allowed: false,
            exportable: false,
            allow_plaintext_backup: false,
            auto_rotate_period: None,
        },
        ..ring()
    }
}

/// A ring that was brought here, set aside and backed up.
fn travelled_ring() -> StoredRing {
    StoredRing {
        kdf: Kdf::Counter,
        key_size: Some(48),
        soft_deleted: true,
        journey: Journey {
            imported: true,
            allow_rotation: false,
            backed_up: Some(moment(9, 5)),
            restored: None,
        },
        ..ring()
    }
}

fn restored_ring() -> StoredRing {
    StoredRing {
        journey: Journey {
            allow_rotation: true,
            restored: Some(moment(-9, 2)),
            ..Journey::default()
        },
        ..ring()
    }
}

fn row() -> StoredVersion {
    StoredVersion {
        ring: RingId::from_bytes([1; 16]),
        version: version(5),
        origin: Origin::Generated,
        kek: KekId::parse("software:00ff").expect("an id"),
        wrapped: WrappedDek::from_bytes(vec![3; 60]).expect("of its length"),
        material: vec![4; 77],
        created_at: Timestamp::from_micros(1_700_000_000_000_002),
        public_key: None,
        certificate_chain: None,
        mac: [0; 32],
    }
}

fn pair_row(certificate_chain: Option<&str>) -> StoredVersion {
    StoredVersion {
        public_key: Some(vec![5; 91]),
        certificate_chain: certificate_chain.map(str::to_owned),
        ..row()
    }
}

fn hex(bytes: [u8; 32]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).concat()
}

#[test]
fn rings_have_the_macs_that_are_fixed() {
    let fixed = [
        // Two of the first format.
        (
            ring(),
            "cd8e7e2118fd4e09b23af3212b3498186e2636ab4fbb649c7dfc198ee1a239e9",
        ),
        (
            plain_ring(),
            "babe6c15dfd42a030c15dcea02e947c453dcb040abda30da77d299cce04a46aa",
        ),
        // And two of the second.
        (
            travelled_ring(),
            "67a8a3cee7c90f12580a2cd552dbf5be5b271cc2c0b31e3699631ac336fc67c7",
        ),
        (
            restored_ring(),
            "685d3b4b0a0aa9d3764436def001ac5a4371c0e70e05d024362d8e39fc98f5c2",
        ),
    ];
    for (ring, fixed) in fixed {
        let signed = mac().signed_ring(ring);
        assert_eq!(hex(signed.mac), fixed, "{signed:?}");
        assert!(mac().accepts_ring(&signed));
        let later = StoredRing {
            due_at: Some(Timestamp::from_micros(1)),
            ..signed
        };
        assert!(mac().accepts_ring(&later), "when it is due is not covered");
    }
}

#[test]
fn versions_have_the_macs_that_are_fixed() {
    let fixed = [
        (
            row(),
            "8159137e948406a7f0d156da7d5fd12a062aa8667b0041dbe29ed862038fa959",
        ),
        (
            pair_row(Some(CERTIFICATE)),
            "5adcd1faf5eb34d222971a257fcc1815d7a10576771b5fce2c8ec0f33e1b6624",
        ),
        (
            pair_row(None),
            "ea94112343d86269c97df3804cffe07af47312fc6bb8ca54fa65e5d99b42cdd9",
        ),
    ];
    for (row, fixed) in fixed {
        let signed = mac().signed_version(row);
        assert_eq!(hex(signed.mac), fixed, "{signed:?}");
        assert!(mac().accepts_version(&signed));
    }
}

/// The ring, and the ring with each of the later columns changed.
fn variants(ring: &StoredRing) -> Vec<StoredRing> {
    let journey = &ring.journey;
    let mut journeys = vec![
        Journey {
            imported: !journey.imported,
            ..journey.clone()
        },
        Journey {
            allow_rotation: !journey.allow_rotation,
            ..journey.clone()
        },
    ];
    for (at, number) in [(0, 1), (0, 2), (1, 1)] {
        journeys.push(Journey {
            backed_up: Some(moment(at, number)),
            ..journey.clone()
        });
        journeys.push(Journey {
            restored: Some(moment(at, number)),
            ..journey.clone()
        });
    }
    let kdf = match ring.kdf {
        Kdf::Counter => Kdf::Hkdf,
        Kdf::Hkdf => Kdf::Counter,
    };
    let mut all = vec![
        ring.clone(),
        StoredRing {
            kdf,
            ..ring.clone()
        },
        StoredRing {
            soft_deleted: !ring.soft_deleted,
            ..ring.clone()
        },
    ];
    all.extend(journeys.into_iter().map(|journey| StoredRing {
        journey,
        ..ring.clone()
    }));
    let sizes = [None, Some(0), Some(1), Some(256), Some(u32::MAX)];
    let sizes = sizes.into_iter().filter(|size| *size != ring.key_size);
    all.extend(sizes.map(|key_size| StoredRing {
        key_size,
        ..ring.clone()
    }));
    all.extend(
        KeyType::ALL
            .into_iter()
            .filter(|key_type| *key_type != ring.key_type)
            .map(|key_type| StoredRing {
                key_type,
                ..ring.clone()
            }),
    );
    all
}

#[test]
fn no_two_rings_have_one_mac() {
    let mut seen: HashMap<[u8; 32], StoredRing> = HashMap::new();
    for base in [ring(), travelled_ring(), restored_ring()] {
        for variant in variants(&base) {
            let signed = mac().signed_ring(variant);
            if let Some(other) = seen.insert(signed.mac, signed.clone()) {
                panic!("{signed:?} and {other:?}");
            }
        }
    }
}

#[test]
fn no_two_versions_have_one_mac() {
    let keys = [None, Some(""), Some("a"), Some("ab")];
    let mut seen: HashMap<[u8; 32], StoredVersion> = HashMap::new();
    for (public_key, chain) in keys
        .into_iter()
        .flat_map(|key| keys.map(|chain| (key, chain)))
    {
        let signed = mac().signed_version(StoredVersion {
            public_key: public_key.map(|key| key.as_bytes().to_vec()),
            certificate_chain: chain.map(str::to_owned),
            ..row()
        });
        if let Some(other) = seen.insert(signed.mac, signed.clone()) {
            panic!("{signed:?} and {other:?}");
        }
    }
}
