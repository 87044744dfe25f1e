//! The monotonic clock of one process: what it shows at each moment of the simulation, and when it shows what.

use crate::time::{SimTime, whole_micros};
use std::time::Duration;

/// A monotonic clock with an arbitrary zero, which runs at its own rate and may jump forward.
///
/// It shows whole microseconds, cut off. The fraction is kept, so a change of rate neither loses nor adds time.
/// It stops at `u64::MAX`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Clock {
    /// When the clock was started, set to another rate, or jumped last.
    changed: SimTime,
    /// What it showed at that moment.
    micros: u64,
    /// What it did not show, in millionths of a microsecond: below a million.
    fraction: u64,
    /// Millionths of a microsecond that pass on the clock in a microsecond of the simulation, greater than 0.
    rate: u64,
}

impl Clock {
    /// A clock that shows `offset_micros` at `start` and runs at the rate of the simulation.
    #[must_use]
    pub const fn new(start: SimTime, offset_micros: u64) -> Self {
        Clock { changed: start, micros: offset_micros, fraction: 0, rate: MILLION }
    }

    /// What the clock shows at `now`, in microseconds.
    ///
    /// # Panics
    ///
    /// When `now` is before the last change of the clock.
    #[must_use]
    #[inline]
    pub fn local(&self, now: SimTime) -> u64 {
        if self.rate == MILLION {
            // Nearly every clock nearly always; and nearly every event asks what time it is.
            return self.micros.saturating_add(self.elapsed(now));
        }
        self.local_at_its_rate(now)
    }

    #[cold]
    fn local_at_its_rate(&self, now: SimTime) -> u64 {
        u64::try_from(self.millionths_at(now) / u128::from(MILLION)).unwrap_or(u64::MAX)
    }

    /// The first moment, not before the last change of the clock, at which it shows `local_micros` or more, if
    /// nothing changes it in between; [`SimTime::FAR_FUTURE`] when the simulation cannot reach that.
    #[must_use]
    #[inline]
    pub fn sim_time_of(&self, local_micros: u64) -> SimTime {
        if self.rate == MILLION {
            // A fraction of a microsecond is not shown, whether it is there or not.
            let ahead = local_micros.saturating_sub(self.micros);
            return SimTime::from_micros(self.changed.as_micros().saturating_add(ahead));
        }
        self.sim_time_at_its_rate(local_micros)
    }

