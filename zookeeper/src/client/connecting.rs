//! From no connection to one that is attached to the session, and what is said first on it.

use super::link::{AUTHENTICATE_XID, Asked, Link, SET_WATCHES_XID};
use super::watches::HeldWatches;
use super::{Client, Held, Phase, SessionState};
use crate::client::ClientOutput;
use crate::error::ErrorCode;
use crate::operation::Operation;
use crate::protocol::ClientMessage;
use crate::types::{ConnectionId, Password, SessionId, Zxid};
use alloc::vec::Vec;
use core::time::Duration;

/// The shortest time an attempt is given, however short the session timeout.
const CONNECT_TIMEOUT_MIN: Duration = Duration::from_millis(1);

impl Client {
    pub(super) fn open(&mut self, now: Duration, outputs: &mut Vec<ClientOutput>) {
        let connection = ConnectionId(self.next_connection);
        self.next_connection = self.next_connection.wrapping_add(1);
        self.server = self.route.advance();
        let timeout = self.config.connect_timeout.unwrap_or_else(|| self.javas_connect_timeout());
        self.phase = Phase::Opening { connection, deadline: now.saturating_add(timeout) };
        outputs.push(ClientOutput::Open { connection, server: self.server });
    }

    fn javas_connect_timeout(&self) -> Duration {
        (self.timeout() / self.config.servers.max(1)).max(CONNECT_TIMEOUT_MIN)
    }

    /// Tries again soon, after what was attached is lost.
    pub(super) fn reopen(&mut self, now: Duration, outputs: &mut Vec<ClientOutput>) {
        let pause = self.route.pause_after_loss();
        if pause.is_zero() {
            self.open(now, outputs);
        } else {
            self.phase = Phase::Pausing { until: now.saturating_add(pause) };
        }
    }

    pub(super) fn opened(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        outputs: &mut Vec<ClientOutput>,
    ) {
        match self.phase {
            Phase::Opening { connection: current, deadline } if current == connection => {
                self.route.opened();
                if let Some(held) = &mut self.held {
                    held.heard_at = now;
                }
                let deadline = match self.config.connect_timeout {
                    Some(_) => deadline,
                    None => now.saturating_add(self.javas_connect_timeout()),
                };
                outputs.push(ClientOutput::Send { connection, message: self.connect() });
                self.phase = Phase::Handshaking { connection, deadline, sent_at: now };
            }
            Phase::Idle
            | Phase::Pausing { .. }
            | Phase::Opening { .. }
            | Phase::Handshaking { .. }
            | Phase::Attached(_)
            | Phase::Closing(_)
            | Phase::Ended(_) => {
                // A current connection that is open already needs no second word; any other is not wanted.
                if self.connection() != Some(connection) {
                    outputs.push(ClientOutput::Close { connection });
                }
            }
        }
    }

    fn connect(&self) -> ClientMessage {
        let held = self.held.as_ref();
        ClientMessage::Connect {
            session: held.map(|held| (held.id, held.password)).or(self.config.resumes),
            timeout: self.config.session_timeout,
            last_zxid_seen: held.map_or(Zxid(0), |held| held.last_zxid_seen),
        }
    }

    /// The current connection is gone, or could not be had.
    pub(super) fn connection_ended(&mut self, now: Duration, outputs: &mut Vec<ClientOutput>) {
        let until = now.saturating_add(self.route.pause_after_failure());
        match core::mem::replace(&mut self.phase, Phase::Pausing { until }) {
            Phase::Opening { .. } | Phase::Handshaking { .. } => {
                self.fail_waiting(ErrorCode::ConnectionLoss, outputs);
            }
            Phase::Attached(link) => {
                self.held.as_mut().expect("an attached client holds a session").suspended_at = Some(now);
                outputs.push(ClientOutput::State(SessionState::Suspended));
                super::ending::fail(link, ErrorCode::ConnectionLoss, outputs);
                self.reopen(now, outputs);
            }
            Phase::Closing(link) => {
                super::ending::fail(link, ErrorCode::ConnectionLoss, outputs);
                self.end(SessionState::Closed, outputs);
            }
            Phase::Idle | Phase::Pausing { .. } | Phase::Ended(_) => {
                unreachable!("there is no connection to end")
            }
        }
    }

