//! The requests that wait, session by session, and how many there are; what they wait for is left to `requests`.

use super::requests::Waiting;
use crate::types::SessionId;
use alloc::collections::{BTreeMap, VecDeque};

/// What the requests of each session wait for. What is first waits for the leader. A queue is empty only while the session
/// has a connection here, for the next request.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Pending {
    queues: BTreeMap<SessionId, VecDeque<Waiting>>,
    len: usize,
}

impl Pending {
    /// How many requests wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no queue, not even an empty one.
    pub(super) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Whether a request of the session waits.
    pub(super) fn has(&self, session: SessionId) -> bool {
        self.queues.get(&session).is_some_and(|queue| !queue.is_empty())
    }

    /// Puts something behind all that its session waits for.
    pub(super) fn push(&mut self, session: SessionId, waiting: Waiting) {
        self.queues.entry(session).or_default().push_back(waiting);
        self.len += 1;
    }

    /// Takes what is first of a session, if it is `wanted`.
    pub(super) fn pop_if(
        &mut self,
        session: SessionId,
        wanted: impl FnOnce(&Waiting) -> bool,
    ) -> Option<Waiting> {
        let first = self.queues.get_mut(&session)?.pop_front_if(|first| wanted(first))?;
        self.len -= 1;
        Some(first)
    }

    /// Forgets the queue of a session, unless something waits in it.
    pub(super) fn forget(&mut self, session: SessionId) {
        if self.queues.get(&session).is_some_and(VecDeque::is_empty) {
            self.queues.remove(&session);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Pending::default();
    }

    /// Checks what it believes of itself. `is_expected` says whether a session has a connection here.
    pub(super) fn check_invariants(&self, is_expected: impl Fn(SessionId) -> bool) {
        for (session, queue) in &self.queues {
            assert!(!matches!(queue.front(), Some(Waiting::Local { .. })), "something waits for nothing");
            assert!(is_expected(*session) || !queue.is_empty(), "a queue is kept for nothing");
        }
        assert_eq!(self.len, self.queues.values().map(VecDeque::len).sum(), "requests are miscounted");
    }
}
