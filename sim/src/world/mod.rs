//! The simulated world: machines with their processes, the network between them, and ZooKeeper's servers, driven by one
//! queue of events. What goes wrong, and when, is in `faults`; what is written down is in `notes`.

pub(crate) mod clients;
mod delivery;
pub(crate) mod faults;
pub(crate) mod links;
pub(crate) mod notes;
mod peers;
pub(crate) mod process;
pub(crate) mod servers;
mod steps;

use crate::adapter;
use crate::clock::Clock;
use crate::digest::Digest;
use crate::doubts::Doubts;
use crate::events::Reaches;
use crate::for_good::ForGood;
use crate::network::{DisturbanceId, Endpoint, Network};
use crate::plan::{NodeNumber, Protocol};
use crate::properties::{
    Before, Cluster, Finding, Heard, Incident, Interest, ONE_ELECTED_FLOW, Observation, ServerStep, Stimulus,
    Watchers, kinds_of,
};
use crate::queue::EventQueue;
use crate::random::{Stream, Streams};
use crate::run::Options;
use crate::scenario::{Scenario, Start};
use crate::schedule::{Schedule, Warning};
use crate::setup::{self, Setup};
use crate::time::{AT_ONCE_MAX, Progress, SimTime};
use crate::timeline::Timeline;
use links::Links;
use peers::PeerLinks;
use process::{Delivery, DiskContent, Machine, Running};
use servers::ServerMachine;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
pub(crate) use steps::{kinds, stimulus};
use zeromaster_core::coordination::{CoordinationEvent, CoordinationRequest};
use zeromaster_core::effect::{Effect, Effects};
use zeromaster_core::identity::{Address, Incarnation};
use zeromaster_core::message::Message;
use zeromaster_core::node::{Input, LoadFailure, Node};
use zeromaster_core::operator::RequestId;
use zeromaster_core::status::{Epoch, Version};
use zeromaster_zookeeper::server::peer::{LinkId, Notification, PeerMessage};
use zeromaster_zookeeper::{
    Client, ClientInput, ClientMessage, ClientOutput, ConnectionId, ServerMessage, ServerOutput, SessionId,
    Zxid,
};

/// Clusters up to this size have every node's beliefs about itself checked after each of its steps in which it records
/// something, and once in every heartbeat interval; the check walks the node's table.
pub(crate) const INVARIANTS_UP_TO_NODES: u32 = 64;

/// How long handing FlowFiles over takes.
pub(crate) const OFFLOAD_TIME: crate::plan::DurationRange =
    crate::plan::DurationRange { min: Duration::from_secs(1), max: Duration::from_secs(5) };

/// Something that will happen.
#[derive(Clone, Debug)]
enum Event {
    /// A message of the cluster protocol reaches a machine.
    Message { from: NodeNumber, to: NodeNumber, message: Message },
    /// A slow process gets to what has reached it.
    Handle { node: NodeNumber, incarnation: Incarnation, delivery: Box<Delivery> },
    /// A node hears from the ZooKeeper client in its process.
    Hears { node: NodeNumber, incarnation: Incarnation, event: CoordinationEvent },
    /// A process asked to be woken.
    Wake { node: NodeNumber, incarnation: Incarnation },
    /// A flow is loaded.
    Loaded { node: NodeNumber, incarnation: Incarnation, attempt: Version, result: Result<(), LoadFailure> },
    /// A node is empty.
    Offloaded { node: NodeNumber, incarnation: Incarnation, version: Version },
    /// A connection request of a client reaches ZooKeeper.
    Opening { connection: ConnectionId },
    /// ZooKeeper's answer to it reaches the client.
    Opened { connection: ConnectionId, accepted: bool },
    /// A message of a client reaches ZooKeeper.
    ToServer { connection: ConnectionId, message: ClientMessage },
    /// A message of ZooKeeper reaches a client.
    ToClient { connection: ConnectionId, message: ServerMessage },
    /// The end of a connection reaches ZooKeeper.
    ClosedByClient { connection: ConnectionId },
    /// The end of a connection reaches the client.
    ClosedByServer { connection: ConnectionId },
    /// A ZooKeeper server asked to be woken.
    ServerWake { server: u32 },
    /// A ZooKeeper server's vote reaches another one.
    Notified { from: u32, to: u32, notification: Notification },
    /// A message reaches a ZooKeeper server on its link with another one.
    Peer { from: u32, to: u32, link: LinkId, message: PeerMessage },
    /// The end of such a link reaches a server.
    PeerClosed { from: u32, to: u32, link: LinkId },
    /// A machine's process starts for the first time.
    FirstStart { node: NodeNumber },
    /// A step of the plan begins.
    StepBegins { step: u32 },
    /// A step of the plan is over.
    StepEnds { step: u32 },
}

