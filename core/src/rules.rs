//! Every choice in which NiFi's versions differ from each other, or from the protocol as it should be: one named
//! field each, read in one place each. docs/nifi-map.md explains them to people who know NiFi.

use crate::flow::DifferingFlow;
use crate::status::DisconnectionCode;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A set of disconnection codes. In serde it is the list of their names, in NiFi's order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(into = "Vec<&'static str>", try_from = "Vec<String>")]
pub struct CodeSet(u16);

impl From<CodeSet> for Vec<&'static str> {
    fn from(set: CodeSet) -> Self {
        DisconnectionCode::ALL
            .into_iter()
            .filter(|code| set.contains(*code))
            .map(DisconnectionCode::name)
            .collect()
    }
}

impl TryFrom<Vec<String>> for CodeSet {
    type Error = String;

    fn try_from(names: Vec<String>) -> Result<Self, String> {
        let code = |name: &String| {
            DisconnectionCode::parse(name).ok_or_else(|| {
                let names = DisconnectionCode::ALL.map(|code| format!("`{}`", code.name()));
                format!("unknown variant `{name}`, expected one of {}", names.join(", "))
            })
        };
        let codes: Vec<DisconnectionCode> = names.iter().map(code).collect::<Result<_, _>>()?;
        Ok(CodeSet::of(&codes))
    }
}

impl CodeSet {
    /// The set of exactly these codes.
    #[must_use]
    pub const fn of(codes: &[DisconnectionCode]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < codes.len() {
            bits |= 1 << codes[index] as u16;
            index += 1;
        }
        CodeSet(bits)
    }

    /// Whether `code` is in the set.
    #[must_use]
    pub const fn contains(self, code: DisconnectionCode) -> bool {
        self.0 & (1 << code as u16) != 0
    }
}

/// How nodes find the coordinator.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum CoordinatorLookup {
    /// From a well-known znode that the elected coordinator writes, owned by the session that leads. A watch tells when
    /// it changes.
    WellKnownZnode,
    /// From the data of the first znode of the election itself (NIFI-2566, 1.0.0 on), read anew for each heartbeat and
    /// each question; nothing is watched.
    ElectionZnode,
}

/// How a node tells that it leads.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum LeadershipCheck {
    /// The first znode in line is the one that it made itself, in the session that it has now.
    OwnZnode,
    /// The first znode in line carries its name, as it was read last (NIFI-5096, NIFI-6589).
    NameRead,
}

/// When a node takes an empty cluster flow in the place of its own flow, which is not empty. Of no meaning under
/// [`DifferingFlow::Refuse`], which refuses every flow that differs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum EmptyClusterFlow {
    /// Never: MISMATCHED_FLOWS.
    Refuse,
    /// At the first load of a process, because the flow on disk is not loaded before the comparison (NIFI-13803,
    /// 2.0.0). A node that runs its flow refuses.
    ReplaceAtStart,
}

/// What becomes of the parents of the election's znodes when the last candidate has left.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ElectionParents {
    /// They stay.
    Persistent,
    /// ZooKeeper deletes them, within a minute or so.
    Container,
}

