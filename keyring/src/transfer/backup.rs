//! A ring with all of its keys in one text, as OpenBao and Vault write and read it: base64 of a JSON document with
//! a newline behind it. Whoever holds the text holds the keys.

mod document;
mod entry;
mod number;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use time::OffsetDateTime;
use zeroize::Zeroizing;

use self::document::{Action, Archive, Base64, Document, Entry, Policy, Timestamp};
use crate::algorithm::{CipherType, KeyType, PairType};
use crate::base64::{Base64Error, decode_append, encode_append, encoded_len};
use crate::secret::SecretBytes;

/// Everything a backup says of a ring. Version numbers begin at 1; where the protocol has 0 for none, so has this.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a ring has this many independent settings"
)]
pub struct BackupRing {
    /// The ring's name.
    pub name: String,
    /// The number of its key type, see [`KeyType::number`].
    pub key_type_number: u32,
    /// Length of an HMAC key in bytes; 0 for all others.
    pub key_size: u32,
    /// Whether its keys are derived from a context.
    pub derived: bool,
    /// The derivation: 1 is HKDF, 0 the counter mode of old and imported keys.
    pub kdf: u32,
    /// Whether equal plaintexts give equal ciphertexts.
    pub convergent_encryption: bool,
    /// -1 if each version says for itself, 0 if the ring is not convergent.
    pub convergent_version: i32,
    /// Whether keys may be exported.
    pub exportable: bool,
    /// Whether the ring may be backed up.
    pub allow_plaintext_backup: bool,
    /// Whether the ring may be deleted.
    pub deletion_allowed: bool,
    /// Older versions do not decrypt.
    pub min_decryption_version: u32,
    /// Older versions do not encrypt; 0 for none.
    pub min_encryption_version: u32,
    /// Older versions are destroyed; 0 until the first are.
    pub min_available_version: u32,
    /// The newest version.
    pub latest_version: u32,
    /// How long a version encrypts before the timer adds the next; zero for ever.
    pub auto_rotate_period: Duration,
    /// Whether the first key came from outside.
    pub imported: bool,
    /// Whether an imported key may be rotated here.
    pub allow_imported_key_rotation: bool,
    /// Whether the ring is marked as deleted.
    pub soft_deleted: bool,
    /// The last backup, this one included.
    pub backed_up: Option<BackupAction>,
    /// The last restore.
    pub restored: Option<BackupAction>,
    /// What binds ciphertexts of our own key type to their ring; only those rings have it.
    pub seal_id: Option<[u8; 16]>,
    /// Every version there is, in the order of their numbers.
    pub versions: Vec<BackupVersion>,
}

/// When a ring was backed up or restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupAction {
    /// When, in nanoseconds since 1970.
    pub at_nanos: i64,
    /// The newest version then.
    pub version: u32,
}

/// One version of a ring.
#[derive(Debug, Default)]
pub struct BackupVersion {
    /// Its number.
    pub version: u32,
    /// The symmetric or HMAC key itself, or a pair's private key as PKCS#8; none if only the public half is known.
    pub key: Option<SecretBytes>,
    /// A pair's public key as PKIX DER.
    pub public_key: Option<Vec<u8>>,
    /// The key of its HMACs.
    pub hmac_key: SecretBytes,
    /// When it was made, in nanoseconds since 1970.
    pub created_at_nanos: i64,
    /// How convergent nonces are made: 3, or 0 if the ring is not convergent.
    pub convergent_version: u32,
    /// Its certificates (DER), the leaf first.
    pub certificate_chain: Vec<Vec<u8>>,
}

