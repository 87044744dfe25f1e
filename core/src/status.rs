//! What the cluster says about one node: its connection state, why it is out, and how new that word is.

use crate::identity::{Incarnation, NodeIdentifier};
use alloc::sync::Arc;
use core::fmt;
use serde::{Deserialize, Serialize};

/// A term of office of a Cluster Coordinator: the `czxid` of the election znode it holds. Later terms are greater.
///
/// NiFi's messages carry no epoch; ZooKeeper's transaction order gives one that survives everything, which the
/// sequence number of the znode does not (it restarts with its parent).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Before any coordinator.
    pub const NONE: Epoch = Epoch(0);
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Orders everything that coordinators ever decided about one node: by term of office, then within the term.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Version {
    /// The term in which it was decided.
    pub epoch: Epoch,
    /// Counts the decisions of that term, from one.
    pub sequence: u64,
}

impl Version {
    /// Before any decision.
    pub const NONE: Version = Version { epoch: Epoch::NONE, sequence: 0 };
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.sequence)
    }
}

/// Why a node is DISCONNECTED. NiFi's twelve codes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DisconnectionCode {
    /// Nobody said why.
    Unknown,
    /// It registered and has not been accepted yet.
    NotYetConnected,
    /// A person asked for it.
    UserDisconnected,
    /// The coordinator heard nothing for interval × missable.
    LackOfHeartbeat,
    /// The firewall file does not list it.
    BlockedByFirewall,
    /// It could not load the cluster's flow.
    StartupFailure,
    /// Its own flow does not fit the cluster's.
    MismatchedFlows,
    /// An extension that the cluster's flow needs is missing there.
    MissingBundle,
    /// The order to reconnect could not be delivered.
    UnableToCommunicate,
    /// It failed a replicated request (NiFi 1.0 to 1.6).
    FailedToServiceRequest,
    /// A disconnected node sent a heartbeat (NiFi, for some days in 2016).
    HeartbeatReceivedFromDisconnectedNode,
    /// It stopped cleanly.
    NodeShutdown,
}

impl DisconnectionCode {
    /// All codes, in NiFi's order.
    pub const ALL: [DisconnectionCode; 12] = [
        DisconnectionCode::Unknown,
        DisconnectionCode::NotYetConnected,
        DisconnectionCode::UserDisconnected,
        DisconnectionCode::LackOfHeartbeat,
        DisconnectionCode::BlockedByFirewall,
        DisconnectionCode::StartupFailure,
        DisconnectionCode::MismatchedFlows,
        DisconnectionCode::MissingBundle,
        DisconnectionCode::UnableToCommunicate,
        DisconnectionCode::FailedToServiceRequest,
        DisconnectionCode::HeartbeatReceivedFromDisconnectedNode,
        DisconnectionCode::NodeShutdown,
    ];

    /// The description that NiFi shows to an operator.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            DisconnectionCode::Unknown => "Unknown Reason",
            DisconnectionCode::NotYetConnected => "Has Not Yet Connected to Cluster",
            DisconnectionCode::UserDisconnected => "User Disconnected Node",
            DisconnectionCode::LackOfHeartbeat => "Lack of Heartbeat",
            DisconnectionCode::BlockedByFirewall => "Blocked by Firewall",
            DisconnectionCode::StartupFailure => "Node Failed to Startup Properly",
            DisconnectionCode::MismatchedFlows => "Node's Flow did not Match Cluster Flow",
            DisconnectionCode::MissingBundle => "Node was missing bundle used by Cluster Flow",
            DisconnectionCode::UnableToCommunicate => "Unable to Communicate with Node",
            DisconnectionCode::FailedToServiceRequest => "Failed to Service Request",
            DisconnectionCode::HeartbeatReceivedFromDisconnectedNode => {
                "Heartbeat Received from node that is Disconnected"
            }
            DisconnectionCode::NodeShutdown => "Node was Shutdown",
        }
    }

    /// NiFi's constant, as it stands in logs and in the REST API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            DisconnectionCode::Unknown => "UNKNOWN",
            DisconnectionCode::NotYetConnected => "NOT_YET_CONNECTED",
            DisconnectionCode::UserDisconnected => "USER_DISCONNECTED",
            DisconnectionCode::LackOfHeartbeat => "LACK_OF_HEARTBEAT",
            DisconnectionCode::BlockedByFirewall => "BLOCKED_BY_FIREWALL",
            DisconnectionCode::StartupFailure => "STARTUP_FAILURE",
            DisconnectionCode::MismatchedFlows => "MISMATCHED_FLOWS",
            DisconnectionCode::MissingBundle => "MISSING_BUNDLE",
            DisconnectionCode::UnableToCommunicate => "UNABLE_TO_COMMUNICATE",
            DisconnectionCode::FailedToServiceRequest => "FAILED_TO_SERVICE_REQUEST",
            DisconnectionCode::HeartbeatReceivedFromDisconnectedNode => {
                "HEARTBEAT_RECEIVED_FROM_DISCONNECTED_NODE"
            }
            DisconnectionCode::NodeShutdown => "NODE_SHUTDOWN",
        }
    }

    /// The code with this constant's name.
    #[must_use]
    pub fn parse(name: &str) -> Option<DisconnectionCode> {
        DisconnectionCode::ALL.into_iter().find(|code| code.name() == name)
    }

    /// Whether a node put out for this reason gives up its candidacies: it may neither coordinate nor be primary
    /// until it is connected again (NIFI-2419).
    #[must_use]
    pub const fn bars_from_office(self) -> bool {
        match self {
            DisconnectionCode::Unknown
            | DisconnectionCode::UserDisconnected
            | DisconnectionCode::BlockedByFirewall
            | DisconnectionCode::MismatchedFlows
            | DisconnectionCode::MissingBundle
            | DisconnectionCode::FailedToServiceRequest
            | DisconnectionCode::NodeShutdown => true,
            DisconnectionCode::NotYetConnected
            | DisconnectionCode::StartupFailure
            | DisconnectionCode::LackOfHeartbeat
            | DisconnectionCode::UnableToCommunicate
            | DisconnectionCode::HeartbeatReceivedFromDisconnectedNode => false,
        }
    }
}

