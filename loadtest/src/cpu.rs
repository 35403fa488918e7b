//! CPU time of another process, from the scheduler's nanosecond counters (Linux).
//!
//! Where server and generator share cores, the ratio of request rates flatters the server: both sides also
//! pay for the generator. CPU per request does not.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;

/// The time all present threads of this process have run.
pub(crate) fn time_of(pid: u32) -> anyhow::Result<Duration> {
    let tasks = format!("/proc/{pid}/task");
    let mut total = 0;
    for task in fs::read_dir(&tasks).with_context(|| format!("reading {tasks}"))? {
        let path = task?.path().join("schedstat");
        // A thread may end while it is being looked at.
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let nanos: Option<u64> = text.split(' ').next().and_then(|field| field.parse().ok());
        total += nanos.with_context(|| format!("unknown format of {}", path.display()))?;
    }
    Ok(Duration::from_nanos(total))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn work_costs_time() {
        let before = time_of(std::process::id()).expect("this process exists");
        let mut sum = 0_u64;
        for number in 0..20_000_000 {
            sum = std::hint::black_box(sum ^ number);
        }
        let after = time_of(std::process::id()).expect("this process exists");
        assert!(after > before);
    }
}
