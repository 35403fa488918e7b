//! A ring's settings and the rules for changing them (the protocol's own texts in [`RuleViolation`]).

use std::time::Duration;

use crate::version::Version;

/// A ring's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingPolicy {
    /// Older versions do not decrypt.
    pub min_decryption: Version,
    /// Older versions do not encrypt, even when asked for by number. Absent: any version may be asked for.
    pub min_encryption: Option<Version>,
    /// Whether the ring may be deleted.
    pub deletion_allowed: bool,
    /// Whether key material may be exported. Never goes back to false.
    pub exportable: bool,
    /// Whether the ring may be backed up in the clear. Never goes back to false.
    pub allow_plaintext_backup: bool,
    /// How long a version encrypts before the timer adds the next one, in whole seconds.
    pub auto_rotate_period: Option<Duration>,
}
