//! What must hold. Each property is a file of its own with its promise in one sentence; they look at the cluster and
//! never touch it.

mod by_node;
mod coordinator;
mod elected_flow;
mod elections;
mod exclusion;
mod fencing;
mod flows;
mod heartbeats;
mod history;
mod liveness;
mod membership;
mod operators;
pub(crate) mod oracle;
mod orders;
mod primary;
mod record;
mod roles;
mod sessions;
mod tables;
mod transitions;
mod watchers;

use crate::for_good::ForGood;
use crate::network::Endpoint;
use crate::plan::NodeNumber;
use crate::setup::node_of_host;
use crate::time::SimTime;
use crate::world::process::Machine;
use crate::world::servers::ServerMachine;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use zeromaster_core::config::NodeConfig;
use zeromaster_core::effect::Effect;
use zeromaster_core::event::ClusterEvent;
use zeromaster_core::identity::{Incarnation, NodeId, NodeIdentifier};
use zeromaster_core::message::Membership;
use zeromaster_core::node::Node;
use zeromaster_core::operator::{OperatorRequest, RequestId};
use zeromaster_core::status::{Epoch, NodeStatus, Version};
use zeromaster_core::table::StatusTable;
use zeromaster_core::time::Instant;
use zeromaster_zookeeper::server::peer::PeerMessage;
use zeromaster_zookeeper::transaction::TransactionBody;
use zeromaster_zookeeper::{
    ConnectionId, Server, ServerMessage, ServerOutput, ServerRecord, SessionId, Zxid,
};

pub(crate) use elected_flow::ONE_ELECTED_FLOW;
pub use liveness::LIVENESS;
pub(crate) use liveness::MEMBER_EXISTS;
pub(crate) use watchers::Watchers;

/// The whole cluster, to look at.
#[derive(Clone, Copy)]
pub struct Cluster<'a> {
    pub(crate) now: SimTime,
    pub(crate) machines: &'a [Machine],
    /// Who was coordinator or primary after its last step. Nobody becomes either without a step of its own.
    pub(crate) in_office: &'a BTreeSet<NodeNumber>,
    pub(crate) servers: &'a [ServerMachine],
    pub(crate) common: &'a NodeConfig,
    /// The session timeout that the server grants.
    pub(crate) session_timeout: Duration,
    /// When ZooKeeper last gave a session up without the time having passed.
    pub(crate) forced_expiries: &'a BTreeMap<NodeNumber, SimTime>,
    /// Nodes that a person has asked to put out, remove or offload, at any time.
    pub(crate) put_out: &'a BTreeMap<NodeNumber, SimTime>,
    /// What the plan has taken away for ever.
    pub(crate) for_good: &'a ForGood,
    /// Whether the nodes elected another flow after the silence of all that had the first one; those may return, and do not fit.
    pub(crate) flow_replaced: bool,
    /// Nodes that the firewall file does not let in.
    pub(crate) blocked: &'a BTreeSet<NodeNumber>,
}

/// How long a node may be silent under this configuration, computed here so that a node that computes it wrongly is found out.
pub(crate) fn window(config: &NodeConfig) -> Duration {
    config.heartbeat_interval * config.heartbeat_missable_max
}

