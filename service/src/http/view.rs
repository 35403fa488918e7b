//! What a ring and a mount look like on the wire.

use std::time::Duration;

use keyring::algorithm::KeyType;
use keyring::clock::Timestamp;
use keyring::mount::{ListingVisibility, Mount};
use keyring::ring::{Journey, Kdf, StoredRing};
use keyring::transfer::export::public_key_text;
use keyring::transfer::pair_name;
use keyring::transit::Description;
use keyring::version::Version;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::identity::ttl::TtlLimits;

/// A ring as `GET keys/:name` shows it.
pub(super) fn ring(described: &Description) -> Value {
    ring_with(described, &[])
}

/// The same with these public keys, derived for one context.
pub(super) fn ring_with(described: &Description, derived: &[(Version, String)]) -> Value {
    let (ring, policy) = (&described.ring, &described.ring.policy);
    let key_type = ring.key_type;
    let mut body = json!({
        "allow_plaintext_backup": policy.allow_plaintext_backup,
        "auto_rotate_period": policy.auto_rotate_period.as_ref().map_or(0, Duration::as_secs),
        "deletion_allowed": policy.deletion_allowed,
        "derived": ring.derived,
        "exportable": policy.exportable,
        "imported_key": ring.journey.imported,
        "latest_version": ring.latest.number(),
        "min_available_version": ring.min_available.map_or(0, Version::number),
        "min_decryption_version": policy.min_decryption.number(),
        "min_encryption_version": policy.min_encryption.map_or(0, Version::number),
        "name": ring.name.as_str(),
        "soft_deleted": ring.soft_deleted,
        "supports_decryption": key_type.encrypts(),
        "supports_derivation": key_type.derives(),
        "supports_encryption": key_type.encrypts(),
        "supports_signing": key_type.signs(),
        "type": key_type.name(),
        "usage": by_version(described.usage.iter().copied()),
    });
    if let Some(fields) = body.as_object_mut() {
        show_keys(described, derived, fields);
        show_journey(&ring.journey, fields);
        show_derivation(ring, fields);
        if let Some(size) = ring.key_size {
            fields.insert("key_size".to_owned(), json!(size));
        }
        if let Some(set) = key_type.parameter_set() {
            fields.insert("parameter_set".to_owned(), json!(set));
        }
    }
    body
}

/// A key of type `hmac` has nothing to show.
fn show_keys(described: &Description, derived: &[(Version, String)], fields: &mut Fields) {
    let versions = described.versions.iter();
    let keys = match described.ring.key_type {
        KeyType::Cipher(_) => by_version(versions.map(|it| (it.version, it.created_at.seconds()))),
        KeyType::Hmac => return,
        KeyType::Pair(pair) => by_version(versions.map(|it| {
            let known = derived.iter().find(|(version, _)| *version == it.version);
            let shown = if described.ring.derived {
                known.map(|(_, public_key)| public_key.clone())
            } else {
                let spki = it.public_key.as_deref().unwrap_or_default();
                public_key_text(pair, spki).ok()
            };
            let version = json!({
                "certificate_chain": it.certificate_chain.as_deref().unwrap_or_default(),
                "creation_time": instant(it.created_at),
                "name": pair_name(pair),
                "public_key": shown.unwrap_or_default(),
            });
            (it.version, version)
        })),
    };
    fields.insert("keys".to_owned(), keys);
}

fn show_journey(journey: &Journey, fields: &mut Fields) {
    if journey.imported {
        let allowed = json!(journey.allow_rotation);
        fields.insert("imported_key_allow_rotation".to_owned(), allowed);
    }
    for (name, moment) in [
        ("backup_info", journey.backed_up),
        ("restore_info", journey.restored),
    ] {
        if let Some(moment) = moment {
            let shown = json!({"time": instant(moment.at), "version": moment.version.number()});
            fields.insert(name.to_owned(), shown);
        }
    }
}