/// Nothing was written or read. Says nothing of what the backup holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// The text is not base64.
    #[error(transparent)]
    Base64(#[from] Base64Error),
    /// The document is not the JSON of a backup.
    #[error("the backup is not valid JSON of a key: line {line}, column {column}")]
    Json {
        /// Where reading stopped.
        line: usize,
        /// Where reading stopped.
        column: usize,
    },
    /// A document from before keys had versions.
    #[error("the backup holds one key without versions, a form that is too old to be restored")]
    TooOld,
    /// A type this service has not, or a key that is held elsewhere.
    #[error("the key type of the backup is not supported")]
    UnknownType,
    /// Ciphertexts of this ring would begin unlike all others.
    #[error("the version template of the backup is not supported")]
    VersionTemplate,
    /// The numbers of the versions contradict each other.
    #[error("the versions of the backup contradict each other")]
    Versions,
    /// A version that cannot be what it says it is.
    #[error("version {0} of the backup is missing or damaged")]
    Version(u32),
    /// The identifier of a ring of our own key type is missing or damaged.
    #[error("the seal id of the backup is missing or damaged")]
    SealId,
}

/// The ring as the text of a backup.
pub fn write(ring: &BackupRing) -> Result<SecretBytes, BackupError> {
    let pair = kind(ring.key_type_number)?;
    let mut keys = BTreeMap::new();
    let mut archive = Vec::new();
    archive.resize_with(places(ring)?, Entry::default);
    for version in &ring.versions {
        let place = archive_place(ring, version.version).ok_or(BackupError::Versions)?;
        let place = archive.get_mut(place).ok_or(BackupError::Versions)?;
        *place = entry::write(version, pair)?;
        if version.version >= ring.min_decryption_version {
            let entry = entry::write(version, pair)?;
            keys.insert(version.version.to_string(), entry);
        }
    }
    let document = Document {
        policy: policy(ring, keys),
        archived_keys: Some(Archive {
            keys: Some(archive),
        }),
    };
    encode(&document)
}

/// The ring in the text of a backup.
pub fn read(text: &str) -> Result<BackupRing, BackupError> {
    let mut json = Zeroizing::new(Vec::with_capacity(text.len()));
    decode_append(text.as_bytes(), &mut json)?;
    let document: Document = serde_json::from_slice(&json).map_err(|error| BackupError::Json {
        line: error.line(),
        column: error.column(),
    })?;
    let policy = &document.policy;
    let pair = check(policy)?;
    let mut ring = settings(policy)?;
    let keys = policy.keys.as_ref().ok_or(BackupError::Versions)?;
    let archive = document.archived_keys.and_then(|archive| archive.keys);
    let archive = archive.unwrap_or_default();
    for number in oldest(&ring)..=ring.latest_version {
        // Versions that are in use have changed since they were archived, if their certificates have.
        let archived = archive_place(&ring, number).and_then(|place| archive.get(place));
        let entry = keys.get(&number.to_string()).or(archived);
        match entry.filter(|entry| entry.hmac_key.is_some() || entry.key.is_some()) {
            Some(entry) => ring.versions.push(entry::read(number, entry, pair)?),
            None => return Err(BackupError::Version(number)),
        }
    }
    Ok(ring)
}

/// The kind of pair with this number; none for keys of bytes only.
fn kind(number: u32) -> Result<Option<PairType>, BackupError> {
    let key_type = KeyType::from_number(number).ok_or(BackupError::UnknownType)?;
    Ok(key_type.pair())
}

fn oldest(ring: &BackupRing) -> u32 {
    ring.min_available_version.max(1)
}

/// The archive begins with the oldest version there can be, which before the first trim is 0.
fn archive_place(ring: &BackupRing, version: u32) -> Option<usize> {
    let place = version.checked_sub(ring.min_available_version)?;
    usize::try_from(place).ok()
}

fn places(ring: &BackupRing) -> Result<usize, BackupError> {
    let versions = ring.versions.len() + usize::from(ring.min_available_version == 0);
    match archive_place(ring, ring.latest_version) {
        Some(last) if last + 1 == versions => Ok(versions),
        Some(_) | None => Err(BackupError::Versions),
    }
}