impl Cluster<'_> {
    /// How long a node may be silent at most, whoever coordinates; see [`window`].
    pub(crate) fn window(&self) -> Duration {
        window(self.common)
    }

    pub(crate) fn machine(&self, node: NodeNumber) -> Option<&Machine> {
        self.machines.get((node.0 as usize).wrapping_sub(1))
    }

    pub(crate) fn server(&self, server: u32) -> Option<&ServerMachine> {
        self.servers.get((server as usize).wrapping_sub(1))
    }

    /// The processes that run and are not held up.
    pub(crate) fn awake(&self) -> impl Iterator<Item = (NodeNumber, &Node)> {
        self.machines.iter().filter_map(|machine| Some((machine.number, &machine.awake()?.node)))
    }

    /// The processes that run, are not held up, and are not lost for good: those that must find themselves again.
    pub(crate) fn awake_and_not_lost(&self) -> impl Iterator<Item = (NodeNumber, &Node)> {
        self.awake().filter(|(node, _)| !self.for_good.is_lost(Endpoint::Node(*node)))
    }

    /// Why the cluster cannot find itself again, if what is lost for good stands in the way.
    pub(crate) fn excuse_of_lost_machines(&self) -> Option<String> {
        if let Some(reason) = self.for_good.nothing_left() {
            return Some(reason.to_owned());
        }
        let (coordinator, _, _) = self.coordinator()?;
        self.for_good
            .is_lost(Endpoint::Node(coordinator))
            .then(|| format!("{coordinator} coordinates, and is cut off from others for good"))
    }

    /// The node that would act as coordinator now, with its term; the latest term if there are several.
    pub(crate) fn coordinator(&self) -> Option<(NodeNumber, Epoch, &Node)> {
        self.in_office
            .iter()
            .filter_map(|number| {
                let machine = self.machine(*number)?;
                let node = &machine.awake()?.node;
                Some((machine.number, node.coordinates(machine.local(self.now))?, node))
            })
            .max_by_key(|(_, epoch, _)| *epoch)
    }

    /// The machine on which this run of a node is.
    pub(crate) fn machine_of(&self, node: &NodeIdentifier, incarnation: Incarnation) -> Option<&Machine> {
        let machine = self.machine(node_of_host(&node.socket.host)?)?;
        let running = &machine.process.as_ref()?.node;
        (running.id() == node.id && running.config().incarnation == incarnation).then_some(machine)
    }

    /// Whether one of these nodes lost its session without its time having passed, and so recently that it may not
    /// know yet: ZooKeeper broke its own promise then.
    pub(crate) fn excuse_of_forced_expiry(&self, nodes: &[NodeNumber]) -> Option<String> {
        let recent = |node: &&NodeNumber| {
            self.forced_expiries.get(*node).is_some_and(|at| self.now.since(*at) <= self.session_timeout * 2)
        };
        let node = nodes.iter().find(recent)?;
        Some(format!("ZooKeeper gave {node}'s session up before its timeout"))
    }
}

/// What a node was given in a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stimulus {
    /// A message from a coordinator, of this term.
    FromCoordinator {
        /// NiFi's name of the message.
        name: &'static str,
        /// The term.
        epoch: Epoch,
        /// The first status that it tells, if it tells one: the node, and the decision.
        news: Option<(NodeId, Version)>,
    },
    /// A heartbeat.
    Heartbeat {
        /// Whose.
        node: NodeId,
        /// Of which run.
        incarnation: Incarnation,
        /// For which term.
        epoch: Epoch,
        /// Which of that run's heartbeats.
        sequence: u64,
        /// The attempt whose flow the sender loads, if it loads one.
        loads: Option<Version>,
    },
    /// A person's request, asked here or passed on by another node.
    Requested {
        /// Its number.
        id: RequestId,
        /// The wish, and the node that it is about.
        request: OperatorRequest,
    },
    /// The acknowledgement of an order.
    Acknowledged {
        /// The node that acknowledges.
        node: NodeId,
        /// The order's decision.
        version: Version,
    },
    /// Anything else.
    Other,
}

/// What a node was before a step.
#[derive(Clone, Debug)]
pub struct Before {
    /// Only of a node that coordinates, or that is told something by an earlier coordinator: to hold on to a table makes
    /// its owner copy it when it changes.
    pub(crate) table: Option<Arc<StatusTable>>,
    /// Only of a node that is told something by an earlier coordinator.
    pub(crate) membership: Option<Membership>,
    /// The term that it held, open or not, and whether it acted under it.
    pub(crate) coordinated: Option<Epoch>,
}

/// Which steps a property wants to see. In a quiet cluster most steps are of interest to no property, so to ask first is
/// most of what makes checking cheap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interest(u16);

impl Interest {
    /// None.
    pub const NOTHING: Interest = Interest(0);
    /// Steps of a node in which it records something, or answers a person.
    pub const RECORDING: Interest = Interest(1);
    /// Steps of a node that is coordinator or primary, or was when it took its last step.
    pub const IN_OFFICE: Interest = Interest(1 << 1);
    /// Steps of a node that hears from a coordinator.
    pub const COMMANDED: Interest = Interest(1 << 2);
    /// What a client hears from ZooKeeper.
    pub const TOLD: Interest = Interest(1 << 3);
    /// Steps of a ZooKeeper server that hears of sessions.
    pub const HEARING: Interest = Interest(1 << 4);
    /// Steps of a ZooKeeper server that tells clients something.
    pub const TELLING: Interest = Interest(1 << 5);
    /// Steps of a ZooKeeper server that applies transactions, or takes over the state of another one.
    pub const APPLYING: Interest = Interest(1 << 6);
    /// Steps of a ZooKeeper server in which a session or a connection begins or ends, or is about to, or in which the
    /// server comes to play another part.
    pub const TURNING: Interest = Interest(1 << 7);
    /// Steps of a node that takes a person's request in, or answers one.
    pub const REQUESTED: Interest = Interest(1 << 8);
    /// Steps of a node that gives an order, hears that one has arrived or that a node loads a flow, or lets a node in.
    pub const ORDERING: Interest = Interest(1 << 9);
    /// All of them.
    pub const EVERYTHING: Interest = Interest((1 << KINDS) - 1);

