//! The KEK as an object in a token: found by `CKA_ID`, checked attribute by attribute, or generated.

use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

use crate::kek::fault::Fault;

/// The handles of all secret keys with this `CKA_ID`. An empty list may also mean that the token is away.
pub(super) fn find(session: &Session, id: &[u8]) -> Result<Vec<ObjectHandle>, Fault> {
    let wanted = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::Id(id.to_vec()),
    ];
    Ok(session.find_objects(&wanted)?)
}

/// Makes a new AES-256 key with this `CKA_ID` that can encrypt and decrypt and nothing else.
pub(super) fn generate(session: &Session, id: &[u8], label: Option<&str>) -> Result<(), Fault> {
    let mut template = vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::ValueLen(KEY_LENGTH.into()),
        Attribute::Id(id.to_vec()),
        Attribute::Verify(false),
    ];
    template.extend(label.map(|label| Attribute::Label(label.as_bytes().to_vec())));
    template.extend(CHOSEN.map(|(attribute, value)| attribute(value)));
    let strict = [
        template.as_slice(),
        &[Attribute::Copyable(false), Attribute::Destroyable(false)],
    ]
    .concat();
    match session.generate_key(&Mechanism::AesKeyGen, &strict) {
        // Tokens older than PKCS#11 2.40 know these two attributes not, or not for keys.
        Err(Error::Pkcs11(
            RvError::AttributeTypeInvalid
            | RvError::AttributeValueInvalid
            | RvError::AttributeReadOnly
            | RvError::TemplateInconsistent,
            _,
        )) => session.generate_key(&Mechanism::AesKeyGen, &template)?,
        outcome => outcome?,
    };
    Ok(())
}

/// Refuses a key that could be read, changed or used for anything but encrypting and decrypting, or
/// that has ever been outside the token.
pub(super) fn verify(session: &Session, key: ObjectHandle) -> Result<(), Fault> {
    let shape = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::AES),
        Attribute::ValueLen(KEY_LENGTH.into()),
    ];
    for wanted in &shape {
        if read(session, key, wanted.attribute_type())?.as_ref() != Some(wanted) {
            return Err(wrong(
                wanted.attribute_type(),
                "is not that of a 32-byte AES key",
            ));
        }
    }
    for (attribute, value) in CHOSEN.into_iter().chain(RECORDED) {
        let kind = attribute(value).attribute_type();
        match read(session, key, kind)? {
            Some(found) if found == attribute(value) => {}
            Some(_) => return Err(wrong(kind, &format!("is {}, but must be {value}", !value))),
            // A token may leave out what it never supports.
            None if kind == AttributeType::Derive => {}
            None => return Err(wrong(kind, "cannot be read")),
        }
    }
    if read(session, key, AttributeType::Copyable)? == Some(Attribute::Copyable(true)) {
        tracing::warn!("the KEK may be copied inside its token (CKA_COPYABLE is true)");
    }
    Ok(())
}

/// One at a time: some tokens refuse a whole list for one attribute they do not know.
fn read(
    session: &Session,
    key: ObjectHandle,
    kind: AttributeType,
) -> Result<Option<Attribute>, Fault> {
    Ok(session.get_attributes(key, &[kind])?.pop())
}

fn wrong(kind: AttributeType, how: &str) -> Fault {
    Fault::Unusable(format!(
        "the KEK in the token is not safe to use: {kind} {how}"
    ))
}

type Flag = (fn(bool) -> Attribute, bool);

/// Without `MODIFIABLE` false, every other line could be undone later.
const CHOSEN: [Flag; 11] = [
    (Attribute::Token, true),
    (Attribute::Private, true),
    (Attribute::Sensitive, true),
    (Attribute::Encrypt, true),
    (Attribute::Decrypt, true),
    (Attribute::Extractable, false),
    (Attribute::Wrap, false),
    (Attribute::Unwrap, false),
    (Attribute::Derive, false),
    (Attribute::Sign, false),
    (Attribute::Modifiable, false),
];

/// What the token itself records of a key's past.
const RECORDED: [Flag; 3] = [
    (Attribute::Local, true),
    (Attribute::AlwaysSensitive, true),
    (Attribute::NeverExtractable, true),
];

const KEY_LENGTH: u64 = 32;
