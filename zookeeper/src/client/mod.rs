//! One client's ZooKeeper session: connecting, keeping it alive, and what is believed of it; recipes are left to others.
//!
//! It behaves as Java's client does, with Curator's states on top; [`Library`] says what sets the libraries apart. What
//! they leave to chance is settled by [`ClientConfig::choices`].
//!
//! | file | concern |
//! |---|---|
//! | `interface` | inputs and outputs |
//! | `library` | the habits of the libraries |
//! | `route` | which server is tried next, and after what pause |
//! | `connecting` | from no connection to an attached one |
//! | `attached` | requests, answers, events, pings, the lease |
//! | `ending` | sessions lost and closed |
//! | `link` | one attached connection: what is unanswered, what is due |
//! | `watches` | the watches held, to arm them again after a reconnect |
//! | `lease` | what an answer proves |
//!
//! Only a `Wakeup` makes a timer go off. A process that was held up and then finds answers that were waiting for it
//! believes them, as Java's client does; the lease says how far that may be trusted.

mod attached;
mod connecting;
mod ending;
mod interface;
mod lease;
mod library;
mod link;
mod route;
mod watches;

use crate::error::ErrorCode;
use crate::operation::Operation;
use crate::types::{ConnectionId, Password, SessionId, Zxid};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;
pub use interface::{ClientConfig, ClientInput, ClientOutput, Credentials, SessionState};
pub use lease::LeaseRule;
pub use library::Library;
use link::Link;
pub use link::UNANSWERED_MAX;
use route::Route;
pub use route::{PAUSE_AFTER_FAILURE, PAUSE_AFTER_LOSS};
use watches::HeldWatches;

/// The session a client holds.
// In the order in which pings need it, see `Client`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[repr(C)]
struct Held {
    id: SessionId,
    timeout: Duration,
    /// When something was last heard from a server, be it that it accepted a connection.
    heard_at: Duration,
    /// Since when the session is without a connection.
    suspended_at: Option<Duration>,
    lease_until: Duration,
    /// From replies alone, as in Java: neither pongs nor events advance it.
    last_zxid_seen: Zxid,
    watches: HeldWatches,
    password: Password,
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
    /// The end. What is still asked fails with this.
    Ended(ErrorCode),
}

/// What was asked without a connection and waits for one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Waiting {
    tag: u64,
    operation: Operation,
}

/// A client.
// What pings need stands together: where there are thousands of clients, a step costs mostly the lines of memory that it
// touches.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[repr(C)]
pub struct Client {
    /// Whether the lease is kept up by writes.
    holds_lease: bool,
    phase: Phase,
    held: Option<Held>,
    config: ClientConfig,
    next_connection: u64,
    /// Of the last connection asked for.
    server: u32,
    route: Route,
    waiting: VecDeque<Waiting>,
}

impl Client {
    /// A client that waits for `Start`. Its connections are numbered from `first_connection` up.
    #[must_use]
    pub fn new(config: ClientConfig, first_connection: u64) -> Self {
        Client {
            route: Route::new(config.servers, config.choices),
            config,
            next_connection: first_connection,
            server: 0,
            phase: Phase::Idle,
            held: None,
            waiting: VecDeque::new(),
            holds_lease: false,
        }
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

    /// Whether the client has ended, as `Closed` or `AuthFailed` said.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }

    /// The server of the current connection, be it attached or only asked for.
    #[must_use]
    pub fn server(&self) -> Option<u32> {
        self.connection().map(|_| self.server)
    }

    /// When the client wants its next `Wakeup`. `None` before the start and after the end.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let of_phase = match &self.phase {
            Phase::Idle | Phase::Ended(_) => return None,
            Phase::Pausing { until } => *until,
            Phase::Opening { deadline, .. } | Phase::Handshaking { deadline, .. } => *deadline,
            Phase::Attached(link) | Phase::Closing(link) => {
                let due = link.ping_due(self.timeout()).min(self.silent_too_long());
                self.lease_write_due().map_or(due, |lease_write| due.min(lease_write))
            }
        };
        Some(self.gives_up_at().map_or(of_phase, |gives_up_at| of_phase.min(gives_up_at)))
    }

    /// Learns something at `now` on the client's clock, and appends what is to be done to `outputs`.
    pub fn handle(&mut self, now: Duration, input: ClientInput, outputs: &mut Vec<ClientOutput>) {
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
            ClientInput::HoldLease { wanted } => {
                self.holds_lease = wanted;
                self.write_for_lease(now, outputs);
            }
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
                assert!(self.waiting.is_empty(), "something waits for the connection that is there");
            }
            Phase::Ended(_) => {
                assert_eq!(suspended, None, "a client that has ended holds a session");
                assert!(self.waiting.is_empty(), "something waits for what will not come");
            }
        }
        assert!(self.waiting.len() <= UNANSWERED_MAX, "more waits than may be sent");
        assert!(
            self.config.library.keeps_requests || self.waiting.is_empty(),
            "something waits that should have failed"
        );
    }

    fn connection(&self) -> Option<ConnectionId> {
        match &self.phase {
            Phase::Idle | Phase::Pausing { .. } | Phase::Ended(_) => None,
            Phase::Opening { connection, .. } | Phase::Handshaking { connection, .. } => Some(*connection),
            Phase::Attached(link) | Phase::Closing(link) => Some(link.connection),
        }
    }

    /// The negotiated timeout of the session held; without one, what will be asked for.
    fn timeout(&self) -> Duration {
        self.held.as_ref().map_or(self.config.session_timeout, |held| held.timeout)
    }

    /// When an attached connection is to be given up: after two thirds of the session timeout without hearing.
    fn silent_too_long(&self) -> Duration {
        let held = self.held.as_ref().expect("an attached client holds a session");
        held.heard_at.saturating_add(two_thirds(held.timeout))
    }

    /// When the client gives its session up by itself.
    fn gives_up_at(&self) -> Option<Duration> {
        let held = self.held.as_ref()?;
        self.config.library.gives_up_at(held.timeout, held.heard_at, held.suspended_at)
    }

    fn wake(&mut self, now: Duration, outputs: &mut Vec<ClientOutput>) {
        if self.gives_up_at().is_some_and(|gives_up_at| gives_up_at <= now) {
            self.give_up_session(now, outputs);
        }
        match self.phase {
            Phase::Pausing { until } if until <= now => self.open(now, outputs),
            Phase::Opening { connection, deadline } | Phase::Handshaking { connection, deadline, .. }
                if deadline <= now =>
            {
                self.drop_connection(now, connection, outputs);
            }
            Phase::Attached(_) | Phase::Closing(_) => self.wake_attached(now, outputs),
            Phase::Idle
            | Phase::Pausing { .. }
            | Phase::Opening { .. }
            | Phase::Handshaking { .. }
            | Phase::Ended(_) => {}
        }
    }
}

/// Two thirds of a session timeout, rounded down.
fn two_thirds(timeout: Duration) -> Duration {
    (timeout / 3).saturating_mul(2)
}
