//! A connection attached to a session: what is on its way, and when silence has lasted too long; states are left to the client.

use super::watches::WatchRequest;
use crate::protocol::ServerMessage;
use crate::types::ConnectionId;
use alloc::collections::VecDeque;
use core::time::Duration;

/// At most so many requests and pings are unanswered at once. A coordinator reads the registrations of its whole cluster
/// at once, so this is well above the largest one; ZooKeeper's servers throttle earlier (`globalOutstandingLimit`, 1000),
/// and answer all the same.
pub const UNANSWERED_MAX: usize = 32_768;

/// The longest that an attached client says nothing, however long the session timeout.
const PING_INTERVAL_MAX: Duration = Duration::from_secs(10);

/// The shortest pause between pings, so that a server that grants no timeout at all is not pinged without end.
const PING_INTERVAL_MIN: Duration = Duration::from_millis(1);

/// An attached connection. The server answers in the order of asking.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Link {
    pub(super) connection: ConnectionId,
    last_sent: Duration,
    last_heard: Duration,
    next_xid: u32,
    unanswered: VecDeque<Unanswered>,
}

/// Something that was sent at a time on the client's clock and is to be answered.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Unanswered {
    pub(super) sent_at: Duration,
    pub(super) asked: Asked,
}

/// What was asked.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Asked {
    Ping,
    Request { xid: u32, tag: u64, watch: Option<WatchRequest> },
    CloseSession { xid: u32 },
}

impl Link {
    /// A connection whose `Connect`, sent at `connect_sent_at`, was answered at `now`.
    pub(super) fn new(now: Duration, connection: ConnectionId, connect_sent_at: Duration) -> Self {
        let unanswered = VecDeque::new();
        Link { connection, last_sent: connect_sent_at, last_heard: now, next_xid: 1, unanswered }
    }

    pub(super) fn next_xid(&mut self) -> u32 {
        let xid = self.next_xid;
        self.next_xid = self.next_xid.wrapping_add(1);
        xid
    }

    pub(super) fn is_full(&self) -> bool {
        self.unanswered.len() >= UNANSWERED_MAX
    }

    /// Something goes out that is not answered.
    pub(super) fn sent(&mut self, now: Duration) {
        self.last_sent = now;
    }

    /// Something goes out that will be answered.
    pub(super) fn asked(&mut self, now: Duration, asked: Asked) {
        self.sent(now);
        self.unanswered.push_back(Unanswered { sent_at: now, asked });
    }

    pub(super) fn heard(&mut self, now: Duration) {
        self.last_heard = now;
    }

    /// Takes the oldest thing unanswered, if `message` is the answer to it.
    pub(super) fn oldest_answered_by(&mut self, message: &ServerMessage) -> Option<Unanswered> {
        let answers = match (&self.unanswered.front()?.asked, message) {
            (Asked::Ping, ServerMessage::Pong { .. }) => true,
            (Asked::Request { xid: asked, .. }, ServerMessage::Reply { xid, .. })
            | (Asked::CloseSession { xid: asked }, ServerMessage::SessionClosed { xid }) => asked == xid,
            (Asked::Ping | Asked::Request { .. } | Asked::CloseSession { .. }, _) => false,
        };
        if answers { self.unanswered.pop_front() } else { None }
    }

    /// When the next ping is due: after a third of the session timeout without sending, within the limits.
    pub(super) fn ping_due(&self, timeout: Duration) -> Duration {
        self.last_sent.saturating_add((timeout / 3).clamp(PING_INTERVAL_MIN, PING_INTERVAL_MAX))
    }

    /// When the connection is to be given up: after two thirds of the session timeout without hearing.
    pub(super) fn silent_too_long(&self, timeout: Duration) -> Duration {
        self.last_heard.saturating_add(two_thirds(timeout))
    }

    /// The tags of the requests that will not be answered any more, oldest first.
    pub(super) fn into_tags(self) -> impl Iterator<Item = u64> {
        self.unanswered.into_iter().filter_map(|unanswered| match unanswered.asked {
            Asked::Request { tag, xid: _, watch: _ } => Some(tag),
            Asked::Ping | Asked::CloseSession { .. } => None,
        })
    }
}

/// Two thirds of a session timeout, rounded down.
pub(super) fn two_thirds(timeout: Duration) -> Duration {
    (timeout / 3).saturating_mul(2)
}
