//! While a connection is attached: requests and their answers, events, pings, and the lease.

use super::lease::LeaseRule;
use super::link::{AUTHENTICATE_XID, Asked, Unanswered};
use super::watches::WatchRequest;
use super::{Client, ClientOutput, Phase, UNANSWERED_MAX, Waiting, two_thirds};
use crate::error::ErrorCode;
use crate::operation::{Operation, Reply};
use crate::protocol::{ClientMessage, ServerMessage};
use crate::types::{ConnectionId, WatchEvent, Zxid};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

impl Client {
    pub(super) fn submit(
        &mut self,
        now: Duration,
        tag: u64,
        operation: Operation,
        outputs: &mut Vec<ClientOutput>,
    ) {
        let failed = |code| ClientOutput::Completed { tag, result: Err(code) };
        match &mut self.phase {
            Phase::Attached(link) if !link.is_full() => {
                let xid = link.next_xid();
                let (watch, is_write) = (WatchRequest::of(&operation), operation.is_write());
                link.asked(now, Asked::Request { xid, tag, watch, is_write });
                let message = ClientMessage::Request { xid, operation };
                outputs.push(ClientOutput::Send { connection: link.connection, message });
            }
            Phase::Idle | Phase::Pausing { .. } | Phase::Opening { .. } | Phase::Handshaking { .. }
                if self.config.library.keeps_requests && self.waiting.len() < UNANSWERED_MAX =>
            {
                self.waiting.push_back(Waiting { tag, operation });
            }
            Phase::Idle
            | Phase::Pausing { .. }
            | Phase::Opening { .. }
            | Phase::Handshaking { .. }
            | Phase::Attached(_)
            | Phase::Closing(_) => outputs.push(failed(ErrorCode::ConnectionLoss)),
            Phase::Ended(code) => outputs.push(failed(*code)),
        }
    }

    /// Something has arrived on the current connection.
    pub(super) fn received(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        message: ServerMessage,
        outputs: &mut Vec<ClientOutput>,
    ) {
        if let (Phase::Attached(_) | Phase::Closing(_), Some(held)) = (&self.phase, &mut self.held) {
            held.heard_at = now;
        }
        match message {
            ServerMessage::Connected { session, password, timeout } => {
                self.connected(now, connection, (session, password, timeout), outputs);
            }
            ServerMessage::Expired => self.expired(now, connection, outputs),
            ServerMessage::Event { event, zxid: _ } => self.event(now, connection, event, outputs),
            ServerMessage::Reply { xid: AUTHENTICATE_XID, zxid: _, result } => {
                self.authenticated(now, connection, result, outputs);
            }
            ServerMessage::Pong { .. }
            | ServerMessage::Reply { .. }
            | ServerMessage::SessionClosed { .. } => {
                self.answered(now, connection, message, outputs);
            }
        }
    }

    /// The server answers in order, so this must be the answer to the oldest thing unanswered.
    fn answered(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        message: ServerMessage,
        outputs: &mut Vec<ClientOutput>,
    ) {
        let oldest = match &mut self.phase {
            Phase::Attached(link) | Phase::Closing(link) => link.oldest_answered_by(&message),
            Phase::Idle
            | Phase::Pausing { .. }
            | Phase::Opening { .. }
            | Phase::Handshaking { .. }
            | Phase::Ended(_) => None,
        };
        match (oldest, message) {
            (Some(oldest), ServerMessage::Reply { xid: _, zxid, result }) => {
                self.replied(now, oldest, zxid, result, outputs);
            }
            (Some(oldest), ServerMessage::Pong { zxid: _ }) => {
                self.proved(now, oldest.sent_at, false, outputs)
            }
            (Some(_), ServerMessage::SessionClosed { .. }) => {
                outputs.push(ClientOutput::Close { connection });
                self.end(super::SessionState::Closed, outputs);
            }
            (
                Some(_),
                ServerMessage::Connected { .. } | ServerMessage::Expired | ServerMessage::Event { .. },
            ) => unreachable!("these answer nothing that is waited for"),
            (None, _) => self.drop_connection(now, connection, outputs),
        }
    }

    fn replied(
        &mut self,
        now: Duration,
        oldest: Unanswered,
        zxid: Zxid,
        result: Result<Reply, ErrorCode>,
        outputs: &mut Vec<ClientOutput>,
    ) {
        self.see(zxid);
        match oldest.asked {
            Asked::Request { xid: _, tag, watch, is_write } => {
                if let Some(watch) = watch {
                    let held = self.held.as_mut().expect("an attached client holds a session");
                    held.watches.register(watch, &result);
                }
                self.proved(now, oldest.sent_at, is_write && was_committed(&result), outputs);
                outputs.push(ClientOutput::Completed { tag, result });
            }
            Asked::LeaseWrite { xid: _ } => {
                self.proved(now, oldest.sent_at, was_committed(&result), outputs);
                let timeout = self.timeout();
                if let Phase::Attached(link) | Phase::Closing(link) = &mut self.phase {
                    link.lease_write_answered(timeout);
                }
            }
            Asked::SetWatches => self.proved(now, oldest.sent_at, false, outputs),
            Asked::Ping | Asked::CloseSession { .. } => unreachable!("a reply answers neither"),
        }
    }