    /// Drops the current connection: the server does not keep to the protocol, or says nothing.
    pub(super) fn drop_connection(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        outputs: &mut Vec<ClientOutput>,
    ) {
        outputs.push(ClientOutput::Close { connection });
        self.connection_ended(now, outputs);
    }

    /// The session that `Connect` names.
    pub(super) fn asked_for(&self) -> Option<SessionId> {
        self.session().or(self.config.resumes.map(|(session, _)| session))
    }

    /// `Connect` was answered with a session. Only a client that asked for it believes it, and only if it is its own.
    pub(super) fn connected(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        granted: (SessionId, Password, Duration),
        outputs: &mut Vec<ClientOutput>,
    ) {
        match self.phase {
            Phase::Handshaking { sent_at, .. } if self.asked_for().is_none_or(|asked| asked == granted.0) => {
                if granted.2.is_zero() {
                    // On the wire this is how expiry is said.
                    self.expired(now, connection, outputs);
                } else {
                    self.attach(now, connection, sent_at, granted, outputs);
                }
            }
            Phase::Idle
            | Phase::Pausing { .. }
            | Phase::Opening { .. }
            | Phase::Handshaking { .. }
            | Phase::Attached(_)
            | Phase::Closing(_)
            | Phase::Ended(_) => self.drop_connection(now, connection, outputs),
        }
    }

    /// The `Connect` sent at `sent_at` was granted.
    fn attach(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        sent_at: Duration,
        (id, password, timeout): (SessionId, Password, Duration),
        outputs: &mut Vec<ClientOutput>,
    ) {
        match &mut self.held {
            Some(held) => {
                *held = Held { password, timeout, heard_at: now, suspended_at: None, ..held.clone() };
                outputs.push(ClientOutput::State(SessionState::Reconnected { session: id }));
            }
            None => {
                self.held = Some(Held {
                    id,
                    password,
                    timeout,
                    last_zxid_seen: Zxid(0),
                    watches: HeldWatches::default(),
                    lease_until: Duration::ZERO,
                    heard_at: now,
                    suspended_at: None,
                });
                outputs.push(ClientOutput::State(SessionState::Connected { session: id, timeout }));
            }
        }
        self.config.resumes = None;
        self.route.attached();
        let mut link = Link::new(connection, sent_at);
        self.show_credentials(now, &mut link, outputs);
        self.arm_watches(now, &mut link, outputs);
        self.phase = Phase::Attached(link);
        for waiting in core::mem::take(&mut self.waiting) {
            self.submit(now, waiting.tag, waiting.operation, outputs);
        }
        self.extend_lease(sent_at, outputs);
        self.write_for_lease(now, outputs);
    }

    /// Credentials belong to the connection, and the first request may need them.
    fn show_credentials(&self, now: Duration, link: &mut Link, outputs: &mut Vec<ClientOutput>) {
        for shown in &self.config.credentials {
            let message = ClientMessage::Authenticate {
                xid: AUTHENTICATE_XID,
                scheme: shown.scheme.clone(),
                credentials: shown.credentials.clone(),
            };
            outputs.push(ClientOutput::Send { connection: link.connection, message });
            link.credentials_shown(now);
        }
    }

    /// Watches belong to the connection as well. All are counted from what had been seen before any of them is answered.
    /// Java sends the last part first, as each is put before what is to be sent already.
    fn arm_watches(&self, now: Duration, link: &mut Link, outputs: &mut Vec<ClientOutput>) {
        let held = self.held.as_ref().expect("watches are armed for a session");
        for lists in held.watches.lists(held.last_zxid_seen).into_iter().rev() {
            let operation = Operation::SetWatches(lists.into());
            let message = ClientMessage::Request { xid: SET_WATCHES_XID, operation };
            outputs.push(ClientOutput::Send { connection: link.connection, message });
            link.asked(now, Asked::SetWatches);
        }
    }
}
