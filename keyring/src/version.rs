//! Version numbers and change counters of a ring.

use std::fmt;
use std::num::NonZeroU32;

/// The number of one key version: 1, 2, 3 and so on. Numbers are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(NonZeroU32);

impl Version {
    /// The version every ring starts with.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// The version with this number; `None` for zero.
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The version that a caller names by this number; `None` if none can have it.
    pub fn from_asked(number: i64) -> Option<Self> {
        u32::try_from(number).ok().and_then(Self::new)
    }

    /// The plain number.
    pub const fn number(self) -> u32 {
        self.0.get()
    }

    /// The version a rotation adds; `None` when the numbers are used up.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Counts every change to one ring; the value each change is compared against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation of a ring nobody has changed yet.
    pub const FIRST: Self = Self(1);

    /// The generation after one more change.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