/// The protocol's rules. `Rules::default()` is the protocol as it should be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Rules {
    /// Members register an ephemeral znode each, and the coordinator watches them. NiFi never did it, although its
    /// requirement asked for it (spec P13): there a node is known once it has asked to connect.
    pub members_register: bool,
    /// How nodes find the coordinator. NiFi since 1.0.0: the election znode (spec P14).
    pub coordinator_lookup: CoordinatorLookup,
    /// How a node tells that it leads. NiFi asks who is named first, whoever's session made that znode: a process that
    /// was restarted, or has a new session, finds the znode of its former self and believes that it leads (NIFI-6589,
    /// 1.10.0; Z1, Z4, Z5); breaks S1, S31.
    pub leadership_check: LeadershipCheck,
    /// How long NiFi trusts that answer: 5 s, while ZooKeeper may elect somebody else (NIFI-6589, 1.10.0; Z1, Z2); breaks
    /// S1, S31. Of no meaning under [`LeadershipCheck::OwnZnode`].
    pub leadership_cache: Duration,
    /// A candidate whose connection breaks keeps its znode and, if the session lives on, its place. Curator, under every
    /// release of NiFi, deletes it and queues again, so that the roles move although nobody failed (Z11).
    pub keep_place_when_suspended: bool,
    /// When it is not known whether a znode was created, its server has to catch up (`sync`) before the znode is looked
    /// for. Curator, under every release of NiFi, looks at once; on a server that lags it makes a second znode, and
    /// nobody knows whose the first is (Z7); breaks L1.
    pub sync_before_lookup: bool,
    /// A znode that this run of the process made, and that is not its present place in line, is deleted when it is seen:
    /// what a create left whose answer was lost, or a former session. Curator does not look (Z3, Z7); breaks L1.
    pub sweep_own_orphans: bool,
    /// Whether the election's parents outlive their last candidate. Curator makes them containers, so the line begins to
    /// count from 0 again, and a sequence number says nothing about who came later (Z13). Terms are `czxid`s either way.
    pub election_parents: ElectionParents,
    /// What a node does whose own flow differs from the cluster's. NiFi changed its mind in 1.12 (NIFI-6849).
    pub differing_flow: DifferingFlow,
    /// What a node does whose own flow is not empty when the cluster's flow is. `VersionedFlowSynchronizer` compares with
    /// the flow in memory: NiFi 1.x loads the flow on disk before it connects, 2.x does not (spec 4.5).
    pub empty_cluster_flow: EmptyClusterFlow,
    /// A heartbeat from a node put out with one of these codes makes the coordinator ask it back. NiFi 1.0 to 1.28:
    /// the default set; since 2.0.0-M1 four more (NIFI-12221), with which a node that never fits asks for ever.
    pub auto_reconnect: CodeSet,
    /// A node that is out keeps heartbeating, so that its view stays right and it can be asked back. In NiFi it falls
    /// silent, and nothing but a person or a restart brings it back (spec L4, L6).
    pub disconnected_nodes_heartbeat: bool,
    /// A node that loads the cluster's flow heartbeats meanwhile. In NiFi it is silent: `StandardFlowService` starts the
    /// heartbeats of a start, and resumes those of a reconnection, after the load (spec 4.3, 4.4). With
    /// `connecting_expires` off, a node that dies or hangs in the load is CONNECTING for ever (L3).
    pub loading_nodes_heartbeat: bool,
    /// The period of sending is the interval cut to whole seconds: `FlowController` reads it with
    /// `FormatUtils.getTimeDuration` in seconds, the monitor in milliseconds. A period of 0 is refused when a node is
    /// configured: `ScheduledThreadPoolExecutor.scheduleWithFixedDelay` throws `IllegalArgumentException` for a delay
    /// that is not above 0, in `FlowController.startHeartbeating`, and the process does not start (all versions).
    pub heartbeat_in_whole_seconds: bool,
    /// How long a node waits that wants to join and finds that no node coordinates. NiFi: 1 s, after
    /// `NoClusterCoordinatorException` (`StandardFlowService.connect`, all versions since 1.0.0). Of no meaning where a
    /// watch tells of a coordinator ([`CoordinatorLookup::WellKnownZnode`]).
    pub pause_without_coordinator: Duration,
    /// What a node reports of itself (OFFLOADED, a failed load) is sent up to [`REPORT_ATTEMPTS`] times, and OFFLOADED waits
    /// for a coordinator (`NodeClusterCoordinator.updateNodeStatus`; repeated since NIFI-8433, 1.14.0). Off: once, to
    /// the coordinator that is known; the heartbeats of a node that is out say the rest.
    ///
    /// [`REPORT_ATTEMPTS`]: crate::config::REPORT_ATTEMPTS
    pub reports_repeated: bool,
    /// What a coordinator of an earlier term says has no effect on a node that has heard a later one. NiFi's messages
    /// carry no term; breaks S2.
    pub fence_stale_epochs: bool,
    /// CONNECTED is entered only by a heartbeat that names the newest attempt, and only with the cluster's flow. NiFi
    /// takes any heartbeat that arrives after the request; breaks S4, S20 (spec 2.9 item 2).
    pub complete_by_attempt: bool,
    /// CONNECTING ends when nothing was heard for interval × missable. In NiFi since 1.3.0 it never ends; breaks L3.
    pub connecting_expires: bool,
    /// Time in which the coordinator itself did not run is not held against the nodes. In NiFi a pause of the
    /// coordinator expels everybody at once; breaks I2, I22 (spec 2.9 item 5).
    pub forgive_own_pauses: bool,
    /// What a person decided about a node (disconnected, removed, offloaded) is kept in ZooKeeper, so that the next
    /// coordinator knows it. NiFi keeps it in memory; breaks S13, S15 on failover.
    pub exclusions_in_zookeeper: bool,
    /// A removed node stays unknown until its process restarts. In NiFi its next heartbeat brings it back; breaks S15.
    pub removal_leaves_tombstone: bool,
    /// A role is held only as long as ZooKeeper cannot have given the session up by itself. NiFi holds it until it is told
    /// otherwise (Z1); breaks S1, S31.
    pub act_under_lease: bool,
    /// While somebody coordinates, only nodes that have inherited the cluster's flow stand for election. NiFi
    /// observes this at the start of a process only (NIFI-2431, NIFI-2605); breaks I8.
    pub qualified_candidates_only: bool,
    /// A new coordinator waits for word from every registered node before it decides anything. In NiFi it starts with
    /// what its own table says, and an unjoined one may elect another flow; breaks S10.
    pub hear_members_before_acting: bool,
    /// The elected flow, and each run of a process that is given it, are recorded in ZooKeeper before the flow is handed
    /// out; a coordinator without that flow holds no new vote while a recorded holder may be alive. NiFi keeps the vote in
    /// the memory of one process (NIFI-1966, 1.1.0 on), so the next coordinator may elect another flow; breaks S10.
    pub elected_flow_recorded: bool,
    /// The coordinator records what becomes of its orders, not only its decisions: each attempt to ask a node back that
    /// failed, each order to leave that was repeated, delivered or dropped. `NodeClusterCoordinator`, all versions since
    /// 1.0.0; dropped ones since NIFI-10362, 1.18.0 (spec 3.3, 3.4).
    pub orders_recorded: bool,
    /// A node says when it stops (NODE_SHUTDOWN), and when it cannot load the flow. NiFi does since NIFI-1897; without
    /// it a clean stop is noticed only as silence (bugs A13, C16).
    pub announce_failures: bool,
}

