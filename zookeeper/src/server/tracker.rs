//! The leader's view of the sessions: when each expires, which server it belongs to, and which are about to end; what the
//! end of one means is left to the server.

use super::buckets::Buckets;
use super::peer::LinkId;
use crate::error::ErrorCode;
use crate::types::SessionId;
use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

/// The server through which a session's writes count, and the link that it had then: a server that comes back has to
/// claim its sessions again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Owner {
    pub(super) server: u32,
    pub(super) link: LinkId,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Tracked {
    /// `None` once its end is decided.
    expires_at: Option<Duration>,
    /// `None` under a new leader, until somebody speaks for the session.
    owner: Option<Owner>,
}

/// All sessions, and the order in which they expire.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Tracker {
    buckets: Buckets,
    sessions: BTreeMap<SessionId, Tracked>,
    expiry: BTreeSet<(Duration, SessionId)>,
}

impl Tracker {
    pub(super) fn new(buckets: Buckets) -> Self {
        Tracker { buckets, sessions: BTreeMap::new(), expiry: BTreeSet::new() }
    }

    /// Tracks a session from now on, with its full timeout ahead of it.
    pub(super) fn track(&mut self, now: Duration, id: SessionId, timeout: Duration, owner: Option<Owner>) {
        let expires_at = self.buckets.end_after(now, timeout);
        let before = self.sessions.insert(id, Tracked { expires_at: Some(expires_at), owner });
        if let Some(before) = before.and_then(|before| before.expires_at) {
            self.expiry.remove(&(before, id));
        }
        self.expiry.insert((expires_at, id));
    }

    /// Something was heard of the session. False when there is none, or when its end is decided: nothing saves it then.
    pub(super) fn touch(&mut self, now: Duration, id: SessionId, timeout: Duration) -> bool {
        let Some(tracked) = self.sessions.get_mut(&id) else { return false };
        let Some(before) = tracked.expires_at else { return false };
        if !self.buckets.is_end_after(before, now, timeout) {
            let expires_at = self.buckets.end_after(now, timeout);
            tracked.expires_at = Some(expires_at);
            let queued = self.expiry.remove(&(before, id));
            assert!(queued, "session {id} was in no bucket");
            self.expiry.insert((expires_at, id));
        }
        true
    }

    /// Whether `owner` may speak for the session. Who comes first owns what nobody owns.
    pub(super) fn check(&mut self, id: SessionId, owner: Owner) -> Result<(), ErrorCode> {
        let tracked = self.sessions.get_mut(&id).ok_or(ErrorCode::SessionExpired)?;
        if tracked.expires_at.is_none() {
            return Err(ErrorCode::SessionExpired);
        }
        if *tracked.owner.get_or_insert(owner) == owner { Ok(()) } else { Err(ErrorCode::SessionMoved) }
    }

    /// A client has attached to the session elsewhere.
    pub(super) fn set_owner(&mut self, id: SessionId, owner: Owner) {
        if let Some(tracked) = self.sessions.get_mut(&id) {
            tracked.owner = Some(owner);
        }
    }

    /// The end of the session is decided. False when there is none, or when it was decided before.
    pub(super) fn close(&mut self, id: SessionId) -> bool {
        let Some(tracked) = self.sessions.get_mut(&id) else { return false };
        let Some(expires_at) = tracked.expires_at.take() else { return false };
        let queued = self.expiry.remove(&(expires_at, id));
        assert!(queued, "session {id} was in no bucket");
        true
    }

    /// Decides the end of a session whose time is up.
    pub(super) fn close_due(&mut self, now: Duration) -> Option<SessionId> {
        let (_, id) = self.expiry.first().copied().filter(|(expires_at, _)| *expires_at <= now)?;
        let closed = self.close(id);
        assert!(closed, "session {id} is in a bucket and does not exist");
        Some(id)
    }

    /// The session has ended.
    pub(super) fn remove(&mut self, id: SessionId) {
        self.close(id);
        self.sessions.remove(&id);
    }

    /// When the next session expires.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        self.expiry.first().map(|(expires_at, _)| *expires_at)
    }

    /// When the session expires unless something is heard of it. `None` when there is none, or its end is decided.
    pub(super) fn expires_at(&self, id: SessionId) -> Option<Duration> {
        self.sessions.get(&id)?.expires_at
    }

    pub(super) fn is_tracking(&self, id: SessionId) -> bool {
        self.sessions.contains_key(&id)
    }

    pub(super) fn check_invariants(&self) {
        let queued = self.sessions.values().filter(|tracked| tracked.expires_at.is_some()).count();
        assert_eq!(self.expiry.len(), queued, "a session is in two buckets");
        for (id, tracked) in &self.sessions {
            let in_bucket = tracked.expires_at.is_none_or(|end| self.expiry.contains(&(end, *id)));
            assert!(in_bucket, "session {id} is in no bucket");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: SessionId = SessionId(7);
    const HERE: Owner = Owner { server: 1, link: LinkId(0) };
    const THERE: Owner = Owner { server: 2, link: LinkId(5) };

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// One session of 4 s, opened at 0 s.
    fn tracker() -> Tracker {
        let mut tracker = Tracker::new(Buckets::new(millis(2000), millis(0)));
        tracker.track(millis(0), ID, millis(4000), Some(HERE));
        tracker
    }

    #[test]
    fn a_touch_moves_a_session_to_the_bucket_of_its_timeout_also_backwards() {
        let mut tracker = tracker();
        for (timeout, expected) in [(4000, 6000), (9000, 10_000), (4000, 6000), (3999, 4000)] {
            assert!(tracker.touch(millis(0), ID, millis(timeout)));
            assert_eq!(tracker.expires_at(ID), Some(millis(expected)));
            tracker.check_invariants();
        }
    }

    #[test]
    fn a_session_whose_end_is_decided_is_neither_touched_nor_written_for_nor_ended_again() {
        let mut tracker = tracker();
        assert_eq!(tracker.close_due(millis(5999)), None);
        assert_eq!(tracker.close_due(millis(6000)), Some(ID));
        assert_eq!(tracker.close_due(millis(9000)), None);
        assert!(!tracker.touch(millis(6000), ID, millis(4000)));
        assert_eq!(tracker.check(ID, HERE), Err(ErrorCode::SessionExpired));
        assert!(!tracker.close(ID));
        assert!(tracker.is_tracking(ID));
        tracker.remove(ID);
        tracker.check_invariants();
        assert_eq!(tracker, Tracker::new(tracker.buckets));
        assert_eq!(tracker.check(ID, HERE), Err(ErrorCode::SessionExpired));
    }

    #[test]
    fn a_session_belongs_to_who_attached_it_last_and_to_the_first_comer_when_nobody_did() {
        let mut tracker = tracker();
        assert_eq!(tracker.check(ID, THERE), Err(ErrorCode::SessionMoved));
        tracker.set_owner(ID, THERE);
        assert_eq!(tracker.check(ID, HERE), Err(ErrorCode::SessionMoved));
        assert_eq!(tracker.check(ID, THERE), Ok(()));
        let again = Owner { link: LinkId(6), ..THERE };
        assert_eq!(tracker.check(ID, again), Err(ErrorCode::SessionMoved));
        tracker.track(millis(0), ID, millis(4000), None);
        assert_eq!(tracker.check(ID, again), Ok(()));
        assert_eq!(tracker.check(ID, HERE), Err(ErrorCode::SessionMoved));
        tracker.check_invariants();
    }
}
