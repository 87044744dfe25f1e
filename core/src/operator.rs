//! What a person may ask of the cluster, and the answers (spec 3.3 to 3.5).

use crate::identity::NodeId;
use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Serialize};

/// The number under which a node knows a request, unique within one run of its process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// A person's request about one node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum OperatorRequest {
    /// Let the node in again.
    Connect(NodeId),
    /// Put the node out until a person, or a restart of it, brings it back.
    Disconnect(NodeId),
    /// Delete a node that is out; only a restart of it brings it back.
    Remove(NodeId),
    /// Let a node that is out hand its FlowFiles to the others.
    Offload(NodeId),
}

impl OperatorRequest {
    /// The node that the request is about.
    #[must_use]
    pub const fn node(self) -> NodeId {
        match self {
            OperatorRequest::Connect(node)
            | OperatorRequest::Disconnect(node)
            | OperatorRequest::Remove(node)
            | OperatorRequest::Offload(node) => node,
        }
    }
}

/// Why a request was not carried out.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Refusal {
    /// The node that was asked is not a member (NiFi: 404).
    NotConnected,
    /// Nobody coordinates, or ZooKeeper cannot be reached (503).
    NoCoordinator,
    /// No answer came in time, or the coordinator lost its office meanwhile: it may have been done, or not.
    OutcomeUnknown,
    /// There is no such node (404).
    UnknownNode,
    /// The last CONNECTED node stays (spec S19).
    OnlyConnectedNode,
    /// Only a node that is out can be removed or offloaded (spec S17, S18).
    NotDisconnected {
        /// What it is instead.
        state: String,
    },
    /// An earlier request about the same node has not ended.
    Busy,
    /// The node was deleted; only a restart of its process brings it back.
    Removed,
}

impl Refusal {
    /// Whether the request may have had an effect all the same.
    #[must_use]
    pub const fn outcome_is_unknown(&self) -> bool {
        match self {
            Refusal::OutcomeUnknown => true,
            Refusal::NotConnected
            | Refusal::NoCoordinator
            | Refusal::UnknownNode
            | Refusal::OnlyConnectedNode
            | Refusal::NotDisconnected { .. }
            | Refusal::Busy
            | Refusal::Removed => false,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NotConnected => {
                f.write_str("only a node connected to a cluster can process the request")
            }
            Refusal::NoCoordinator => {
                f.write_str("no Cluster Coordinator is known: service unavailable (503)")
            }
            Refusal::OutcomeUnknown => f.write_str("no answer, it may have been done, or not"),
            Refusal::UnknownNode => f.write_str("there is no such node in the cluster"),
            Refusal::OnlyConnectedNode => f.write_str("it is the only node currently connected"),
            Refusal::NotDisconnected { state } => {
                write!(f, "it is not disconnected or offloaded, current state = {state}")
            }
            Refusal::Busy => f.write_str("an earlier request about the node has not ended"),
            Refusal::Removed => f.write_str("the node was removed; restart it to let it join again"),
        }
    }
}
