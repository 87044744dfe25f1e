//! A connection attached to a session: what is on its way, and when the next thing is to be sent; states are left to the client.

use super::lease::Chain;
use super::watches::WatchRequest;
use crate::protocol::ServerMessage;
use crate::types::ConnectionId;
use alloc::collections::VecDeque;
use core::time::Duration;

/// At most so many requests and pings are unanswered at once. A coordinator reads the registrations of its whole cluster
/// at once, so this is well above the largest one; ZooKeeper's servers throttle earlier (`globalOutstandingLimit`, 1000),
/// and answer all the same.
pub const UNANSWERED_MAX: usize = 32_768;

/// The number that ZooKeeper's clients give to their `SetWatches`.
pub(super) const SET_WATCHES_XID: i32 = -8;

/// The number that ZooKeeper's clients give to `Authenticate`.
pub(super) const AUTHENTICATE_XID: i32 = -4;

/// The longest that an attached client says nothing, however long the session timeout.
const PING_INTERVAL_MAX: Duration = Duration::from_secs(10);

/// The shortest pause between pings, and between writes for the lease, so that a server that grants next to no timeout
/// is not pinged without end.
const INTERVAL_MIN: Duration = Duration::from_millis(1);

/// Writes for the lease are this part of the session timeout apart: often enough for chains that reach far, see `lease`.
const LEASE_WRITES: u32 = 16;

/// An attached connection. The server answers in the order of asking, but authentication at once.
// In the order in which pings need it, see `Client`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[repr(C)]
pub(super) struct Link {
    pub(super) connection: ConnectionId,
    last_sent: Duration,
    unanswered: VecDeque<Unanswered>,
    lease_write: LeaseWrite,
    next_xid: i32,
    /// The answered writes on it.
    pub(super) chain: Chain,
    unanswered_credentials: usize,
}

/// The one write for the lease.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum LeaseWrite {
    Due { at: Duration },
    Unanswered { sent_at: Duration },
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
    SetWatches,
    LeaseWrite { xid: i32 },
    Request { xid: i32, tag: u64, watch: Option<WatchRequest>, is_write: bool },
    CloseSession { xid: i32 },
}

impl Link {
    /// A connection whose `Connect`, sent at `connect_sent_at`, was answered.
    pub(super) fn new(connection: ConnectionId, connect_sent_at: Duration) -> Self {
        Link {
            connection,
            chain: Chain::default(),
            last_sent: connect_sent_at,
            lease_write: LeaseWrite::Due { at: connect_sent_at },
            next_xid: 1,
            unanswered: VecDeque::new(),
            unanswered_credentials: 0,
        }
    }

    /// A number for the next request. Negative ones have meanings of their own.
    pub(super) fn next_xid(&mut self) -> i32 {
        let xid = self.next_xid;
        self.next_xid = self.next_xid.checked_add(1).unwrap_or(1);
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

    /// Credentials go out.
    pub(super) fn credentials_shown(&mut self, now: Duration) {
        self.sent(now);
        self.unanswered_credentials += 1;
    }

    /// The answer to credentials has come. False if none were waited for.
    pub(super) fn credentials_answered(&mut self) -> bool {
        let left = self.unanswered_credentials.checked_sub(1);
        self.unanswered_credentials = left.unwrap_or_default();
        left.is_some()
    }

    /// Takes the oldest thing unanswered, if `message` is the answer to it.
    pub(super) fn oldest_answered_by(&mut self, message: &ServerMessage) -> Option<Unanswered> {
        let answers = match (&self.unanswered.front()?.asked, message) {
            (Asked::Ping, ServerMessage::Pong { .. }) => true,
            (Asked::SetWatches, ServerMessage::Reply { xid, .. }) => *xid == SET_WATCHES_XID,
            (
                Asked::Request { xid: asked, .. } | Asked::LeaseWrite { xid: asked },
                ServerMessage::Reply { xid, .. },
            )
            | (Asked::CloseSession { xid: asked }, ServerMessage::SessionClosed { xid, .. }) => asked == xid,
            (
                Asked::Ping
                | Asked::SetWatches
                | Asked::LeaseWrite { .. }
                | Asked::Request { .. }
                | Asked::CloseSession { .. },
                _,
            ) => false,
        };
        if answers { self.unanswered.pop_front() } else { None }
    }

    /// When the next ping is due: after a third of the session timeout without sending, within the limits.
    pub(super) fn ping_due(&self, timeout: Duration) -> Duration {
        self.last_sent.saturating_add((timeout / 3).clamp(INTERVAL_MIN, PING_INTERVAL_MAX))
    }

    /// When the next write for the lease is due: while one is unanswered, or nothing more can be sent, never.
    pub(super) fn lease_write_due(&self) -> Option<Duration> {
        match self.lease_write {
            LeaseWrite::Due { at } if !self.is_full() => Some(at),
            LeaseWrite::Due { .. } | LeaseWrite::Unanswered { .. } => None,
        }
    }

    /// A write for the lease goes out. Says its number.
    pub(super) fn lease_written(&mut self, now: Duration) -> i32 {
        let xid = self.next_xid();
        self.asked(now, Asked::LeaseWrite { xid });
        self.lease_write = LeaseWrite::Unanswered { sent_at: now };
        xid
    }

    /// The write for the lease is answered; the next follows in a while.
    pub(super) fn lease_write_answered(&mut self, timeout: Duration) {
        if let LeaseWrite::Unanswered { sent_at } = self.lease_write {
            let interval = (timeout / LEASE_WRITES).max(INTERVAL_MIN);
            self.lease_write = LeaseWrite::Due { at: sent_at.saturating_add(interval) };
        }
    }

    /// The tags of the requests that will not be answered any more, oldest first.
    pub(super) fn into_tags(self) -> impl Iterator<Item = u64> {
        self.unanswered.into_iter().filter_map(|unanswered| match unanswered.asked {
            Asked::Request { tag, .. } => Some(tag),
            Asked::Ping | Asked::SetWatches | Asked::LeaseWrite { .. } | Asked::CloseSession { .. } => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_requests_are_never_negative() {
        let mut link = Link { next_xid: i32::MAX - 1, ..Link::new(ConnectionId(1), Duration::ZERO) };
        assert_eq!([(); 4].map(|()| link.next_xid()), [i32::MAX - 1, i32::MAX, 1, 2]);
    }
}
