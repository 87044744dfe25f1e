//! One NiFi node: the concerns of the other modules joined to one state machine. Same inputs, same effects.

mod joining;
pub(crate) mod operations;
mod reporting;
mod requests;
mod roles;
mod zookeeper;

use crate::config::{ConfigError, NodeConfig};
use crate::coordination::CoordinationEvent;
use crate::coordinator::{Desk, Office};
use crate::discovery::{CoordinatorView, Finder, Registration};
use crate::effect::{Effect, Effects};
use crate::event::{ClusterEvent, Resignation};
use crate::flow::DataFlow;
use crate::identity::{Address, NodeId};
use crate::leadership::{Candidate, Named, Role};
use crate::message::{Heartbeat, Membership, Message};
use crate::operator::{OperatorRequest, RequestId};
use crate::rules::LeadershipCheck;
use crate::status::{Epoch, Version};
use crate::table::StatusTable;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use operations::Operations;
use reporting::Report;
use requests::RequestKey;
use serde::{Deserialize, Serialize};

/// Why a flow could not be loaded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum LoadFailure {
    /// An extension that it needs is missing.
    MissingBundle,
    /// Anything else.
    Other,
}

/// What a node learns.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Input {
    /// `now` has reached [`Node::next_deadline`].
    Wakeup,
    /// A message of the cluster protocol arrived.
    Received {
        /// The cluster protocol address of the sender; answers go there.
        from: Address,
        /// The message.
        message: Message,
    },
    /// News from ZooKeeper.
    Coordination(CoordinationEvent),
    /// A person asks something at this node.
    Requested {
        /// To name it in the reply; unique within this run.
        id: RequestId,
        /// What.
        request: OperatorRequest,
    },
    /// The load that [`Effect::LoadFlow`] asked for is over.
    FlowLoaded {
        /// Which.
        attempt: Version,
        /// How it went.
        result: Result<(), LoadFailure>,
    },
    /// The hand-over that [`Effect::Offload`] asked for is over.
    OffloadFinished {
        /// Which.
        version: Version,
    },
    /// The process is asked to stop.
    Stop,
}

/// What a node waits for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Timer {
    /// When the next heartbeat is due.
    Heartbeat,
    /// When to ask the coordinator again to be let in.
    Ask,
    /// When to repeat what this node has reported of itself.
    Report,
    /// When the coordinator has something to do: a tick of its monitor, the end of the vote, an order to repeat.
    Office,
    /// When ZooKeeper may have given this node's session up.
    Lease,
    /// When a person has waited long enough for an answer from the coordinator.
    Request,
    /// When to stand for election again after making room for a better candidate.
    Candidacy,
    /// When to ask ZooKeeper again who is named first in line (NiFi's rule).
    Leadership,
}

/// What a node does with the coordinator's address as soon as it has it, where it looks it up for each use.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Errands {
    heartbeat: bool,
    ask: bool,
    report: bool,
}

/// One NiFi node. Same inputs, same effects.
///
/// The caller performs the effects in order, and gives a [`Input::Wakeup`] when [`Node::next_deadline`] is reached.
// In a large cluster a step costs mostly the lines of memory that it touches. So what every step looks at stands together
// at the beginning, and what is seldom needed at the end.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[repr(C)]
pub struct Node {
    stopping: bool,
    /// Whether operations can be sent to ZooKeeper.
    online: bool,
    /// Whether `flow` was taken from the cluster in this run.
    inherited: bool,
    /// What waits until the coordinator has been looked up.
    errands: Errands,
    office: Option<Box<Office>>,
    /// The term in which this node is Primary Node.
    primary: Option<Epoch>,
    /// Who is named first in line, where that is what counts (NiFi's rule).
    coordinator_named: Option<Box<Named>>,
    primary_named: Option<Box<Named>>,
    lease_until: Instant,
    heartbeat_at: Option<Instant>,
    ask_at: Option<Instant>,
    /// What this node is, as far as the coordinator was not told yet.
    report: Option<Report>,
    /// Until when this node, which does not have the flow, lets others go first; set when it first did since it last heard of
    /// another coordinator.
    makes_room_until: Option<Instant>,
    /// Since when this node has been a candidate for coordinator, in line or on its way there.
    candidate_since: Option<Instant>,
    /// A node that made room for a better candidate does not stand again before.
    stands_again_at: Instant,
    /// Requests passed on to the coordinator, and until when an answer is awaited.
    forwarded: BTreeMap<RequestId, Instant>,
    membership: Membership,
    /// The latest term that this node has heard of.
    known_epoch: Epoch,
    coordinator_candidate: Candidate,
    primary_candidate: Candidate,

