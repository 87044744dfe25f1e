//! The leader's view of the sessions: when each expires, which server it belongs to, and which are about to end; what the
//! end of one means is left to the server.

use super::buckets::Buckets;
use super::expiry::{Expires, Expiry, ExpiryQueue};
use super::peer::LinkId;
use crate::error::ErrorCode;
use crate::types::SessionId;
use alloc::collections::BTreeMap;
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
    expiry: Option<Expiry>,
    /// `None` under a new leader, until somebody speaks for the session.
    owner: Option<Owner>,
}

impl Expires for Tracked {
    #[inline]
    fn expiry(&self) -> Option<Expiry> {
        self.expiry
    }
}

/// All sessions, and the order in which they expire.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Tracker {
    buckets: Buckets,
    sessions: BTreeMap<SessionId, Tracked>,
    queue: ExpiryQueue<SessionId>,
}

impl Tracker {
    pub(super) fn new(buckets: Buckets) -> Self {
        Tracker { buckets, sessions: BTreeMap::new(), queue: ExpiryQueue::new() }
    }

    /// Tracks a session from now on, with its full timeout ahead of it.
    pub(super) fn track(&mut self, now: Duration, id: SessionId, timeout: Duration, owner: Option<Owner>) {
        let expires_at = self.buckets.end_after(now, timeout);
        let expiry = Some(self.queue.enter(id, expires_at));
        self.sessions.insert(id, Tracked { expiry, owner });
        self.queue.settle(id, &self.sessions);
    }

    /// Something was heard of the session. False when there is none, or when its end is decided: nothing saves it then.
    pub(super) fn touch(&mut self, now: Duration, id: SessionId, timeout: Duration) -> bool {
        let Some(tracked) = self.sessions.get_mut(&id) else { return false };
        let Some(expiry) = &mut tracked.expiry else { return false };
        if !self.buckets.is_end_after(expiry.at(), now, timeout) {
            self.queue.put_off(id, expiry, self.buckets.end_after(now, timeout));
            self.queue.settle(id, &self.sessions);
        }
        true
    }

    /// Whether `owner` may speak for the session. Who comes first owns what nobody owns.
    pub(super) fn check(&mut self, id: SessionId, owner: Owner) -> Result<(), ErrorCode> {
        let tracked = self.sessions.get_mut(&id).ok_or(ErrorCode::SessionExpired)?;
        if tracked.expiry.is_none() {
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
        let closes = tracked.expiry.take().is_some();
        self.queue.settle(id, &self.sessions);
        closes
    }

    /// Decides the end of a session whose time is up.
    pub(super) fn close_due(&mut self, now: Duration) -> Option<SessionId> {
        let (_, id) = self.queue.first().filter(|(expires_at, _)| *expires_at <= now)?;
        let closed = self.close(id);
        assert!(closed, "session {id} is to expire and does not exist");
        Some(id)
    }

    /// The session has ended.
    pub(super) fn remove(&mut self, id: SessionId) {
        // The queue is settled by that; an end that is decided has no place in it.
        self.close(id);
        self.sessions.remove(&id);
    }

    /// When the next session expires.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        self.queue.first().map(|(expires_at, _)| expires_at)
    }

    /// When the session expires unless something is heard of it. `None` when there is none, or its end is decided.
    pub(super) fn expires_at(&self, id: SessionId) -> Option<Duration> {
        self.sessions.get(&id)?.expiry.map(Expiry::at)
    }

    pub(super) fn is_tracking(&self, id: SessionId) -> bool {
        self.sessions.contains_key(&id)
    }

    pub(super) fn check_invariants(&self) {
        let expiries = self.sessions.iter().filter_map(|(id, tracked)| Some((*id, tracked.expiry?)));
        self.queue.check_invariants(expiries);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

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

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Track { timeout: u64 },
        Touch { timeout: u64 },
        Close,
        Remove,
        Expire,
    }

    fn steps() -> impl Strategy<Value = (u64, u64, Step)> {
        let step = prop_oneof![
            2 => (0u64..5_000).prop_map(|timeout| Step::Track { timeout }),
            9 => (0u64..5_000).prop_map(|timeout| Step::Touch { timeout }),
            1 => Just(Step::Close),
            1 => Just(Step::Remove),
            3 => Just(Step::Expire),
        ];
        (0u64..2_000, 0u64..8, step)
    }

    proptest! {
        /// The list holds each session at the end of its bucket, sorted; whoever is heard of is taken out and put in anew.
        #[test]
        fn sessions_expire_in_the_order_of_a_sorted_list(steps in prop::collection::vec(steps(), 1..200)) {
            let buckets = Buckets::new(millis(2000), millis(300));
            let mut tracker = Tracker::new(buckets);
            let mut list: BTreeSet<(Duration, SessionId)> = BTreeSet::new();
            let mut now = millis(0);
            for (later, id, step) in steps {
                now += millis(later);
                let id = SessionId(id);
                let listed = list.iter().find(|(_, listed)| *listed == id).copied();
                let mut takes_out = listed.is_some();
                let mut puts_in = None;
                match step {
                    Step::Track { timeout } => {
                        tracker.track(now, id, millis(timeout), None);
                        puts_in = Some(timeout);
                    }
                    Step::Touch { timeout } => {
                        prop_assert_eq!(tracker.touch(now, id, millis(timeout)), listed.is_some());
                        puts_in = listed.map(|_| timeout);
                    }
                    Step::Close => prop_assert_eq!(tracker.close(id), listed.is_some()),
                    Step::Remove => tracker.remove(id),
                    Step::Expire => {
                        takes_out = false;
                        while let Some(first) = list.first().copied().filter(|(end, _)| *end <= now) {
                            prop_assert_eq!(tracker.close_due(now), Some(first.1));
                            list.remove(&first);
                        }
                        prop_assert_eq!(tracker.close_due(now), None);
                    }
                }
                list.retain(|(_, listed)| !takes_out || *listed != id);
                list.extend(puts_in.map(|timeout| (buckets.end_after(now, millis(timeout)), id)));
                prop_assert_eq!(tracker.next_expiry(), list.first().map(|(end, _)| *end));
                for (end, id) in &list {
                    prop_assert_eq!(tracker.expires_at(*id), Some(*end));
                }
                tracker.check_invariants();
            }
        }
    }
}
