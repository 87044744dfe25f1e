//! One client's ZooKeeper session: connecting, keeping it alive, and what is believed of it; recipes are left to others.
//!
//! It behaves as Java's client does, with Curator's states on top. Where the two leave a choice to chance, this machine
//! does not: servers are tried in the order of their numbers, beginning with 0, and the pauses between attempts are
//! [`PAUSE_AFTER_FAILURE`] and [`PAUSE_AFTER_LOSS`].
//!
//! Only a `Wakeup` makes a timer go off. A process that was held up and then finds answers that were waiting for it
//! believes them, as Java's client does; the lease says how far that may be trusted.

mod interface;
mod link;
mod watches;

use crate::protocol::{ClientMessage, ServerMessage};
use crate::types::{ConnectionId, ErrorCode, Operation, Password, SessionId, WatchEvent, Zxid};
use alloc::vec::Vec;
use core::time::Duration;
pub use interface::{ClientConfig, ClientInput, ClientOutput, SessionState};
pub use link::UNANSWERED_MAX;
use link::{Asked, Link, two_thirds};
use watches::{HeldWatches, WatchRequest};

/// The pause before the next server is tried after an attempt has failed. Java draws it from 0 to 1 s.
pub const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The pause before the one server is tried again after an attached connection or a session was lost. With several
/// servers the next is tried at once.
pub const PAUSE_AFTER_LOSS: Duration = Duration::from_millis(100);

/// The session a client holds.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Held {
    id: SessionId,
    password: Password,
    timeout: Duration,
    /// From replies alone, as in Java: neither pongs nor events advance it.
    last_zxid_seen: Zxid,
    watches: HeldWatches,
    lease_until: Duration,
    /// Since when the session is without a connection.
    suspended_at: Option<Duration>,
}

/// How far the client has come with its current connection.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Phase {
    /// Not started.
    Idle,
    /// No connection; the next attempt is due.
    Pausing { until: Duration },
    /// Asked for a connection.
    Opening { connection: ConnectionId, deadline: Duration },
    /// Asked for a session on it.
    Handshaking { connection: ConnectionId, deadline: Duration, sent_at: Duration },
    /// Attached to the session held.
    Attached(Link),
    /// As `Attached`, and the end of the session is asked for.
    Closing(Link),
    /// The end.
    Closed,
}

/// A client.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Client {
    config: ClientConfig,
    next_connection: u64,
    next_server: u32,
    phase: Phase,
    held: Option<Held>,
}

impl Client {
    /// A client that waits for `Start`. Its connections are numbered from `first_connection` up.
    #[must_use]
    pub fn new(config: ClientConfig, first_connection: u64) -> Self {
        Client { config, next_connection: first_connection, next_server: 0, phase: Phase::Idle, held: None }
    }