/// Reconnected automatically by NiFi 1.0.0 to 1.28.
pub const AUTO_RECONNECT_1_X: CodeSet = CodeSet::of(&[
    DisconnectionCode::LackOfHeartbeat,
    DisconnectionCode::UnableToCommunicate,
    DisconnectionCode::NotYetConnected,
    DisconnectionCode::StartupFailure,
]);

/// Reconnected automatically by NiFi 2.0.0-M1 and later (NIFI-12221).
pub const AUTO_RECONNECT_2_X: CodeSet = CodeSet::of(&[
    DisconnectionCode::LackOfHeartbeat,
    DisconnectionCode::UnableToCommunicate,
    DisconnectionCode::NotYetConnected,
    DisconnectionCode::StartupFailure,
    DisconnectionCode::MismatchedFlows,
    DisconnectionCode::MissingBundle,
    DisconnectionCode::NodeShutdown,
    DisconnectionCode::FailedToServiceRequest,
]);

/// How long NiFi's nodes sleep before they look for a coordinator again (`StandardFlowService.connect`).
pub const PAUSE_WITHOUT_COORDINATOR: Duration = Duration::from_secs(1);

/// NiFi's `MAX_CACHE_MILLIS` (NIFI-6589, 1.10.0).
pub const LEADERSHIP_CACHE: Duration = Duration::from_secs(5);