fn policy(ring: &BackupRing, keys: BTreeMap<String, Entry>) -> Policy {
    let period = i64::try_from(ring.auto_rotate_period.as_nanos()).unwrap_or(i64::MAX);
    Policy {
        name: ring.name.clone(),
        key: None,
        key_size: ring.key_size,
        keys: Some(keys),
        derived: ring.derived,
        kdf: ring.kdf,
        convergent_encryption: ring.convergent_encryption,
        exportable: ring.exportable,
        min_decryption_version: ring.min_decryption_version,
        min_encryption_version: ring.min_encryption_version,
        latest_version: ring.latest_version,
        archive_version: ring.latest_version,
        archive_min_version: ring.min_available_version,
        min_available_version: ring.min_available_version,
        deletion_allowed: ring.deletion_allowed,
        convergent_version: ring.convergent_version,
        key_type: ring.key_type_number,
        backup_info: ring.backed_up.map(action),
        restore_info: ring.restored.map(action),
        allow_plaintext_backup: ring.allow_plaintext_backup,
        version_template: String::new(),
        storage_prefix: String::new(),
        auto_rotate_period: period,
        imported: ring.imported,
        allow_imported_key_rotation: ring.allow_imported_key_rotation,
        soft_deleted: ring.soft_deleted,
        seal_id: ring.seal_id.as_ref().map(|seal_id| Base64::new(seal_id)),
    }
}

/// Everything but the versions.
fn settings(policy: &Policy) -> Result<BackupRing, BackupError> {
    Ok(BackupRing {
        name: policy.name.clone(),
        key_type_number: policy.key_type,
        key_size: policy.key_size,
        derived: policy.derived,
        kdf: policy.kdf,
        convergent_encryption: policy.convergent_encryption,
        convergent_version: policy.convergent_version,
        exportable: policy.exportable,
        allow_plaintext_backup: policy.allow_plaintext_backup,
        deletion_allowed: policy.deletion_allowed,
        min_decryption_version: policy.min_decryption_version,
        min_encryption_version: policy.min_encryption_version,
        min_available_version: policy.min_available_version,
        latest_version: policy.latest_version,
        auto_rotate_period: Duration::from_nanos(
            u64::try_from(policy.auto_rotate_period).map_err(|_| BackupError::Versions)?,
        ),
        imported: policy.imported,
        allow_imported_key_rotation: policy.allow_imported_key_rotation,
        soft_deleted: policy.soft_deleted,
        backed_up: policy.backup_info.map(acted).transpose()?,
        restored: policy.restore_info.map(acted).transpose()?,
        seal_id: seal_id(policy)?,
        versions: Vec::new(),
    })
}

/// Which kind of pair it is, once it is clear that this service can hold such a ring.
fn check(policy: &Policy) -> Result<Option<PairType>, BackupError> {
    if policy.keys.is_none() && policy.key.is_some() {
        return Err(BackupError::TooOld);
    }
    if !["", DEFAULT_TEMPLATE].contains(&policy.version_template.as_str()) {
        return Err(BackupError::VersionTemplate);
    }
    let bounds = policy.min_decryption_version.max(1)..=policy.latest_version;
    let encryption = policy.min_encryption_version;
    let in_order = policy.min_available_version <= policy.min_decryption_version
        && (encryption == 0 || bounds.contains(&encryption))
        && !bounds.is_empty();
    if in_order {
        kind(policy.key_type)
    } else {
        Err(BackupError::Versions)
    }
}

/// Rings of our own type need theirs, no other ring has one.
fn seal_id(policy: &Policy) -> Result<Option<[u8; 16]>, BackupError> {
    let bytes = policy
        .seal_id
        .as_ref()
        .map(|seal_id| seal_id.bytes().try_into());
    let seal_id = bytes.transpose().map_err(|_| BackupError::SealId)?;
    let needed = policy.key_type == KeyType::from(CipherType::Aes256GcmSiv).number();
    if needed && seal_id.is_none() {
        return Err(BackupError::SealId);
    }
    Ok(seal_id)
}

fn action(action: BackupAction) -> Action {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(action.at_nanos.into());
    Action {
        time: moment.map(Timestamp).unwrap_or_default(),
        version: action.version,
    }
}

