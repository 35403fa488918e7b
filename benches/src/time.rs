//! Two ways to time: by the wall, and by what the processor spent on this process, which neighbours on the same
//! machine disturb much less.

use std::time::{Duration, Instant};

use criterion::Criterion;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use rustix::time::{ClockId, clock_gettime};

/// How long something took.
#[derive(Clone, Copy, Debug)]
pub struct Elapsed {
    /// By the wall.
    pub wall: Duration,
    /// On all processors together.
    pub cpu: Duration,
}

/// Where both clocks stood.
#[derive(Clone, Copy, Debug)]
pub struct Began {
    wall: Instant,
    cpu: Duration,
}

impl Began {
    /// Now.
    pub fn now() -> Self {
        Self {
            wall: Instant::now(),
            cpu: cpu_time(),
        }
    }

    /// Since then.
    pub fn elapsed(self) -> Elapsed {
        Elapsed {
            cpu: cpu_time().saturating_sub(self.cpu),
            wall: self.wall.elapsed(),
        }
    }
}

/// Lets criterion count processor time, of all threads of this process.
#[derive(Clone, Copy, Debug)]
pub struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        cpu_time()
    }

    fn end(&self, began: Duration) -> Duration {
        cpu_time().saturating_sub(began)
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WALL.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WALL.formatter()
    }
}

/// Criterion with enough repeats for a figure and few enough for a coffee.
pub fn by_the_wall() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
}

/// The same, counting processor time.
pub fn by_the_processor() -> Criterion<CpuTime> {
    by_the_wall().with_measurement(CpuTime)
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

const WALL: &WallTime = &WallTime;