    /// These steps and those.
    #[must_use]
    pub const fn and(self, other: Interest) -> Interest {
        Interest(self.0 | other.0)
    }

    /// Its kinds of steps, each by its number below [`KINDS`].
    fn kinds(self) -> impl Iterator<Item = usize> {
        (0..KINDS).filter(move |kind| self.0 >> kind & 1 != 0)
    }

    /// Whether some step is among both.
    #[must_use]
    pub const fn meets(self, other: Interest) -> bool {
        self.0 & other.0 != 0
    }
}

/// How many kinds of steps there are.
const KINDS: usize = 10;

/// One step of one node.
#[derive(Clone, Copy)]
pub struct Observation<'a> {
    pub(crate) node: NodeNumber,
    /// The time on the node's own clock.
    pub(crate) local: Instant,
    pub(crate) stimulus: Stimulus,
    pub(crate) before: &'a Before,
    pub(crate) after: &'a Node,
    /// The term under which the node acts as coordinator after the step.
    pub(crate) coordinates: Option<Epoch>,
    pub(crate) effects: &'a [Effect],
    pub(crate) cluster: Cluster<'a>,
}

impl<'a> Observation<'a> {
    /// The term in which the node coordinates after the step, or did before one that ended it: what it decides last counts,
    /// too.
    pub(crate) fn term(&self) -> Option<Epoch> {
        self.coordinates.or(self.before.coordinated)
    }

    /// The changes of status that the node decided in this step as the coordinator that it is, or was before: what was
    /// before, and what is after.
    pub(crate) fn decided(
        &self,
    ) -> impl Iterator<Item = (Option<&'a Arc<NodeStatus>>, &'a Arc<NodeStatus>)> + use<'a> {
        let term = self.term();
        self.events().filter_map(move |event| match event {
            ClusterEvent::Transition { before, after, .. } if term == Some(after.version.epoch) => {
                Some((before.as_ref(), after))
            }
            _ => None,
        })
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = &'a ClusterEvent> + use<'a> {
        self.effects.iter().filter_map(|effect| match effect {
            Effect::Record(event) => Some(event),
            Effect::Persist(_)
            | Effect::Send { .. }
            | Effect::Coordinate(_)
            | Effect::Reply { .. }
            | Effect::LoadFlow { .. }
            | Effect::Offload { .. }
            | Effect::Exit => None,
        })
    }
}

/// What a ZooKeeper server was given in a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard<'a> {
    /// A client has said something.
    Client {
        /// On this connection.
        connection: ConnectionId,
    },
    /// A follower has told its leader of sessions that it has heard of.
    Touched {
        /// Which.
        sessions: &'a [SessionId],
    },
    /// A fault expires this session.
    Expire {
        /// Which.
        session: SessionId,
    },
    /// Anything else.
    Other,
}

/// One step of one ZooKeeper server.
#[derive(Clone, Copy)]
pub struct ServerStep<'a> {
    pub(crate) server: u32,
    /// The time on the server's own clock.
    pub(crate) local: Duration,
    pub(crate) heard: Heard<'a>,
    /// The transaction that it had applied last before the step.
    pub(crate) before: Zxid,
    pub(crate) after: &'a Server,
    pub(crate) outputs: &'a [ServerOutput],
    pub(crate) cluster: Cluster<'a>,
}

impl<'a> ServerStep<'a> {
    pub(crate) fn records(&self) -> impl Iterator<Item = &'a ServerRecord> + use<'a> {
        self.outputs.iter().filter_map(|output| match output {
            ServerOutput::Record(record) => Some(record),
            ServerOutput::Send { .. }
            | ServerOutput::Close { .. }
            | ServerOutput::Notify { .. }
            | ServerOutput::SendPeer { .. }
            | ServerOutput::ClosePeer { .. } => None,
        })
    }
}