    table: Arc<StatusTable>,
    /// The newest decision about this node that it has taken in.
    obeyed: Version,
    heartbeats: u64,
    /// The last two. A coordinator keeps the newest that it has, so nobody reads the one before any more, and its room is
    /// used again.
    last_heartbeats: [Option<Arc<Heartbeat>>; 2],
    /// The flow on this node's disk.
    flow: Arc<DataFlow>,
    config: Arc<NodeConfig>,
    finder: Finder,

    /// The cluster's flow, while it is being loaded.
    loading: Option<Arc<DataFlow>>,
    operations: Operations,
    /// Whether the parents of everything are there.
    parents_made: bool,
    registration: Registration,
    /// Whether the address at the well-known path may be this node's.
    published: bool,
    /// The last decision that this process made as coordinator.
    decided: Version,
    /// The flow that it handed out as coordinator, and in which term.
    handed_out: Option<(Epoch, Arc<DataFlow>)>,
    /// The requests of people that other nodes have passed on, the newest last.
    passed_on: VecDeque<RequestKey>,
    asks: u64,
    /// What the coordinator said last when it asked this node to wait; said once.
    told_to_wait: bool,
    /// Whether this process has loaded a flow: before, the flow on disk is not in memory.
    has_loaded: bool,
}

impl Node {
    /// A node whose process starts now, with what its disk holds. It does nothing before ZooKeeper is connected.
    ///
    /// # Errors
    /// When the configuration makes no sense; the error says what was expected.
    pub fn new(config: Arc<NodeConfig>, flow: Arc<DataFlow>) -> Result<Node, ConfigError> {
        config.check()?;
        let name = format!("{}.{}", config.node.id, config.incarnation.0);
        let participant: Arc<str> = config.node.socket.to_string().into();
        let candidate = |role: Role| {
            let path = config.paths.election(role.name());
            Candidate::new(role, path, participant.clone(), name.clone(), config.rules)
        };
        let named = |role: Role| match config.rules.leadership_check {
            LeadershipCheck::OwnZnode => None,
            LeadershipCheck::NameRead => {
                let path = config.paths.election(role.name());
                Some(Box::new(Named::new(path, participant.clone(), &config.rules)))
            }
        };
        Ok(Node {
            finder: Finder::new(config.rules.coordinator_lookup, &config.paths),
            registration: Registration::new(&config.paths, &config.node, config.incarnation),
            coordinator_candidate: candidate(Role::ClusterCoordinator),
            primary_candidate: candidate(Role::PrimaryNode),
            coordinator_named: named(Role::ClusterCoordinator),
            primary_named: named(Role::PrimaryNode),
            stands_again_at: Instant::ZERO,
            config,
            flow,
            inherited: false,
            makes_room_until: None,
            candidate_since: None,
            loading: None,
            membership: Membership::Joining,
            obeyed: Version::NONE,
            table: Arc::default(),
            known_epoch: Epoch::NONE,
            passed_on: VecDeque::new(),
            operations: Operations::default(),
            online: false,
            parents_made: false,
            lease_until: Instant::ZERO,
            published: false,
            primary: None,
            office: None,
            decided: Version::NONE,
            handed_out: None,
            asks: 0,
            ask_at: None,
            report: None,
            told_to_wait: false,
            has_loaded: false,
            heartbeats: 0,
            last_heartbeats: [None, None],
            heartbeat_at: None,
            errands: Errands::default(),
            forwarded: BTreeMap::new(),
            stopping: false,
        })
    }

