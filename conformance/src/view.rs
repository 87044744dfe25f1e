//! What one server's numbers mean: which session has which id, and what the clock said at which transaction. With it,
//! answers of two servers can be compared although ids and clocks differ.

use crate::raw::Connected;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// Times may be so far from our own clock, in milliseconds.
const CLOCK_TOLERANCE_MS: i64 = 60_000;

/// One server's sessions and times, as far as they have been seen.
#[derive(Clone, Debug, Default)]
pub struct View {
    event_zxids: bool,
    sessions: Vec<Connected>,
    times: BTreeMap<i64, i64>,
}

impl View {
    /// Nothing has been seen yet. Whether events' zxids count: versions differ in them.
    #[must_use]
    pub fn new(event_zxids: bool) -> View {
        View { event_zxids, ..View::default() }
    }

    /// The zxid of an event, in words.
    #[must_use]
    pub fn event_zxid(&self, zxid: i64) -> String {
        if self.event_zxids { format!("{zxid:#x}") } else { "of its own".to_owned() }
    }

    /// The sessions, in the order in which they began.
    #[must_use]
    pub fn sessions(&self) -> &[Connected] {
        &self.sessions
    }

    /// A session has begun; its number.
    pub fn begin(&mut self, session: Connected) -> usize {
        self.sessions.push(session);
        self.sessions.len() - 1
    }

    /// The number of the session with this id.
    #[must_use]
    pub fn session(&self, id: i64) -> Option<usize> {
        self.sessions.iter().rposition(|session| session.session_id == id)
    }

    /// The owner of a node, in words.
    #[must_use]
    pub fn owner(&self, id: i64) -> String {
        match self.session(id) {
            None if id == 0 => "nobody".to_owned(),
            None => "an unknown session".to_owned(),
            Some(number) => format!("session {number}"),
        }
    }

    /// What the time of a transaction is worth: empty if it is as it should be.
    pub fn time(&mut self, zxid: i64, ms: i64) -> &'static str {
        if zxid == 0 {
            return if ms == 0 { "" } else { " (a time without a transaction)" };
        }
        if let Some(known) = self.times.get(&zxid) {
            return if *known == ms { "" } else { " (another time than before)" };
        }
        let before = self.times.range(..zxid).next_back().map_or(i64::MIN, |(_, ms)| *ms);
        let after = self.times.range(zxid..).next().map_or(i64::MAX, |(_, ms)| *ms);
        self.times.insert(zxid, ms);
        if ms < before || ms > after {
            " (a time out of order)"
        } else if (ms - now_ms()).abs() > CLOCK_TOLERANCE_MS {
            " (not the time of this day)"
        } else {
            ""
        }
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_transaction_has_one_time_and_later_ones_are_not_earlier() {
        let mut view = View::default();
        let now = now_ms();
        assert_eq!(view.time(5, now), "");
        assert_eq!(view.time(5, now), "");
        assert_eq!(view.time(5, now + 1), " (another time than before)");
        assert_eq!(view.time(4, now + 1), " (a time out of order)");
        assert_eq!(view.time(0, now), " (a time without a transaction)");
        assert_eq!(view.time(9, now + 100_000), " (not the time of this day)");
    }
}
