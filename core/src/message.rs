//! What nodes say to each other, in NiFi's words (spec 1.7), plus what the protocol as it should be needs: the term
//! of office that a message belongs to, the attempt, and the run of the process.

use crate::flow::{DataFlow, Fingerprint};
use crate::identity::{Incarnation, NodeId, NodeIdentifier};
use crate::operator::{OperatorRequest, Refusal, RequestId};
use crate::status::{DisconnectionCode, Epoch, NodeStatus, Version};
use crate::table::StatusTable;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// What a node believes of itself; what its heartbeats report.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Membership {
    /// It asks the coordinator to be let in, again and again.
    Joining,
    /// Accepted; the cluster's flow is being loaded.
    Loading {
        /// Which attempt.
        attempt: Version,
    },
    /// It runs the cluster's flow.
    Connected {
        /// Which attempt made it so.
        attempt: Version,
    },
    /// It is out, and knows why.
    Disconnected {
        /// Why.
        code: DisconnectionCode,
        /// Why, in words.
        reason: Arc<str>,
        /// The decision it obeys, or the attempt that it gave up.
        version: Version,
    },
    /// It hands its FlowFiles over.
    Offloading {
        /// The order it obeys.
        version: Version,
    },
    /// It has handed everything over.
    Offloaded {
        /// The order it obeyed.
        version: Version,
    },
    /// A person deleted it; only a restart lets it ask again.
    Removed {
        /// The decision it obeys.
        version: Version,
    },
}

impl Membership {
    /// The newest decision about itself that the node has taken in.
    #[must_use]
    pub const fn version(&self) -> Version {
        match self {
            Membership::Joining => Version::NONE,
            Membership::Loading { attempt } | Membership::Connected { attempt } => *attempt,
            Membership::Disconnected { version, .. }
            | Membership::Offloading { version }
            | Membership::Offloaded { version }
            | Membership::Removed { version } => *version,
        }
    }

    /// The state in NiFi's word for it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Membership::Joining | Membership::Loading { .. } => "CONNECTING",
            Membership::Connected { .. } => "CONNECTED",
            Membership::Disconnected { .. } => "DISCONNECTED",
            Membership::Offloading { .. } => "OFFLOADING",
            Membership::Offloaded { .. } => "OFFLOADED",
            Membership::Removed { .. } => "REMOVED",
        }
    }

    /// Whether the node believes that it is a full member.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        match self {
            Membership::Connected { .. } => true,
            Membership::Joining
            | Membership::Loading { .. }
            | Membership::Disconnected { .. }
            | Membership::Offloading { .. }
            | Membership::Offloaded { .. }
            | Membership::Removed { .. } => false,
        }
    }
}

/// A node's sign of life.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The term of the coordinator that it is meant for.
    pub epoch: Epoch,
    /// Who sends it.
    pub node: Arc<NodeIdentifier>,
    /// Which run of the sender.
    pub incarnation: Incarnation,
    /// Counts this run's heartbeats, so that a late or doubled one is known for what it is.
    pub sequence: u64,
    /// What the sender believes of itself.
    pub reported: Membership,
    /// The flow on the sender's disk.
    pub flow: Fingerprint,
    /// Whether the sender has inherited that flow from the cluster in this run.
    pub inherited: bool,
    /// The sender's whole table.
    pub table: Arc<StatusTable>,
}

/// A node's request to be let in; with a flow it is a vote.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct ConnectionRequest {
    /// The term of the coordinator that it is meant for.
    pub epoch: Epoch,
    /// Who asks.
    pub node: Arc<NodeIdentifier>,
    /// Which run of the process asks.
    pub incarnation: Incarnation,
    /// Counts this run's requests.
    pub ask: u64,
    /// The node's own flow.
    pub flow: Option<Arc<DataFlow>>,
}

