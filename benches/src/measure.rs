//! What a piece of work costs.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// How long `work` kept a processor busy. Others on the same machine, who make a clock on the wall run on, do not count.
pub fn processor_time<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
    };
    let before = now();
    let result = work();
    (now().saturating_sub(before), result)
}