/// Which kinds of steps a server's step is.
pub(crate) fn kinds_of(heard: Heard<'_>, applies: bool, outputs: &[ServerOutput]) -> Interest {
    let kinds = match heard {
        Heard::Client { .. } | Heard::Touched { .. } => Interest::HEARING,
        Heard::Expire { .. } => Interest::TURNING,
        Heard::Other => Interest::NOTHING,
    };
    let kinds = if applies { kinds.and(Interest::APPLYING) } else { kinds };
    outputs.iter().map(kind).fold(kinds, Interest::and)
}

/// The kind of step in which a server says this.
fn kind(output: &ServerOutput) -> Interest {
    match output {
        ServerOutput::Send { message: ServerMessage::Connected { .. }, .. } => {
            Interest::TELLING.and(Interest::TURNING)
        }
        ServerOutput::Send { .. } => Interest::TELLING,
        ServerOutput::Close { .. } | ServerOutput::Record(_) => Interest::TURNING,
        ServerOutput::SendPeer { message: PeerMessage::Propose { transaction, .. }, .. } => match transaction
            .body
        {
            TransactionBody::OpenSession { .. } | TransactionBody::CloseSession { .. } => Interest::TURNING,
            TransactionBody::Write(_) | TransactionBody::EmptyMulti | TransactionBody::Refused(_) => {
                Interest::NOTHING
            }
        },
        ServerOutput::Notify { .. } | ServerOutput::SendPeer { .. } | ServerOutput::ClosePeer { .. } => {
            Interest::NOTHING
        }
    }
}

/// What happens to a process, or is asked of it, from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Incident {
    /// A process started.
    Started {
        /// Where.
        node: NodeNumber,
        /// Under which id.
        id: NodeId,
        /// Which run.
        incarnation: Incarnation,
    },
    /// A process ended, cleanly or not.
    Ended {
        /// Where.
        node: NodeNumber,
    },
    /// A process did not run for so long, or its clock leapt ahead by so much; from its own view that is the same.
    Absent {
        /// Whose.
        node: NodeNumber,
        /// How long.
        length: Duration,
    },
    /// A process is slow from now on.
    Slowed {
        /// Whose.
        node: NodeNumber,
    },
    /// A ZooKeeper server's process ended.
    ServerEnded {
        /// Which.
        server: u32,
    },
    /// A person asked something.
    Requested {
        /// To name it in the reply.
        id: RequestId,
        /// What.
        request: OperatorRequest,
    },
}

/// Something that should not be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What is wrong, in words.
    pub text: String,
    /// Why it is not this protocol's fault, if it is not.
    pub excuse: Option<String>,
}

impl Finding {
    /// A finding that nothing excuses.
    #[must_use]
    pub fn new(text: String) -> Option<Finding> {
        Some(Finding { text, excuse: None })
    }
}

/// A property that must hold at every step.
pub trait Property: Send {
    /// Its name in scenario files and reports.
    fn name(&self) -> &'static str;

    /// What it promises, with the number of the rule it comes from.
    fn promise(&self) -> &'static str;

    /// Which steps it is shown. It has to keep to what such steps tell it.
    fn interest(&self) -> Interest;

    /// A node has taken a step.
    fn stepped(&mut self, _step: &Observation<'_>) -> Option<Finding> {
        None
    }

    /// A ZooKeeper server has taken a step.
    fn served(&mut self, _step: &ServerStep<'_>) -> Option<Finding> {
        None
    }

    /// Something that a ZooKeeper server has said reaches the client of a node that runs.
    fn told(
        &mut self,
        _node: NodeNumber,
        _message: &ServerMessage,
        _cluster: &Cluster<'_>,
    ) -> Option<Finding> {
        None
    }