fn show_derivation(ring: &StoredRing, fields: &mut Fields) {
    if !ring.derived {
        return;
    }
    match ring.kdf {
        Kdf::Counter => {
            fields.insert("kdf".to_owned(), json!("hmac-sha256-counter"));
            fields.insert("kdf_mode".to_owned(), json!("hmac-sha256-counter"));
        }
        Kdf::Hkdf => {
            fields.insert("kdf".to_owned(), json!("hkdf_sha256"));
        }
    }
    fields.insert("convergent_encryption".to_owned(), json!(ring.convergent));
    if ring.convergent {
        // What Vault shows for every ring whose versions carry the convergent version themselves.
        fields.insert("convergent_encryption_version".to_owned(), json!(-1));
    }
}

type Fields = Map<String, Value>;

fn by_version<T: Into<Value>>(values: impl Iterator<Item = (Version, T)>) -> Value {
    let entries = values.map(|(version, value)| (version.to_string(), value.into()));
    Value::Object(entries.collect())
}

/// A mount as `GET sys/mounts` shows it.
pub(super) fn mount(mount: &Mount) -> Value {
    let id = uuid::Uuid::from_bytes(*mount.id.as_bytes());
    let short: String = id.simple().to_string().chars().take(8).collect();
    let mut config = json!({
        "default_lease_ttl": mount.settings.default_lease_ttl.as_secs(),
        "force_no_cache": false,
        "max_lease_ttl": mount.settings.max_lease_ttl.as_secs(),
    });
    show_visibility(mount, &mut config);
    json!({
        "accessor": format!("transit_{short}"),
        "config": config,
        "deprecation_status": "supported",
        "description": mount.settings.description,
        "external_entropy_access": false,
        "local": false,
        "options": options(mount),
        "plugin_version": "",
        "running_plugin_version": "",
        "running_sha256": "",
        "seal_wrap": false,
        "type": "transit",
        "uuid": id.hyphenated().to_string(),
    })
}

/// A mount's settings as `GET sys/mounts/:path/tune` shows them: with the lifetimes that come of them, where `GET sys/mounts`
/// shows a 0 for what is not set.
pub(super) fn tuning(mount: &Mount) -> Value {
    let settings = &mount.settings;
    let limits = TtlLimits::tuned(settings.default_lease_ttl, settings.max_lease_ttl);
    let mut shown = json!({
        "default_key_type": settings.default_key_type.map(keyring::algorithm::CipherType::name),
        "default_lease_ttl": limits.default.as_secs(),
        "description": settings.description,
        "force_no_cache": false,
        "max_lease_ttl": limits.max.as_secs(),
        "options": options(mount),
    });
    show_visibility(mount, &mut shown);
    shown
}

fn show_visibility(mount: &Mount, shown: &mut Value) {
    if let (Some(visibility), Some(fields)) =
        (mount.settings.listing_visibility, shown.as_object_mut())
    {
        fields.insert("listing_visibility".to_owned(), visibility.word().into());
    }
}

/// The mounts that who shows no token may see, by path.
pub(super) fn for_strangers(mounts: &[Mount]) -> Value {
    let for_all = Some(ListingVisibility::Unauthenticated);
    let shown = mounts
        .iter()
        .filter(|mount| mount.settings.listing_visibility == for_all);
    let brief = |mount: &Mount| {
        let description = &mount.settings.description;
        let brief =
            json!({"type": "transit", "description": description, "options": options(mount)});
        (format!("{}/", mount.path), brief)
    };
    Value::Object(shown.map(brief).collect())
}

fn options(mount: &Mount) -> Value {
    mount.settings.default_key_type.map_or(
        Value::Null,
        |key_type| json!({"default_key_type": key_type.name()}),
    )
}

/// Values by the mounts' paths, with the slash at the end that the protocol has there.
pub(super) fn by_path(mounts: &[Mount]) -> Value {
    let entries = mounts.iter().map(|it| (format!("{}/", it.path), mount(it)));
    Value::Object(entries.collect::<Map<_, _>>())
}

