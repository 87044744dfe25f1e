//! What goes into a server and what comes out of it, and how it is configured; what happens between is left to the server.

use super::peer::{LinkId, Notification, PeerMessage};
use crate::protocol::{ClientMessage, ServerMessage};
use crate::types::{ConnectionId, Release, SessionId};
use alloc::string::String;
use alloc::sync::Arc;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// What an administrator configures, and the choices that a real server leaves to chance.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct ServerConfig {
    /// `myid`: from 1 to `servers`, and at most 255.
    pub id: u32,
    /// How many servers the ensemble has. One stands alone: it needs no quorum and is its own leader.
    pub servers: u32,
    /// What the node `/zookeeper/config` of an ensemble shows: a line `server.1=host:2888:3888:participant;host:2181`
    /// for each server, and `version=0`. Not shown by a server that stands alone.
    pub members: Option<String>,
    /// Which release the server behaves like.
    pub release: Release,
    /// `tickTime`: above zero. 2 s by default.
    pub tick: Duration,
    /// `initLimit`: ticks that a follower may take to connect to a leader and be brought up to date. 10 by default.
    pub init_limit: u32,
    /// `syncLimit`: ticks of silence after which leader and follower give each other up. 5 by default.
    pub sync_limit: u32,
    /// `minSessionTimeout`; two ticks when `None`.
    pub session_timeout_min: Option<Duration>,
    /// `maxSessionTimeout`; twenty ticks when `None`. Wins over the minimum when it is below it.
    pub session_timeout_max: Option<Duration>,
    /// `znode.container.checkIntervalMs`: how often the leader looks for containers and TTL nodes to delete. 60 s by default.
    pub container_check: Duration,
    /// `extendedTypesEnabled`: whether nodes with a time to live may be created.
    pub extended_types: bool,
    /// `DigestAuthenticationProvider.superDigest`: whose digest may do everything. As `super:` and the hash.
    pub super_digest: Option<String>,
    /// What the wall clock shows when the server's monotonic clock is zero, in milliseconds since 1970.
    pub wall_clock_ms: i64,
    /// The first session this server opens; the others count up from it. A real server takes it from its id and its clock.
    pub first_session: SessionId,
    /// Where the expiry buckets end: at this time and every tick after it. Below `tick`. On a real server it depends
    /// on when its machine was started.
    pub bucket_phase: Duration,
    /// Settles what ZooKeeper leaves open: the order of listings, and the order in which the ephemeral nodes of one
    /// session vanish. With 0 both are the order of the names.
    pub choices: u64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        ServerConfig {
            id: 1,
            servers: 1,
            members: None,
            release: Release::default(),
            tick: Duration::from_secs(2),
            init_limit: 10,
            sync_limit: 5,
            session_timeout_min: None,
            session_timeout_max: None,
            container_check: Duration::from_secs(60),
            extended_types: false,
            super_digest: None,
            wall_clock_ms: 0,
            first_session: SessionId(1),
            bucket_phase: Duration::ZERO,
            choices: 0,
        }
    }
}

impl ServerConfig {
    /// Whether the server needs no others.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.servers == 1
    }

    /// The session timeout a client gets that asks for `requested`.
    #[must_use]
    pub fn negotiate(&self, requested: Duration) -> Duration {
        let least = self.session_timeout_min.unwrap_or(self.tick.saturating_mul(2));
        let most = self.session_timeout_max.unwrap_or(self.tick.saturating_mul(20));
        requested.max(least).min(most)
    }
}