    #[cold]
    fn sim_time_at_its_rate(&self, local_micros: u64) -> SimTime {
        let missing = (u128::from(local_micros) * u128::from(MILLION)).saturating_sub(self.millionths());
        let elapsed = missing.div_ceil(u128::from(self.rate));
        self.changed + Duration::from_micros(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// Sets the clock forward at `now`.
    ///
    /// # Panics
    ///
    /// When `now` is before the last change of the clock.
    pub fn jump(&mut self, now: SimTime, by: Duration) {
        let millionths = self.millionths_at(now) + u128::from(whole_micros(by)) * u128::from(MILLION);
        self.change(now, millionths.min(MILLIONTHS_MAX));
    }

    /// Lets the clock run `ppm` millionths faster than the simulation from `now` on, or slower when `ppm` is
    /// negative. Zero is the rate of the simulation itself; rates do not add up.
    ///
    /// # Panics
    ///
    /// When `ppm` is -1,000,000 or less, because a monotonic clock neither stands still nor runs backward, or when
    /// `now` is before the last change of the clock.
    pub fn set_rate(&mut self, now: SimTime, ppm: i32) {
        let rate = i64::try_from(MILLION).expect("a million fits") + i64::from(ppm);
        assert!(rate > 0, "a clock that drifts by {ppm} ppm does not run");
        self.change(now, self.millionths_at(now));
        self.rate = rate.unsigned_abs();
    }

    fn change(&mut self, now: SimTime, millionths: u128) {
        assert!(millionths >= self.millionths(), "a monotonic clock does not go back");
        self.changed = now;
        self.micros = u64::try_from(millionths / u128::from(MILLION)).unwrap_or(u64::MAX);
        self.fraction = (millionths % u128::from(MILLION)) as u64;
    }

    /// What it was at its last change, in millionths of a microsecond.
    fn millionths(&self) -> u128 {
        u128::from(self.micros) * u128::from(MILLION) + u128::from(self.fraction)
    }

    fn elapsed(&self, now: SimTime) -> u64 {
        assert!(now >= self.changed, "the clock was last changed at {}, after {now}", self.changed);
        now.as_micros() - self.changed.as_micros()
    }

    fn millionths_at(&self, now: SimTime) -> u128 {
        // 64 bits times at most 33 bits, added to at most 85 bits: far from 128.
        let elapsed = u128::from(self.elapsed(now));
        (self.millionths() + elapsed * u128::from(self.rate)).min(MILLIONTHS_MAX)
    }
}

const MILLION: u64 = 1_000_000;

/// Where the clock stops: the last microsecond that it can show.
const MILLIONTHS_MAX: u128 = u64::MAX as u128 * MILLION as u128;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: SimTime = SimTime(500);

    fn clock() -> Clock {
        Clock::new(START, 7_000)
    }

    fn drifting(ppm: i32) -> Clock {
        let mut clock = clock();
        clock.set_rate(START, ppm);
        clock
    }

    fn jumped(by: Duration) -> Clock {
        let mut clock = clock();
        clock.jump(START, by);
        clock
    }

    #[track_caller]
    fn check_local(clock: &Clock, elapsed: u64, expected: u64) {
        assert_eq!(clock.local(SimTime(START.as_micros() + elapsed)), expected);
    }

    #[track_caller]
    fn check_sim_time_of(clock: &Clock, local: u64, elapsed: u64) {
        assert_eq!(clock.sim_time_of(local), SimTime(START.as_micros() + elapsed));
    }

    #[test]
    fn a_new_clock_shows_its_offset_and_runs_with_the_simulation() {
        check_local(&clock(), 0, 7_000);
        check_local(&clock(), 1_000_000, 1_007_000);
        check_sim_time_of(&clock(), 1_007_000, 1_000_000);
    }

    #[test]
    fn a_drifting_clock_gains_or_loses_its_parts_per_million() {
        check_local(&drifting(100), 1_000_000, 1_007_100);
        check_local(&drifting(-100), 1_000_000, 1_006_900);
        check_local(&drifting(-100_000), 9, 7_008);
        check_local(&drifting(i32::MAX), 1, 7_000 + 2_148);
        check_local(&drifting(-999_999), 1_000_000, 7_001);
    }

    #[test]
    fn the_first_moment_that_shows_a_time_is_rounded_up() {
        check_sim_time_of(&drifting(-100_000), 7_009, 10);
        check_sim_time_of(&drifting(-100_000), 7_010, 12);
        check_sim_time_of(&drifting(1_000_000), 7_003, 2);
    }

    #[test]
    fn what_the_clock_shows_already_was_reached_at_its_last_change() {
        check_sim_time_of(&clock(), 0, 0);
        check_sim_time_of(&clock(), 7_000, 0);
        check_sim_time_of(&jumped(Duration::from_secs(1)), 1_006_999, 0);
    }

    #[test]
    fn a_jump_goes_forward_at_once() {
        check_local(&jumped(Duration::from_secs(1)), 0, 1_007_000);
        check_local(&jumped(Duration::from_secs(1)), 5, 1_007_005);
    }

    #[test]
    fn a_change_of_rate_starts_where_the_clock_is_and_loses_no_fraction() {
        let mut clock = drifting(-100_000);
        for elapsed in 1..=1_000 {
            clock.set_rate(SimTime(START.as_micros() + elapsed), -100_000);
        }
        check_local(&clock, 1_000, 7_900);
        clock.set_rate(SimTime(START.as_micros() + 1_000), 0);
        check_local(&clock, 1_000, 7_900);
        check_local(&clock, 2_000, 8_900);
    }

    #[test]
    fn what_cannot_be_reached_is_in_the_far_future() {
        assert_eq!(drifting(-999_999).sim_time_of(u64::MAX), SimTime::FAR_FUTURE);
        assert_eq!(Clock::new(SimTime(10), 0).sim_time_of(u64::MAX), SimTime::FAR_FUTURE);
    }

    #[test]
    fn the_clock_stops_at_its_last_microsecond() {
        check_local(&jumped(Duration::MAX), 1_000_000, u64::MAX);
        assert_eq!(drifting(100).local(SimTime::FAR_FUTURE), u64::MAX);
    }

    #[test]
    #[should_panic(expected = "a clock that drifts by -1000000 ppm does not run")]
    fn a_clock_does_not_stand_still() {
        drifting(-1_000_000);
    }

    #[test]
    #[should_panic(expected = "the clock was last changed at 0.000, after 0.000")]
    fn the_time_before_a_change_is_forgotten() {
        let _ = clock().local(SimTime(START.as_micros() - 1));
    }

    #[derive(Clone, Debug)]
    enum Change {
        Wait,
        Jump(u64),
        Rate(i32),
    }

    fn changes() -> impl Strategy<Value = Vec<(u64, Change)>> {
        let change = prop_oneof![
            Just(Change::Wait),
            prop_oneof![0..10_u64, 0..u64::MAX].prop_map(Change::Jump),
            prop_oneof![-100_000..=100_000, -999_999..=i32::MAX].prop_map(Change::Rate),
        ];
        prop::collection::vec((prop_oneof![0..10_u64, 0..10_000_000_u64], change), 0..20)
    }

    /// Runs the changes, calling `look` before and after each; returns when the last was made.
    fn run(clock: &mut Clock, changes: Vec<(u64, Change)>, mut look: impl FnMut(&Clock, SimTime)) -> SimTime {
        let mut now = clock.changed;
        for (after, change) in changes {
            now += Duration::from_micros(after);
            look(clock, now);
            match change {
                Change::Wait => {}
                Change::Jump(by) => clock.jump(now, Duration::from_micros(by)),
                Change::Rate(ppm) => clock.set_rate(now, ppm),
            }
            look(clock, now);
        }
        now
    }

    proptest! {
        #[test]
        fn no_sequence_of_changes_takes_the_clock_back(offset: u64, changes in changes()) {
            let mut clock = Clock::new(START, offset);
            let mut shown = offset;
            run(&mut clock, changes, |clock, now| {
                assert!(clock.local(now) >= shown, "{clock:?} went back from {shown} at {now}");
                shown = clock.local(now);
            });
        }

        #[test]
        fn a_change_of_rate_does_not_change_what_the_clock_shows(changes in changes(), ppm in -999_999..=i32::MAX) {
            let mut clock = clock();
            let now = run(&mut clock, changes, |_, _| {});
            let shown = clock.local(now);
            clock.set_rate(now, ppm);
            prop_assert_eq!(clock.local(now), shown);
        }

        #[test]
        fn the_moment_of_a_time_is_the_first_that_shows_it(
            changes in changes(),
            ahead in prop_oneof![0..100_u64, 0..1_000_000_000_000_u64, any::<u64>()],
        ) {
            let mut clock = clock();
            let now = run(&mut clock, changes, |_, _| {});
            let wanted = clock.local(now).saturating_add(ahead);
            let moment = clock.sim_time_of(wanted);
            prop_assert!(moment >= clock.changed);
            prop_assert!(clock.local(moment) >= wanted || moment == SimTime::FAR_FUTURE);
            if moment > clock.changed {
                prop_assert!(clock.local(SimTime(moment.as_micros() - 1)) < wanted);
            }
        }
    }
}
