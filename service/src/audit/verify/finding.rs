//! What is wrong with a log, and where.

use std::fmt;

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::audit) struct Finding {
    pub(in crate::audit) place: Place,
    pub(in crate::audit) text: String,
}

/// Where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::audit) struct Place {
    pub(in crate::audit) file: String,
    /// The first and the last line, from 1.
    pub(in crate::audit) lines: (u64, u64),
    /// The first and the last record.
    pub(in crate::audit) records: Option<(u64, u64)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.lines;
        write!(f, "{}:{first}", self.file)?;
        if last > first {
            write!(f, "-{last}")?;
        }
        match self.records {
            Some((first, last)) if first == last => write!(f, " (record {first})"),
            Some((first, last)) => write!(f, " (records {first} to {last})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}