    /// Takes one input in. The only way in; what comes of it is in `effects`.
    ///
    /// `now` must not go back between calls.
    pub fn handle(&mut self, now: Instant, input: Input, effects: &mut Effects) {
        if self.stopping {
            return;
        }
        // First of all: nothing is decided on a lease that has run out, whatever woke us.
        self.end_of_lease(now, effects);
        match input {
            Input::Wakeup => {}
            Input::Received { from, message } => self.received(now, &from, message, effects),
            Input::Coordination(event) => self.coordination(now, event, effects),
            Input::Requested { id, request } => self.requested(now, id, request, effects),
            Input::FlowLoaded { attempt, result } => self.flow_loaded(now, attempt, result, effects),
            Input::OffloadFinished { version } => self.offload_finished(now, version, effects),
            Input::Stop => return self.stop(now, effects),
        }
        self.wake(now, effects);
        self.settle(now, effects);
    }

    /// Does what is due.
    fn wake(&mut self, now: Instant, effects: &mut Effects) {
        if self.office.is_some() && self.may_act(Role::ClusterCoordinator, now) {
            self.with_office(now, effects, |office, desk| {
                if office.next_deadline().is_some_and(|at| at <= desk.now) {
                    office.wake(desk);
                }
            });
        }
        self.ask_who_is_named(now, effects);
        self.expire_forwarded(now, effects);
        if self.ask_at.is_some_and(|at| at <= now) {
            self.ask(now, effects);
        }
        if self.report.is_some_and(|report| report.due_at <= now) {
            self.repeat_report(now, effects);
        }
        if self.heartbeat_at.is_some_and(|at| at <= now) {
            self.heartbeat(now, effects);
        }
    }

    /// Brings roles and candidacies in line with what the node has become.
    fn settle(&mut self, now: Instant, effects: &mut Effects) {
        self.leave_office_if_due(now, effects);
        self.stand_or_withdraw(now, effects);
        self.take_up_roles(now, effects);
    }

    /// What the node waits for next, and until when, on its own clock.
    #[must_use]
    pub fn next_deadline(&self) -> Option<(Instant, Timer)> {
        if self.stopping {
            return None;
        }
        let office = self.office.as_ref().and_then(|office| office.next_deadline());
        let office =
            office.filter(|at| self.coordinator_named.as_ref().is_none_or(|named| named.lets_act(*at)));
        let named = [&self.coordinator_named, &self.primary_named].into_iter().flatten();
        let leadership = named.filter_map(|named| named.next_deadline()).min();
        let holds_a_role = self.office.is_some() || self.primary.is_some();
        let lease = (holds_a_role && self.config.rules.act_under_lease).then_some(self.lease_until);
        let again = (self.stands_again_at > Instant::ZERO).then_some(self.stands_again_at);
        let timers = [
            (self.heartbeat_at, Timer::Heartbeat),
            (self.ask_at, Timer::Ask),
            (self.report.map(|report| report.due_at), Timer::Report),
            (office, Timer::Office),
            (lease, Timer::Lease),
            (self.forwarded.values().min().copied(), Timer::Request),
            (again, Timer::Candidacy),
            (leadership, Timer::Leadership),
        ];
        timers.iter().filter_map(|(at, timer)| Some(((*at)?, *timer))).min()
    }