/// An instant in RFC 3339.
pub(super) fn instant(at: Timestamp) -> Option<String> {
    let nanos = i128::from(at.micros()).checked_mul(1_000)?;
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?;
    time.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use keyring::algorithm::CipherType;
    use keyring::ids::{MountId, RingId};
    use keyring::mount::MountSettings;
    use keyring::name::{KeyName, MountPath};
    use keyring::policy::RingPolicy;
    use keyring::store::VersionSummary;
    use keyring::version::Generation;

    use super::*;

    fn version(number: u32) -> Version {
        Version::new(number).unwrap()
    }

    fn described(derived: bool, convergent: bool) -> Description {
        Description {
            ring: StoredRing {
                id: RingId::from_bytes([1; 16]),
                mount: MountId::from_bytes([2; 16]),
                name: KeyName::parse("orders").unwrap(),
                key_type: CipherType::Aes256GcmSiv.into(),
                derived,
                convergent,
                kdf: Kdf::Hkdf,
                key_size: None,
                created_at: Timestamp::from_micros(0),
                generation: Generation(4),
                latest: version(3),
                min_available: None,
                policy: RingPolicy {
                    min_decryption: version(2),
                    min_encryption: None,
                    deletion_allowed: false,
                    exportable: true,
                    allow_plaintext_backup: false,
                    auto_rotate_period: Some(Duration::from_hours(1)),
                },
                soft_deleted: false,
                journey: Journey::default(),
                due_at: None,
                mac: [0; 32],
            },
            versions: [2, 3]
                .map(|number| VersionSummary {
                    version: version(number),
                    created_at: Timestamp::from_micros(1_500_000 * i64::from(number)),
                    public_key: None,
                    certificate_chain: None,
                })
                .to_vec(),
            usage: vec![(version(3), 1024)],
        }
    }

    #[test]
    fn a_ring_shows_every_field_clients_read() {
        assert_eq!(
            ring(&described(false, false)).to_string(),
            concat!(
                r#"{"allow_plaintext_backup":false,"auto_rotate_period":3600,"deletion_allowed":false,"#,
                r#""derived":false,"exportable":true,"imported_key":false,"keys":{"2":3,"3":4},"latest_version":3,"#,
                r#""min_available_version":0,"min_decryption_version":2,"min_encryption_version":0,"name":"orders","#,
                r#""soft_deleted":false,"supports_decryption":true,"supports_derivation":true,"#,
                r#""supports_encryption":true,"supports_signing":false,"type":"aes256-gcm-siv","usage":{"3":1024}}"#,
            )
        );
    }

    #[test]
    fn derived_rings_say_how() {
        let derived = ring(&described(true, false));
        assert_eq!(derived.get("kdf"), Some(&json!("hkdf_sha256")));
        assert_eq!(derived.get("convergent_encryption"), Some(&json!(false)));
        assert_eq!(derived.get("convergent_encryption_version"), None);
        let convergent = ring(&described(true, true));
        assert_eq!(
            convergent.get("convergent_encryption_version"),
            Some(&json!(-1))
        );
    }

    #[test]
    fn mounts_are_shown_by_path_with_a_slash() {
        let one = Mount {
            id: MountId::from_bytes([0xab; 16]),
            path: MountPath::parse("team/payments").unwrap(),
            created_at: Timestamp::from_micros(0),
            settings: MountSettings {
                description: "x".to_owned(),
                default_key_type: Some(CipherType::Aes256Gcm96),
                max_lease_ttl: Duration::from_mins(1),
                ..MountSettings::default()
            },
        };
        let shown = by_path(std::slice::from_ref(&one));
        let entry = shown.get("team/payments/").unwrap();
        assert_eq!(entry.get("accessor"), Some(&json!("transit_abababab")));
        assert_eq!(
            entry.pointer("/options/default_key_type"),
            Some(&json!("aes256-gcm96"))
        );
        assert_eq!(
            tuning(&one).get("default_key_type"),
            Some(&json!("aes256-gcm96"))
        );
        assert_eq!(entry.pointer("/config/default_lease_ttl"), Some(&json!(0)));
        assert_eq!(tuning(&one).get("default_lease_ttl"), Some(&json!(60)));
        assert_eq!(entry.pointer("/config/listing_visibility"), None);
        assert_eq!(for_strangers(&[one]), json!({}));
    }

    #[test]
    fn instants_are_in_universal_time() {
        let at = Timestamp::from_micros(1_700_000_000_123_456);
        assert_eq!(instant(at).as_deref(), Some("2023-11-14T22:13:20.123456Z"));
        assert_eq!(instant(Timestamp::from_micros(i64::MAX)), None);
    }
}
