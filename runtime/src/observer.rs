//! Who is told of every step: an operator's log, or the checks of a simulation.

use crate::frame::FrameError;
use std::fmt;
use std::time::Duration;
use zeromaster_core::effect::Effect;
use zeromaster_core::event::ClusterEvent;
use zeromaster_core::identity::Address;
use zeromaster_core::node::{Input, Node};
use zeromaster_core::operator::{Refusal, RequestId};
use zeromaster_zookeeper::{Client, ClientOutput, ConnectionId, ServerMessage};

/// Is told of every step of a process, in order. It cannot change anything.
pub trait Observer: Send + 'static {
    /// The node is about to take this in.
    fn node_steps(&mut self, _now: Duration, _node: &Node, _input: &Input) {}

    /// The node has, and wants these things done; nothing of it is done yet.
    fn node_stepped(&mut self, _now: Duration, _node: &Node, _effects: &[Effect]) {}

    /// These news are taken for news of this connection, and acted on.
    fn heard(&mut self, _now: Duration, _connection: ConnectionId, _news: &News) {}

    /// ZooKeeper has said this on a connection, and the client is about to hear it.
    fn told(&mut self, _now: Duration, _connection: ConnectionId, _message: &ServerMessage) {}

    /// The ZooKeeper client has taken something in, and says this.
    fn client_stepped(&mut self, _now: Duration, _client: &Client, _outputs: &[ClientOutput]) {}

    /// Something happened that an operator reads.
    fn recorded(&mut self, _now: Duration, _event: &ClusterEvent) {}

    /// A person is answered.
    fn replied(&mut self, _now: Duration, _id: RequestId, _outcome: &Result<(), Refusal>) {}

    /// Something is wrong with somebody else.
    fn troubled(&mut self, _now: Duration, _trouble: &Trouble) {}
}

/// News of a connection to ZooKeeper.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News {
    /// It is open.
    Opened,
    /// It could not be opened.
    NotOpened(String),
    /// This has arrived on it.
    Bytes(Vec<u8>),
    /// The other side has closed it, or it is broken.
    Closed(String),
}

/// Nobody looks.
impl Observer for () {}

/// Something that is wrong with somebody else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// A connection that came in was closed for what was said on it.
    Frame {
        /// Whose it was, if it has said so.
        from: Option<Address>,
        /// What is wrong.
        error: FrameError,
    },
    /// A node cannot be reached; what was meant for it is lost.
    Unreachable {
        /// Which.
        to: Address,
        /// Why.
        reason: String,
    },
    /// More was sent to a node than it takes; the newest message is lost.
    Overflow {
        /// Which.
        to: Address,
    },
    /// A connection to ZooKeeper was lost, or could not be had.
    ZooKeeper {
        /// The server, counted from 0.
        server: u32,
        /// Why.
        reason: String,
    },
    /// Nobody can connect to this node.
    Listening {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Frame { from: Some(from), error } => write!(f, "connection of {from}: {error}"),
            Trouble::Frame { from: None, error } => write!(f, "connection of somebody: {error}"),
            Trouble::Unreachable { to, reason } => write!(f, "{to} cannot be reached: {reason}"),
            Trouble::Overflow { to } => write!(f, "{to} does not take so many messages"),
            Trouble::ZooKeeper { server, reason } => write!(f, "ZooKeeper server {server}: {reason}"),
            Trouble::Listening { reason } => write!(f, "nobody can connect: {reason}"),
        }
    }
}
