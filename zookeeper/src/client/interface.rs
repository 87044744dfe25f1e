//! What goes into a client and what comes out of it; what happens between is left to the client.

use super::lease::LeaseRule;
use super::library::Library;
use crate::error::ErrorCode;
use crate::operation::{Operation, Reply};
use crate::protocol::{ClientMessage, ServerMessage};
use crate::types::{ConnectionId, Password, SessionId, WatchEvent};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// What a client is configured with.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct ClientConfig {
    /// How many servers there are; they are numbered from 0. At least 1, and 0 counts as 1.
    pub servers: u32,
    /// The session timeout to ask for.
    pub session_timeout: Duration,
    /// How long one attempt may take, from opening the connection to the answer of the server. `None` is Java's way: the
    /// session timeout divided by the number of servers for opening the connection, and once more for the answer.
    pub connect_timeout: Option<Duration>,
    /// Settles what Java draws: the order in which servers are tried, and the pauses between attempts. With 0 they are
    /// tried by number, and the pauses are [`PAUSE_AFTER_FAILURE`](super::PAUSE_AFTER_FAILURE) and
    /// [`PAUSE_AFTER_LOSS`](super::PAUSE_AFTER_LOSS).
    pub choices: u64,
    /// Which library the client behaves like.
    pub library: Library,
    /// Which answers extend the lease.
    pub lease: LeaseRule,
    /// What to show on every connection before anything is asked.
    pub credentials: Vec<Credentials>,
    /// A session of an earlier client to go on with, in place of a new one. `Connected` follows, or `Lost` when it is
    /// over or the password is wrong.
    pub resumes: Option<(SessionId, Password)>,
}

impl Default for ClientConfig {
    /// One server, Curator's default of 60 s, and nothing left to chance.
    fn default() -> Self {
        ClientConfig {
            servers: 1,
            session_timeout: Duration::from_secs(60),
            connect_timeout: None,
            choices: 0,
            library: Library::default(),
            lease: LeaseRule::default(),
            credentials: Vec::new(),
            resumes: None,
        }
    }
}

/// Who the client claims to be.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Credentials {
    /// The scheme.
    pub scheme: String,
    /// In the words of the scheme; for `digest`, user and password with a colon between.
    pub credentials: Arc<[u8]>,
}

/// What the client learns. What comes from a connection that is not its current one is ignored.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ClientInput {
    /// Begin. Only the first has an effect.
    Start,
    /// `now` has reached [`Client::next_deadline`](super::Client::next_deadline).
    Wakeup,
    /// A connection that was asked for is open. One that is not wanted any more is closed.
    Opened {
        /// The connection.
        connection: ConnectionId,
    },
    /// A connection that was asked for could not be opened.
    OpenFailed {
        /// The connection.
        connection: ConnectionId,
    },
    /// The other side of a connection went away.
    Closed {
        /// The connection.
        connection: ConnectionId,
    },
    /// A message has arrived.
    Message {
        /// The connection.
        connection: ConnectionId,
        /// The message.
        message: ServerMessage,
    },
    /// Perform an operation. Without a connection it is completed at once with `ConnectionLoss` and was not sent, or it
    /// waits for the next attempt to connect, as [`Library::keeps_requests`] says. With
    /// [`UNANSWERED_MAX`](super::UNANSWERED_MAX) requests unanswered, or behind `CloseSession`, it is not sent either.
    /// After the end it is completed with `SessionExpired` or `AuthFailed`.
    Submit {
        /// Comes back with the result. Of the caller's choosing.
        tag: u64,
        /// What to do.
        operation: Operation,
    },
    /// Whether the lease is to be kept up by writes of the client's own. Only [`LeaseRule::Committed`] needs it: idle, such
    /// a client has no lease.
    HoldLease {
        /// Whether it is; not until it is said for the first time.
        wanted: bool,
    },
    /// End the session and stop. Without a connection the session is left to expire.
    CloseSession,
}

/// What the client believes of its session, in Curator's words.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum SessionState {
    /// A new session is open, or the one that was to be resumed is attached.
    Connected {
        /// The session.
        session: SessionId,
        /// Its negotiated timeout.
        timeout: Duration,
    },
    /// The connection is lost; the session may live, or be expired at any time.
    Suspended,
    /// The session lives, and is attached again.
    Reconnected {
        /// The session.
        session: SessionId,
    },
    /// The session is given up: a server said that it has expired, or the client's [`Library`] waits no longer. Its lease
    /// ends here. Its ephemeral nodes may live on for a while. A new session follows, or `Closed`, as the library says.
    Lost,
    /// The server does not accept the client's credentials, and the client has ended. The session is left to expire.
    /// Nothing follows but the failure of what is still asked.
    AuthFailed,
    /// The client has ended. Nothing follows but the failure of what is still asked.
    Closed,
}

/// What the client wants done, in this order.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ClientOutput {
    /// Open a connection, and answer with `Opened` or `OpenFailed`.
    Open {
        /// Its number.
        connection: ConnectionId,
        /// The server, below [`ClientConfig::servers`].
        server: u32,
    },
    /// Send a message.
    Send {
        /// On this connection.
        connection: ConnectionId,
        /// The message.
        message: ClientMessage,
    },
    /// Close a connection, or stop opening it. No `Closed` is expected for it.
    Close {
        /// The connection.
        connection: ConnectionId,
    },
    /// The session's state has changed.
    State(SessionState),
    /// An operation is completed. In the order of submission, those apart that could not be sent.
    Completed {
        /// As submitted.
        tag: u64,
        /// The outcome.
        result: Result<Reply, ErrorCode>,
    },
    /// A watch went off.
    Event(WatchEvent),
    /// No server can have expired the session by itself before this time on the client's clock, as far as the rule
    /// [`ClientConfig::lease`] is sound for these servers.
    ///
    /// Two thirds of the negotiated timeout from the time that the rule counts from; the rest is room for clocks that run
    /// at different speeds, up to 10 % each. It never goes back while the session is the same. `Lost` ends it at once: an
    /// administrator may expire a session at any time.
    Lease {
        /// The end of the lease.
        until: Duration,
    },
}
