//! One version as a backup's entry and back: pairs between PKCS#8 and the numbers they are made of.

use der::Decode;
use der::asn1::UintRef;
use pkcs1::{RsaPrivateKeyRef, RsaPublicKeyRef};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::document::{Base64, Entry, Precomputed, RsaPrivate, RsaPublic, Timestamp};
use super::number::BigInteger;
use super::{BackupError, BackupVersion};
use crate::algorithm::PairType;
use crate::secret::SecretBytes;
use crate::transfer::export::public_key_text;
use crate::transfer::form::{ReadKeyError, number_len, secret_der};
use crate::transfer::private_key::{
    PrivateKey, ec_from_scalar, ed25519_from_seed, info, public_of, read_private,
};
use crate::transfer::public_key::{PublicKey, read_public_pem};

/// The entry of a version; `pair` says of which kind its key is, if it is one.
pub(super) fn write(version: &BackupVersion, pair: Option<PairType>) -> Result<Entry, BackupError> {
    let damaged = |_| BackupError::Version(version.version);
    let created = OffsetDateTime::from_unix_timestamp_nanos(version.created_at_nanos.into())
        .map_err(|_| BackupError::Version(version.version))?;
    let chain = version.certificate_chain.iter();
    let mut entry = Entry {
        hmac_key: Some(Base64::new(version.hmac_key.expose_secret())),
        time: Timestamp(created),
        convergent_version: version.convergent_version,
        creation_time: created.unix_timestamp(),
        certificate_chain: (!version.certificate_chain.is_empty())
            .then(|| chain.map(|der| Base64::new(der)).collect()),
        ..Entry::default()
    };
    if let Some(pair) = pair {
        write_pair(&mut entry, pair, version).map_err(damaged)?;
    } else {
        let key = version.key.as_ref();
        entry.key = key.map(|key| Base64::new(key.expose_secret()));
    }
    Ok(entry)
}

fn write_pair(
    entry: &mut Entry,
    pair: PairType,
    version: &BackupVersion,
) -> Result<(), ReadKeyError> {
    let key = version.key.as_ref();
    let key = key.map(|key| read_private(pair, key.expose_secret()));
    let key = key.transpose()?;
    let spki = match (&key, &version.public_key) {
        (Some(key), _) => public_of(pair, key.expose_secret())?,
        (None, Some(spki)) => spki.clone(),
        (None, None) => return Err(ReadKeyError::Public("there is none")),
    };
    let public = PublicKey::of(&spki)?;
    if !pair.is_rsa() {
        entry.public_key = public_key_text(pair, &spki)?;
    }
    if pair.is_ecdsa() {
        let (x, y) = coordinates(pair, public.bytes())?;
        entry.ec_x = Some(BigInteger::from_bytes(x));
        entry.ec_y = Some(BigInteger::from_bytes(y));
    }
    match key {
        Some(key) => write_private(entry, &key, public.bytes()),
        None if pair.is_rsa() => {
            entry.rsa_public_key = Some(rsa_public(public.bytes())?);
            Ok(())
        }
        None => Ok(()),
    }
}

fn write_private(
    entry: &mut Entry,
    pkcs8: &SecretBytes,
    public: &[u8],
) -> Result<(), ReadKeyError> {
    match PrivateKey::read(pkcs8.expose_secret())? {
        PrivateKey::Ec { scalar, .. } => entry.ec_d = Some(BigInteger::from_bytes(scalar)),
        PrivateKey::Ed25519 { seed } => {
            let both = Zeroizing::new([seed, public].concat());
            entry.key = Some(Base64::new(&both));
        }
        PrivateKey::MlDsa { .. } => entry.pkcs8 = Some(Base64::new(pkcs8.expose_secret())),
        PrivateKey::Rsa(key) => entry.rsa_key = Some(rsa_private(&key)),
        PrivateKey::X25519 => return Err(ReadKeyError::Private("unknown algorithm")),
    }
    Ok(())
}

fn rsa_private(key: &RsaPrivateKeyRef<'_>) -> RsaPrivate {
    let number = |number: UintRef<'_>| BigInteger::from_bytes(number.as_bytes());
    RsaPrivate {
        n: number(key.modulus),
        e: number(key.public_exponent),
        d: number(key.private_exponent),
        primes: vec![number(key.prime1), number(key.prime2)],
        precomputed: Precomputed {
            dp: number(key.exponent1),
            dq: number(key.exponent2),
            qinv: number(key.coefficient),
            crt_values: [],
        },
    }
}

fn rsa_public(pkcs1: &[u8]) -> Result<RsaPublic, ReadKeyError> {
    let key = RsaPublicKeyRef::from_der(pkcs1).map_err(|_| DAMAGED)?;
    Ok(RsaPublic {
        n: BigInteger::from_bytes(key.modulus.as_bytes()),
        e: BigInteger::from_bytes(key.public_exponent.as_bytes()),
    })
}

/// The version of an entry.
pub(super) fn read(
    number: u32,
    entry: &Entry,
    pair: Option<PairType>,
) -> Result<BackupVersion, BackupError> {
    let damaged = |_| BackupError::Version(number);
    let (key, public_key) = match pair {
        Some(pair) => read_pair(entry, pair).map_err(damaged)?,
        None => (entry.key.as_ref().map(copied), None),
    };
    let chain = entry.certificate_chain.iter().flatten();
    Ok(BackupVersion {
        version: number,
        key,
        public_key,
        hmac_key: entry.hmac_key.as_ref().map(copied).unwrap_or_default(),
        created_at_nanos: created_at(entry).ok_or(BackupError::Version(number))?,
        convergent_version: entry.convergent_version,
        certificate_chain: chain.map(|der| der.bytes().to_vec()).collect(),
    })
}

