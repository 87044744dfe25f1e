//! What goes into a client and what comes out of it; what happens between is left to the client.

use crate::protocol::{ClientMessage, ServerMessage};
use crate::types::{ConnectionId, ErrorCode, Operation, Reply, SessionId, WatchEvent};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// What a client is configured with.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct ClientConfig {
    /// How many servers there are; they are numbered from 0. At least 1, and 0 counts as 1.
    pub servers: u32,
    /// The session timeout to ask for.
    pub session_timeout: Duration,
    /// How long one attempt may take, from opening the connection to the answer of the server.
    pub connect_timeout: Duration,
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
    /// Perform an operation. Without a connection, or with [`UNANSWERED_MAX`](super::UNANSWERED_MAX) requests unanswered, it is completed at
    /// once with `ConnectionLoss` and was not sent. (Java keeps it until the next attempt to connect fails.)
    Submit {
        /// Comes back with the result. Of the caller's choosing.
        tag: u64,
        /// What to do.
        operation: Operation,
    },
    /// End the session and stop. Without a connection the session is left to expire.
    CloseSession,
}

/// What the client believes of its session, in Curator's words.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum SessionState {
    /// A new session is open.
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
    /// The session is given up: the server said that it has expired, or `Suspended` has lasted for the negotiated
    /// timeout. Its lease ends here. Its ephemeral nodes may live on for a while. A new session follows.
    Lost,
    /// The client has ended. Nothing follows.
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
    /// The server cannot have expired the session by itself before this time on the client's clock.
    ///
    /// Two thirds of the negotiated timeout from the sending of the last thing it has answered; the rest is room for
    /// clocks that run at different speeds, up to 10 % each. It never goes back while the session is the same. `Lost`
    /// ends it at once: an administrator may expire a session at any time.
    Lease {
        /// The end of the lease.
        until: Duration,
    },
}
