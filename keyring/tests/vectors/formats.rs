//! Our own stored formats, fixed by files that later releases must still read, and must still refuse.

use keyring::aead::{Cipher, bind_associated_data};
use keyring::algorithm::CipherType;
use keyring::binding::{Binding, Origin};
use keyring::ciphertext;
use keyring::derive::unlock_copy_key;
use keyring::entropy::{Entropy, EntropyError};
use keyring::ids::{KekId, RingId, SealId, StoreId};
use keyring::record::{self, Material, RecordError};
use keyring::secret::{Dek, SecretBytes};
use keyring::shares::{self, UnlockShare};
use keyring::version::Version;

use crate::{Case, to_hex};

#[test]
fn ciphertexts_are_sealed_and_opened_as_fixed() {
    for case in Case::folder("ciphertext/accepted") {
        assert_eq!(seal(&case), case.text("text"), "{}", case.name);
        assert_eq!(open(&case), Ok(case.bytes("plaintext")), "{}", case.name);
    }
}

#[test]
fn other_ciphertexts_are_refused() {
    for case in Case::folder("ciphertext/refused") {
        assert_eq!(open(&case), Err(case.text("error")), "{}", case.name);
    }
}

#[test]
fn bindings_encode_as_fixed() {
    for case in Case::folder("binding") {
        assert_eq!(
            to_hex(&binding(&case).encode()),
            case.text("encoded"),
            "{}",
            case.name
        );
    }
}

#[test]
fn material_is_sealed_and_opened_as_fixed() {
    for case in Case::folder("material/accepted") {
        let opened = open_material(&case).unwrap();
        assert_eq!(
            opened.seal_id.as_bytes(),
            &case.array("seal_id"),
            "{}",
            case.name
        );
        assert_eq!(
            opened.key.expose_secret(),
            case.bytes("key"),
            "{}",
            case.name
        );
        assert_eq!(
            opened.hmac_key.expose_secret(),
            case.bytes("hmac_key"),
            "{}",
            case.name
        );
        let dek = Dek::from_slice(&case.bytes("dek")).unwrap();
        let entropy = Fixed(case.bytes("nonce"));
        let sealed = record::seal_material(
            &opened,
            &dek,
            &case.array("store_secret"),
            &binding(&case),
            &entropy,
        );
        assert_eq!(
            to_hex(&sealed.unwrap()),
            case.text("sealed"),
            "{}",
            case.name
        );
    }
}

#[test]
fn other_material_is_refused() {
    for case in Case::folder("material/refused") {
        let expected = match case.text("error").as_str() {
            "format" => RecordError::Format,
            _ => RecordError::Rejected,
        };
        assert_eq!(
            open_material(&case).map(|_| ()),
            Err(expected),
            "{}",
            case.name
        );
    }
}

#[test]
fn the_unlock_copy_is_sealed_and_opened_as_fixed() {
    for case in Case::folder("unlock_copy") {
        let key = unlock_copy_key(&case.array("unlock_key"));
        let associated_data = case.bytes("associated_data");
        let opened = record::open_secret(&case.bytes("sealed"), &key, &associated_data).unwrap();
        assert_eq!(
            opened.expose_secret(),
            case.bytes("secret"),
            "{}",
            case.name
        );
        let sealed =
            record::seal_secret(&opened, &key, &associated_data, &Fixed(case.bytes("nonce")))
                .unwrap();
        assert_eq!(to_hex(&sealed), case.text("sealed"), "{}", case.name);
    }
}

#[test]
fn shares_combine_as_fixed() {
    for case in Case::folder("share/combined") {
        assert_eq!(
            combine(&case).map(|key| to_hex(key.expose_secret())),
            Ok(case.text("key")),
            "{}",
            case.name
        );
    }
}

#[test]
fn other_shares_are_refused() {
    for case in Case::folder("share/refused") {
        assert_eq!(
            combine(&case).map(|_| ()),
            Err(case.text("error")),
            "{}",
            case.name
        );
    }
}

fn seal(case: &Case) -> String {
    let (cipher, key_type) = cipher(case);
    let version = Version::new(case.number("version")).expect("a version");
    let (caller, mut scratch) = (case.bytes("associated_data"), Vec::new());
    let bound = bind_associated_data(key_type, &seal_id(case), version, &caller, &mut scratch);
    let (nonce, mut body) = (case.bytes("nonce"), case.bytes("plaintext"));
    let tag = cipher
        .seal(&nonce, bound, &mut body)
        .expect("a fitting nonce");
    body.extend_from_slice(&tag);
    let mut text = Vec::new();
    ciphertext::write(version, &nonce, &body, &mut text);
    String::from_utf8(text).expect("ASCII")
}

/// The plaintext, or the words of the refusal.
fn open(case: &Case) -> Result<Vec<u8>, String> {
    let (cipher, key_type) = cipher(case);
    let text = case.text("text");
    let parsed = ciphertext::parse(&text).map_err(|error| error.to_string())?;
    let mut payload = Vec::new();
    parsed
        .decode_append(&mut payload)
        .map_err(|error| error.to_string())?;
    let (nonce, body) = payload
        .split_at_mut_checked(key_type.nonce_len())
        .ok_or("invalid ciphertext length")?;
    let (caller, mut scratch) = (case.bytes("associated_data"), Vec::new());
    let bound = bind_associated_data(
        key_type,
        &seal_id(case),
        parsed.version,
        &caller,
        &mut scratch,
    );
    let length = cipher
        .open(nonce, bound, body)
        .map_err(|error| error.to_string())?;
    Ok(body
        .get(..length)
        .expect("no longer than the body")
        .to_vec())
}

fn cipher(case: &Case) -> (Cipher, CipherType) {
    let key_type = CipherType::from_name(&case.text("type")).expect("a key type");
    (
        Cipher::new(key_type, &case.bytes("key")).expect("a fitting key"),
        key_type,
    )
}

fn seal_id(case: &Case) -> SealId {
    SealId::from_bytes(case.array("seal_id"))
}

fn binding(case: &Case) -> Binding {
    Binding {
        store: StoreId::from_bytes(case.array("store")),
        ring: RingId::from_bytes(case.array("ring")),
        version: Version::new(case.number("version")).expect("a version"),
        key_type: case.number("key_type"),
        origin: u8::try_from(case.number("origin"))
            .ok()
            .and_then(Origin::from_number)
            .expect("an origin"),
        kek: KekId::parse(&case.text("kek")).expect("a KEK id"),
    }
}

fn open_material(case: &Case) -> Result<Material, RecordError> {
    let dek = Dek::from_slice(&case.bytes("dek")).expect("32 bytes");
    record::open_material(
        &case.bytes("sealed"),
        &dek,
        &case.array("store_secret"),
        &binding(case),
    )
}

fn combine(case: &Case) -> Result<SecretBytes, String> {
    let texts = case.texts("share");
    let parsed: Result<Vec<_>, _> = texts.iter().map(|text| UnlockShare::parse(text)).collect();
    parsed
        .and_then(|shares| shares::combine(&shares))
        .map_err(|error| error.to_string())
}

/// Gives the nonce that a file fixes.
#[derive(Debug)]
struct Fixed(Vec<u8>);

impl Entropy for Fixed {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        buffer.copy_from_slice(&self.0);
        Ok(())
    }

    fn fill_repeatable(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.0);
    }
}