impl fmt::Display for DisconnectionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.description())
    }
}

/// Where a node stands in the cluster.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ConnectionState {
    /// Asked to join, or accepted: the coordinator waits for the first heartbeat of `attempt`.
    Connecting {
        /// The decision that began this attempt; only a heartbeat that names it completes it.
        attempt: Version,
    },
    /// A full member.
    Connected {
        /// The attempt that made it one.
        attempt: Version,
    },
    /// Told to leave, not confirmed. NiFi never produces it; it may arrive.
    Disconnecting,
    /// Not a member.
    Disconnected {
        /// Why.
        code: DisconnectionCode,
        /// Why, in words.
        reason: Arc<str>,
    },
    /// Disconnected, and handing its FlowFiles to the others.
    Offloading,
    /// Disconnected, and empty.
    Offloaded,
    /// Deleted by a person. Kept as a tombstone, so that it stays deleted until that process restarts
    /// (NiFi only sends it; docs/nifi-map.md).
    Removed,
}

impl ConnectionState {
    /// DISCONNECTED with the code's own description as its reason.
    #[must_use]
    pub fn disconnected(code: DisconnectionCode) -> Self {
        ConnectionState::Disconnected { code, reason: code.description().into() }
    }

    /// NiFi's constant.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            ConnectionState::Connecting { .. } => "CONNECTING",
            ConnectionState::Connected { .. } => "CONNECTED",
            ConnectionState::Disconnecting => "DISCONNECTING",
            ConnectionState::Disconnected { .. } => "DISCONNECTED",
            ConnectionState::Offloading => "OFFLOADING",
            ConnectionState::Offloaded => "OFFLOADED",
            ConnectionState::Removed => "REMOVED",
        }
    }

    /// Whether the node takes part.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        match self {
            ConnectionState::Connected { .. } => true,
            ConnectionState::Connecting { .. }
            | ConnectionState::Disconnecting
            | ConnectionState::Disconnected { .. }
            | ConnectionState::Offloading
            | ConnectionState::Offloaded
            | ConnectionState::Removed => false,
        }
    }

    /// The disconnection code, if it is out.
    #[must_use]
    pub const fn code(&self) -> Option<DisconnectionCode> {
        match self {
            ConnectionState::Disconnected { code, .. } => Some(*code),
            ConnectionState::Connecting { .. }
            | ConnectionState::Connected { .. }
            | ConnectionState::Disconnecting
            | ConnectionState::Offloading
            | ConnectionState::Offloaded
            | ConnectionState::Removed => None,
        }
    }
}

/// One entry of the status table: what was decided about a node last.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Who.
    pub node: Arc<NodeIdentifier>,
    /// Which run of its process was meant.
    pub incarnation: Incarnation,
    /// Where it stands.
    pub state: ConnectionState,
    /// How new this is. Later decisions win (spec S27); equal versions are the same decision.
    pub version: Version,
}

impl NodeStatus {
    /// Whether `self` replaces `other` in every table: it was decided later.
    ///
    /// Two different entries with one version can only come from a peer that lies; the greater one wins then, so
    /// that all tables still agree whatever the order of delivery.
    #[must_use]
    pub fn supersedes(&self, other: &NodeStatus) -> bool {
        match self.version.cmp(&other.version) {
            core::cmp::Ordering::Greater => true,
            core::cmp::Ordering::Less => false,
            core::cmp::Ordering::Equal => self > other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn every_code_has_its_own_name_and_description() {
        let names: BTreeSet<_> = DisconnectionCode::ALL.iter().map(|code| code.name()).collect();
        let descriptions: BTreeSet<_> =
            DisconnectionCode::ALL.iter().map(|code| code.description()).collect();
        assert_eq!(names.len(), 12);
        assert_eq!(descriptions.len(), 12);
        for code in DisconnectionCode::ALL {
            assert_eq!(DisconnectionCode::parse(code.name()), Some(code));
        }
        assert_eq!(DisconnectionCode::parse("GONE"), None);
    }

    #[test]
    fn a_person_s_decision_always_bars_from_office() {
        assert!(DisconnectionCode::UserDisconnected.bars_from_office());
        assert!(DisconnectionCode::BlockedByFirewall.bars_from_office());
        assert!(!DisconnectionCode::LackOfHeartbeat.bars_from_office());
    }
}