/// What the server learns.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ServerInput {
    /// A client has opened a connection.
    Opened {
        /// The connection.
        connection: ConnectionId,
        /// Where it comes from, as an `ip` identity writes it: `127.0.0.1`. `None` gives it no such identity.
        address: Option<Arc<str>>,
    },
    /// A message has arrived. On a connection that is not open it is ignored. They are given as they come, also while
    /// the answer to `Connect` is due: the server holds them back.
    Message {
        /// The connection.
        connection: ConnectionId,
        /// The message.
        message: ClientMessage,
    },
    /// The other side of a connection went away. The session stays until it expires.
    Closed {
        /// The connection.
        connection: ConnectionId,
    },
    /// Another server tells how it votes. These may be lost, doubled, late or out of order.
    Notified {
        /// The other server.
        from: u32,
        /// What it tells.
        notification: Notification,
    },
    /// A message of another server has arrived, in order on its link.
    Peer {
        /// The other server.
        from: u32,
        /// The link.
        link: LinkId,
        /// The message.
        message: PeerMessage,
    },
    /// The other side of a link between two servers went away. (When nothing gets through, nothing tells of it.)
    PeerClosed {
        /// The other server.
        from: u32,
        /// The link.
        link: LinkId,
    },
    /// `now` has reached [`Server::next_deadline`](super::Server::next_deadline).
    Wakeup,
    /// An administrator or a fault expires a session before its time. Only the leader can.
    ExpireSession {
        /// The session; nothing happens when there is none.
        session: SessionId,
    },
    /// The wall clock was set: it is so many milliseconds ahead of where [`ServerConfig::wall_clock_ms`] had it.
    WallClock {
        /// How far; negative when it is behind.
        ahead_ms: i64,
    },
    /// The process dies: connections and links drop, what is on disk stays. Everything is ignored until it starts again.
    Stopped,
    /// The process starts on the same disk.
    Started,
}

/// What the server wants done, in this order.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ServerOutput {
    /// Send a message.
    Send {
        /// On this connection.
        connection: ConnectionId,
        /// The message.
        message: ServerMessage,
    },
    /// Close a connection, after what was sent on it. The server has forgotten it and expects no `Closed` for it.
    Close {
        /// The connection.
        connection: ConnectionId,
    },
    /// Tell another server how this one votes. It may be lost: it is told again.
    Notify {
        /// The other server.
        to: u32,
        /// What to tell.
        notification: Notification,
    },
    /// Send a message to another server. On one link they arrive in order; when one is lost, nothing behind it arrives.
    SendPeer {
        /// The other server.
        to: u32,
        /// The link; the first message on it opens it.
        link: LinkId,
        /// The message.
        message: PeerMessage,
    },
    /// Close a link, after what was sent on it. No `PeerClosed` is expected for it.
    ClosePeer {
        /// The other server.
        to: u32,
        /// The link.
        link: LinkId,
    },
    /// Something happened that a person may want to know.
    Record(ServerRecord),
}

/// What a server is to the others.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Role {
    /// It looks for a leader and serves nobody.
    Looking,
    /// It follows a leader, and is brought up to date or serves.
    Following {
        /// The leader.
        leader: u32,
        /// The newest epoch it has accepted.
        epoch: u32,
    },
    /// It leads, or prepares to. A server that stands alone always leads epoch 0.
    Leading {
        /// The newest epoch it has accepted; it leads this one as soon as it serves.
        epoch: u32,
    },
}

/// What happened on a server, for the record. A server that stands alone records no roles.
///
/// Sessions are recorded by the leader, when it applies the transaction. A new leader records again what the old one
/// had committed without telling it so.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ServerRecord {
    /// A session was opened.
    SessionOpened {
        /// The session.
        session: SessionId,
        /// Its negotiated timeout.
        timeout: Duration,
    },
    /// A session has expired; its ephemeral nodes vanish on each server when it comes to this transaction.
    SessionExpired {
        /// The session.
        session: SessionId,
    },
    /// A session was closed by its client.
    SessionClosed {
        /// The session.
        session: SessionId,
    },
    /// The server looks for a leader and serves nobody.
    Looking,
    /// The server leads an epoch, and serves.
    Leads {
        /// The epoch.
        epoch: u32,
    },
    /// The server follows a leader, and serves.
    Follows {
        /// The leader.
        leader: u32,
        /// Its epoch.
        epoch: u32,
    },
}
