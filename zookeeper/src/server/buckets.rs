//! Where the ends of expiry buckets lie; what expires in them is left to those who ask.

use core::time::Duration;

/// Buckets of one width. Everything in a bucket expires at its end.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Buckets {
    /// The width of a bucket, above zero.
    pub(super) width: Duration,
    /// The first end of a bucket, below the width; the others follow every width.
    pub(super) phase: Duration,
}

impl Buckets {
    pub(super) fn new(width: Duration, phase: Duration) -> Self {
        assert!(!width.is_zero(), "a bucket is wider than nothing");
        assert!(phase < width, "the phase of buckets is below their width");
        Buckets { width, phase }
    }

    /// The first end of a bucket that is later than `now + timeout`: in `(timeout, timeout + width]` from now.
    pub(super) fn end_after(self, now: Duration, timeout: Duration) -> Duration {
        let (width, phase) = (self.width.as_nanos(), self.phase.as_nanos());
        let earliest = now.saturating_add(timeout).as_nanos();
        let end = match earliest.checked_sub(phase) {
            Some(since_phase) => phase + (since_phase / width + 1) * width,
            None => phase,
        };
        let seconds = u64::try_from(end / NANOS_PER_SECOND);
        let nanos = u32::try_from(end % NANOS_PER_SECOND).expect("a remainder of a second fits");
        seconds.map_or(Duration::MAX, |seconds| Duration::new(seconds, nanos))
    }

    /// Whether `end` is `end_after(now, timeout)`, if it is the end of a bucket at all. Cheaper than asking for it.
    pub(super) fn is_end_after(self, end: Duration, now: Duration, timeout: Duration) -> bool {
        let earliest = now.saturating_add(timeout);
        end > earliest && end - earliest <= self.width
    }
}

const NANOS_PER_SECOND: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_ends_more_than_the_timeout_and_at_most_a_width_more_from_now() {
        let millis = Duration::from_millis;
        for phase in [0, 1, 700, 1999] {
            let buckets = Buckets::new(millis(2000), millis(phase));
            for now in (0..9000).step_by(37) {
                let end = buckets.end_after(millis(now), millis(4000));
                assert!(end > millis(now + 4000) && end <= millis(now + 6000), "{now} {end:?}");
                assert_eq!(end.as_millis() % 2000, u128::from(phase));
                assert!(buckets.is_end_after(end, millis(now), millis(4000)));
                assert!(!buckets.is_end_after(end + millis(2000), millis(now), millis(4000)));
                assert!(!buckets.is_end_after(end.saturating_sub(millis(2000)), millis(now), millis(4000)));
            }
        }
        let buckets = Buckets::new(millis(2000), millis(500));
        assert_eq!(buckets.end_after(millis(0), millis(100)), millis(500));
        assert_eq!(buckets.end_after(millis(0), millis(500)), millis(2500));
        assert_eq!(buckets.end_after(Duration::MAX, Duration::MAX), Duration::MAX);
    }
}
