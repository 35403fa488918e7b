//! `[process]`: what the process demands of the system it runs on.

use super::section::Section;

/// Demands on the system.
#[derive(Debug)]
pub struct Process {
    /// Whether to refuse to start when memory cannot be locked. Otherwise it is locked where that is allowed.
    pub require_locked_memory: bool,
}

impl Process {
    /// Reads the section.
    pub fn read(section: &mut Section<'_>) -> Self {
        Self {
            require_locked_memory: section.or("require_locked_memory", false),
        }
    }
}