/// The coordinator's answer to a connection request.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ConnectionAnswer {
    /// Load this flow, then send a heartbeat that names the attempt.
    Accepted {
        /// The attempt.
        attempt: Version,
        /// The cluster's flow.
        flow: Arc<DataFlow>,
        /// What the coordinator knows of all nodes.
        table: Arc<StatusTable>,
    },
    /// Ask again.
    TryLater {
        /// After this long.
        after: Duration,
        /// Why not now.
        explanation: String,
    },
    /// No.
    Rejected {
        /// Why.
        reason: String,
        /// What the coordinator says of the node.
        status: Arc<NodeStatus>,
    },
}

/// What a coordinator orders a node to do; sent again until acknowledged, ten times at most.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum OrderKind {
    /// Validate this flow and report back; without a flow: come and ask.
    Reconnect {
        /// The cluster's flow, if it is known.
        flow: Option<Arc<DataFlow>>,
        /// What the coordinator knows of all nodes.
        table: Arc<StatusTable>,
    },
    /// Leave. NiFi does not send the code along; then the node only knows UNKNOWN.
    Disconnect {
        /// Why.
        code: DisconnectionCode,
        /// Why, in words.
        reason: Arc<str>,
    },
    /// Hand all FlowFiles over to the others.
    Offload,
}

/// One message of the cluster protocol.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Message {
    /// CONNECTION_REQUEST: node to coordinator.
    ConnectionRequest(ConnectionRequest),
    /// CONNECTION_RESPONSE: coordinator to node.
    ConnectionResponse {
        /// The coordinator's term.
        epoch: Epoch,
        /// Which run of the node is answered.
        incarnation: Incarnation,
        /// Which of its requests.
        ask: u64,
        /// The answer.
        answer: ConnectionAnswer,
    },
    /// RECONNECTION_REQUEST, DISCONNECTION_REQUEST, OFFLOAD_REQUEST: coordinator to node.
    Order {
        /// The decision behind the order.
        version: Version,
        /// Which run of the node is meant; another run ignores it.
        incarnation: Incarnation,
        /// What to do.
        order: OrderKind,
    },
    /// RECONNECTION_RESPONSE, and the same for the other orders: received, not yet done.
    Acknowledgement {
        /// Who acknowledges.
        node: NodeId,
        /// The order's decision.
        version: Version,
    },
    /// HEARTBEAT: node to coordinator.
    Heartbeat(Arc<Heartbeat>),
    /// HEARTBEAT_RESPONSE: coordinator to node.
    HeartbeatResponse {
        /// The coordinator's term.
        epoch: Epoch,
        /// What the sender's table lacks, or has older.
        differences: Vec<Arc<NodeStatus>>,
        /// How the vote on the flow stands, while it lasts: for people who look at that node.
        election: Option<String>,
        /// What the differences make of the table in the heartbeat; as [`StatusChanges::passages`].
        #[serde(skip)]
        passage: Option<Box<Passage>>,
    },
    /// NODE_STATUS_CHANGE: coordinator to everybody.
    NodeStatusChange {
        /// The coordinator's term.
        epoch: Epoch,
        /// What was decided.
        status: Arc<NodeStatus>,
    },
    /// The same for many changes at once, in large clusters.
    NodeStatusChanges(Arc<StatusChanges>),
    /// A node tells the coordinator at once what its next heartbeat would report: it cannot load the flow, it stops,
    /// it is offloaded. (NiFi uses NODE_STATUS_CHANGE in this direction too.)
    NodeReport {
        /// The term of the coordinator that it is meant for.
        epoch: Epoch,
        /// Who reports.
        node: Arc<NodeIdentifier>,
        /// Which run of the process.
        incarnation: Incarnation,
        /// What it believes of itself.
        reported: Membership,
    },
    /// FLOW_REQUEST: a coordinator that was elected without the cluster's flow asks a node that was given it.
    FlowRequest {
        /// The coordinator's term.
        epoch: Epoch,
        /// Which flow it is to give.
        flow: Fingerprint,
    },
    /// FLOW_RESPONSE: that flow, which the node has or is loading.
    FlowResponse {
        /// The term of the coordinator that asked.
        epoch: Epoch,
        /// The flow.
        flow: Arc<DataFlow>,
    },
    /// The receiver of a request for the coordinator does not hold that term: look it up again.
    NotCoordinator {
        /// The term that the request was meant for.
        epoch: Epoch,
    },
    /// A person's request, passed on to the coordinator.
    OperatorRequest {
        /// The term of the coordinator that it is meant for.
        epoch: Epoch,
        /// Which node passes it on.
        origin: NodeId,
        /// Which run of that node.
        incarnation: Incarnation,
        /// That node's number for it.
        id: RequestId,
        /// The request.
        request: OperatorRequest,
    },
    /// The outcome, passed back.
    OperatorResponse {
        /// Which run of the node that passed it on.
        incarnation: Incarnation,
        /// That node's number for it.
        id: RequestId,
        /// What came of it.
        outcome: Result<(), Refusal>,
    },
}