/// Entries older than `time` have seconds only.
fn created_at(entry: &Entry) -> Option<i64> {
    if entry.time == Timestamp::default() {
        return entry.creation_time.checked_mul(1_000_000_000);
    }
    i64::try_from(entry.time.0.unix_timestamp_nanos()).ok()
}

type Halves = (Option<SecretBytes>, Option<Vec<u8>>);

fn read_pair(entry: &Entry, pair: PairType) -> Result<Halves, ReadKeyError> {
    let private = match pair {
        PairType::EcdsaP256 | PairType::EcdsaP384 | PairType::EcdsaP521 => {
            let scalar = entry.ec_d.as_ref();
            scalar.map(|scalar| ec_from_scalar(pair, scalar.as_bytes()))
        }
        PairType::Ed25519 => entry.key.as_ref().map(|key| read_ed25519(key.bytes())),
        PairType::MlDsa44 | PairType::MlDsa65 | PairType::MlDsa87 => {
            let pkcs8 = entry.pkcs8.as_ref();
            pkcs8.map(|pkcs8| read_private(pair, pkcs8.bytes()))
        }
        PairType::Rsa2048 | PairType::Rsa3072 | PairType::Rsa4096 => {
            let key = entry.rsa_key.as_ref();
            key.map(|key| read_rsa(pair, key))
        }
    };
    let private = private.transpose()?;
    let public = match &private {
        Some(pkcs8) => public_of(pair, pkcs8.expose_secret())?,
        None => read_public(entry, pair)?,
    };
    if private.is_some() && pair.is_ecdsa() && read_point(entry, pair)? != public {
        return Err(DAMAGED);
    }
    Ok((private, Some(public)))
}

/// `seed || public key`, of which the second half is only there to be compared.
fn read_ed25519(key: &[u8]) -> Result<SecretBytes, ReadKeyError> {
    let (seed, public) = key
        .split_at_checked(number_len(PairType::Ed25519))
        .ok_or(DAMAGED)?;
    let pkcs8 = ed25519_from_seed(seed)?;
    let spki = public_of(PairType::Ed25519, pkcs8.expose_secret())?;
    if PublicKey::of(&spki)?.bytes() == public {
        Ok(pkcs8)
    } else {
        Err(DAMAGED)
    }
}

fn read_rsa(pair: PairType, key: &RsaPrivate) -> Result<SecretBytes, ReadKeyError> {
    let [prime1, prime2] = key.primes.as_slice() else {
        return Err(ReadKeyError::Private("an RSA key has two primes"));
    };
    let key = RsaPrivateKeyRef {
        modulus: number(&key.n)?,
        public_exponent: number(&key.e)?,
        private_exponent: number(&key.d)?,
        prime1: number(prime1)?,
        prime2: number(prime2)?,
        exponent1: number(&key.precomputed.dp)?,
        exponent2: number(&key.precomputed.dq)?,
        coefficient: number(&key.precomputed.qinv)?,
        other_prime_infos: None,
    };
    let inner = secret_der(&key).map_err(|_| DAMAGED)?;
    let pkcs8 = info(pair, inner.expose_secret()).map_err(|_| DAMAGED)?;
    read_private(pair, pkcs8.expose_secret())
}

fn read_public(entry: &Entry, pair: PairType) -> Result<Vec<u8>, ReadKeyError> {
    match pair {
        PairType::EcdsaP256 | PairType::EcdsaP384 | PairType::EcdsaP521 => read_point(entry, pair),
        PairType::Ed25519 => {
            let mut bytes = Vec::new();
            crate::base64::decode_append(entry.public_key.as_bytes(), &mut bytes)
                .map_err(|_| DAMAGED)?;
            PublicKey::new(&bytes).write(pair)
        }
        PairType::MlDsa44 | PairType::MlDsa65 | PairType::MlDsa87 => {
            read_public_pem(pair, &entry.public_key)
        }
        PairType::Rsa2048 | PairType::Rsa3072 | PairType::Rsa4096 => {
            let key = entry.rsa_public_key.as_ref().ok_or(DAMAGED)?;
            let key = RsaPublicKeyRef {
                modulus: number(&key.n)?,
                public_exponent: number(&key.e)?,
            };
            let der = der::Encode::to_der(&key).map_err(|_| DAMAGED)?;
            let written = PublicKey::new(&der).write(pair)?;
            crate::transfer::public_key::read_public_der(pair, &written)
        }
    }
}

fn read_point(entry: &Entry, pair: PairType) -> Result<Vec<u8>, ReadKeyError> {
    let mut point = vec![4];
    for coordinate in [&entry.ec_x, &entry.ec_y] {
        let bytes = coordinate.as_ref().ok_or(DAMAGED)?.as_bytes();
        let zeros = number_len(pair).checked_sub(bytes.len()).ok_or(DAMAGED)?;
        point.resize(point.len() + zeros, 0);
        point.extend_from_slice(bytes);
    }
    PublicKey::new(&point).write(pair)
}

/// Those of an uncompressed point.
fn coordinates(pair: PairType, point: &[u8]) -> Result<(&[u8], &[u8]), ReadKeyError> {
    let (_, both) = point.split_first().ok_or(DAMAGED)?;
    both.split_at_checked(number_len(pair)).ok_or(DAMAGED)
}

fn number(number: &BigInteger) -> Result<UintRef<'_>, ReadKeyError> {
    UintRef::new(number.as_bytes()).map_err(|_| DAMAGED)
}

fn copied(bytes: &Base64) -> SecretBytes {
    SecretBytes::new(bytes.bytes().to_vec())
}

const DAMAGED: ReadKeyError = ReadKeyError::Private("the numbers of the key do not fit");
