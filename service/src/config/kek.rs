//! `[kek]`: the key-encryption key and how to reach it.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use keyring::secret::SecretBytes;

use super::section::{Placed, Section};
use super::value::{FromValue, HexBytes, Value};

/// The key-encryption key.
#[derive(Debug)]
pub enum Kek {
    /// A file of mode 0600, for development and tests.
    Software {
        /// The file.
        file: PathBuf,
    },
    /// A key that never leaves its token.
    Pkcs11(Pkcs11),
}

/// A KEK in a PKCS#11 token.
#[derive(Debug)]
pub struct Pkcs11 {
    /// The module's shared library, by its absolute path.
    pub module: PathBuf,
    /// The token in it.
    pub token: Token,
    /// The user PIN.
    pub pin: SecretBytes,
    /// The key's `CKA_ID`.
    pub key_id: Vec<u8>,
    /// The label that `init` gives to a key it makes.
    pub key_label: Option<String>,
    /// How many calls the token gets at a time.
    pub threads: NonZeroUsize,
    /// The longest a caller waits for one call.
    pub call_deadline: Duration,
    /// A directory that outlives the process, for the memory of refused PINs.
    pub state_dir: PathBuf,
}

/// What tells a token from the others of its module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// Its label.
    Label(String),
    /// Its serial number.
    Serial(String),
}

impl Kek {
    /// Reads the section; `None` after a mistake.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        match section.kind()? {
            Kind::Software => section.required("file").map(|file| Self::Software { file }),
            Kind::Pkcs11 => Pkcs11::read(section).map(Self::Pkcs11),
        }
    }
}

enum Kind {
    Software,
    Pkcs11,
}

impl FromValue for Kind {
    const FORM: &'static str = "\"software\" or \"pkcs11\"";

    fn from_value(value: &Value) -> Option<Self> {
        match String::from_value(value)?.as_str() {
            "software" => Some(Self::Software),
            "pkcs11" => Some(Self::Pkcs11),
            _ => None,
        }
    }
}

impl Pkcs11 {
    /// Every key is read before the first missing one ends it, so that all mistakes are seen at once.
    fn read(section: &mut Section<'_>) -> Option<Self> {
        let module = module(section);
        let token = token(section);
        let pin = section.required_secret("pin");
        let key_id = section.required("key_id");
        let key_label = section.optional("key_label");
        let threads = section.within("threads", 2, 1..=64);
        let call_deadline = section.within(
            "call_deadline",
            Duration::from_secs(2),
            Duration::from_millis(10)..=Duration::from_mins(1),
        );
        let state_dir = section.required("state_dir");
        let HexBytes(key_id) = key_id?;
        Some(Self {
            module: module?,
            token: token?,
            pin: pin?.value,
            key_id,
            key_label,
            threads: NonZeroUsize::new(threads)?,
            call_deadline,
            state_dir: state_dir?,
        })
    }
}

/// A bare name would be searched for in directories that somebody else may be able to write to.
fn module(section: &mut Section<'_>) -> Option<PathBuf> {
    if !section.is_given("module") {
        return section.required("module");
    }
    let Placed { value, place } = section.placed::<PathBuf>("module")?;
    if value.is_absolute() {
        return Some(value);
    }
    section.add_at(place, "must be an absolute path");
    None
}

fn token(section: &mut Section<'_>) -> Option<Token> {
    let label = section.placed("token_label");
    let serial = section.placed("token_serial");
    match (label, serial) {
        (Some(label), None) => Some(Token::Label(label.value)),
        (None, Some(serial)) => Some(Token::Serial(serial.value)),
        (Some(_), Some(serial)) => {
            section.add_at(
                serial.place,
                "is given beside token_label; give one of them",
            );
            None
        }
        (None, None) => {
            section.add("token_label", "is missing; give it or token_serial");
            None
        }
    }
}
