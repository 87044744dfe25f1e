//! The simulation's own time, which no node can see; what a node's clock shows is `clock`'s business.

use serde::Serialize;
use std::fmt;
use std::ops::{Add, AddAssign};
use std::time::Duration;

/// A moment of the simulation, in microseconds from its start.
///
/// Sums stop at [`SimTime::FAR_FUTURE`] instead of overflowing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize)]
pub struct SimTime(pub u64);

impl SimTime {
    /// The start of the simulation.
    pub const ZERO: SimTime = SimTime(0);

    /// Later than anything that a simulation reaches (584,000 years).
    pub const FAR_FUTURE: SimTime = SimTime(u64::MAX);

    /// The moment `micros` microseconds after the start.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        SimTime(micros)
    }

    /// Microseconds since the start.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub const fn since(self, earlier: SimTime) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// So many things do not happen at one instant, unless each brings about another at once and there is no end to it. The
/// largest clusters do four million things in their first two minutes.
pub(crate) const AT_ONCE_MAX: u64 = 10_000_000;

/// Notices when time stands still. A run would not end then, and nobody would learn why.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    at: SimTime,
    at_once: u64,
}

impl Progress {
    /// Something happens at `now`, no earlier than what happened before it. Whether that is still believable.
    #[inline]
    #[must_use]
    pub(crate) fn goes_on(&mut self, now: SimTime) -> bool {
        self.at_once = if self.at == now { self.at_once + 1 } else { 1 };
        self.at = now;
        self.at_once <= AT_ONCE_MAX
    }
}

/// Whole microseconds of `duration`, at most `u64::MAX`.
pub(crate) const fn whole_micros(duration: Duration) -> u64 {
    // In 64 bits: sums of times are among the commonest things that a simulation computes.
    duration.as_secs().saturating_mul(1_000_000).saturating_add(duration.subsec_micros() as u64)
}

impl Add<Duration> for SimTime {
    type Output = SimTime;

    fn add(self, duration: Duration) -> SimTime {
        SimTime(self.0.saturating_add(whole_micros(duration)))
    }
}

impl AddAssign<Duration> for SimTime {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

/// Seconds with three decimals, cut off and not rounded, so that nothing seems to happen later than it does.
impl fmt::Display for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0 / 1000;
        f.pad(&format!("{}.{:03}", millis / 1000, millis % 1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_printed(micros: u64, expected: &str) {
        assert_eq!(SimTime::from_micros(micros).to_string(), expected);
    }

    #[test]
    fn prints_seconds_with_three_decimals() {
        check_printed(0, "0.000");
        check_printed(999, "0.000");
        check_printed(1_000, "0.001");
        check_printed(70_013_999, "70.013");
        check_printed(u64::MAX, "18446744073709.551");
    }

    #[test]
    fn the_caller_chooses_the_width() {
        assert_eq!(format!("{:>8}|", SimTime(70_013_000)), "  70.013|");
    }

    #[test]
    fn sums_stop_at_the_far_future() {
        assert_eq!(SimTime(1) + Duration::from_millis(2), SimTime(2001));
        assert_eq!(SimTime(1) + Duration::MAX, SimTime::FAR_FUTURE);
        assert_eq!(SimTime::FAR_FUTURE + Duration::from_secs(1), SimTime::FAR_FUTURE);
    }

    #[test]
    fn time_stands_still_when_one_instant_has_no_end() {
        let mut progress = Progress::default();
        for instant in 0..3 {
            assert!((0..AT_ONCE_MAX).all(|_| progress.goes_on(SimTime(instant))));
        }
        assert!(!progress.goes_on(SimTime(2)));
        assert!(progress.goes_on(SimTime(3)));
    }

    #[test]
    fn nothing_lies_a_negative_time_after() {
        assert_eq!(SimTime(5).since(SimTime(2)), Duration::from_micros(3));
        assert_eq!(SimTime(2).since(SimTime(5)), Duration::ZERO);
    }
}