impl Default for Rules {
    fn default() -> Self {
        Rules {
            members_register: true,
            coordinator_lookup: CoordinatorLookup::WellKnownZnode,
            leadership_check: LeadershipCheck::OwnZnode,
            leadership_cache: LEADERSHIP_CACHE,
            keep_place_when_suspended: true,
            sync_before_lookup: true,
            sweep_own_orphans: true,
            election_parents: ElectionParents::Persistent,
            differing_flow: DifferingFlow::Refuse,
            empty_cluster_flow: EmptyClusterFlow::Refuse,
            auto_reconnect: AUTO_RECONNECT_1_X,
            disconnected_nodes_heartbeat: true,
            loading_nodes_heartbeat: true,
            heartbeat_in_whole_seconds: false,
            pause_without_coordinator: PAUSE_WITHOUT_COORDINATOR,
            reports_repeated: false,
            fence_stale_epochs: true,
            complete_by_attempt: true,
            connecting_expires: true,
            forgive_own_pauses: true,
            exclusions_in_zookeeper: true,
            removal_leaves_tombstone: true,
            act_under_lease: true,
            qualified_candidates_only: true,
            hear_members_before_acting: true,
            elected_flow_recorded: true,
            orders_recorded: false,
            announce_failures: true,
        }
    }
}

impl Rules {
    /// The rule sets that have a name.
    pub const NAMES: [&'static str; 3] = ["default", "1.28", "2.x"];

    /// The rule set of that name: `default` is the protocol as it should be; `1.28` and `2.x` are NiFi's choices of
    /// those releases wherever this file has a field for them.
    #[must_use]
    pub fn named(name: &str) -> Option<Rules> {
        match name {
            "default" => Some(Rules::default()),
            "1.28" => Some(Rules::nifi(AUTO_RECONNECT_1_X, EmptyClusterFlow::Refuse)),
            "2.x" => Some(Rules::nifi(AUTO_RECONNECT_2_X, EmptyClusterFlow::ReplaceAtStart)),
            _ => None,
        }
    }

    fn nifi(auto_reconnect: CodeSet, empty_cluster_flow: EmptyClusterFlow) -> Rules {
        Rules {
            members_register: false,
            coordinator_lookup: CoordinatorLookup::ElectionZnode,
            leadership_check: LeadershipCheck::NameRead,
            leadership_cache: LEADERSHIP_CACHE,
            keep_place_when_suspended: false,
            sync_before_lookup: false,
            sweep_own_orphans: false,
            election_parents: ElectionParents::Container,
            differing_flow: DifferingFlow::BackUpAndInherit,
            empty_cluster_flow,
            auto_reconnect,
            disconnected_nodes_heartbeat: false,
            loading_nodes_heartbeat: false,
            heartbeat_in_whole_seconds: true,
            pause_without_coordinator: PAUSE_WITHOUT_COORDINATOR,
            reports_repeated: true,
            fence_stale_epochs: false,
            complete_by_attempt: false,
            connecting_expires: false,
            forgive_own_pauses: false,
            exclusions_in_zookeeper: false,
            removal_leaves_tombstone: false,
            act_under_lease: false,
            qualified_candidates_only: true,
            hear_members_before_acting: false,
            elected_flow_recorded: false,
            orders_recorded: true,
            announce_failures: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_names_a_rule_set_and_nothing_else_does() {
        for name in Rules::NAMES {
            assert!(Rules::named(name).is_some(), "{name}");
        }
        assert_eq!(Rules::named("default"), Some(Rules::default()));
        assert_eq!(Rules::named("0.7"), None);
    }

    #[test]
    fn nobody_a_person_put_out_is_asked_back_automatically() {
        for name in Rules::NAMES {
            let rules = Rules::named(name).unwrap_or_default();
            for code in [DisconnectionCode::UserDisconnected, DisconnectionCode::BlockedByFirewall] {
                assert!(!rules.auto_reconnect.contains(code), "{name}: {code}");
            }
        }
    }
}