impl Event {
    /// A number for the kind of the event, and where it happens, where that is known at once.
    fn kind_and_actor(&self) -> (u64, Option<Endpoint>) {
        match self {
            Event::Message { to, .. } => (1, Some(Endpoint::Node(*to))),
            Event::Handle { node, .. } => (2, Some(Endpoint::Node(*node))),
            Event::Hears { node, .. } => (3, Some(Endpoint::Node(*node))),
            Event::Wake { node, .. } => (4, Some(Endpoint::Node(*node))),
            Event::Loaded { node, .. } => (5, Some(Endpoint::Node(*node))),
            Event::Offloaded { node, .. } => (6, Some(Endpoint::Node(*node))),
            Event::FirstStart { node } => (7, Some(Endpoint::Node(*node))),
            Event::ServerWake { server } => (8, Some(Endpoint::ZooKeeper(*server))),
            Event::Notified { to, .. } => (9, Some(Endpoint::ZooKeeper(*to))),
            Event::Peer { to, .. } => (10, Some(Endpoint::ZooKeeper(*to))),
            Event::PeerClosed { to, .. } => (11, Some(Endpoint::ZooKeeper(*to))),
            Event::Opening { connection } => (connection.0 << 8 | 12, None),
            Event::Opened { connection, .. } => (13, Some(Endpoint::Node(Links::node_of(*connection)))),
            Event::ToServer { connection, .. } => (connection.0 << 8 | 14, None),
            Event::ToClient { connection, .. } => (15, Some(Endpoint::Node(Links::node_of(*connection)))),
            Event::ClosedByClient { connection } => (connection.0 << 8 | 16, None),
            Event::ClosedByServer { connection } => (17, Some(Endpoint::Node(Links::node_of(*connection)))),
            Event::StepBegins { step } => (u64::from(*step) << 8 | 18, None),
            Event::StepEnds { step } => (u64::from(*step) << 8 | 19, None),
        }
    }
}

/// What a run has counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Events taken from the queue.
    pub events: u64,
    /// Messages of the cluster protocol that were delivered.
    pub messages: u64,
}

/// Whether a second flow was elected when that is excused.
pub(crate) fn flow_replaced(violations: &[Violation]) -> bool {
    violations.iter().any(|found| found.property == ONE_ELECTED_FLOW && found.excuse.is_some())
}

/// A property that was found broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which property.
    pub property: &'static str,
    /// When.
    pub at: SimTime,
    /// At which event, counted from 1.
    pub event: u64,
    /// What is wrong, in words.
    pub text: String,
    /// Why it is excused, if it is.
    pub excuse: Option<String>,
    /// What each node believed.
    pub beliefs: Vec<String>,
}

