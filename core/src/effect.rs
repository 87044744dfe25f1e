//! What a node wants done: values, in the order in which they must be performed.

use crate::coordination::CoordinationRequest;
use crate::event::ClusterEvent;
use crate::flow::DataFlow;
use crate::identity::{Address, NodeId};
use crate::message::Message;
use crate::operator::{Refusal, RequestId};
use crate::status::Version;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What a node keeps on disk.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Durable {
    /// The node's UUID (NiFi: "Node UUID").
    pub id: NodeId,
    /// The node's flow (NiFi: flow.json.gz).
    pub flow: Arc<DataFlow>,
}

/// One thing to do.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Effect {
    /// Put this on disk before anything that follows leaves the node.
    Persist(Durable),
    /// Send this, once; it may be lost, late, or arrive twice.
    Send {
        /// To the cluster protocol address.
        to: Address,
        /// What.
        message: Message,
    },
    /// Do this with ZooKeeper.
    Coordinate(CoordinationRequest),
    /// Answer a person.
    Reply {
        /// Which request.
        id: RequestId,
        /// What came of it.
        outcome: Result<(), Refusal>,
    },
    /// Write this where an operator reads it.
    Record(ClusterEvent),
    /// Load this flow, and say [`Input::FlowLoaded`](crate::node::Input) when it is done; it replaces a load that is
    /// still going on.
    LoadFlow {
        /// To name it in the answer.
        attempt: Version,
        /// What to load.
        flow: Arc<DataFlow>,
    },
    /// Hand all FlowFiles to the connected nodes, and say [`Input::OffloadFinished`](crate::node::Input) when done.
    Offload {
        /// To name it in the answer.
        version: Version,
    },
    /// The clean stop is complete: end the process.
    Exit,
}

/// The buffer that a caller lends to [`Node::handle`](crate::node::Node::handle).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Effects {
    list: Vec<Effect>,
}

impl Effects {
    /// An empty buffer.
    #[must_use]
    pub const fn new() -> Self {
        Effects { list: Vec::new() }
    }

    /// Takes everything out, in order; the buffer keeps its memory.
    pub fn drain(&mut self) -> impl Iterator<Item = Effect> {
        self.list.drain(..)
    }

    /// What is in it.
    #[must_use]
    pub fn as_slice(&self) -> &[Effect] {
        &self.list
    }

    pub(crate) fn push(&mut self, effect: Effect) {
        self.list.push(effect);
    }

    pub(crate) fn send(&mut self, to: &Address, message: Message) {
        self.push(Effect::Send { to: to.clone(), message });
    }

    pub(crate) fn record(&mut self, event: ClusterEvent) {
        self.push(Effect::Record(event));
    }
}
