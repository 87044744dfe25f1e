//! What an operator would read: transitions, bulletins, votes, elections, in NiFi's words.

use crate::flow::Fingerprint;
use crate::identity::{NodeId, NodeIdentifier};
use crate::leadership::Role;
use crate::message::Membership;
use crate::status::{ConnectionState, DisconnectionCode, Epoch, NodeStatus};
use alloc::string::String;
use alloc::sync::Arc;
use serde::{Deserialize, Serialize};

/// NiFi's bulletin levels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Severity {
    /// For the record.
    Info,
    /// Somebody should look.
    Warning,
    /// Somebody must act.
    Error,
}

impl Severity {
    /// How grave a transition to `state` is (spec 8.3).
    #[must_use]
    pub const fn of(state: &ConnectionState) -> Severity {
        match state {
            ConnectionState::Disconnected { code, .. } => match code {
                DisconnectionCode::StartupFailure
                | DisconnectionCode::MismatchedFlows
                | DisconnectionCode::Unknown => Severity::Error,
                DisconnectionCode::LackOfHeartbeat
                | DisconnectionCode::BlockedByFirewall
                | DisconnectionCode::UnableToCommunicate => Severity::Warning,
                DisconnectionCode::NotYetConnected
                | DisconnectionCode::UserDisconnected
                | DisconnectionCode::MissingBundle
                | DisconnectionCode::FailedToServiceRequest
                | DisconnectionCode::HeartbeatReceivedFromDisconnectedNode
                | DisconnectionCode::NodeShutdown => Severity::Info,
            },
            ConnectionState::Connecting { .. }
            | ConnectionState::Connected { .. }
            | ConnectionState::Disconnecting
            | ConnectionState::Offloading
            | ConnectionState::Offloaded
            | ConnectionState::Removed => Severity::Info,
        }
    }

    /// NiFi's constant.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Info => "INFO",
            Severity::Warning => "WARNING",
            Severity::Error => "ERROR",
        }
    }
}

/// Something worth a line in a log.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize)]
pub enum ClusterEvent {
    /// The coordinator's table says something new of a node. Every change of it is recorded (spec S33).
    Transition {
        /// What it said before; `None`: the node was not known.
        before: Option<Arc<NodeStatus>>,
        /// What it says now.
        after: Arc<NodeStatus>,
        /// How grave it is.
        severity: Severity,
        /// What happened.
        text: String,
    },
    /// A bulletin of category "Clustering" that changes nothing.
    Reported {
        /// About whom, if about one node.
        node: Option<Arc<NodeIdentifier>>,
        /// How grave it is.
        severity: Severity,
        /// What happened.
        text: String,
    },
    /// The recording node believes something new of itself.
    Membership {
        /// What it believed.
        before: Membership,
        /// What it believes now.
        after: Membership,
    },
    /// The recording node was elected.
    Elected {
        /// To what.
        role: Role,
        /// Its term.
        epoch: Epoch,
    },
    /// The recording node, elected coordinator, begins to decide.
    TookOffice {
        /// Its term.
        epoch: Epoch,
        /// How it comes to the cluster's flow.
        flow: FlowAtOffice,
    },
    /// The recording node gave a role up.
    Resigned {
        /// Which.
        role: Role,
        /// Its term.
        epoch: Epoch,
        /// Why.
        reason: Resignation,
    },
    /// A node's flow was counted.
    VoteCast {
        /// Who voted.
        node: Arc<NodeIdentifier>,
        /// For what.
        flow: Fingerprint,
        /// Whether that flow is empty.
        empty: bool,
    },
    /// The vote on the flow is over.
    FlowElected {
        /// The winner.
        flow: Fingerprint,
        /// Whether it is empty.
        empty: bool,
        /// How many nodes voted for it.
        votes: u32,
        /// How many nodes voted.
        voters: u32,
    },
    /// The recording node asked to join and is to ask again later.
    ToldToWait {
        /// What the coordinator said.
        explanation: String,
    },
    /// What a coordinator of an earlier term said was ignored.
    StaleCoordinator {
        /// NiFi's name of the message.
        message: &'static str,
        /// Its term.
        epoch: Epoch,
        /// The term that the recording node knows.
        known: Epoch,
    },
    /// A node registered in ZooKeeper, as the coordinator sees it.
    MemberAppeared {
        /// Which.
        node: NodeId,
    },
    /// A node's registration in ZooKeeper vanished, as the coordinator sees it.
    MemberGone {
        /// Which.
        node: NodeId,
    },
}

/// How a coordinator that begins to decide comes to the cluster's flow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum FlowAtOffice {
    /// It has inherited the flow itself, or was told it by a node that has.
    Known,
    /// The nodes vote.
    Voted,
    /// A flow was elected, and nodes that were given it may be alive: the coordinator waits for one that has it.
    Awaited,
}

/// Why a role was given up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Resignation {
    /// The connection to ZooKeeper is suspended.
    Suspended,
    /// The ZooKeeper session is over.
    SessionLost,
    /// ZooKeeper may have given the session up: nothing was heard from it for too long.
    LeaseEnded,
    /// The election znode is gone.
    Deposed,
    /// ZooKeeper names somebody else, or nobody (NiFi's rule).
    NotNamed,
    /// The node is no longer entitled to the role.
    NotEntitled,
    /// A node that has the cluster's flow is there, and this one has it not.
    NotQualified,
    /// The process stops.
    Stopping,
}

impl Resignation {
    /// In words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Resignation::Suspended => "its connection to ZooKeeper is suspended",
            Resignation::SessionLost => "its ZooKeeper session is lost",
            Resignation::LeaseEnded => "it has not heard from ZooKeeper for too long",
            Resignation::Deposed => "its election znode is gone",
            Resignation::NotNamed => "ZooKeeper does not name it any more",
            Resignation::NotEntitled => "it is not a connected node of the cluster",
            Resignation::NotQualified => "a node that has the cluster's flow is there, and it has not",
            Resignation::Stopping => "it stops",
        }
    }
}
