//! The SQLite file as bytes.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context as _;

/// Removes the file and its journal, if they exist.
pub(crate) fn remove(path: &Path) -> anyhow::Result<()> {
    let mut journal = path.as_os_str().to_owned();
    journal.push("-journal");
    for path in [path, Path::new(&journal)] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("removing {}", path.display()));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// The first of these texts that the file holds.
pub(crate) fn find_any(
    path: &Path,
    texts: impl Iterator<Item = String>,
) -> anyhow::Result<Option<String>> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let mut sought: Vec<Vec<u8>> = texts.map(String::into_bytes).collect();
    sought.sort_unstable();
    let starts: Vec<&[u8]> = sought
        .iter()
        .filter_map(|text| text.get(..PREFIX))
        .collect();
    for (at, window) in bytes.windows(PREFIX).enumerate() {
        let first = starts.partition_point(|start| *start < window);
        let here = bytes.get(at..).unwrap_or_default();
        let candidates = sought.iter().skip(first);
        let mut candidates = candidates.take_while(|text| text.starts_with(window));
        if let Some(text) = candidates.find(|text| here.starts_with(text)) {
            return Ok(Some(String::from_utf8_lossy(text).into_owned()));
        }
    }
    Ok(None)
}

/// No text that is sought is shorter.
const PREFIX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_wherever_it_lies() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(
            file.path(),
            b"\0\0some bytes, a national id: 86095742719 and more",
        )
        .expect("writes");
        let find = |texts: &[&str]| {
            let texts = texts.iter().map(|text| (*text).to_owned());
            find_any(file.path(), texts).expect("reads")
        };
        assert_eq!(
            find(&["12345678901", "86095742719"]).as_deref(),
            Some("86095742719")
        );
        assert_eq!(find(&["12345678901", "86095742710", "some bytes!"]), None);
    }
}
