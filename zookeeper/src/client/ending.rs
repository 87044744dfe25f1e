//! The end of a session: expired, given up, refused, closed; and what happens to what was still asked.

use super::link::{Asked, Link};
use super::{Client, ClientOutput, Phase, SessionState};
use crate::error::ErrorCode;
use crate::protocol::ClientMessage;
use crate::types::ConnectionId;
use alloc::vec::Vec;
use core::time::Duration;

impl Client {
    /// The server says that the session asked for is over. A new one cannot have expired, and on an attached connection
    /// no server says so: it closes the connection. Then it is not to be taken at its word.
    pub(super) fn expired(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        outputs: &mut Vec<ClientOutput>,
    ) {
        match self.phase {
            Phase::Handshaking { .. } if self.asked_for().is_some() => {
                outputs.push(ClientOutput::Close { connection });
                self.forget_session(outputs);
                self.go_on_without_session(now, outputs);
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

    /// The client waits no longer for its session. A connection that serves it is abandoned; one that is only being
    /// opened serves a new one as well.
    pub(super) fn give_up_session(&mut self, now: Duration, outputs: &mut Vec<ClientOutput>) {
        self.forget_session(outputs);
        match self.phase {
            Phase::Pausing { .. } | Phase::Opening { .. } if self.config.library.renews_session => {}
            Phase::Idle
            | Phase::Pausing { .. }
            | Phase::Opening { .. }
            | Phase::Handshaking { .. }
            | Phase::Attached(_)
            | Phase::Closing(_)
            | Phase::Ended(_) => {
                outputs.extend(self.connection().map(|connection| ClientOutput::Close { connection }));
                self.go_on_without_session(now, outputs);
            }
        }
    }

    /// Forgets the session, its watches, and how far its reads have come: the next one begins from scratch.
    fn forget_session(&mut self, outputs: &mut Vec<ClientOutput>) {
        self.held = None;
        self.config.resumes = None;
        self.route.lost();
        outputs.push(ClientOutput::State(SessionState::Lost));
    }

    /// The session is lost and its connection closed: begins anew, or ends.
    fn go_on_without_session(&mut self, now: Duration, outputs: &mut Vec<ClientOutput>) {
        let was_closing = match core::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Attached(link) => {
                fail(link, ErrorCode::SessionExpired, outputs);
                false
            }
            Phase::Closing(link) => {
                fail(link, ErrorCode::SessionExpired, outputs);
                true
            }
            Phase::Idle
            | Phase::Pausing { .. }
            | Phase::Opening { .. }
            | Phase::Handshaking { .. }
            | Phase::Ended(_) => false,
        };
        if self.config.library.renews_session && !was_closing {
            self.reopen(now, outputs);
        } else {
            self.fail_waiting(ErrorCode::SessionExpired, outputs);
            self.end(SessionState::Closed, outputs);
        }
    }

    /// The server does not accept the credentials.
    pub(super) fn refused(&mut self, connection: ConnectionId, outputs: &mut Vec<ClientOutput>) {
        outputs.push(ClientOutput::Close { connection });
        match core::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Attached(link) | Phase::Closing(link) => fail(link, ErrorCode::AuthFailed, outputs),
            Phase::Idle
            | Phase::Pausing { .. }
            | Phase::Opening { .. }
            | Phase::Handshaking { .. }
            | Phase::Ended(_) => unreachable!("credentials are shown on an attached connection"),
        }
        self.end(SessionState::AuthFailed, outputs);
    }

    pub(super) fn close_session(&mut self, now: Duration, outputs: &mut Vec<ClientOutput>) {
        match core::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Attached(mut link) => {
                // It is sent however many are unanswered; nothing is sent behind it but pings.
                let (xid, connection) = (link.next_xid(), link.connection);
                link.asked(now, Asked::CloseSession { xid });
                outputs.push(ClientOutput::Send { connection, message: ClientMessage::CloseSession { xid } });
                self.phase = Phase::Closing(link);
            }
            phase @ (Phase::Closing(_) | Phase::Ended(_)) => self.phase = phase,
            Phase::Opening { connection, .. } | Phase::Handshaking { connection, .. } => {
                outputs.push(ClientOutput::Close { connection });
                self.fail_waiting(ErrorCode::ConnectionLoss, outputs);
                self.end(SessionState::Closed, outputs);
            }
            Phase::Idle | Phase::Pausing { .. } => {
                self.fail_waiting(ErrorCode::ConnectionLoss, outputs);
                self.end(SessionState::Closed, outputs);
            }
        }
    }

    /// Ends for good. What is asked from now on fails, as what was asked of a session that is over.
    pub(super) fn end(&mut self, state: SessionState, outputs: &mut Vec<ClientOutput>) {
        let code = match state {
            SessionState::AuthFailed => ErrorCode::AuthFailed,
            SessionState::Connected { .. }
            | SessionState::Suspended
            | SessionState::Reconnected { .. }
            | SessionState::Lost
            | SessionState::Closed => ErrorCode::SessionExpired,
        };
        self.phase = Phase::Ended(code);
        self.held = None;
        outputs.push(ClientOutput::State(state));
    }

    /// Completes what waited for a connection.
    pub(super) fn fail_waiting(&mut self, code: ErrorCode, outputs: &mut Vec<ClientOutput>) {
        let failed = |tag| ClientOutput::Completed { tag, result: Err(code) };
        outputs.extend(core::mem::take(&mut self.waiting).into_iter().map(|waiting| failed(waiting.tag)));
    }
}

/// Completes what a connection took with it.
pub(super) fn fail(link: Link, code: ErrorCode, outputs: &mut Vec<ClientOutput>) {
    outputs.extend(link.into_tags().map(|tag| ClientOutput::Completed { tag, result: Err(code) }));
}
