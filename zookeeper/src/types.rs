//! The words that client and server share: identities, stat, operations, replies and events; behaviour is left to others.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// A session, as the server numbers it. Printed in hexadecimal, as ZooKeeper does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// What a client must show to attach to its session again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Password(pub u64);

/// One TCP connection, numbered by the client's side. Never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ConnectionId(pub u64);

/// The number of a transaction. Every write takes one, also a write that fails, and so does opening or closing a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Zxid(pub u64);

impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// What is known of a node besides its data.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Stat {
    /// The transaction that created the node. It alone tells a node from its re-creation.
    pub czxid: Zxid,
    /// The transaction that last changed the data.
    pub mzxid: Zxid,
    /// The transaction that last created or deleted a direct child; `czxid` while there was none.
    pub pzxid: Zxid,
    /// Milliseconds of the server's clock at creation.
    pub ctime: u64,
    /// Milliseconds of the server's clock at the last change of the data.
    pub mtime: u64,
    /// How often the data was set. Never −1: from −2 it goes to 0.
    pub version: i32,
    /// Children created plus children deleted. The nodes of a fresh server were never created and show less than 0.
    pub cversion: i32,
    /// How often the ACL was set.
    pub aversion: i32,
    /// Whose ephemeral node this is; `None` for all other kinds, containers too.
    pub ephemeral_owner: Option<SessionId>,
    /// Bytes of data.
    pub data_length: u32,
    /// Direct children.
    pub num_children: u32,
}

/// What kind of node to create.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum CreateMode {
    /// Stays until it is deleted.
    Persistent,
    /// As `Persistent`, with a number of ten digits appended to the name.
    PersistentSequential,
    /// Goes away with the session that created it, and has no children.
    Ephemeral,
    /// As `Ephemeral`, with a number of ten digits appended to the name.
    EphemeralSequential,
    /// As `Persistent`. The sweep that deletes a container which has become empty is left out.
    Container,
}

impl CreateMode {
    /// Whether a number is appended to the name.
    #[must_use]
    pub const fn is_sequential(self) -> bool {
        match self {
            CreateMode::PersistentSequential | CreateMode::EphemeralSequential => true,
            CreateMode::Persistent | CreateMode::Ephemeral | CreateMode::Container => false,
        }
    }

    /// Whether the node goes away with its session.
    #[must_use]
    pub const fn is_ephemeral(self) -> bool {
        match self {
            CreateMode::Ephemeral | CreateMode::EphemeralSequential => true,
            CreateMode::Persistent | CreateMode::PersistentSequential | CreateMode::Container => false,
        }
    }
}

/// What a client asks of the tree.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Operation {
    /// Creates a node below an existing one.
    Create {
        /// The node, without the number of a sequential one.
        path: Arc<str>,
        /// Its first data.
        data: Arc<[u8]>,
        /// Its kind.
        mode: CreateMode,
    },
    /// Deletes a node without children.
    Delete {
        /// The node.
        path: Arc<str>,
        /// The version its data must have; `None` (or −1, as on the wire) for any.
        version: Option<i32>,
    },
    /// Asks for the stat of a node.
    Exists {
        /// The node.
        path: Arc<str>,
        /// Whether to tell once of its creation, deletion or change of data.
        watch: bool,
    },
    /// Reads a node.
    GetData {
        /// The node.
        path: Arc<str>,
        /// Whether to tell once of its deletion or change of data; nothing is watched when there is no node.
        watch: bool,
    },
    /// Replaces the data of a node.
    SetData {
        /// The node.
        path: Arc<str>,
        /// Its new data.
        data: Arc<[u8]>,
        /// The version its data must have; `None` (or −1, as on the wire) for any.
        version: Option<i32>,
    },
    /// Lists the children of a node.
    GetChildren {
        /// The node.
        path: Arc<str>,
        /// Whether to tell once of its deletion or of a child created or deleted; nothing is watched when there is no node.
        watch: bool,
    },
    /// Waits until the server has applied what was decided before.
    Sync {
        /// Any path; nothing looks at it.
        path: Arc<str>,
    },
}

impl Operation {
    /// Whether the operation is a transaction: it takes a zxid and needs the connection that owns the session.
    #[must_use]
    pub const fn is_write(&self) -> bool {
        match self {
            Operation::Create { .. } | Operation::Delete { .. } | Operation::SetData { .. } => true,
            Operation::Exists { .. }
            | Operation::GetData { .. }
            | Operation::GetChildren { .. }
            | Operation::Sync { .. } => false,
        }
    }
}

/// What an operation that succeeded gives back.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// The node was created.
    Created {
        /// Its path, with the number of a sequential one.
        path: Arc<str>,
        /// Its stat.
        stat: Stat,
    },
    /// The node was deleted.
    Deleted,
    /// The node exists.
    Exists {
        /// Its stat.
        stat: Stat,
    },
    /// The node was read.
    Data {
        /// Its data.
        data: Arc<[u8]>,
        /// Its stat.
        stat: Stat,
    },
    /// The data was replaced.
    DataSet {
        /// The stat after it.
        stat: Stat,
    },
    /// The children were listed.
    Children {
        /// Their names (not paths), sorted. ZooKeeper promises no order.
        children: Vec<Arc<str>>,
        /// The stat of their parent.
        stat: Stat,
    },
    /// The server has caught up.
    Synced,
}

/// Why an operation did not succeed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ErrorCode {
    /// There is no such node, or no parent to create it under.
    NoNode,
    /// There is such a node already.
    NodeExists,
    /// The data has another version than was asked for.
    BadVersion,
    /// The node has children.
    NotEmpty,
    /// The parent is ephemeral.
    NoChildrenForEphemerals,
    /// The path is not legal here.
    BadArguments,
    /// The session is over.
    SessionExpired,
    /// The connection broke, or there was none. What was on its way may have happened, may still happen, or never will.
    ConnectionLoss,
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ErrorCode::NoNode => "no such node",
            ErrorCode::NodeExists => "the node exists",
            ErrorCode::BadVersion => "another version of the data",
            ErrorCode::NotEmpty => "the node has children",
            ErrorCode::NoChildrenForEphemerals => "an ephemeral node has no children",
            ErrorCode::BadArguments => "not a legal path",
            ErrorCode::SessionExpired => "the session expired",
            ErrorCode::ConnectionLoss => "connection lost, outcome unknown",
        })
    }
}

impl core::error::Error for ErrorCode {}

/// What a watch tells of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum EventKind {
    /// The node was created.
    NodeCreated,
    /// The node was deleted.
    NodeDeleted,
    /// The data of the node was set.
    NodeDataChanged,
    /// A child of the node was created or deleted.
    NodeChildrenChanged,
}

/// A watch went off. It does not say what changed, and it is gone.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct WatchEvent {
    /// What happened.
    pub kind: EventKind,
    /// To which node.
    pub path: Arc<str>,
}
