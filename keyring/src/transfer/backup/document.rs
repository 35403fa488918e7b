//! The JSON of a backup, field for field as the protocol has it; names, order and spelling are its own.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zeroize::Zeroizing;

use super::number::BigInteger;
use crate::base64::{decode_append, encode_append, encoded_len};
use crate::secret::SecretBytes;

#[derive(Deserialize, Serialize)]
pub(super) struct Document {
    pub(super) policy: Policy,
    #[serde(default)]
    pub(super) archived_keys: Option<Archive>,
}

#[derive(Default, Deserialize, Serialize)]
pub(super) struct Archive {
    /// Null when the list was never made.
    pub(super) keys: Option<Vec<Entry>>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the document has this many flags"
)]
pub(super) struct Policy {
    pub(super) name: String,
    /// Before there were versions.
    #[serde(skip_serializing)]
    pub(super) key: Option<Base64>,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) key_size: u32,
    pub(super) keys: Option<BTreeMap<String, Entry>>,
    pub(super) derived: bool,
    pub(super) kdf: u32,
    pub(super) convergent_encryption: bool,
    pub(super) exportable: bool,
    pub(super) min_decryption_version: u32,
    pub(super) min_encryption_version: u32,
    pub(super) latest_version: u32,
    pub(super) archive_version: u32,
    pub(super) archive_min_version: u32,
    pub(super) min_available_version: u32,
    pub(super) deletion_allowed: bool,
    pub(super) convergent_version: i32,
    #[serde(rename = "type")]
    pub(super) key_type: u32,
    pub(super) backup_info: Option<Action>,
    pub(super) restore_info: Option<Action>,
    pub(super) allow_plaintext_backup: bool,
    pub(super) version_template: String,
    pub(super) storage_prefix: String,
    /// In nanoseconds.
    pub(super) auto_rotate_period: i64,
    #[serde(rename = "Imported")]
    pub(super) imported: bool,
    #[serde(rename = "AllowImportedKeyRotation")]
    pub(super) allow_imported_key_rotation: bool,
    pub(super) soft_deleted: bool,
    /// Ours: what binds ciphertexts of `aes256-gcm-siv` to their ring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seal_id: Option<Base64>,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
pub(super) struct Action {
    pub(super) time: Timestamp,
    pub(super) version: u32,
}

/// One version; the default is how the protocol leaves a place empty.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Entry {
    pub(super) key: Option<Base64>,
    pub(super) hmac_key: Option<Base64>,
    pub(super) time: Timestamp,
    pub(super) ec_x: Option<BigInteger>,
    pub(super) ec_y: Option<BigInteger>,
    pub(super) ec_d: Option<BigInteger>,
    pub(super) rsa_key: Option<RsaPrivate>,
    pub(super) rsa_public_key: Option<RsaPublic>,
    pub(super) public_key: String,
    pub(super) convergent_version: u32,
    /// In seconds since 1970, what `time` says more exactly.
    pub(super) creation_time: i64,
    pub(super) certificate_chain: Option<Vec<Base64>>,
    pub(super) external_key_ref: String,
    /// Ours: pairs the protocol has no fields for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pkcs8: Option<Base64>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RsaPrivate {
    pub(super) n: BigInteger,
    pub(super) e: BigInteger,
    pub(super) d: BigInteger,
    pub(super) primes: Vec<BigInteger>,
    pub(super) precomputed: Precomputed,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Precomputed {
    pub(super) dp: BigInteger,
    pub(super) dq: BigInteger,
    pub(super) qinv: BigInteger,
    /// Of the third prime and those after it, which no key here has.
    #[serde(rename = "CRTValues", skip_deserializing)]
    pub(super) crt_values: [u8; 0],
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RsaPublic {
    pub(super) n: BigInteger,
    pub(super) e: BigInteger,
}

/// Bytes as base64. Read without a copy of the text, so the text must not be escaped, which base64 never needs.
#[derive(Default)]
pub(super) struct Base64(pub(super) SecretBytes);

impl Base64 {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self(SecretBytes::new(bytes.to_vec()))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = Zeroizing::new(Vec::with_capacity(encoded_len(self.0.len())));
        encode_append(self.bytes(), &mut text);
        serializer.serialize_str(std::str::from_utf8(&text).map_err(S::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        let mut bytes = Zeroizing::new(Vec::new());
        decode_append(text.as_bytes(), &mut bytes).map_err(|_| D::Error::custom("not base64"))?;
        Ok(Self(SecretBytes::new(std::mem::take(&mut *bytes))))
    }
}

/// A moment to the nanosecond, as RFC 3339 has it; the default is how the protocol says that there is none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Timestamp(pub(super) OffsetDateTime);

impl Default for Timestamp {
    fn default() -> Self {
        let day = time::Date::from_ordinal_date(1, 1).expect("there was a first day");
        Self(day.midnight().assume_utc())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.format(&Rfc3339).map_err(S::Error::custom)?;
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        let moment = OffsetDateTime::parse(text, &Rfc3339);
        moment.map(Self).map_err(|_| D::Error::custom("not a time"))
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that skip_serializing_if asks for"
)]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}
