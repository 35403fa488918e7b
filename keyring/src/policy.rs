//! A ring's settings and the rules for changing them. Pure: what is allowed, and what comes of it.

use std::time::Duration;

use crate::algorithm::KeyType;
use crate::history::SettingChange;
use crate::name::KeyName;
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

/// A change that breaks a rule; the texts are the protocol's, its spelling included.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleViolation {
    /// A ring whose deletion is not allowed.
    #[error("deletion is not allowed for this key")]
    DeletionNotAllowed,
    /// Convergent without derived.
    #[error("convergent encryption requires derivation to be enabled")]
    ConvergentNeedsDerived,
    /// Derived, or convergent, with keys that nothing is derived from.
    #[error("key derivation and convergent encryption not supported for keys of type {0}")]
    DerivationNotSupported(KeyType),
    /// Convergent with keys that derive and do not encrypt.
    #[error("convergent encryption not supported for keys of type {0}")]
    ConvergenceNotSupported(KeyType),
    /// A certificate for keys that are derived.
    #[error("operation not supported for keys with derivation enabled")]
    DerivedNotCertified,
    /// A key size for a type whose keys have one size.
    #[error("key_size is not valid for algorithm {0}")]
    KeySizeNotTaken(KeyType),
    /// A key size outside of what a key of type `hmac` may have.
    #[error("invalid key_size {0}")]
    KeySizeOutOfRange(i64),
    /// A ring of type `hmac` without a size.
    #[error("invalid key size for HMAC key, must be between 32 and 512 bytes")]
    KeySizeMissing,
    /// The ring is set aside.
    #[error("refusing to use soft-deleted key")]
    SoftDeleted,
    /// A ring whose keys were brought by a caller, who did not allow others beside them.
    #[error("imported key {0} does not allow rotation within Vault")]
    ImportedNotRotated(KeyName),
    /// The `if_version` of the request is not the latest version.
    #[error("if_version does not match: latest key version is {latest}")]
    IfVersion {
        /// The latest version.
        latest: Version,
    },
    /// A minimum for decryption below zero.
    #[error("min decryption version cannot be negative")]
    MinDecryptionNegative,
    /// A minimum for decryption above the latest version.
    #[error("cannot set min decryption version of {asked}, latest key version is {latest}")]
    MinDecryptionAboveLatest {
        /// What was asked for.
        asked: i64,
        /// The latest version.
        latest: Version,
    },
    /// A minimum for decryption below the oldest version that exists.
    #[error("min decryption version should not be less then min available version")]
    MinDecryptionBelowAvailable,
    /// A minimum for encryption below zero.
    #[error("min encryption version cannot be negative")]
    MinEncryptionNegative,
    /// A minimum for encryption above the latest version.
    #[error("cannot set min encryption version of {asked}, latest key version is {latest}")]
    MinEncryptionAboveLatest {
        /// What was asked for.
        asked: i64,
        /// The latest version.
        latest: Version,
    },
    /// A minimum for encryption below the oldest version that exists.
    #[error("min encryption version should not be less than min available version")]
    MinEncryptionBelowAvailable,
    /// A minimum for encryption below the minimum for decryption.
    #[error(
        "cannot set min encryption/decryption values; min encryption version of {encryption} must be greater than \
         or equal to min decryption version of {decryption}"
    )]
    MinimumsCrossed {
        /// The minimum for encryption.
        encryption: Version,
        /// The minimum for decryption.
        decryption: Version,
    },
    /// A rotation period that is neither 0 nor long enough.
    #[error("auto rotate period must be 0 to disable or at least {}", period_words(*.minimum))]
    PeriodTooShort {
        /// The shortest period.
        minimum: Duration,
    },
    /// A trim without saying to where.
    #[error("missing min_available_version")]
    TrimMissing,
    /// A trim to before an earlier one.
    #[error("minimum available version cannot be decremented")]
    TrimBackwards,
    /// A trim while any version may encrypt.
    #[error("minimum available version cannot be set when minimum encryption version is not set")]
    TrimWithoutMinEncryption,
    /// A trim above the minimum for encryption.
    #[error("minimum available version cannot be greater than minmum encryption version")]
    TrimAboveMinEncryption,
    /// A trim above the minimum for decryption.
    #[error("minimum available version cannot be greater than minimum decryption version")]
    TrimAboveMinDecryption,
    /// A trim to zero.
    #[error("minimum available version should be positive")]
    TrimZero,
    /// Version numbers are used up.
    #[error("the ring has no version numbers left")]
    VersionsExhausted,
}

fn period_words(minimum: Duration) -> String {
    match minimum.as_secs() {
        3600 => "an hour".to_owned(),
        seconds => format!("{seconds} seconds"),
    }
}

/// The settings to change; absent ones stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyChange {
    /// New minimum version for decryption; 0 means 1.
    pub min_decryption: Option<i64>,
    /// New minimum version for encryption; 0 means none.
    pub min_encryption: Option<i64>,
    /// Whether the ring may be deleted.
    pub deletion_allowed: Option<bool>,
    /// Whether key material may be exported; false is ignored.
    pub exportable: Option<bool>,
    /// Whether the ring may be backed up; false is ignored.
    pub allow_plaintext_backup: Option<bool>,
    /// New rotation period in whole seconds; zero turns the timer off.
    pub auto_rotate_period: Option<Duration>,
}