    /// The session held, connected or not. `None` before the first and after one is lost.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        self.held.as_ref().map(|held| held.id)
    }

    /// Whether a connection is attached to the session, as far as the client knows.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Attached(_) | Phase::Closing(_))
    }

    /// When the client wants its next `Wakeup`. `None` before the start and after the end.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let of_phase = match &self.phase {
            Phase::Idle | Phase::Closed => return None,
            Phase::Pausing { until } => *until,
            Phase::Opening { deadline, .. } | Phase::Handshaking { deadline, .. } => *deadline,
            Phase::Attached(link) | Phase::Closing(link) => {
                let timeout = self.timeout();
                link.ping_due(timeout).min(link.silent_too_long(timeout))
            }
        };
        Some(self.gives_up_at().map_or(of_phase, |gives_up_at| of_phase.min(gives_up_at)))
    }

    /// Learns something at `now` on the client's clock, and appends what is to be done to `outputs`.
    pub fn handle(&mut self, now: Duration, input: ClientInput, outputs: &mut Vec<ClientOutput>) {
        if self.phase == Phase::Closed {
            return;
        }
        match input {
            ClientInput::Start => {
                if self.phase == Phase::Idle {
                    self.open(now, outputs);
                }
            }
            ClientInput::Wakeup => self.wake(now, outputs),
            ClientInput::Opened { connection } => self.opened(now, connection, outputs),
            ClientInput::OpenFailed { connection } | ClientInput::Closed { connection } => {
                if self.connection() == Some(connection) {
                    self.connection_ended(now, outputs);
                }
            }
            ClientInput::Message { connection, message } => {
                if self.connection() == Some(connection) {
                    self.received(now, connection, message, outputs);
                }
            }
            ClientInput::Submit { tag, operation } => self.submit(now, tag, operation, outputs),
            ClientInput::CloseSession => self.close_session(now, outputs),
        }
    }

    /// Checks what the client believes of itself.
    ///
    /// # Panics
    /// When a belief is broken, which is a bug of this crate.
    pub fn check_invariants(&self) {
        let suspended = self.held.as_ref().map(|held| held.suspended_at.is_some());
        match self.phase {
            Phase::Idle => assert_eq!(suspended, None, "a client that has not started holds a session"),
            Phase::Pausing { .. } | Phase::Opening { .. } | Phase::Handshaking { .. } => {
                assert_ne!(suspended, Some(false), "a session without a connection is not suspended");
            }
            Phase::Attached(_) | Phase::Closing(_) => {
                assert_eq!(
                    suspended,
                    Some(false),
                    "a connection is attached to no session, or to one suspended"
                );
            }
            Phase::Closed => assert_eq!(suspended, None, "a closed client holds a session"),
        }
    }

    fn connection(&self) -> Option<ConnectionId> {
        match &self.phase {
            Phase::Idle | Phase::Pausing { .. } | Phase::Closed => None,
            Phase::Opening { connection, .. } | Phase::Handshaking { connection, .. } => Some(*connection),
            Phase::Attached(link) | Phase::Closing(link) => Some(link.connection),
        }
    }

    /// The negotiated timeout of the session held; without one, what will be asked for.
    fn timeout(&self) -> Duration {
        self.held.as_ref().map_or(self.config.session_timeout, |held| held.timeout)
    }

    /// When `Suspended` turns into `Lost`.
    fn gives_up_at(&self) -> Option<Duration> {
        let held = self.held.as_ref()?;
        Some(held.suspended_at?.saturating_add(held.timeout))
    }

    fn wake(&mut self, now: Duration, outputs: &mut Vec<ClientOutput>) {
        if self.gives_up_at().is_some_and(|gives_up_at| gives_up_at <= now) {
            self.give_up_session(now, outputs);
        }
        let timeout = self.timeout();
        match &self.phase {
            Phase::Pausing { until } if *until <= now => self.open(now, outputs),
            Phase::Opening { connection, deadline } | Phase::Handshaking { connection, deadline, .. }
                if *deadline <= now =>
            {
                outputs.push(ClientOutput::Close { connection: *connection });
                self.connection_ended(now, outputs);
            }
            Phase::Attached(link) | Phase::Closing(link) if link.silent_too_long(timeout) <= now => {
                outputs.push(ClientOutput::Close { connection: link.connection });
                self.connection_ended(now, outputs);
            }
            Phase::Attached(link) | Phase::Closing(link) if link.ping_due(timeout) <= now => {
                self.ping(now, outputs)
            }
            Phase::Idle
            | Phase::Pausing { .. }
            | Phase::Opening { .. }
            | Phase::Handshaking { .. }
            | Phase::Attached(_)
            | Phase::Closing(_)
            | Phase::Closed => {}
        }
    }

    fn ping(&mut self, now: Duration, outputs: &mut Vec<ClientOutput>) {
        let (Phase::Attached(link) | Phase::Closing(link)) = &mut self.phase else { return };
        if link.is_full() {
            // A thousand things wait for an answer; one more ping would not bring it about.
            return link.sent(now);
        }
        link.asked(now, Asked::Ping);
        outputs.push(ClientOutput::Send { connection: link.connection, message: ClientMessage::Ping });
    }

    // Connecting.

    fn open(&mut self, now: Duration, outputs: &mut Vec<ClientOutput>) {
        let connection = ConnectionId(self.next_connection);
        let server = self.next_server;
        self.next_connection = self.next_connection.wrapping_add(1);
        self.next_server = (server + 1) % self.config.servers.max(1);
        self.phase = Phase::Opening { connection, deadline: now.saturating_add(self.config.connect_timeout) };
        outputs.push(ClientOutput::Open { connection, server });
    }

    /// Tries again soon, after what was attached is lost.
    fn reopen(&mut self, now: Duration, outputs: &mut Vec<ClientOutput>) {
        if self.config.servers > 1 {
            self.open(now, outputs);
        } else {
            self.phase = Phase::Pausing { until: now.saturating_add(PAUSE_AFTER_LOSS) };
        }
    }

    fn opened(&mut self, now: Duration, connection: ConnectionId, outputs: &mut Vec<ClientOutput>) {
        match self.phase {
            Phase::Opening { connection: current, deadline } if current == connection => {
                let session = self.held.as_ref().map(|held| (held.id, held.password));
                let last_zxid_seen = self.held.as_ref().map_or(Zxid(0), |held| held.last_zxid_seen);
                let timeout = self.config.session_timeout;
                let message = ClientMessage::Connect { session, timeout, last_zxid_seen };
                outputs.push(ClientOutput::Send { connection, message });
                self.phase = Phase::Handshaking { connection, deadline, sent_at: now };
            }
            Phase::Idle
            | Phase::Pausing { .. }
            | Phase::Opening { .. }
            | Phase::Handshaking { .. }
            | Phase::Attached(_)
            | Phase::Closing(_)
            | Phase::Closed => {
                // A current connection that is open already needs no second word; any other is not wanted.
                if self.connection() != Some(connection) {
                    outputs.push(ClientOutput::Close { connection });
                }
            }
        }
    }

    /// The current connection is gone, or could not be had.
    fn connection_ended(&mut self, now: Duration, outputs: &mut Vec<ClientOutput>) {
        let until = now.saturating_add(PAUSE_AFTER_FAILURE);
        match core::mem::replace(&mut self.phase, Phase::Pausing { until }) {
            Phase::Opening { .. } | Phase::Handshaking { .. } => {}
            Phase::Attached(link) => {
                self.held.as_mut().expect("an attached client holds a session").suspended_at = Some(now);
                outputs.push(ClientOutput::State(SessionState::Suspended));
                fail(link, ErrorCode::ConnectionLoss, outputs);
                self.reopen(now, outputs);
            }
            Phase::Closing(link) => {
                fail(link, ErrorCode::ConnectionLoss, outputs);
                self.end(outputs);
            }
            Phase::Idle | Phase::Pausing { .. } | Phase::Closed => {
                unreachable!("there is no connection to end")
            }
        }
    }

    /// Drops the current connection because the server does not keep to the protocol.
    fn drop_connection(&mut self, now: Duration, connection: ConnectionId, outputs: &mut Vec<ClientOutput>) {
        outputs.push(ClientOutput::Close { connection });
        self.connection_ended(now, outputs);
    }

    fn received(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        message: ServerMessage,
        outputs: &mut Vec<ClientOutput>,
    ) {
        if let Phase::Attached(link) | Phase::Closing(link) = &mut self.phase {
            link.heard(now);
        }
        match message {
            ServerMessage::Connected { session, password, timeout } => match self.phase {
                Phase::Handshaking { sent_at, .. } if self.session().is_none_or(|held| held == session) => {
                    self.attach(now, connection, sent_at, (session, password, timeout), outputs);
                }
                Phase::Idle
                | Phase::Pausing { .. }
                | Phase::Opening { .. }
                | Phase::Handshaking { .. }
                | Phase::Attached(_)
                | Phase::Closing(_)
                | Phase::Closed => self.drop_connection(now, connection, outputs),
            },
            ServerMessage::Expired => self.expired(now, connection, outputs),
            ServerMessage::Event(event) => self.event(now, connection, event, outputs),
            ServerMessage::Pong { .. }
            | ServerMessage::Reply { .. }
            | ServerMessage::SessionClosed { .. } => {
                self.answered(now, connection, message, outputs);
            }
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
        let mut link = Link::new(now, connection, sent_at);
        match &mut self.held {
            Some(held) => {
                held.password = password;
                held.timeout = timeout;
                held.suspended_at = None;
                outputs.push(ClientOutput::State(SessionState::Reconnected { session: id }));
                if !held.watches.is_empty() {
                    let [data, exist, child] = held.watches.lists();
                    let relative_zxid = held.last_zxid_seen;
                    let message = ClientMessage::SetWatches { relative_zxid, data, exist, child };
                    outputs.push(ClientOutput::Send { connection, message });
                    link.sent(now);
                }
            }
            None => {
                let (last_zxid_seen, watches) = (Zxid(0), HeldWatches::default());
                let (lease_until, suspended_at) = (Duration::ZERO, None);
                self.held =
                    Some(Held { id, password, timeout, last_zxid_seen, watches, lease_until, suspended_at });
                outputs.push(ClientOutput::State(SessionState::Connected { session: id, timeout }));
            }
        }
        self.phase = Phase::Attached(link);
        self.extend_lease(sent_at, outputs);
    }

    // Attached.

    fn submit(&mut self, now: Duration, tag: u64, operation: Operation, outputs: &mut Vec<ClientOutput>) {
        match &mut self.phase {
            Phase::Attached(link) if !link.is_full() => {
                let xid = link.next_xid();
                link.asked(now, Asked::Request { xid, tag, watch: WatchRequest::of(&operation) });
                let message = ClientMessage::Request { xid, operation };
                outputs.push(ClientOutput::Send { connection: link.connection, message });
            }
            Phase::Idle
            | Phase::Pausing { .. }
            | Phase::Opening { .. }
            | Phase::Handshaking { .. }
            | Phase::Attached(_)
            | Phase::Closing(_)
            | Phase::Closed => {
                outputs.push(ClientOutput::Completed { tag, result: Err(ErrorCode::ConnectionLoss) });
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
        let (Phase::Attached(link) | Phase::Closing(link)) = &mut self.phase else {
            return self.drop_connection(now, connection, outputs);
        };
        let Some(oldest) = link.oldest_answered_by(&message) else {
            return self.drop_connection(now, connection, outputs);
        };
        match (oldest.asked, message) {
            (Asked::Request { xid: _, tag, watch }, ServerMessage::Reply { xid: _, zxid, result }) => {
                let held = self.held.as_mut().expect("an attached client holds a session");
                held.last_zxid_seen = held.last_zxid_seen.max(zxid);
                if let Some(watch) = watch {
                    held.watches.register(watch, &result);
                }
                self.extend_lease(oldest.sent_at, outputs);
                outputs.push(ClientOutput::Completed { tag, result });
            }
            (Asked::CloseSession { xid: _ }, _) => {
                outputs.push(ClientOutput::Close { connection });
                self.end(outputs);
            }
            (Asked::Ping | Asked::Request { .. }, _) => self.extend_lease(oldest.sent_at, outputs),
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

    fn extend_lease(&mut self, sent_at: Duration, outputs: &mut Vec<ClientOutput>) {
        let held = self.held.as_mut().expect("an attached client holds a session");
        let until = sent_at.saturating_add(two_thirds(held.timeout));
        if until > held.lease_until {
            held.lease_until = until;
            outputs.push(ClientOutput::Lease { until });
        }
    }

    // The end of a session.

    /// The server says that the session is over.
    fn expired(&mut self, now: Duration, connection: ConnectionId, outputs: &mut Vec<ClientOutput>) {
        if self.held.is_none() {
            // A new session cannot have expired; the server is not to be taken at its word.
            return self.drop_connection(now, connection, outputs);
        }
        outputs.push(ClientOutput::Close { connection });
        let until = now.saturating_add(PAUSE_AFTER_FAILURE);
        match core::mem::replace(&mut self.phase, Phase::Pausing { until }) {
            Phase::Attached(link) => {
                self.lose_session(outputs);
                fail(link, ErrorCode::SessionExpired, outputs);
                self.reopen(now, outputs);
            }
            Phase::Closing(link) => {
                fail(link, ErrorCode::SessionExpired, outputs);
                self.end(outputs);
            }
            Phase::Opening { .. } | Phase::Handshaking { .. } => {
                self.lose_session(outputs);
                self.reopen(now, outputs);
            }
            Phase::Idle | Phase::Pausing { .. } | Phase::Closed => {
                unreachable!("there is no connection to hear it on")
            }
        }
    }

    /// The session was without a connection for too long. An attempt that has asked for it already is abandoned.
    fn give_up_session(&mut self, now: Duration, outputs: &mut Vec<ClientOutput>) {
        self.lose_session(outputs);
        match self.phase {
            Phase::Handshaking { connection, .. } => {
                outputs.push(ClientOutput::Close { connection });
                self.reopen(now, outputs);
            }
            Phase::Pausing { .. } | Phase::Opening { .. } => {}
            Phase::Idle | Phase::Attached(_) | Phase::Closing(_) | Phase::Closed => {
                unreachable!("only a session without a connection is given up")
            }
        }
    }

    /// Forgets the session, its watches, and how far its reads have come: the next one begins from scratch.
    fn lose_session(&mut self, outputs: &mut Vec<ClientOutput>) {
        self.held = None;
        outputs.push(ClientOutput::State(SessionState::Lost));
    }

    fn close_session(&mut self, now: Duration, outputs: &mut Vec<ClientOutput>) {
        match core::mem::replace(&mut self.phase, Phase::Closed) {
            Phase::Attached(mut link) => {
                // It is sent however many are unanswered; nothing is sent behind it but pings.
                let (xid, connection) = (link.next_xid(), link.connection);
                link.asked(now, Asked::CloseSession { xid });
                outputs.push(ClientOutput::Send { connection, message: ClientMessage::CloseSession { xid } });
                self.phase = Phase::Closing(link);
            }
            Phase::Closing(link) => self.phase = Phase::Closing(link),
            Phase::Opening { connection, .. } | Phase::Handshaking { connection, .. } => {
                outputs.push(ClientOutput::Close { connection });
                self.end(outputs);
            }
            Phase::Idle | Phase::Pausing { .. } | Phase::Closed => self.end(outputs),
        }
    }

    fn end(&mut self, outputs: &mut Vec<ClientOutput>) {
        self.phase = Phase::Closed;
        self.held = None;
        outputs.push(ClientOutput::State(SessionState::Closed));
    }
}

/// Completes what a connection took with it.
fn fail(link: Link, code: ErrorCode, outputs: &mut Vec<ClientOutput>) {
    outputs.extend(link.into_tags().map(|tag| ClientOutput::Completed { tag, result: Err(code) }));
}
