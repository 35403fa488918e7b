//! What the kernel says of this process.

use std::fs;

/// Resident memory in bytes.
pub fn resident() -> u64 {
    status("VmRSS:")
}

/// Resident memory in bytes without mapped files.
pub fn resident_anonymous() -> u64 {
    status("RssAnon:")
}

fn status(field: &str) -> u64 {
    let status =
        fs::read_to_string("/proc/self/status").expect("Linux tells a process about itself");
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kibibytes = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    let kibibytes = kibibytes.and_then(|number| number.parse::<u64>().ok());
    kibibytes.expect("a number of kB") * 1024
}