/// Where a ring's versions stand; what the rules are checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The oldest version that exists, once the ring has been trimmed.
    pub min_available: Option<Version>,
    /// The version that encrypts.
    pub latest: Version,
}

impl RingPolicy {
    /// The settings after the change. The same settings if nothing changes, which no rule can refuse.
    pub fn changed(
        &self,
        change: &PolicyChange,
        versions: Versions,
        shortest_period: Duration,
    ) -> Result<Self, RuleViolation> {
        let mut next = self.clone();
        if let Some(asked) = change.min_decryption {
            next.min_decryption = min_decryption(asked, versions.latest)?;
        }
        if let Some(asked) = change.min_encryption {
            next.min_encryption = min_encryption(asked, versions.latest)?;
        }
        if let Some(period) = change.auto_rotate_period {
            next.auto_rotate_period = checked_period(period, shortest_period)?;
        }
        next.deletion_allowed = change.deletion_allowed.unwrap_or(self.deletion_allowed);
        next.exportable |= change.exportable == Some(true);
        next.allow_plaintext_backup |= change.allow_plaintext_backup == Some(true);
        next.check_minimums(versions, next == *self)?;
        Ok(next)
    }

    fn check_minimums(&self, versions: Versions, unchanged: bool) -> Result<(), RuleViolation> {
        if let Some(encryption) = self.min_encryption
            && encryption < self.min_decryption
        {
            return Err(RuleViolation::MinimumsCrossed {
                encryption,
                decryption: self.min_decryption,
            });
        }
        let Some(available) = versions.min_available else {
            return Ok(());
        };
        if unchanged {
            return Ok(());
        }
        if self
            .min_encryption
            .is_none_or(|encryption| encryption < available)
        {
            return Err(RuleViolation::MinEncryptionBelowAvailable);
        }
        if self.min_decryption < available {
            return Err(RuleViolation::MinDecryptionBelowAvailable);
        }
        Ok(())
    }

    /// The oldest version that is to exist after a trim; `None` if it is the present one already.
    pub fn trimmed(
        &self,
        asked: Option<i64>,
        versions: Versions,
    ) -> Result<Version, RuleViolation> {
        let asked = asked.ok_or(RuleViolation::TrimMissing)?;
        if asked
            < versions
                .min_available
                .map_or(0, |version| i64::from(version.number()))
        {
            return Err(RuleViolation::TrimBackwards);
        }
        let Some(min_encryption) = self.min_encryption else {
            return Err(RuleViolation::TrimWithoutMinEncryption);
        };
        if asked > i64::from(min_encryption.number()) {
            return Err(RuleViolation::TrimAboveMinEncryption);
        }
        if asked > i64::from(self.min_decryption.number()) {
            return Err(RuleViolation::TrimAboveMinDecryption);
        }
        Version::from_asked(asked).ok_or(RuleViolation::TrimZero)
    }

    /// What differs from the settings before, for the history.
    pub fn differences(&self, before: &Self) -> Vec<SettingChange> {
        let rows = [
            (
                "min_decryption_version",
                before.min_decryption.to_string(),
                self.min_decryption.to_string(),
            ),
            (
                "min_encryption_version",
                number(before.min_encryption),
                number(self.min_encryption),
            ),
            (
                "deletion_allowed",
                before.deletion_allowed.to_string(),
                self.deletion_allowed.to_string(),
            ),
            (
                "exportable",
                before.exportable.to_string(),
                self.exportable.to_string(),
            ),
            (
                "allow_plaintext_backup",
                before.allow_plaintext_backup.to_string(),
                self.allow_plaintext_backup.to_string(),
            ),
            (
                "auto_rotate_period",
                seconds(before.auto_rotate_period),
                seconds(self.auto_rotate_period),
            ),
        ];
        let changed = rows.into_iter().filter(|(_, from, to)| from != to);
        changed
            .map(|(setting, from, to)| SettingChange { setting, from, to })
            .collect()
    }
}

/// The rotation period asked for: none for zero, else at least the shortest.
pub fn checked_period(
    period: Duration,
    shortest: Duration,
) -> Result<Option<Duration>, RuleViolation> {
    if period.is_zero() {
        return Ok(None);
    }
    if period < shortest {
        return Err(RuleViolation::PeriodTooShort { minimum: shortest });
    }
    Ok(Some(period))
}

fn min_decryption(asked: i64, latest: Version) -> Result<Version, RuleViolation> {
    if asked < 0 {
        return Err(RuleViolation::MinDecryptionNegative);
    }
    match Version::from_asked(asked.max(1)) {
        Some(asked) if asked <= latest => Ok(asked),
        Some(_) | None => Err(RuleViolation::MinDecryptionAboveLatest { asked, latest }),
    }
}

fn min_encryption(asked: i64, latest: Version) -> Result<Option<Version>, RuleViolation> {
    if asked < 0 {
        return Err(RuleViolation::MinEncryptionNegative);
    }
    if asked == 0 {
        return Ok(None);
    }
    match Version::from_asked(asked) {
        Some(asked) if asked <= latest => Ok(Some(asked)),
        Some(_) | None => Err(RuleViolation::MinEncryptionAboveLatest { asked, latest }),
    }
}

fn number(version: Option<Version>) -> String {
    version.map_or(0, Version::number).to_string()
}

fn seconds(period: Option<Duration>) -> String {
    period.map_or(0, |period| period.as_secs()).to_string()
}