/// The whole simulated world.
pub(crate) struct World<'a> {
    scenario: &'a Scenario,
    setup: &'a Setup,
    now: SimTime,
    queue: EventQueue<Event>,
    network: Network,
    machines: Vec<Machine>,
    /// See [`Cluster::in_office`].
    in_office: BTreeSet<NodeNumber>,
    servers: Vec<ServerMachine>,
    links: Links,
    peers: PeerLinks,
    session_timeout: Duration,
    streams: Streams,
    forced_expiries: BTreeMap<NodeNumber, SimTime>,
    /// Whose session is whose, for the words.
    session_owners: BTreeMap<SessionId, NodeNumber>,
    put_out: BTreeMap<NodeNumber, SimTime>,
    for_good: ForGood,
    /// What the network keeps when it is healed.
    cut_for_good: BTreeSet<DisturbanceId>,
    /// Whom a step of the plan chose when it began, for when it ends.
    chosen: BTreeMap<u32, Vec<Endpoint>>,
    requests: u64,
    /// Who asked what, for the words of the reply.
    asked: BTreeMap<RequestId, String>,
    resume_order: Stream,
    server_resume_order: Stream,
    offload_times: Stream,
    watchers: Watchers,
    violations: Vec<Violation>,
    schedule: Schedule,
    /// Whether a condition of the plan has come true since that was asked last.
    replanned: bool,
    doubts: Doubts,
    reaches: Reaches,
    timeline: Option<Timeline>,
    /// What the timeline shows of each node.
    states: notes::States,
    digest: Option<Digest>,
    counts: Counts,
    progress: Progress,
    /// Lent to every node in turn.
    effects: Effects,
    /// Lent to every server in turn.
    server_outputs: Vec<ServerOutput>,
    /// Lent to the step of every server in turn.
    sessions_heard_of: Vec<SessionId>,
    /// Lent to every client in turn.
    client_outputs: Vec<ClientOutput>,
    healed: bool,
}