fn acted(action: Action) -> Result<BackupAction, BackupError> {
    let at_nanos = action.time.0.unix_timestamp_nanos().try_into();
    Ok(BackupAction {
        at_nanos: at_nanos.map_err(|_| BackupError::Versions)?,
        version: action.version,
    })
}

/// Measured before it is written, so that no buffer grows and leaves a copy behind.
fn encode(document: &Document) -> Result<SecretBytes, BackupError> {
    let mut length = Counter(0);
    serde_json::to_writer(&mut length, document).map_err(|_| BackupError::Versions)?;
    let mut json = Zeroizing::new(Vec::with_capacity(length.0 + 1));
    serde_json::to_writer(&mut *json, document).map_err(|_| BackupError::Versions)?;
    json.push(b'\n');
    let mut text = Vec::with_capacity(encoded_len(json.len()));
    encode_append(&json, &mut text);
    Ok(SecretBytes::new(text))
}

/// Counts what is written to it.
struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What ciphertexts begin with, where a ring says so itself.
const DEFAULT_TEMPLATE: &str = "vault:v{{version}}:";

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::transfer::private_key::{public_of, read_private};
    use crate::transfer::samples::sample;

    const NUMBERS: [u32; 17] = [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 20_001, 20_044, 20_065, 20_087, 20_001,
    ];

    #[test]
    fn read_undoes_write_for_every_type_and_only_halves() {
        for number in NUMBERS {
            for public_only in [false, true] {
                let ring = ring(number, public_only);
                let text = write(&ring).unwrap();
                let read = read(std::str::from_utf8(text.expose_secret()).unwrap()).unwrap();
                assert_eq!(plain(&read), plain(&ring));
            }
        }
    }

    #[test]
    fn what_cannot_be_restored_is_refused_by_name() {
        let key = r#"{"key":"AAAA","hmac_key":"AAAA","creation_time":1}"#;
        let numbers = r#""min_decryption_version":1,"latest_version":1"#;
        for (document, expected) in [
            ("{}".to_owned(), json(1, 2)),
            ("[".to_owned(), json(1, 1)),
            (
                r#"{"policy":{"key":"AAAA"}}"#.to_owned(),
                BackupError::TooOld,
            ),
            (
                policy(r#""type":10000"#, numbers, key),
                BackupError::UnknownType,
            ),
            (
                policy(r#""type":12"#, numbers, key),
                BackupError::UnknownType,
            ),
            (policy(r#""type":20001"#, numbers, key), BackupError::SealId),
            (
                policy(r#""version_template":"x{{version}}:""#, numbers, key),
                BackupError::VersionTemplate,
            ),
            (
                policy(r#""type":0"#, r#""latest_version":0"#, key),
                BackupError::Versions,
            ),
            (
                policy(
                    r#""type":0"#,
                    r#""min_decryption_version":1,"latest_version":2"#,
                    key,
                ),
                BackupError::Version(2),
            ),
            (
                policy(
                    r#""type":0"#,
                    r#""min_decryption_version":3,"latest_version":2"#,
                    key,
                ),
                BackupError::Versions,
            ),
            (policy(r#""type":1"#, numbers, key), BackupError::Version(1)),
            (policy(r#""type":2"#, numbers, key), BackupError::Version(1)),
            (policy(r#""type":3"#, numbers, key), BackupError::Version(1)),
        ] {
            assert_eq!(
                read(&base64(&document)).unwrap_err(),
                expected,
                "{document}"
            );
        }
        assert_eq!(
            read("!").unwrap_err().to_string(),
            "illegal base64 data at input byte 0"
        );
    }

    #[test]
    fn a_document_without_an_archive_and_with_unknown_fields_is_read() {
        let key = r#"{"key":"AAAA","hmac_key":"AAEC","creation_time":7,"new":[1]}"#;
        let numbers = r#""min_decryption_version":1,"latest_version":1,"new":{}"#;
        let ring = read(&base64(&policy(r#""type":0"#, numbers, key))).unwrap();
        let version = &ring.versions[0];
        assert_eq!(version.created_at_nanos, 7_000_000_000);
        assert_eq!(version.hmac_key.expose_secret(), [0, 1, 2]);
    }

    proptest! {
        #[test]
        fn read_undoes_write(
            name in "[a-z./-]{1,20}",
            flags in any::<[bool; 7]>(),
            key_type in select(&[0_u32, 5, 8, 10, 11, 20_001]),
            keys in vec(vec(any::<u8>(), 0..70), 1..12),
            trimmed in 0_u32..12,
            raised in 0_u32..12,
            times in any::<(i64, i64)>(),
            acted in option::of(any::<(i64, u32)>()),
            period in 0..i64::MAX.unsigned_abs(),
        ) {
            let latest = u32::try_from(keys.len()).unwrap();
            let trimmed = trimmed.min(latest);
            let action = acted.map(|(at_nanos, version)| BackupAction { at_nanos, version });
            let versions = (trimmed.max(1)..=latest).map(|version| BackupVersion {
                version,
                key: Some(SecretBytes::new(keys[usize::try_from(version).unwrap() - 1].clone())),
                hmac_key: SecretBytes::new(vec![1; 32]),
                created_at_nanos: times.0,
                certificate_chain: vec![vec![2; 5]; keys.len() % 3],
                ..BackupVersion::default()
            });
            let ring = BackupRing {
                name,
                key_type_number: key_type,
                derived: flags[0],
                convergent_encryption: flags[1],
                exportable: flags[2],
                allow_plaintext_backup: flags[3],
                deletion_allowed: flags[4],
                imported: flags[5],
                soft_deleted: flags[6],
                min_available_version: trimmed,
                min_decryption_version: raised.clamp(trimmed.max(1), latest),
                latest_version: latest,
                auto_rotate_period: Duration::from_nanos(period),
                backed_up: action,
                restored: action,
                seal_id: (key_type == 20_001).then_some([3; 16]),
                versions: versions.collect(),
                ..BackupRing::default()
            };
            let text = write(&ring).unwrap();
            let read = read(std::str::from_utf8(text.expose_secret()).unwrap()).unwrap();
            prop_assert_eq!(plain(&read), plain(&ring));
        }
    }

    fn ring(number: u32, public_only: bool) -> BackupRing {
        let pair = kind(number).unwrap();
        let mut version = BackupVersion {
            version: 1,
            key: Some(SecretBytes::new(vec![7; 32])),
            hmac_key: SecretBytes::new(vec![8; 32]),
            created_at_nanos: 1_796_056_407_636_756_972,
            ..BackupVersion::default()
        };
        if let Some(pair) = pair {
            version.public_key = Some(public_of(pair, sample(pair)).unwrap());
            version.key = (!public_only).then(|| read_private(pair, sample(pair)).unwrap());
        }
        BackupRing {
            name: "ring".to_owned(),
            key_type_number: number,
            min_decryption_version: 1,
            latest_version: 1,
            seal_id: (number == 20_001).then_some([9; 16]),
            versions: vec![version],
            ..BackupRing::default()
        }
    }

    /// Everything in a ring, comparable; throw-away keys only.
    fn plain(ring: &BackupRing) -> String {
        let versions = ring.versions.iter().map(|version| {
            let key = version.key.as_ref().map(SecretBytes::expose_secret);
            (key, version.hmac_key.expose_secret())
        });
        format!("{ring:?} {:?}", versions.collect::<Vec<_>>())
    }

    fn policy(kind: &str, numbers: &str, key: &str) -> String {
        format!(r#"{{"policy":{{{kind},{numbers},"keys":{{"1":{key}}}}}}}"#)
    }

    const fn json(line: usize, column: usize) -> BackupError {
        BackupError::Json { line, column }
    }

    fn base64(document: &str) -> String {
        let mut text = Vec::new();
        encode_append(document.as_bytes(), &mut text);
        String::from_utf8(text).unwrap()
    }
}
