//! The identities and numbers that client and server share; operations and messages are left to others.

use alloc::sync::Arc;
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
pub struct Password(pub [u8; 16]);

impl Password {
    /// No session's password. A client that has no session yet shows it.
    pub const NONE: Password = Password([0; 16]);
}

/// One TCP connection of a client, numbered by whoever opens it. Never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ConnectionId(pub u64);

/// The number of a transaction: the leader's epoch in the upper half, a counter in the lower one. Every write takes
/// one, also a write that fails, and so does opening or closing a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Zxid(pub u64);

impl Zxid {
    /// What stands for no transaction in the header of a reply; −1 on the wire. It is not the newest of all.
    pub const NONE: Zxid = Zxid(u64::MAX);

    /// The first number of an epoch; no transaction has it.
    #[must_use]
    pub const fn first_of(epoch: u32) -> Self {
        Zxid((epoch as u64) << 32)
    }

    /// The epoch of the leader that gave the number.
    #[must_use]
    pub const fn epoch(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Whether the next number would be one of the next epoch.
    #[must_use]
    pub const fn is_last_of_epoch(self) -> bool {
        self.0 & 0xffff_ffff == 0xffff_ffff
    }

    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Zxid(self.0 + 1)
    }
}

impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Which ZooKeeper a server behaves like, where releases differ.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Release {
    /// 3.8.0 with what Debian 12 has mended in it: it keeps events from those who may not read the node (ZOOKEEPER-4799).
    V3_8_0,
    /// 3.9.5.
    #[default]
    V3_9_5,
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Release::V3_8_0 => "3.8.0",
            Release::V3_9_5 => "3.9.5",
        })
    }
}

/// The data of a node. `None` is what the wire calls null; it is not the same as empty.
pub type Data = Option<Arc<[u8]>>;

/// What is known of a node besides its data.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Stat {
    /// The transaction that created the node. It alone tells a node from its re-creation.
    pub czxid: Zxid,
    /// The transaction that last changed the data.
    pub mzxid: Zxid,
    /// The transaction that last created or deleted a direct child; `czxid` while there was none.
    pub pzxid: Zxid,
    /// Milliseconds of the leader's wall clock at creation. Not monotonic.
    pub ctime: i64,
    /// Milliseconds of the leader's wall clock at the last change of the data. Not monotonic.
    pub mtime: i64,
    /// How often the data was set. It wraps, and does not skip the −1 that a client asks for any version with.
    pub version: i32,
    /// Children created plus children deleted. The nodes of a fresh server were never created and show less than 0.
    pub cversion: i32,
    /// How often the ACL was set.
    pub aversion: i32,
    /// Whose ephemeral node this is; `None` for all other kinds, containers too.
    pub ephemeral_owner: Option<SessionId>,
    /// Bytes of data.
    pub data_length: i32,
    /// Direct children.
    pub num_children: i32,
}

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

/// A watch went off. It does not say what changed.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct WatchEvent {
    /// What happened.
    pub kind: EventKind,
    /// To which node.
    pub path: Arc<str>,
}