impl<'a> World<'a> {
    pub(crate) fn new(scenario: &'a Scenario, setup: &'a Setup, seed: u64, options: Options) -> World<'a> {
        let streams = Streams::new(seed);
        let machines = (1..=scenario.nodes)
            .map(|number| machine(scenario, setup, streams, NodeNumber(number)))
            .collect();
        let servers = (1..=scenario.zookeeper.servers)
            .map(|number| ServerMachine::new(scenario, streams, number))
            .collect();
        let mut world = World {
            scenario,
            setup,
            now: SimTime::ZERO,
            queue: EventQueue::new(),
            network: Network::new(streams, scenario.latency).with_embedded(scenario.zookeeper.embedded),
            machines,
            in_office: BTreeSet::new(),
            servers,
            links: Links::new(scenario.nodes),
            peers: PeerLinks::new(scenario.zookeeper.servers),
            session_timeout: setup.negotiated_timeout(scenario),
            streams,
            forced_expiries: BTreeMap::new(),
            session_owners: BTreeMap::new(),
            put_out: BTreeMap::new(),
            for_good: ForGood::new(scenario.nodes, scenario.zookeeper.servers),
            cut_for_good: BTreeSet::new(),
            chosen: BTreeMap::new(),
            requests: 0,
            asked: BTreeMap::new(),
            resume_order: streams.stream("order on resuming"),
            server_resume_order: streams.stream("order on resuming a server"),
            offload_times: streams.stream("offload times"),
            watchers: Watchers::new(scenario.expect.always.as_ref()),
            violations: Vec::new(),
            schedule: Schedule::new(scenario, setup, seed),
            replanned: false,
            doubts: Doubts::default(),
            reaches: Reaches::new(&scenario.expect.reaches),
            timeline: options.timeline.then(|| Timeline::new(notes::header(scenario, setup, seed))),
            states: notes::States::default(),
            digest: options.digest.then(Digest::default),
            counts: Counts::default(),
            progress: Progress::default(),
            effects: Effects::new(),
            server_outputs: Vec::new(),
            sessions_heard_of: Vec::new(),
            client_outputs: Vec::new(),
            healed: false,
        };
        for server in 1..=scenario.zookeeper.servers {
            if world.host_of(server).is_some() {
                world.waits_for_its_host(server);
            } else {
                world.schedule_server(server);
            }
        }
        for number in 1..=scenario.nodes {
            let node = NodeNumber(number);
            match scenario.start.get(&node).copied().unwrap_or_default() {
                Start::At(at) => {
                    world.queue.push(SimTime::ZERO + at, Event::FirstStart { node });
                }
                // The schedule looks out for it.
                Start::When(_) => {}
            }
        }
        for (step, _) in (0..).zip(&scenario.plan.steps) {
            world.queue.push(world.schedule.begins(step), Event::StepBegins { step });
        }
        world
    }

    pub(crate) fn now(&self) -> SimTime {
        self.now
    }

    pub(crate) fn violations(&self) -> &[Violation] {
        &self.violations
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// When everything is healed, as far as that is known now.
    pub(crate) fn heals_at(&self) -> SimTime {
        self.schedule.heals_at()
    }

    /// Whether a condition of the plan has come true since this was asked last.
    pub(crate) fn take_replanned(&mut self) -> bool {
        std::mem::take(&mut self.replanned)
    }

    /// What of the plan had no effect.
    pub(crate) fn take_warnings(&mut self) -> Vec<Warning> {
        self.doubts.take()
    }

    /// The events that the scenario asks for and that have not happened, in words.
    pub(crate) fn unreached(&self) -> Option<String> {
        self.reaches.unreached()
    }

    pub(crate) fn into_timeline(self) -> Option<Timeline> {
        self.timeline
    }

    /// Runs every event up to and including `until`. Stops early at the first violation that nothing excuses, if told
    /// to, and when a condition of the plan comes true.
    ///
    /// # Panics
    /// When a node or a server wants something at once again and again, so that time stands still.
    pub(crate) fn run_until(&mut self, until: SimTime, stop_at_violation: bool) {
        while let Some((time, _, event)) = self.queue.pop_until(until) {
            self.now = time;
            self.counts.events += 1;
            assert!(
                self.progress.goes_on(time),
                "time stands still at {time} s: {AT_ONCE_MAX} events at once, and then {:.200}",
                format!("{event:?}")
            );
            let digested = self.digest.map(|_| event.kind_and_actor());
            self.dispatch(event);
            if let Some((kind, actor)) = digested {
                self.digest_event(kind, actor);
            }
            if self.schedule.is_looking() {
                self.look_for_conditions();
            }
            if self.replanned || (stop_at_violation && self.is_violated()) {
                return;
            }
        }
        self.now = self.now.max(until);
    }

    /// Takes an event into the digest, and what it left behind where it happened.
    fn digest_event(&mut self, kind: u64, actor: Option<Endpoint>) {
        let (who, state, due) = match actor {
            Some(Endpoint::Node(node)) => {
                let machine = self.machine_mut(node);
                let (mut state, mut due) = (0, 0);
                if let Some(running) = &machine.process {
                    let obeyed = running.node.membership().version();
                    state =
                        obeyed.epoch.0 ^ obeyed.sequence << 32 ^ (running.node.table().len() as u64) << 56;
                    due = running.node_due.map_or(0, |at| at.as_micros());
                }
                (u64::from(node.0), state, due)
            }
            Some(Endpoint::ZooKeeper(server)) => {
                let machine = self.server(server);
                let due = machine.wakes_at.map_or(0, SimTime::as_micros);
                (1 << 32 | u64::from(server), machine.server.last_zxid().0, due)
            }
            None => (0, 0, 0),
        };
        let now = self.now.as_micros();
        if let Some(digest) = &mut self.digest {
            digest.add([now, kind, who, state, due]);
        }
    }

    /// The hash of all events so far.
    pub(crate) fn digest(&self) -> Option<u64> {
        self.digest.map(Digest::value)
    }

    pub(crate) fn is_violated(&self) -> bool {
        self.violations.iter().any(|violation| violation.excuse.is_none())
    }

    /// Asks every property for what no single step shows.
    pub(crate) fn look(&mut self) {
        if self.scenario.nodes <= INVARIANTS_UP_TO_NODES {
            self.cluster().awake().for_each(|(_, node)| node.check_invariants());
        }
        let (watchers, cluster) = self.watchers_and_cluster();
        let findings = watchers.ask(Interest::EVERYTHING, |property| property.looked(&cluster));
        self.all_found(findings);
    }

    /// The cluster, to look at.
    pub(crate) fn cluster(&self) -> Cluster<'_> {
        Cluster {
            now: self.now,
            machines: &self.machines,
            in_office: &self.in_office,
            servers: &self.servers,
            common: self.setup.common(),
            session_timeout: self.session_timeout,
            forced_expiries: &self.forced_expiries,
            put_out: &self.put_out,
            for_good: &self.for_good,
            flow_replaced: flow_replaced(&self.violations),
            blocked: self.setup.blocked(),
        }
    }

    fn dispatch(&mut self, event: Event) {
        match event {
            Event::Message { from, to, message } => self.message_arrives(from, to, message),
            Event::Handle { node, incarnation, delivery } => self.handle_late(node, incarnation, *delivery),
            Event::Hears { node, incarnation, event } => self.hears(node, incarnation, event),
            Event::Wake { node, incarnation } => self.wake(node, incarnation),
            Event::Loaded { node, incarnation, attempt, result } => {
                self.deliver_to_run(node, incarnation, Input::FlowLoaded { attempt, result });
            }
            Event::Offloaded { node, incarnation, version } => {
                self.deliver_to_run(node, incarnation, Input::OffloadFinished { version });
            }
            Event::Opening { connection } => self.connection_arrives(connection),
            Event::Opened { connection, accepted } => self.connection_answered(connection, accepted),
            Event::ToServer { connection, message } => self.reaches_server(connection, message),
            Event::ToClient { connection, message } => self.reaches_client(connection, message),
            Event::ClosedByClient { connection } => self.closed_by_client(connection),
            Event::ClosedByServer { connection } => self.closed_by_server(connection),
            Event::ServerWake { server } => self.server_wakes(server),
            Event::Notified { from, to, notification } => self.notified(from, to, notification),
            Event::Peer { from, to, link, message } => self.peer_arrives(from, to, link, message),
            Event::PeerClosed { from, to, link } => self.peer_closed(from, to, link),
            Event::FirstStart { node } => self.start(node),
            Event::StepBegins { step } => self.step_begins(step),
            Event::StepEnds { step } => self.step_ends(step),
        }
    }

    #[inline]
    fn machine_mut(&mut self, node: NodeNumber) -> &mut Machine {
        self.machines.get_mut((node.0 as usize).wrapping_sub(1)).expect("a node is one of the scenario's")
    }

    /// Starts a process on a machine that runs none.
    fn start(&mut self, node: NodeNumber) {
        if self.for_good.is_gone(Endpoint::Node(node)) {
            return;
        }
        let (scenario, setup, now) = (self.scenario, self.setup, self.now);
        let incarnation = Incarnation(self.machine_mut(node).incarnation.0 + 1);
        let client_config = self.client_config(node, incarnation);
        let machine = self.machine_mut(node);
        if machine.process.is_some() {
            return;
        }
        machine.incarnation = incarnation;
        let config = setup.node(scenario, node, machine.disk.id, incarnation);
        let id = config.node.id;
        let core = Node::new(Arc::new(config), machine.disk.flow.clone());
        let core = core.unwrap_or_else(|error| unreachable!("the configuration was checked before: {error}"));
        let first_connection = Links::first_connection(node, incarnation);
        machine.process = Some(Running::new(core, Client::new(client_config, first_connection), now));
        self.note_node(node, "starts", |_| {
            if incarnation.0 == 1 { String::new() } else { format!("again, run {}", incarnation.0) }
        });
        self.doubts.starts(Endpoint::Node(node));
        self.happened(&Incident::Started { node, id, incarnation });
        if let Some(server) = self.server_in(node) {
            self.start_server(server);
        }
        self.client_handles(node, ClientInput::Start);
    }

    /// A process ends, with or without a word. What it has sent is on its way; the kernel closes its connections.
    fn end(&mut self, node: NodeNumber) {
        if self.machine_mut(node).process.take().is_none() {
            return;
        }
        self.in_office.remove(&node);
        for connection in self.links.held_by(node) {
            self.client_closes(connection);
        }
        self.happened(&Incident::Ended { node });
        if let Some(server) = self.server_in(node) {
            self.crash_server(server);
        }
    }

    fn message_arrives(&mut self, from: NodeNumber, to: NodeNumber, message: Message) {
        if self.network.is_cut(Endpoint::Node(from), Endpoint::Node(to), Protocol::Cluster) {
            return;
        }
        self.counts.messages += 1;
        let from = self.machine_mut(from).address.clone();
        self.deliver_to_node(to, Input::Received { from, message });
    }

    /// Gives the node an input, performs what it wants done, and lets the properties look.
    fn node_handles(&mut self, node: NodeNumber, input: Input) {
        let stimulus = stimulus(&input);
        let now = self.now;
        let checks_invariants = self.scenario.nodes <= INVARIANTS_UP_TO_NODES;
        let mut effects = std::mem::take(&mut self.effects);
        let machine = self.machine_mut(node);
        let local = machine.local(now);
        let Some(process) = &mut machine.process else {
            self.effects = effects;
            return;
        };
        let is_stale = match stimulus {
            Stimulus::FromCoordinator { epoch, .. } => {
                process.latest_epoch = process.latest_epoch.max(epoch);
                epoch < process.latest_epoch
            }
            Stimulus::Heartbeat { .. }
            | Stimulus::Requested { .. }
            | Stimulus::Acknowledged { .. }
            | Stimulus::Other => false,
        };
        let coordinated = if process.in_office { process.node.coordinates(local) } else { None };
        let before = Before {
            table: (is_stale || coordinated.is_some()).then(|| process.node.table().clone()),
            membership: is_stale.then(|| process.node.membership().clone()),
            coordinated,
        };
        process.node.handle(local, input, &mut effects);
        process.node_due = process.node.next_deadline().map(|(at, _)| at);
        process.note_membership(now);
        let coordinates = process.node.coordinates(local);
        let in_office = coordinates.is_some() || process.node.is_primary(local).is_some();
        let kinds = kinds(stimulus, process.in_office || in_office, &effects);
        let changes_office = process.in_office != in_office;
        process.in_office = in_office;
        if checks_invariants && kinds.meets(Interest::RECORDING) {
            process.node.check_invariants();
        }
        if changes_office {
            set_in_office(&mut self.in_office, node, in_office);
        }
        self.observe(node, local, kinds, stimulus, coordinates, &before, &effects);
        let incarnation = self.machine_mut(node).incarnation;
        for effect in effects.drain() {
            self.perform(node, incarnation, effect);
        }
        self.effects = effects;
        self.hold_lease(node);
        self.schedule(node);
    }

    #[expect(clippy::too_many_arguments, reason = "all that makes up one step")]
    fn observe(
        &mut self,
        node: NodeNumber,
        local: zeromaster_core::time::Instant,
        kinds: Interest,
        stimulus: Stimulus,
        coordinates: Option<Epoch>,
        before: &Before,
        effects: &Effects,
    ) {
        if kinds == Interest::NOTHING {
            return;
        }
        let (watchers, cluster) = self.watchers_and_cluster();
        let Some(running) = cluster.machine(node).and_then(|machine| machine.process.as_ref()) else {
            return;
        };
        let (after, effects) = (&running.node, effects.as_slice());
        let step = Observation { node, local, stimulus, before, after, coordinates, effects, cluster };
        let findings = watchers.ask(kinds, |property| property.stepped(&step));
        self.all_found(findings);
    }

    /// Lets the properties look at what a server has done at `local`.
    fn observe_server(
        &mut self,
        server: u32,
        local: Duration,
        heard: Heard<'_>,
        before: Zxid,
        outputs: &[ServerOutput],
    ) {
        let kinds = kinds_of(heard, self.server(server).server.last_zxid() != before, outputs);
        if kinds == Interest::NOTHING {
            return;
        }
        let (watchers, cluster) = self.watchers_and_cluster();
        let Some(machine) = cluster.server(server) else { return };
        let after = &machine.server;
        let step = ServerStep { server, local, heard, before, after, outputs, cluster };
        let findings = watchers.ask(kinds, |property| property.served(&step));
        self.all_found(findings);
    }

    /// Lets the properties look at what a client is told.
    fn observe_told(&mut self, node: NodeNumber, message: &ServerMessage) {
        let (watchers, cluster) = self.watchers_and_cluster();
        let findings = watchers.ask(Interest::TOLD, |property| property.told(node, message, &cluster));
        self.all_found(findings);
    }

    pub(super) fn happened(&mut self, incident: &Incident) {
        let (watchers, cluster) = self.watchers_and_cluster();
        let findings = watchers.ask(Interest::EVERYTHING, |property| {
            property.happened(incident, &cluster);
            None
        });
        self.all_found(findings);
    }

    /// The cluster, to look at, and those who look.
    fn watchers_and_cluster(&mut self) -> (&mut Watchers, Cluster<'_>) {
        let cluster = Cluster {
            now: self.now,
            machines: &self.machines,
            in_office: &self.in_office,
            servers: &self.servers,
            common: self.setup.common(),
            session_timeout: self.session_timeout,
            forced_expiries: &self.forced_expiries,
            put_out: &self.put_out,
            for_good: &self.for_good,
            flow_replaced: flow_replaced(&self.violations),
            blocked: self.setup.blocked(),
        };
        (&mut self.watchers, cluster)
    }

    fn all_found(&mut self, findings: Vec<(&'static str, Finding)>) {
        if !findings.is_empty() {
            findings.into_iter().for_each(|(property, finding)| self.found(property, Some(finding)));
        }
    }

    /// Writes a finding down, once for each property; one that is excused does not hide a later one that is not.
    pub(crate) fn found(&mut self, property: &'static str, finding: Option<Finding>) {
        let Some(Finding { text, excuse }) = finding else { return };
        let known = |violation: &&Violation| {
            violation.property == property && (violation.excuse.is_none() || excuse.is_some())
        };
        if self.violations.iter().any(|violation| known(&violation)) {
            return;
        }
        let word = if excuse.is_some() { "excused" } else { "VIOLATED" };
        let because = excuse.as_ref().map_or_else(String::new, |excuse| format!(" (excused: {excuse})"));
        self.note("**", word, |_| format!("{property}: {text}{because}"));
        let (at, event, beliefs) = (self.now, self.counts.events, self.beliefs());
        self.violations.push(Violation { property, at, event, text, excuse, beliefs });
    }

    fn perform(&mut self, node: NodeNumber, incarnation: Incarnation, effect: Effect) {
        match effect {
            Effect::Persist(durable) => self.machine_mut(node).disk.write(durable),
            Effect::Send { to, message } => self.send(node, &to, message),
            Effect::Coordinate(CoordinationRequest::Perform { id, operation }) => {
                let operation = adapter::operation(operation);
                self.client_handles(node, ClientInput::Submit { tag: id.0, operation });
            }
            Effect::Coordinate(CoordinationRequest::Close) => {
                self.client_handles(node, ClientInput::CloseSession)
            }
            Effect::Reply { id, outcome } => {
                let asked = self.asked.get(&id).cloned().unwrap_or_default();
                self.note_node(node, "reply", |_| match &outcome {
                    Ok(()) => format!("{asked}: done"),
                    Err(refusal) if refusal.outcome_is_unknown() => format!("{asked}: {refusal}"),
                    Err(refusal) => format!("{asked}: refused, {refusal}"),
                });
            }
            Effect::Record(event) => self.record(node, &event),
            Effect::LoadFlow { attempt, .. } => {
                let flow_load = self.scenario.flow_load;
                let now = self.now;
                let machine = self.machine_mut(node);
                let at = now + machine.load_times.duration(flow_load);
                let fails = machine.loads_that_fail > 0;
                machine.loads_that_fail = machine.loads_that_fail.saturating_sub(1);
                let result = if fails { Err(LoadFailure::Other) } else { Ok(()) };
                self.queue.push(at, Event::Loaded { node, incarnation, attempt, result });
            }
            Effect::Offload { version } => {
                let at = self.now + self.offload_times.duration(OFFLOAD_TIME);
                self.queue.push(at, Event::Offloaded { node, incarnation, version });
            }
            Effect::Exit => {
                self.note_node(node, "stopped", |_| "the process has ended".into());
                self.end(node);
            }
        }
    }

    fn send(&mut self, from: NodeNumber, to: &Address, message: Message) {
        let Some(to) = setup::node_of_host(&to.host).filter(|to| (1..=self.scenario.nodes).contains(&to.0))
        else {
            return;
        };
        let sent = self.network.transmit(Endpoint::Node(from), Endpoint::Node(to), Protocol::Cluster);
        let mut latencies = sent.latencies();
        if let Some(first) = latencies.next() {
            if let Some(second) = latencies.next() {
                self.queue.push(self.now + second, Event::Message { from, to, message: message.clone() });
            }
            self.queue.push(self.now + first, Event::Message { from, to, message });
        }
    }
}

