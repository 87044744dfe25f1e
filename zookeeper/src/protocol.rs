//! The messages between a client and the server, typed; bytes and sockets are left to others.
//!
//! A connection carries them in order in both directions, and nothing arrives after a close.

use crate::types::{ErrorCode, Operation, Password, Reply, SessionId, WatchEvent, Zxid};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// From the client to the server.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ClientMessage {
    /// The first message of a connection: opens a session or attaches to one.
    Connect {
        /// The session to attach to; `None` opens a new one.
        session: Option<(SessionId, Password)>,
        /// The session timeout asked for; the server has the last word.
        timeout: Duration,
        /// The newest transaction the client has seen: no server behind it will do.
        last_zxid_seen: Zxid,
    },
    /// Keeps an idle session alive.
    Ping,
    /// Asks for an operation.
    Request {
        /// Numbers the request on this connection.
        xid: u32,
        /// What is asked.
        operation: Operation,
    },
    /// Arms again the one-shot watches that an earlier connection of the session took with it. It has no reply.
    SetWatches {
        /// Changes after this transaction were missed.
        relative_zxid: Zxid,
        /// Paths whose data was watched.
        data: Vec<Arc<str>>,
        /// Paths whose creation was watched.
        exist: Vec<Arc<str>>,
        /// Paths whose children were watched.
        child: Vec<Arc<str>>,
    },
    /// Ends the session, as a transaction.
    CloseSession {
        /// Numbers the request on this connection.
        xid: u32,
    },
}

/// From the server to the client.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ServerMessage {
    /// The connection is attached to a session.
    Connected {
        /// The session.
        session: SessionId,
        /// What to show at the next attachment.
        password: Password,
        /// The session timeout as negotiated.
        timeout: Duration,
    },
    /// The session asked for does not exist (any more), or the password was wrong. The connection is closed behind it.
    Expired,
    /// Answers a ping.
    Pong {
        /// The newest transaction of the server.
        zxid: Zxid,
    },
    /// Answers a request.
    Reply {
        /// The number of the request.
        xid: u32,
        /// The transaction of a write; for a read, the newest transaction of the server.
        zxid: Zxid,
        /// The outcome.
        result: Result<Reply, ErrorCode>,
    },
    /// A watch went off.
    Event(WatchEvent),
    /// The session has ended as asked.
    SessionClosed {
        /// The number of the request.
        xid: u32,
    },
}