    /// Something happened from outside.
    fn happened(&mut self, _incident: &Incident, _cluster: &Cluster<'_>) {}

    /// Asked once in every heartbeat interval, for what no step would show.
    fn looked(&mut self, _cluster: &Cluster<'_>) -> Option<Finding> {
        None
    }
}

/// A fresh set of all safety properties.
#[must_use]
pub fn safety() -> Vec<Box<dyn Property>> {
    vec![
        Box::<coordinator::OneActingCoordinator>::default(),
        Box::<coordinator::QualifiedCoordinator>::default(),
        Box::<primary::OneActingPrimary>::default(),
        Box::<fencing::StaleCoordinatorHasNoEffect>::default(),
        Box::<heartbeats::NoFalseExpiry>::default(),
        Box::<heartbeats::SilenceDetectedInTime>::default(),
        Box::new(exclusion::StaysOut::user_disconnected()),
        Box::new(exclusion::StaysOut::removed()),
        Box::<exclusion::BlockedStaysOut>::default(),
        Box::<elections::EmptyFlowNeverWins>::default(),
        Box::<elections::MostVotesWin>::default(),
        Box::<elected_flow::OneElectedFlow>::default(),
        Box::<membership::ConnectedNodesShareTheFlow>::default(),
        Box::<membership::NewestConnectionWins>::default(),
        Box::<record::EveryTransitionRecorded>::default(),
        Box::<history::OneHistory>::default(),
        Box::<history::AcknowledgedWritesSurvive>::default(),
        Box::<sessions::SessionsOutliveTheirLeases>::default(),
        Box::<sessions::NoSessionExpiresEarly>::default(),
        Box::<sessions::NoClientGoesBack>::default(),
        Box::<tables::NewerStatusStays>::default(),
        Box::<tables::OneEntryPerAddress>::default(),
        Box::<transitions::OffloadAndRemovalInOrder>::default(),
        Box::<transitions::RemovedEntryStays>::default(),
        Box::<transitions::RemovedOnlyOnRequest>::default(),
        Box::<transitions::OnlyTheCoordinatorDecides>::default(),
        Box::<transitions::ShutdownMeansStopped>::default(),
        Box::<transitions::AllowedIsNotBlocked>::default(),
        Box::<operators::LastConnectedNodeStays>::default(),
        Box::<operators::RequestsCarriedOutOnce>::default(),
        Box::<roles::PutOutHoldsNoRole>::default(),
        Box::<roles::PrimaryIsAMember>::default(),
        Box::<orders::OrdersKeepTheirPace>::default(),
        Box::<orders::UnreachableWasTried>::default(),
        Box::<flows::ElectedFlowStays>::default(),
        Box::<flows::FlowIsKnownBeforeItIsHandedOut>::default(),
        Box::<flows::InheritedFlowIsOnDisk>::default(),
        Box::<flows::NoFlowIsLost>::default(),
    ]
}

/// The names of the safety properties, in the order in which they are checked.
pub const SAFETY: [&str; 38] = [
    "one-acting-coordinator",
    "qualified-coordinator",
    "one-acting-primary",
    "stale-coordinator-has-no-effect",
    "no-false-expiry",
    "silence-detected-in-time",
    "user-disconnected-stays-out",
    "removed-stays-out",
    "blocked-stays-out",
    "empty-flow-never-wins",
    "most-votes-win",
    "one-elected-flow",
    "connected-nodes-share-the-flow",
    "newest-connection-wins",
    "every-transition-recorded",
    "one-history",
    "acknowledged-writes-survive",
    "sessions-outlive-their-leases",
    "no-session-expires-early",
    "no-client-goes-back",
    "newer-status-stays",
    "one-entry-per-address",
    "offload-and-removal-in-order",
    "removed-entry-stays",
    "removed-only-on-request",
    "only-the-coordinator-decides",
    "shutdown-means-stopped",
    "allowed-is-not-blocked",
    "last-connected-node-stays",
    "requests-carried-out-once",
    "put-out-holds-no-role",
    "primary-is-a-member",
    "orders-keep-their-pace",
    "unreachable-was-tried",
    "elected-flow-stays",
    "flow-is-known-before-it-is-handed-out",
    "inherited-flow-is-on-disk",
    "no-flow-is-lost",
];

/// What has not come about yet, for each liveness property: its name, and the reason if there is one.
#[must_use]
pub fn pending(cluster: &Cluster<'_>) -> Vec<(&'static str, Option<String>)> {
    liveness::pending(cluster)
}

/// Whether what a liveness property asks for has come about; never for a name that no property has.
pub(crate) fn has_come_about(cluster: &Cluster<'_>, property: &str) -> bool {
    liveness::has_come_about(cluster, property)
}

/// The excused finding of a healed run that has no member, if that is no fault.
pub(crate) fn without_members(cluster: &Cluster<'_>) -> Option<Finding> {
    let excuse = liveness::excuse_without_members(cluster)?;
    Some(Finding { text: "no node is CONNECTED".to_owned(), excuse: Some(excuse.to_owned()) })
}

/// The newest decision that a membership follows from.
pub(crate) fn version_of(membership: &Membership) -> Version {
    membership.version()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_names_is_the_list_of_properties() {
        let names: Vec<&str> = safety().iter().map(|property| property.name()).collect();
        assert_eq!(names, SAFETY);
        assert!(safety().iter().all(|property| property.promise().ends_with('.')));
        assert!(safety().iter().all(|property| property.interest().meets(Interest::EVERYTHING)));
    }
}
