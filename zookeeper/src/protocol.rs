//! The messages between a client and the server, typed; bytes and sockets are left to others.
//!
//! A connection carries them in order in both directions, and nothing arrives after a close.

use crate::error::ErrorCode;
use crate::operation::{Operation, Reply};
use crate::types::{Password, SessionId, WatchEvent, Zxid};
use alloc::string::String;
use alloc::sync::Arc;
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
    /// Shows credentials. Every connection has to do it anew.
    Authenticate {
        /// Numbers the request; −4 with ZooKeeper's own clients.
        xid: i32,
        /// The scheme.
        scheme: String,
        /// The credentials; for `digest`, user and password with a colon between.
        credentials: Arc<[u8]>,
    },
    /// Asks for an operation.
    Request {
        /// Numbers the request on this connection.
        xid: i32,
        /// What is asked.
        operation: Operation,
    },
    /// Ends the session, as a transaction.
    CloseSession {
        /// Numbers the request on this connection.
        xid: i32,
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
        xid: i32,
        /// The newest transaction of the server: of a write, its own.
        zxid: Zxid,
        /// The outcome.
        result: Result<Reply, ErrorCode>,
    },
    /// A watch went off.
    Event {
        /// What it tells.
        event: WatchEvent,
        /// The transaction that set it off; `None` when it makes up for a change that was missed, and with 3.8.
        zxid: Option<Zxid>,
    },
    /// The session has ended as asked.
    SessionClosed {
        /// The number of the request.
        xid: i32,
        /// The transaction that ended it.
        zxid: Zxid,
    },
}