    fn received(&mut self, now: Instant, from: &Address, message: Message, effects: &mut Effects) {
        if let Some(epoch) = message.coordinator_epoch() {
            if epoch < self.known_epoch && self.config.rules.fence_stale_epochs {
                let known = self.known_epoch;
                return effects.record(ClusterEvent::StaleCoordinator {
                    message: message.name(),
                    epoch,
                    known,
                });
            }
            self.learn_epoch(now, epoch, effects);
        }
        match message {
            Message::ConnectionRequest(request) => {
                let epoch = request.epoch;
                self.at_office(now, from, epoch, effects, |office, desk| {
                    office.connection_requested(desk, from, request);
                });
            }
            Message::Heartbeat(heartbeat) => {
                let epoch = heartbeat.epoch;
                self.at_office(now, from, epoch, effects, |office, desk| {
                    office.heartbeat_received(desk, from, heartbeat);
                });
            }
            Message::NodeReport { epoch, node, incarnation, reported } => {
                self.at_office(now, from, epoch, effects, |office, desk| {
                    office.node_reported(desk, &node, incarnation, &reported);
                });
            }
            Message::Acknowledgement { node, version } => {
                self.with_office(now, effects, |office, desk| office.acknowledged(desk, node, version));
            }
            Message::ConnectionResponse { incarnation, ask, answer, .. } => {
                self.answered(now, incarnation, ask, answer, effects);
            }
            Message::Order { version, incarnation, order } => {
                self.ordered(now, from, version, incarnation, order, effects);
            }
            Message::HeartbeatResponse { differences, passage, .. } => {
                self.differences_told(now, &differences, passage.as_deref(), effects);
            }
            Message::NodeStatusChange { status, .. } => self.status_told(now, &status, effects),
            Message::NodeStatusChanges(changes) => self.statuses_told(now, &changes, effects),
            Message::FlowRequest { epoch, flow } => self.give_flow(from, epoch, &flow, effects),
            Message::FlowResponse { epoch, flow } => {
                self.at_office(now, from, epoch, effects, |office, desk| office.flow_given(desk, flow));
            }
            Message::NotCoordinator { epoch } => self.not_coordinator(epoch, effects),
            Message::OperatorRequest { epoch, origin, incarnation, id, request } => {
                self.passed_on(now, from, epoch, (origin, incarnation, id), request, effects);
            }
            Message::OperatorResponse { incarnation, id, outcome } => {
                if incarnation == self.config.incarnation && self.forwarded.remove(&id).is_some() {
                    effects.push(Effect::Reply { id, outcome });
                }
            }
        }
    }

    /// A later term than this node's own has begun: its own is over.
    fn learn_epoch(&mut self, now: Instant, epoch: Epoch, effects: &mut Effects) {
        self.known_epoch = self.known_epoch.max(epoch);
        self.leave_office_if_due(now, effects);
    }

