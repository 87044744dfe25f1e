//! What an answer proves of the session's life at the leader: the chain of writes behind a lease in an ensemble.
//!
//! A follower answers pings and reads by itself. It tells the leader which sessions it has heard of when the leader
//! pings it, every half tick, and when the two are cut off from each other it goes on answering for up to `syncLimit`
//! ticks, while the leader expires the session. So these answers prove nothing, and a write's answer proves only that
//! the session lived then: a write that a follower passes on does not count as a sign of life at the leader either.
//!
//! What proves something is three writes on one connection: `first`, `middle` at least half a tick after `first` was
//! answered, and `last` after `middle` was answered. The leader has pinged the follower after it committed `first` and
//! before it committed `middle`; in order on their link, the follower had that ping before the commit of `middle`, and
//! answered it before it passed `last` on. So when the leader saw `last`, it had been told of the session, at a time
//! after `first` was sent. Nothing is assumed of how long anything takes but that a leader which runs pings in time.

use alloc::collections::VecDeque;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// Which answers extend the lease.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum LeaseRule {
    /// Every answer, counted from the sending of what it answers. Sound when the server stands alone.
    #[default]
    AnyAnswer,
    /// Attachments, and chains of three writes, counted from the sending of the first. Sound in an ensemble too, unless
    /// `minSessionTimeout` allows sessions shorter than two ticks.
    Committed,
}

/// Half a tick is at most this part of the session timeout, which is at least two ticks.
const HALF_TICK: u32 = 4;

/// So many parts of the session timeout lie between two writes that are remembered, to remember few.
const GRAIN: u32 = 64;

/// The shortest time between two writes that are remembered, when the session timeout is next to nothing.
const GRAIN_MIN: Duration = Duration::from_millis(1);

/// The writes on one connection that were answered, oldest first.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Chain {
    answered: VecDeque<Write>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Write {
    sent_at: Duration,
    answered_at: Duration,
}

impl Chain {
    /// A write that was sent at `sent_at` is answered at `now`. Says from which time on the leader has certainly heard
    /// of the session, if that is known and not long ago.
    pub(super) fn extend(&mut self, now: Duration, sent_at: Duration, timeout: Duration) -> Option<Duration> {
        let useless = |write: &Write| write.sent_at.saturating_add(timeout) < now;
        while self.answered.front().is_some_and(useless) {
            self.answered.pop_front();
        }
        let middle = self.answered.iter().rev().find(|write| write.answered_at <= sent_at);
        let first = middle.and_then(|middle| {
            let in_time =
                |write: &&Write| write.answered_at.saturating_add(timeout / HALF_TICK) <= middle.sent_at;
            self.answered.iter().rev().find(in_time)
        });
        let since = first.map(|first| first.sent_at);
        self.remember(now, sent_at, timeout);
        since
    }

    fn remember(&mut self, now: Duration, sent_at: Duration, timeout: Duration) {
        let grain = (timeout / GRAIN).max(GRAIN_MIN);
        if self.answered.back().is_none_or(|last| last.sent_at.saturating_add(grain) <= sent_at) {
            self.answered.push_back(Write { sent_at, answered_at: now });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(4);

    /// Writes as (sent, answered), in milliseconds; what the last of them proves.
    #[track_caller]
    fn check(writes: &[(u64, u64)], expected: Option<u64>) {
        let mut chain = Chain::default();
        let mut since = None;
        for (sent_at, answered_at) in writes {
            let [sent_at, now] = [sent_at, answered_at].map(|at| Duration::from_millis(*at));
            since = chain.extend(now, sent_at, TIMEOUT);
        }
        assert_eq!(since, expected.map(Duration::from_millis));
    }

    #[test]
    fn three_writes_prove_the_first_when_a_ping_of_the_leader_lies_between() {
        check(&[(0, 10)], None);
        check(&[(0, 10), (1010, 1020)], None);
        check(&[(0, 10), (1010, 1020), (1020, 1030)], Some(0));
    }

    #[test]
    fn two_writes_less_than_half_a_tick_apart_prove_nothing() {
        check(&[(0, 10), (1009, 1020), (1030, 1040)], None);
    }

    #[test]
    fn the_last_write_must_be_sent_after_the_middle_one_was_answered() {
        check(&[(0, 10), (1010, 1200), (1199, 1210)], None);
        check(&[(0, 10), (1010, 1200), (1200, 1210)], Some(0));
    }

    #[test]
    fn the_youngest_chain_counts() {
        let writes: Vec<(u64, u64)> = (0..12).map(|number| (number * 250, number * 250 + 20)).collect();
        // The last is sent at 2750, the middle one at 2500, and the first must be answered by 1500.
        check(&writes, Some(1250));
    }

    #[test]
    fn what_is_older_than_a_session_timeout_is_forgotten() {
        check(&[(0, 10), (1010, 1020), (4001, 4001)], None);
        let mut chain = Chain::default();
        for number in 0..100_000u64 {
            let at = Duration::from_micros(number * 500);
            chain.extend(at, at, TIMEOUT);
        }
        assert!(chain.answered.len() <= GRAIN as usize + 1, "{}", chain.answered.len());
    }

    use alloc::vec::Vec;
}