    /// A reply shows how far the server has come. What is below 1 to a signed reader shows nothing, and Java's client
    /// leaves it aside: a server that does not know a request answers with −1.
    fn see(&mut self, zxid: Zxid) {
        let held = self.held.as_mut().expect("an attached client holds a session");
        if zxid.0 <= i64::MAX as u64 {
            held.last_zxid_seen = held.last_zxid_seen.max(zxid);
        }
    }

    fn event(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        event: WatchEvent,
        outputs: &mut Vec<ClientOutput>,
    ) {
        match &mut self.held {
            Some(held) if held.suspended_at.is_none() => {
                if held.watches.take(&event) {
                    outputs.push(ClientOutput::Event(event));
                }
            }
            Some(_) | None => self.drop_connection(now, connection, outputs),
        }
    }

    /// The server has judged the credentials. It does so at once, so this is not in the order of the other answers.
    fn authenticated(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        result: Result<Reply, ErrorCode>,
        outputs: &mut Vec<ClientOutput>,
    ) {
        let was_asked = match &mut self.phase {
            Phase::Attached(link) | Phase::Closing(link) => link.credentials_answered(),
            Phase::Idle
            | Phase::Pausing { .. }
            | Phase::Opening { .. }
            | Phase::Handshaking { .. }
            | Phase::Ended(_) => false,
        };
        match (was_asked, result) {
            (true, Ok(_)) => {}
            (true, Err(_)) => self.refused(connection, outputs),
            (false, _) => self.drop_connection(now, connection, outputs),
        }
    }

    // Timers.

    /// What is due on an attached connection.
    pub(super) fn wake_attached(&mut self, now: Duration, outputs: &mut Vec<ClientOutput>) {
        let (timeout, silent_too_long) = (self.timeout(), self.silent_too_long());
        let (Phase::Attached(link) | Phase::Closing(link)) = &mut self.phase else { return };
        if silent_too_long <= now {
            let connection = link.connection;
            return self.drop_connection(now, connection, outputs);
        }
        self.write_for_lease(now, outputs);
        let (Phase::Attached(link) | Phase::Closing(link)) = &mut self.phase else { return };
        if link.ping_due(timeout) > now {
            return;
        }
        if link.is_full() {
            // So much waits for an answer that one more ping would not bring it about.
            return link.sent(now);
        }
        link.asked(now, Asked::Ping);
        outputs.push(ClientOutput::Send { connection: link.connection, message: ClientMessage::Ping });
    }

    // The lease.

    /// When a write for the lease is due.
    pub(super) fn lease_write_due(&self) -> Option<Duration> {
        match (&self.phase, self.config.lease) {
            (Phase::Attached(link), LeaseRule::Committed) if self.holds_lease => link.lease_write_due(),
            (
                Phase::Idle
                | Phase::Pausing { .. }
                | Phase::Opening { .. }
                | Phase::Handshaking { .. }
                | Phase::Attached(_)
                | Phase::Closing(_)
                | Phase::Ended(_),
                LeaseRule::AnyAnswer | LeaseRule::Committed,
            ) => None,
        }
    }

    /// Sends a transaction that changes nothing, if one is due: a `multi` of no operations.
    pub(super) fn write_for_lease(&mut self, now: Duration, outputs: &mut Vec<ClientOutput>) {
        let is_due = self.lease_write_due().is_some_and(|due| due <= now);
        let Phase::Attached(link) = &mut self.phase else { return };
        if is_due {
            let xid = link.lease_written(now);
            let message = ClientMessage::Request { xid, operation: Operation::Multi { operations: vec![] } };
            outputs.push(ClientOutput::Send { connection: link.connection, message });
        }
    }

    /// What was sent at `sent_at` was answered at `now`, as a committed write or not.
    fn proved(&mut self, now: Duration, sent_at: Duration, committed: bool, outputs: &mut Vec<ClientOutput>) {
        let timeout = self.timeout();
        let (Phase::Attached(link) | Phase::Closing(link)) = &mut self.phase else { return };
        let since = match self.config.lease {
            LeaseRule::AnyAnswer => Some(sent_at),
            LeaseRule::Committed if committed => link.chain.extend(now, sent_at, timeout),
            LeaseRule::Committed => None,
        };
        if let Some(since) = since {
            self.extend_lease(since, outputs);
        }
    }

    /// The session has certainly lived on a server since `since`.
    pub(super) fn extend_lease(&mut self, since: Duration, outputs: &mut Vec<ClientOutput>) {
        let held = self.held.as_mut().expect("an attached client holds a session");
        let until = since.saturating_add(two_thirds(held.timeout));
        if until > held.lease_until {
            held.lease_until = until;
            outputs.push(ClientOutput::Lease { until });
        }
    }
}

/// Whether a write with this outcome went through the leader. Servers refuse by themselves what they cannot read or do
/// not know.
fn was_committed(result: &Result<Reply, ErrorCode>) -> bool {
    !matches!(result, Err(ErrorCode::MarshallingError | ErrorCode::Unimplemented))
}
