//! What happens on a server that its owner may want to know, in words for people.

use std::fmt;
use std::net::SocketAddr;
use zeromaster_zookeeper::ServerRecord;
use zeromaster_zookeeper::wire::WireError;

/// Something that happened on a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerEvent {
    /// Of its sessions, or of its part in the ensemble.
    Record(ServerRecord),
    /// It has closed a client's connection because of what the client did. The session stays until it expires.
    Closed {
        /// The client.
        client: SocketAddr,
        /// Why.
        reason: CloseReason,
    },
}

/// Why a server closes a client's connection without being asked to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CloseReason {
    /// What has arrived cannot be read.
    Unreadable(WireError),
    /// The answer to a request, or to a four-letter word, is longer than one may be.
    AnswerTooLong {
        /// How many bytes it may have.
        most: usize,
    },
    /// The client does not take its answers and events.
    Unread {
        /// How many bytes wait for it.
        waiting: usize,
    },
    /// All connections together hold too much memory, and this one holds most of it.
    Memory {
        /// How many bytes it holds: of a request that is not complete, and of answers that are not taken.
        held: usize,
        /// How many all of them may hold.
        all: usize,
    },
    /// The watches on this server take too much memory, and those of this client most of it.
    Watches {
        /// About how many bytes its watches take.
        held: usize,
        /// About how many all of them may take.
        all: usize,
    },
}

impl CloseReason {
    /// Whether it is a limit of this server, which a client may run into without breaking the protocol.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        match self {
            CloseReason::Unreadable(_) => false,
            CloseReason::AnswerTooLong { .. }
            | CloseReason::Unread { .. }
            | CloseReason::Memory { .. }
            | CloseReason::Watches { .. } => true,
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Unreadable(error) => error.fmt(f),
            CloseReason::AnswerTooLong { most } => {
                write!(f, "an answer is longer than {most} bytes, which is the most; ask for less at once")
            }
            CloseReason::Unread { waiting } => {
                write!(f, "it leaves {waiting} bytes of answers and events unread")
            }
            CloseReason::Memory { held, all } => write!(
                f,
                "it holds {held} bytes, more than any other, and all connections may hold {all}: complete requests, and \
                 take their answers"
            ),
            CloseReason::Watches { held, all } => write!(
                f,
                "its watches take {held} bytes, more than those of any other, and all watches may take {all}: watch less, \
                 or one node with all below it"
            ),
        }
    }
}

impl fmt::Display for ServerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerEvent::Record(record) => write_record(f, record),
            ServerEvent::Closed { client, reason } => {
                write!(f, "closed the connection of {client}: {reason}")
            }
        }
    }
}

fn write_record(f: &mut fmt::Formatter<'_>, record: &ServerRecord) -> fmt::Result {
    match record {
        ServerRecord::SessionOpened { session, timeout } => {
            write!(f, "session {session} opened, timeout {timeout:?}")
        }
        ServerRecord::SessionExpired { session } => write!(f, "session {session} expired"),
        ServerRecord::SessionClosed { session } => write!(f, "session {session} closed"),
        ServerRecord::Looking => f.write_str("looks for a leader"),
        ServerRecord::Leads { epoch } => write!(f, "leads epoch {epoch}"),
        ServerRecord::Follows { leader, epoch } => write!(f, "follows server {leader} in epoch {epoch}"),
    }
}