    /// Lets the office work on something that is meant for exactly this term; otherwise the sender is told.
    fn at_office(
        &mut self,
        now: Instant,
        from: &Address,
        epoch: Epoch,
        effects: &mut Effects,
        work: impl FnOnce(&mut Office, &mut Desk<'_>),
    ) {
        if self.office.as_ref().is_some_and(|office| office.is_published() && office.epoch() == epoch) {
            self.with_office(now, effects, work);
        } else {
            effects.send(from, Message::NotCoordinator { epoch });
        }
    }

    /// Lets the office work, if there is one.
    fn with_office(
        &mut self,
        now: Instant,
        effects: &mut Effects,
        work: impl FnOnce(&mut Office, &mut Desk<'_>),
    ) {
        let Some(office) = self.office.as_mut().filter(|office| office.leaving().is_none()) else { return };
        let mut desk = Desk {
            now,
            config: &self.config,
            table: &mut self.table,
            operations: &mut self.operations,
            own_flow: &self.flow,
            inherited: self.inherited,
            effects,
        };
        office.end_moot_election(&mut desk);
        work(office, &mut desk);
        self.decided = office.decided();
        // What was decided about this very node needs no message.
        if let Some(own) = self.table.get(self.config.node.id).cloned() {
            self.own_status_told(now, &own, effects);
        }
    }

    /// A clean stop: say so first, while this node still may (NIFI-9725); then leave ZooKeeper.
    fn stop(&mut self, now: Instant, effects: &mut Effects) {
        self.announce_shutdown(now, effects);
        self.leave_office(now, Resignation::Stopping, effects);
        self.give_up_primary(Resignation::Stopping, effects);
        effects.push(Effect::Coordinate(crate::coordination::CoordinationRequest::Close));
        effects.push(Effect::Exit);
        self.stopping = true;
    }

    /// Who this node is, and what it was told.
    #[must_use]
    pub fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// This node's id.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.config.node.id
    }

    /// What this node believes of itself.
    #[must_use]
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// What this node knows of all nodes.
    #[must_use]
    pub fn table(&self) -> &Arc<StatusTable> {
        &self.table
    }

    /// The flow on this node's disk.
    #[must_use]
    pub fn flow(&self) -> &Arc<DataFlow> {
        &self.flow
    }

    /// Whether [`Node::flow`] was taken from the cluster in this run of the process.
    #[must_use]
    pub fn has_inherited(&self) -> bool {
        self.inherited
    }

    /// The coordinator, as this node knows it.
    #[must_use]
    pub fn coordinator(&self) -> &CoordinatorView {
        self.finder.view()
    }

    /// The latest term that this node has heard of.
    #[must_use]
    pub fn known_epoch(&self) -> Epoch {
        self.known_epoch
    }

    /// The term under which this node would act as coordinator at `now`: it is elected, others can know of it, and
    /// ZooKeeper cannot have given it up.
    #[must_use]
    pub fn coordinates(&self, now: Instant) -> Option<Epoch> {
        let published = self.office.as_ref().filter(|office| office.is_published());
        published.filter(|_| self.may_act(Role::ClusterCoordinator, now)).map(|office| office.epoch())
    }

    /// The term under which this node decides who is connected at `now`: as [`Node::coordinates`], and every member
    /// was heard.
    #[must_use]
    pub fn decides(&self, now: Instant) -> Option<Epoch> {
        let open = self.office.as_ref().filter(|office| office.is_open());
        open.filter(|_| self.may_act(Role::ClusterCoordinator, now)).map(|office| office.epoch())
    }

    /// The flow that this node hands out as coordinator, once there is one.
    #[must_use]
    pub fn cluster_flow(&self) -> Option<&Arc<DataFlow>> {
        self.office.as_ref().and_then(|office| office.cluster_flow())
    }

    /// The term under which this node would act as Primary Node at `now`.
    #[must_use]
    pub fn is_primary(&self, now: Instant) -> Option<Epoch> {
        self.primary.filter(|_| self.may_act(Role::PrimaryNode, now))
    }

    /// Whether this node leads in a role, or holds one, and can act only while it has a lease: its ZooKeeper client is to
    /// keep one up, whatever that costs.
    #[must_use]
    pub fn needs_lease(&self) -> bool {
        let holds = self.office.is_some() || self.primary.is_some();
        let leads = self.leads(Role::ClusterCoordinator).is_some() || self.leads(Role::PrimaryNode).is_some();
        (holds || leads) && self.config.rules.act_under_lease
    }

    /// Our own beliefs. Called after every step of a simulation.
    ///
    /// # Panics
    /// When one of them is broken: that is a bug of this crate, never a peer's doing.
    pub fn check_invariants(&self) {
        self.coordinator_candidate.check_invariants(self.online);
        self.primary_candidate.check_invariants(self.online);
        if let Some(office) = &self.office {
            assert_eq!(
                self.leads(Role::ClusterCoordinator),
                Some(office.epoch()),
                "only who leads holds the office"
            );
            assert!(
                office.epoch() >= self.known_epoch || office.leaving().is_some(),
                "no later term is known"
            );
            office.check_invariants(&self.table);
        }
        if self.membership.is_connected() {
            assert!(self.inherited, "a member has the cluster's flow");
        }
        assert!(self.membership.version() <= self.obeyed, "what the node is follows from what it obeyed");
        assert!(self.primary.is_none() || self.membership.is_connected(), "the primary is a member");
        assert!(
            self.stopping || self.ask_at.is_none() || self.membership == Membership::Joining,
            "only who wants in asks"
        );
    }
}
