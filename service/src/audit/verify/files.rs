//! The files of a log, in the order they were written.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use super::super::recovery;

/// An open file of a log.
#[derive(Debug)]
pub(in crate::audit) struct Source {
    pub(in crate::audit) name: String,
    pub(in crate::audit) length: u64,
    pub(in crate::audit) reader: BufReader<File>,
}

/// Opens a file.
pub(in crate::audit) fn open(path: &Path) -> io::Result<Source> {
    let file = File::open(path)?;
    Ok(Source {
        name: path.display().to_string(),
        length: file.metadata()?.len(),
        reader: BufReader::with_capacity(1 << 20, file),
    })
}

/// The files by the time in their first lines, if all have one; otherwise as they were given. A shell sorts the file that
/// is being written before those that were set aside.
pub(in crate::audit) fn in_order(files: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut known = Vec::with_capacity(files.len());
    for path in files {
        let began = recovery::began(&File::open(path)?);
        known.push((began, path.clone()));
    }
    if known.iter().all(|(began, _)| began.is_some()) {
        known.sort_by_key(|(began, _)| *began);
    }
    Ok(known.into_iter().map(|(_, path)| path).collect())
}
