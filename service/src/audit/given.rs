//! What auditors give to a verification: the pinned key, and the heads that a log must reach.

use std::io;
use std::path::Path;

use keyring::audit_keys;
use keyring::store::audit::AuditHead;

use super::encode::from_hex;
use super::line::{self, Body as _, Head, Line};
use crate::failure::Failure;

/// Heads as a file for auditors: one a line, each with its signature.
pub(super) fn heads_text(heads: &[AuditHead]) -> String {
    let mut out = Vec::new();
    for head in heads {
        let body = line::body_text(&Head::of(head));
        line::push_with_signature(&mut out, Head::KIND, &body, &head.signature);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Heads that [`heads_text`] made. With a pinned key each must be signed by it.
pub(super) fn heads(file: &Path, key: Option<[u8; 32]>) -> Result<Vec<AuditHead>, Failure> {
    let text = std::fs::read(file).map_err(|error: io::Error| {
        Failure::SetUp(format!("{} cannot be read: {error}", file.display()))
    })?;
    let lines = text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let heads: Option<Vec<AuditHead>> = lines.map(|line| read_head(line, key)).collect();
    heads.filter(|heads| !heads.is_empty()).ok_or_else(|| {
        let file = file.display();
        Failure::SetUp(format!("{file} does not hold heads signed by the key"))
    })
}

fn read_head(line: &[u8], key: Option<[u8; 32]>) -> Option<AuditHead> {
    let Line::Signed(line) = Line::parse(line) else {
        return None;
    };
    let head: Head = line.body()?;
    let head = AuditHead {
        chain: head.chain.0,
        node: head.node,
        started_at: head.started.0,
        records: head.records,
        hash: head.hash.0,
        at: head.time.0,
        signature: line.signature().to_vec(),
    };
    key.is_none_or(|key| is_signed_by(&head, &key))
        .then_some(head)
}

/// Whether this key signed a head.
pub(super) fn is_signed_by(head: &AuditHead, key: &[u8; 32]) -> bool {
    let message = line::message(Head::KIND, &line::body_text(&Head::of(head)));
    audit_keys::verify(key, &message, &head.signature)
}

/// A key in hexadecimal, or a file with one.
pub(super) fn key(given: &str) -> Result<[u8; 32], Failure> {
    if let Some(key) = from_hex(given) {
        return Ok(key);
    }
    let text = std::fs::read_to_string(given).unwrap_or_default();
    from_hex(text.trim()).ok_or_else(|| {
        Failure::Usage("--key must be 64 hexadecimal digits, or a file that holds them".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use keyring::clock::Timestamp;

    use super::*;

    #[test]
    fn heads_that_were_written_read_back_and_must_be_the_keys() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("heads");
        let head = AuditHead {
            chain: [1; 16],
            node: "n\"1".to_owned(),
            started_at: Timestamp::from_micros(5),
            records: 7,
            hash: [2; 32],
            at: Timestamp::from_micros(9),
            signature: vec![3; 64],
        };
        std::fs::write(&file, heads_text(std::slice::from_ref(&head))).unwrap();
        assert_eq!(heads(&file, None).unwrap(), [head]);
        assert!(heads(&file, Some([4; 32])).is_err());
        std::fs::write(&file, "{}\n").unwrap();
        assert!(heads(&file, None).is_err());
    }

    #[test]
    fn a_key_is_hexadecimal_or_a_file_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        let text = "0a".repeat(32);
        std::fs::write(&file, format!("{text}\n")).unwrap();
        assert_eq!(key(&text).unwrap(), [10; 32]);
        assert_eq!(key(file.to_str().unwrap()).unwrap(), [10; 32]);
        assert!(key("0a").is_err());
    }
}
