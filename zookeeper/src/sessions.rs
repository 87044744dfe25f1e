//! The server's sessions: who is attached where, and when each expires; what expiry means for the tree is left to the server.

use crate::types::{ConnectionId, Password, SessionId};
use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

/// One session, alive.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Session {
    timeout: Duration,
    expires_at: Duration,
    owner: Option<ConnectionId>,
    attached: BTreeSet<ConnectionId>,
}

impl Session {
    /// The negotiated timeout.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// When the session expires unless something is heard of it before; on the server's clock.
    #[must_use]
    pub fn expires_at(&self) -> Duration {
        self.expires_at
    }

    /// The connection whose writes count: the one that attached last, while it is open.
    #[must_use]
    pub fn connection(&self) -> Option<ConnectionId> {
        self.owner
    }
}

/// Where the expiry buckets lie. All sessions of a bucket expire at its end.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Buckets {
    /// The width of a bucket, above zero.
    pub(crate) tick: Duration,
    /// The first end of a bucket, below `tick`; the others follow every `tick`.
    pub(crate) phase: Duration,
}

impl Buckets {
    /// The first end of a bucket that is later than `now + timeout`: in `(timeout, timeout + tick]` from now.
    fn end_after(self, now: Duration, timeout: Duration) -> Duration {
        let (tick, phase) = (self.tick.as_nanos(), self.phase.as_nanos());
        let earliest = now.saturating_add(timeout).as_nanos();
        let end = match earliest.checked_sub(phase) {
            Some(since_phase) => phase + (since_phase / tick + 1) * tick,
            None => phase,
        };
        let seconds = u64::try_from(end / NANOS_PER_SECOND);
        let nanos = u32::try_from(end % NANOS_PER_SECOND).expect("a remainder of a second fits");
        seconds.map_or(Duration::MAX, |seconds| Duration::new(seconds, nanos))
    }
}

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// All sessions, and the order in which they expire.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Sessions {
    buckets: Buckets,
    opened: u64,
    sessions: BTreeMap<SessionId, Session>,
    expiry: BTreeSet<(Duration, SessionId)>,
}

impl Sessions {
    pub(crate) fn new(buckets: Buckets) -> Self {
        assert!(!buckets.tick.is_zero(), "a tick lasts longer than nothing");
        assert!(buckets.phase < buckets.tick, "the phase of the buckets is below a tick");
        Sessions { buckets, opened: 0, sessions: BTreeMap::new(), expiry: BTreeSet::new() }
    }

    /// Opens a session on `connection`. Ids count up from 1 and are never used again.
    pub(crate) fn open(&mut self, now: Duration, connection: ConnectionId, timeout: Duration) -> SessionId {
        self.opened += 1;
        let id = SessionId(self.opened);
        let expires_at = self.buckets.end_after(now, timeout);
        let attached = BTreeSet::from([connection]);
        self.sessions.insert(id, Session { timeout, expires_at, owner: Some(connection), attached });
        self.expiry.insert((expires_at, id));
        id
    }

    /// Attaches `connection`, which owns the session from now on. False when there is no such session.
    pub(crate) fn attach(
        &mut self,
        now: Duration,
        id: SessionId,
        connection: ConnectionId,
        timeout: Duration,
    ) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        session.timeout = timeout;
        session.owner = Some(connection);
        session.attached.insert(connection);
        self.touch(now, id);
        true
    }

    /// A connection of the session is gone; the session is not.
    pub(crate) fn detach(&mut self, id: SessionId, connection: ConnectionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let known = session.attached.remove(&connection);
        assert!(known, "a connection was not listed with its session");
        session.owner = session.owner.filter(|owner| *owner != connection);
    }

    /// Something was heard of the session.
    pub(crate) fn touch(&mut self, now: Duration, id: SessionId) {
        let session = self.sessions.get_mut(&id).expect("an attached session is alive");
        let expires_at = self.buckets.end_after(now, session.timeout);
        if expires_at != session.expires_at {
            let queued = self.expiry.remove(&(session.expires_at, id));
            assert!(queued, "a session was in no bucket");
            self.expiry.insert((expires_at, id));
            session.expires_at = expires_at;
        }
    }

    /// Something was heard of all sessions, as it were: each has its full timeout again.
    pub(crate) fn touch_all(&mut self, now: Duration) {
        self.expiry.clear();
        for (id, session) in &mut self.sessions {
            session.expires_at = self.buckets.end_after(now, session.timeout);
            self.expiry.insert((session.expires_at, *id));
        }
    }

    /// Detaches every connection of every session.
    pub(crate) fn detach_all(&mut self) {
        for session in self.sessions.values_mut() {
            session.owner = None;
            session.attached.clear();
        }
    }

    /// Ends a session and gives back the connections attached to it. `None` when there is no such session.
    pub(crate) fn remove(&mut self, id: SessionId) -> Option<BTreeSet<ConnectionId>> {
        let session = self.sessions.remove(&id)?;
        let queued = self.expiry.remove(&(session.expires_at, id));
        assert!(queued, "a session was in no bucket");
        Some(session.attached)
    }

    /// When the next session expires, and which.
    pub(crate) fn next_expiry(&self) -> Option<(Duration, SessionId)> {
        self.expiry.first().copied()
    }

    pub(crate) fn owns(&self, id: SessionId, connection: ConnectionId) -> bool {
        self.sessions.get(&id).is_some_and(|session| session.owner == Some(connection))
    }

    pub(crate) fn is_alive(&self, id: SessionId) -> bool {
        self.sessions.contains_key(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        self.sessions.iter().map(|(id, session)| (*id, session))
    }

    /// The connections of all sessions, each with its session.
    pub(crate) fn attachments(&self) -> impl Iterator<Item = (ConnectionId, SessionId)> {
        self.iter().flat_map(|(id, session)| session.attached.iter().map(move |connection| (*connection, id)))
    }

    pub(crate) fn check_invariants(&self) {
        assert_eq!(self.expiry.len(), self.sessions.len(), "a session is in two buckets");
        for (id, session) in self.iter() {
            assert!(self.expiry.contains(&(session.expires_at, id)), "session {id} is in no bucket");
            let owner_attached = session.owner.is_none_or(|owner| session.attached.contains(&owner));
            assert!(owner_attached, "the owner of session {id} is not attached");
        }
    }
}

/// The password of a session, a function of its id alone as in ZooKeeper, so that all servers agree on it.
pub(crate) fn password_of(id: SessionId) -> Password {
    // The finalizer of SplitMix64; it only has to make a wrong password unlikely by accident.
    let mut bits = id.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Password(bits ^ (bits >> 31))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_ends_more_than_the_timeout_and_at_most_a_tick_more_from_now() {
        let millis = Duration::from_millis;
        for phase in [0, 1, 700, 1999] {
            let buckets = Buckets { tick: millis(2000), phase: millis(phase) };
            for now in (0..9000).step_by(37) {
                let end = buckets.end_after(millis(now), millis(4000));
                assert!(end > millis(now + 4000) && end <= millis(now + 6000), "{now} {end:?}");
                assert_eq!(end.as_millis() % 2000, u128::from(phase));
            }
        }
        let buckets = Buckets { tick: millis(2000), phase: millis(500) };
        assert_eq!(buckets.end_after(millis(0), millis(100)), millis(500));
        assert_eq!(buckets.end_after(millis(0), millis(500)), millis(2500));
        assert_eq!(buckets.end_after(Duration::MAX, Duration::MAX), Duration::MAX);
    }

    #[test]
    fn passwords_differ() {
        assert_ne!(password_of(SessionId(1)), password_of(SessionId(2)));
    }
}
