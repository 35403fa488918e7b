//! Secrets of the configuration: given as a value, or as the path of a file that holds it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use keyring::secret::SecretBytes;

/// The key that names a file in place of the value.
pub fn file_key(key: &str) -> String {
    format!("{key}{FILE_SUFFIX}")
}

/// The other key that could give the same secret.
pub fn other_form(key: &str) -> String {
    key.strip_suffix(FILE_SUFFIX)
        .map_or_else(|| file_key(key), str::to_owned)
}

/// Reads a secret, without the line break at its end. The reason if that is not possible.
pub fn read_file(path: &Path) -> Result<SecretBytes, String> {
    let mut bytes = Vec::new();
    let read = read_into(&mut bytes, path);
    let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let length = text.strip_suffix(b"\r").unwrap_or(text).len();
    bytes.truncate(length);
    // Wrapped before any return, so that also what cannot be used is wiped.
    let secret = SecretBytes::new(bytes);
    read.map_err(|error| format!("names a file that cannot be read: {error}"))?;
    if secret.len() > MAX_LEN {
        return Err(format!("names a file of more than {MAX_LEN} bytes"));
    }
    Ok(secret)
}

fn read_into(bytes: &mut Vec<u8>, path: &Path) -> io::Result<()> {
    let limit = MAX_LEN + 2;
    // Reserved at once: a buffer that grows leaves its former place behind, unwiped.
    bytes.reserve_exact(limit + 1);
    let mut file = File::open(path)?.take(u64::try_from(limit).unwrap_or(u64::MAX));
    file.read_to_end(bytes).map(|_| ())
}

const FILE_SUFFIX: &str = "_file";

/// Far above any password or URL, far below what a wrong path may point at.
const MAX_LEN: usize = 16 * 1024;