pub(crate) fn machine(scenario: &Scenario, setup: &Setup, streams: Streams, number: NodeNumber) -> Machine {
    // Nobody's clock starts at zero, and no two at the same value.
    let offset =
        streams.indexed("clock offset", u64::from(number.0), 0).between(1_000_000, 1_000_000_000_000);
    let flow = Arc::new(setup::flow(scenario.flows.of_node(number)));
    Machine {
        number,
        address: Address { host: setup::host(number), port: setup.of_node(number).node.socket.port },
        clock: Clock::new(SimTime::ZERO, offset),
        disk: DiskContent::new(Machine::fresh_id(number, 0), flow),
        incarnation: Incarnation(0),
        wipes: 0,
        loads_that_fail: scenario.load_failures.get(&number).copied().unwrap_or(0),
        load_times: streams.indexed("flow load", u64::from(number.0), 0),
        process: None,
    }
}

/// Whole microseconds, rounded up: woken before its time, a machine would have nothing to do.
pub(crate) fn micros_up(duration: Duration) -> u64 {
    let below_a_second = u64::from(duration.subsec_nanos().div_ceil(1_000));
    duration.as_secs().saturating_mul(1_000_000).saturating_add(below_a_second)
}

/// Notes whether `node` is in office after a step.
pub(crate) fn set_in_office(all: &mut BTreeSet<NodeNumber>, node: NodeNumber, is: bool) {
    if is {
        all.insert(node);
    } else {
        all.remove(&node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "time stands still at 0.000 s: 10000000 events at once, and then FirstStart")]
    fn a_run_in_which_time_stands_still_says_so() {
        let scenario = Scenario::of(1).build().expect("a scenario");
        let setup = Setup::new(&scenario, None).expect("the shipped configuration makes sense");
        let mut world = World::new(&scenario, &setup, 1, Options::default());
        (0..AT_ONCE_MAX).for_each(|_| assert!(world.progress.goes_on(SimTime::ZERO)));
        world.run_until(SimTime::ZERO, true);
    }
}