/// What a coordinator has decided in a short time, told at once.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct StatusChanges {
    /// The coordinator's term.
    pub epoch: Epoch,
    /// The newest decision about each node that was decided about, in the order of the decisions.
    pub statuses: Vec<Arc<NodeStatus>>,
    /// Which tables these changes lead from, and where to. They never cross a wire: where thousands of nodes live in one
    /// process, who holds one of these very tables takes over what comes of it, and nobody changes a copy.
    #[serde(skip)]
    pub passages: Vec<Passage>,
}

/// What some changes make of some tables.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Passage {
    /// Each of them, with the changes merged, is `to`.
    pub from: Vec<Arc<StatusTable>>,
    /// See `from`.
    pub to: Arc<StatusTable>,
}

impl Passage {
    /// Whether `table` is one of those that the changes make `to` of, as far as that can be told without looking into it.
    #[must_use]
    pub fn begins_at(&self, table: &Arc<StatusTable>) -> bool {
        let is_it =
            |from: &Arc<StatusTable>| Arc::ptr_eq(from, table) || (table.is_empty() && from.is_empty());
        self.from.iter().any(is_it)
    }
}

impl Message {
    /// NiFi's name of the message type, or ours where NiFi has none.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Message::ConnectionRequest(_) => "CONNECTION_REQUEST",
            Message::ConnectionResponse { .. } => "CONNECTION_RESPONSE",
            Message::Order { order: OrderKind::Reconnect { .. }, .. } => "RECONNECTION_REQUEST",
            Message::Order { order: OrderKind::Disconnect { .. }, .. } => "DISCONNECTION_REQUEST",
            Message::Order { order: OrderKind::Offload, .. } => "OFFLOAD_REQUEST",
            Message::Acknowledgement { .. } => "ACKNOWLEDGEMENT",
            Message::Heartbeat(_) => "HEARTBEAT",
            Message::HeartbeatResponse { .. } => "HEARTBEAT_RESPONSE",
            Message::NodeStatusChange { .. } | Message::NodeStatusChanges(_) => "NODE_STATUS_CHANGE",
            Message::NodeReport { .. } => "NODE_REPORT",
            Message::FlowRequest { .. } => "FLOW_REQUEST",
            Message::FlowResponse { .. } => "FLOW_RESPONSE",
            Message::NotCoordinator { .. } => "NOT_COORDINATOR",
            Message::OperatorRequest { .. } => "OPERATOR_REQUEST",
            Message::OperatorResponse { .. } => "OPERATOR_RESPONSE",
        }
    }

    /// The term of office that a message *from a coordinator* was sent under; `None` for the others.
    #[must_use]
    pub fn coordinator_epoch(&self) -> Option<Epoch> {
        match self {
            Message::ConnectionResponse { epoch, .. }
            | Message::HeartbeatResponse { epoch, .. }
            | Message::FlowRequest { epoch, .. }
            | Message::NodeStatusChange { epoch, .. } => Some(*epoch),
            Message::NodeStatusChanges(changes) => Some(changes.epoch),
            Message::Order { version, .. } => Some(version.epoch),
            Message::ConnectionRequest(_)
            | Message::Acknowledgement { .. }
            | Message::Heartbeat(_)
            | Message::NodeReport { .. }
            | Message::FlowResponse { .. }
            | Message::NotCoordinator { .. }
            | Message::OperatorRequest { .. }
            | Message::OperatorResponse { .. } => None,
        }
    }
}
