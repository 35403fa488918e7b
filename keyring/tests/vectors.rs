//! Known answers: published vectors, Vault's, and our own formats, one file for a case under `vectors/`.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "vectors/formats.rs"]
mod formats;
#[path = "vectors/pairs.rs"]
mod pairs;
#[path = "vectors/rfc.rs"]
mod rfc;
#[path = "vectors/transit.rs"]
mod transit;
#[path = "vectors/wycheproof_pairs.rs"]
mod wycheproof_pairs;
#[path = "vectors/wycheproof.rs"]
mod wycheproof_sets;

/// One case: `field = value` lines, bytes in hex; `#` begins the line that says why it is there.
struct Case {
    name: String,
    fields: Vec<(String, String)>,
}

impl Case {
    /// Every case in a folder, in the order of their names.
    fn folder(path: &str) -> Vec<Self> {
        let entries = fs::read_dir(vectors().join(path)).expect("the folder is there");
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{path} holds no case");
        files.iter().map(|file| Self::read(file)).collect()
    }

    /// The cases of one file, an empty line between them.
    fn table(path: &str) -> Vec<Self> {
        let text = fs::read_to_string(vectors().join(path)).expect("the table is there");
        let cases = text.split("\n\n").enumerate();
        cases
            .map(|(number, block)| Self::parse(format!("{path} #{number}"), block))
            .collect()
    }

    fn read(file: &Path) -> Self {
        let name = file
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        Self::parse(name, &fs::read_to_string(file).expect("UTF-8"))
    }

    fn parse(name: String, text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let fields = lines.map(|line| {
            let (field, value) = line.split_once('=').expect("field = value");
            (field.trim().to_owned(), value.trim().to_owned())
        });
        Self {
            name,
            fields: fields.collect(),
        }
    }

    /// A text; `\s`, `\n` and `\r` stand for what an editor would not show.
    fn text(&self, field: &str) -> String {
        let mut texts = self.texts(field);
        assert_eq!(texts.len(), 1, "{} has one {field}", self.name);
        texts.remove(0)
    }

    /// Every text under one name.
    fn texts(&self, field: &str) -> Vec<String> {
        let values = self.fields.iter().filter(|(name, _)| name == field);
        let shown = values.map(|(_, value)| {
            value
                .replace("\\s", " ")
                .replace("\\n", "\n")
                .replace("\\r", "\r")
        });
        shown.collect()
    }

    fn bytes(&self, field: &str) -> Vec<u8> {
        from_hex(&self.text(field))
    }

    fn array<const N: usize>(&self, field: &str) -> [u8; N] {
        self.bytes(field).try_into().expect("the field's length")
    }

    fn number(&self, field: &str) -> u32 {
        self.text(field).parse().expect("a number")
    }
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .chars()
        .map(|digit| digit.to_digit(16).expect("hex"))
        .collect();
    let pairs = digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit));
    pairs
        .map(|byte| u8::try_from(byte).expect("two digits"))
        .collect()
}

fn to_hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).expect("four bits");
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0f)])
        .collect()
}
