//! `[rotation]`: when the service rotates rings by itself.

use std::time::Duration;

use keyring::transit::Settings;

use super::section::Section;

/// The bounds of automatic rotation.
#[derive(Debug)]
pub struct Rotation {
    /// The shortest rotation period a ring may have.
    pub shortest_period: Duration,
    /// Uses of a version at which a ring with a limit is rotated.
    pub rotate_at_uses: u64,
    /// Uses of a version at which a ring with a limit refuses to encrypt.
    pub refuse_at_uses: u64,
}

impl Rotation {
    /// Reads the section. The use counts can only be lowered: above them nonces of AES-GCM could repeat
    /// (SP 800-38D, section 8.3).
    pub fn read(section: &mut Section<'_>) -> Self {
        let default = Settings::default();
        let rotate_at_uses = section.within(
            "rotate_at_uses",
            default.rotate_at_uses,
            1..=default.rotate_at_uses,
        );
        Self {
            shortest_period: section.within(
                "shortest_period",
                default.shortest_period,
                Duration::from_secs(1)..=Duration::from_hours(24 * 365),
            ),
            rotate_at_uses,
            refuse_at_uses: section.within(
                "refuse_at_uses",
                default.refuse_at_uses,
                rotate_at_uses..=default.refuse_at_uses,
            ),
        }
    }
}
