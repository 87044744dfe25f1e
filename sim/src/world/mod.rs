//! The simulated world: machines with their processes, the network between them, and ZooKeeper, driven by one queue
//! of events. What goes wrong, and when, is in `faults`; who is served by whom over TCP is in `links`.

mod faults;
mod links;
pub(crate) mod process;

use crate::adapter;
use crate::clock::Clock;
use crate::network::{Endpoint, Network};
use crate::plan::{NodeNumber, Protocol};
use crate::properties::{Before, Cluster, Finding, Incident, Observation, Property, Stimulus, safety};
use crate::queue::EventQueue;
use crate::random::{Stream, Streams};
use crate::scenario::Scenario;
use crate::setup::{self, Setup};
use crate::time::SimTime;
use crate::timeline::Timeline;
use crate::words;
use links::Links;
use process::{Delivery, DiskContent, Machine, Running};
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use zeromaster_core::coordination::CoordinationRequest;
use zeromaster_core::effect::{Effect, Effects};
use zeromaster_core::event::ClusterEvent;
use zeromaster_core::identity::{Address, Incarnation};
use zeromaster_core::message::{Membership, Message};
use zeromaster_core::node::{Input, LoadFailure, Node};
use zeromaster_core::operator::RequestId;
use zeromaster_core::status::{Epoch, Version};
use zeromaster_zookeeper::{
    Client, ClientConfig, ClientInput, ClientMessage, ClientOutput, ConnectionId, Server, ServerInput,
    ServerMessage, SessionId,
};

/// The one ZooKeeper server, until there are more.
const ZOOKEEPER: Endpoint = Endpoint::ZooKeeper(1);

/// Clusters up to this size have every node's beliefs about itself checked after each of its steps; the check walks
/// the node's table.
const INVARIANTS_UP_TO_NODES: u32 = 64;

/// How long handing FlowFiles over takes.
const OFFLOAD_TIME: crate::plan::DurationRange =
    crate::plan::DurationRange { min: Duration::from_secs(1), max: Duration::from_secs(5) };

/// Something that will happen.
#[derive(Clone, Debug)]
enum Event {
    /// A message of the cluster protocol reaches a machine.
    Message { from: NodeNumber, to: NodeNumber, message: Message },
    /// A slow process gets to what has reached it.
    Handle { node: NodeNumber, incarnation: Incarnation, delivery: Box<Delivery> },
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
    /// ZooKeeper asked to be woken.
    ServerWake,
    /// A machine's process starts for the first time.
    FirstStart { node: NodeNumber },
    /// A step of the plan begins.
    StepBegins { step: u32 },
    /// A step of the plan is over.
    StepEnds { step: u32 },
}

/// What a run has counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Events taken from the queue.
    pub events: u64,
    /// Messages of the cluster protocol that were delivered.
    pub messages: u64,
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
    server: Server,
    server_wakes_at: Option<SimTime>,
    links: Links,
    session_timeout: Duration,
    forced_expiries: BTreeMap<NodeNumber, SimTime>,
    /// Whose session is whose, for the words.
    session_owners: BTreeMap<SessionId, NodeNumber>,
    put_out: BTreeMap<NodeNumber, SimTime>,
    /// The node that a step of the plan chose when it began, for when it ends.
    chosen: BTreeMap<u32, Vec<NodeNumber>>,
    requests: u64,
    /// Who asked what, for the words of the reply.
    asked: BTreeMap<RequestId, String>,
    resume_order: Stream,
    offload_times: Stream,
    properties: Vec<Box<dyn Property>>,

    violations: Vec<Violation>,
    timeline: Option<Timeline>,
    counts: Counts,
    /// Lent to every node in turn.
    effects: Effects,
    healed: bool,
}

impl<'a> World<'a> {
    pub(crate) fn new(scenario: &'a Scenario, setup: &'a Setup, seed: u64, timeline: bool) -> World<'a> {
        let streams = Streams::new(seed);
        let tick = scenario.zookeeper_tick;
        let below_tick = u64::try_from(tick.as_micros()).unwrap_or(u64::MAX).max(1);
        let bucket_phase = Duration::from_micros(streams.stream("zookeeper bucket phase").below(below_tick));
        let machines =
            (1..=scenario.nodes).map(|number| machine(scenario, streams, NodeNumber(number))).collect();
        let mut world = World {
            scenario,
            setup,
            now: SimTime::ZERO,
            queue: EventQueue::new(),
            network: Network::new(streams, scenario.latency),
            machines,
            server: Server::new(setup::server_config(scenario, bucket_phase)),
            server_wakes_at: None,
            links: Links::default(),
            session_timeout: setup.negotiated_timeout(scenario),
            forced_expiries: BTreeMap::new(),
            session_owners: BTreeMap::new(),
            put_out: BTreeMap::new(),
            chosen: BTreeMap::new(),
            requests: 0,
            asked: BTreeMap::new(),
            resume_order: streams.stream("order on resuming"),
            offload_times: streams.stream("offload times"),
            properties: safety(),

            violations: Vec::new(),
            timeline: timeline.then(|| Timeline::new(header(scenario, seed))),
            counts: Counts::default(),
            effects: Effects::new(),
            healed: false,
        };
        if let Some(always) = &scenario.expect.always {
            world.properties.retain(|property| always.contains(property.name()));
        }
        for number in 1..=scenario.nodes {
            let node = NodeNumber(number);
            let start = scenario.start.get(&node).copied().unwrap_or(Duration::ZERO);
            world.queue.push(SimTime::ZERO + start, Event::FirstStart { node });
        }
        for (step, planned) in (0..).zip(&scenario.plan.steps) {
            world.queue.push(SimTime::ZERO + planned.at, Event::StepBegins { step });
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

    pub(crate) fn into_timeline(self) -> Option<Timeline> {
        self.timeline
    }

    /// Runs every event up to and including `until`. Stops early at the first violation that nothing excuses, if told
    /// to.
    pub(crate) fn run_until(&mut self, until: SimTime, stop_at_violation: bool) {
        while self.queue.peek_time().is_some_and(|time| time <= until) {
            let Some((time, _, event)) = self.queue.pop() else { break };
            self.now = time;
            self.counts.events += 1;
            self.dispatch(event);
            if stop_at_violation && self.is_violated() {
                return;
            }
        }
        self.now = self.now.max(until);
    }

    pub(crate) fn is_violated(&self) -> bool {
        self.violations.iter().any(|violation| violation.excuse.is_none())
    }

    /// Asks every property for what no single step shows.
    pub(crate) fn look(&mut self) {
        let mut properties = std::mem::take(&mut self.properties);
        for property in &mut properties {
            let finding = property.looked(&self.cluster());
            self.found(property.name(), finding);
        }
        self.properties = properties;
    }

    /// The cluster, to look at.
    pub(crate) fn cluster(&self) -> Cluster<'_> {
        Cluster {
            now: self.now,
            machines: &self.machines,
            common: self.setup.common(),
            session_timeout: self.session_timeout,
            forced_expiries: &self.forced_expiries,
            put_out: &self.put_out,
        }
    }

    fn dispatch(&mut self, event: Event) {
        match event {
            Event::Message { from, to, message } => self.message_arrives(from, to, message),
            Event::Handle { node, incarnation, delivery } => self.handle_late(node, incarnation, *delivery),
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
            Event::ServerWake => {
                self.server_wakes_at = None;
                self.server_handles(ServerInput::Wakeup);
            }
            Event::FirstStart { node } => self.start(node),
            Event::StepBegins { step } => self.step_begins(step),
            Event::StepEnds { step } => self.step_ends(step),
        }
    }

    fn machine_mut(&mut self, node: NodeNumber) -> &mut Machine {
        let index = usize::try_from(node.0).ok().and_then(|number| number.checked_sub(1));
        let machine = index.and_then(|index| self.machines.get_mut(index));
        machine.unwrap_or_else(|| unreachable!("{node} is one of the scenario's nodes"))
    }

    /// Starts a process on a machine that runs none.
    fn start(&mut self, node: NodeNumber) {
        let (scenario, setup, now) = (self.scenario, self.setup, self.now);
        let machine = self.machine_mut(node);
        if machine.process.is_some() {
            return;
        }
        machine.incarnation = Incarnation(machine.incarnation.0 + 1);
        let incarnation = machine.incarnation;
        let config = setup.node(scenario, node, machine.disk.id, incarnation);
        let id = config.node.id;
        let core = Node::new(Arc::new(config), machine.disk.flow.clone());
        let core = core.unwrap_or_else(|error| unreachable!("the configuration was checked before: {error}"));
        let client_config = ClientConfig {
            servers: 1,
            session_timeout: setup.session_timeout,
            connect_timeout: setup.connect_timeout,
        };
        let first_connection = (u64::from(node.0) << 40) | (incarnation.0 << 20);
        machine.process = Some(Running {
            node: core,
            client: Client::new(client_config, first_connection),
            connections: Vec::new(),
            pause: None,
            buffer: VecDeque::new(),
            wakes_at: None,
            latest_epoch: Epoch::NONE,
            busy_until: now,
            session_since: None,
            connected_since: None,
        });
        self.note_node(node, "starts", |_| {
            if incarnation.0 == 1 { String::new() } else { format!("again, run {}", incarnation.0) }
        });
        self.happened(&Incident::Started { node, id, incarnation });
        self.client_handles(node, ClientInput::Start);
    }

    /// A process ends, with or without a word. What it has sent is on its way; the kernel closes its connections.
    fn end(&mut self, node: NodeNumber) {
        let Some(process) = self.machine_mut(node).process.take() else { return };
        for connection in process.connections {
            self.client_closes(connection);
        }
        self.happened(&Incident::Ended { node });
    }

    fn message_arrives(&mut self, from: NodeNumber, to: NodeNumber, message: Message) {
        if self.network.is_cut(Endpoint::Node(from), Endpoint::Node(to), Protocol::Cluster) {
            return;
        }
        self.counts.messages += 1;
        let from = self.address_of(from);
        self.deliver(to, Delivery::Node(Input::Received { from, message }));
    }

    fn address_of(&self, node: NodeNumber) -> Address {
        Address { host: setup::host(node), port: self.setup.common().node.socket.port }
    }

    fn deliver_to_run(&mut self, node: NodeNumber, incarnation: Incarnation, input: Input) {
        if self.machine_mut(node).incarnation == incarnation {
            self.deliver(node, Delivery::Node(input));
        }
    }

    /// Something reaches a process: handled now, or later if the process is slow, or when it runs again.
    fn deliver(&mut self, node: NodeNumber, delivery: Delivery) {
        let slow = self.network.slowness(node);
        let now = self.now;
        let machine = self.machine_mut(node);
        let incarnation = machine.incarnation;
        let Some(process) = &mut machine.process else { return };
        if let Some(pause) = &process.pause {
            // What is lost is what comes from the network; the process's own doings wait for it.
            let lost = !pause.buffered && matches!(delivery, Delivery::Node(Input::Received { .. }));
            if !lost {
                process.buffer.push_back(delivery);
            }
            return;
        }
        let at = (now + slow).max(process.busy_until);
        if at > now {
            process.busy_until = at;
            self.queue.push(at, Event::Handle { node, incarnation, delivery: Box::new(delivery) });
        } else {
            self.handle(node, delivery);
        }
    }

    fn handle_late(&mut self, node: NodeNumber, incarnation: Incarnation, delivery: Delivery) {
        let machine = self.machine_mut(node);
        if machine.incarnation != incarnation {
            return;
        }
        match &mut machine.process {
            Some(process) if process.pause.is_some() => process.buffer.push_back(delivery),
            Some(_) => self.handle(node, delivery),
            None => {}
        }
    }

    fn handle(&mut self, node: NodeNumber, delivery: Delivery) {
        match delivery {
            Delivery::Node(input) => self.node_handles(node, input),
            Delivery::Client(input) => self.client_handles(node, input),
        }
    }

    /// The time that a process waited for has come, unless something else came first.
    fn wake(&mut self, node: NodeNumber, incarnation: Incarnation) {
        let now = self.now;
        let machine = self.machine_mut(node);
        if machine.incarnation != incarnation {
            return;
        }
        let Some(process) = &mut machine.process else { return };
        if process.wakes_at == Some(now) {
            process.wakes_at = None;
        }
        if process.pause.is_none() {
            self.wake_if_due(node);
        }
    }

    fn wake_if_due(&mut self, node: NodeNumber) {
        let now = self.now;
        let machine = self.machine_mut(node);
        let local = machine.local(now);
        let Some(process) = &machine.process else { return };
        let client_due =
            process.client.next_deadline().is_some_and(|at| at <= Duration::from_micros(local.as_micros()));
        let node_due = process.node.next_deadline().is_some_and(|(at, _)| at <= local);
        if client_due {
            self.deliver(node, Delivery::Client(ClientInput::Wakeup));
        }
        if node_due {
            self.deliver(node, Delivery::Node(Input::Wakeup));
        }
        self.schedule(node);
    }

    /// Makes sure that the process is woken when it wants to be.
    fn schedule(&mut self, node: NodeNumber) {
        let now = self.now;
        let machine = self.machine_mut(node);
        let incarnation = machine.incarnation;
        let Some(process) = &machine.process else { return };
        let deadline = process.node.next_deadline().map(|(at, _)| at.as_micros());
        let client = process.client.next_deadline().map(micros_up);
        let Some(local) = deadline.into_iter().chain(client).min() else { return };
        // A slow process gets to it late.
        let at = machine.clock.sim_time_of(local).max(now).max(process.busy_until);
        if at < SimTime::FAR_FUTURE && process.wakes_at.is_none_or(|wakes_at| at < wakes_at) {
            if let Some(process) = &mut machine.process {
                process.wakes_at = Some(at);
            }
            self.queue.push(at, Event::Wake { node, incarnation });
        }
    }

    /// Gives the node an input, performs what it wants done, and lets the properties look.
    fn node_handles(&mut self, node: NodeNumber, input: Input) {
        let stimulus = stimulus(&input);
        let now = self.now;
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
            Stimulus::Heartbeat { .. } | Stimulus::Other => false,
        };
        let coordinated = process.node.coordinates(local);
        let before = Before {
            table: (is_stale || coordinated.is_some()).then(|| process.node.table().clone()),
            membership: process.node.membership().clone(),
            coordinated,
        };
        process.node.handle(local, input, &mut effects);
        process.connected_since = match (process.node.membership().is_connected(), process.connected_since) {
            (true, since) => since.or(Some(now)),
            (false, _) => None,
        };
        if self.scenario.nodes <= INVARIANTS_UP_TO_NODES
            && let Some(process) = &self.machine_mut(node).process
        {
            process.node.check_invariants();
        }
        self.observe(node, local, stimulus, &before, &effects);
        let incarnation = self.machine_mut(node).incarnation;
        for effect in effects.drain() {
            self.perform(node, incarnation, effect);
        }
        self.effects = effects;
        self.schedule(node);
    }

    fn observe(
        &mut self,
        node: NodeNumber,
        local: zeromaster_core::time::Instant,
        stimulus: Stimulus,
        before: &Before,
        effects: &Effects,
    ) {
        let mut properties = std::mem::take(&mut self.properties);
        for property in &mut properties {
            let cluster = self.cluster();
            let running = cluster.machine(node).and_then(|machine| machine.process.as_ref());
            let Some(after) = running.map(|running| &running.node) else { break };
            let effects = effects.as_slice();
            let finding =
                property.stepped(&Observation { node, local, stimulus, before, after, effects, cluster });
            self.found(property.name(), finding);
        }
        self.properties = properties;
    }

    pub(super) fn happened(&mut self, incident: &Incident) {
        let mut properties = std::mem::take(&mut self.properties);
        for property in &mut properties {
            property.happened(incident, &self.cluster());
        }
        self.properties = properties;
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

    /// What each node believes, in a line each.
    pub(crate) fn beliefs(&self) -> Vec<String> {
        self.machines.iter().map(|machine| belief(machine, self.now)).collect()
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

    fn record(&mut self, node: NodeNumber, event: &ClusterEvent) {
        if self.timeline.is_some()
            && let Some((word, text)) = words::words(event)
        {
            self.note_node(node, word, |_| text);
        }
    }

    /// Adds a line of a node to the timeline, if one is kept.
    fn note_node(
        &mut self,
        node: NodeNumber,
        word: impl Into<Cow<'static, str>>,
        words: impl FnOnce(&Self) -> String,
    ) {
        if self.timeline.is_some() {
            self.note(node.to_string(), word, words);
        }
    }

    /// Adds a line to the timeline, if one is kept.
    pub(crate) fn note(
        &mut self,
        actor: impl Into<Cow<'static, str>>,
        word: impl Into<Cow<'static, str>>,
        words: impl FnOnce(&Self) -> String,
    ) {
        if self.timeline.is_some() {
            let (words, states) = (words(self), self.states());
            let now = self.now;
            if let Some(timeline) = &mut self.timeline {
                timeline.push(now, actor.into(), word.into(), states, words);
            }
        }
    }

    /// Every node's state as the acting coordinator sees it; a question mark each when nobody acts.
    fn states(&self) -> String {
        let cluster = self.cluster();
        let table = cluster.coordinator().map(|(_, _, node)| node.table().clone());
        let letters = self.machines.iter().map(|machine| match &table {
            Some(table) => words::letter(table.get(machine.disk.id).map(Arc::as_ref)),
            None => '?',
        });
        if self.scenario.nodes <= crate::timeline::COLUMNS_MAX {
            let columns: Vec<String> = letters.map(String::from).collect();
            return format!("[{}]", columns.join(" "));
        }
        let mut counts: BTreeMap<char, u32> = BTreeMap::new();
        for letter in letters {
            *counts.entry(letter).or_default() += 1;
        }
        let counts: Vec<String> = counts.iter().map(|(letter, count)| format!("{letter}:{count}")).collect();
        format!("[{}]", counts.join(" "))
    }

    /// Gives the node's ZooKeeper client an input, and passes on what it says.
    fn client_handles(&mut self, node: NodeNumber, input: ClientInput) {
        let now = self.now;
        let machine = self.machine_mut(node);
        let local = Duration::from_micros(machine.local(now).as_micros());
        let Some(process) = &mut machine.process else { return };
        let mut outputs = Vec::new();
        process.client.handle(local, input, &mut outputs);
        for output in outputs {
            self.client_says(node, output);
        }
        self.schedule(node);
    }

    fn client_says(&mut self, node: NodeNumber, output: ClientOutput) {
        match output {
            ClientOutput::Open { connection, .. } => self.client_opens(node, connection),
            ClientOutput::Send { connection, message } => self.client_sends(connection, message),
            ClientOutput::Close { connection } => self.client_closes(connection),
            ClientOutput::State(state) => self.session_state(node, state),
            ClientOutput::Completed { .. } | ClientOutput::Event(_) | ClientOutput::Lease { .. } => {
                if let Some(event) = adapter::event(output) {
                    self.node_hears(node, event);
                }
            }
        }
    }

    fn session_state(&mut self, node: NodeNumber, state: zeromaster_zookeeper::SessionState) {
        use zeromaster_zookeeper::SessionState;
        let now = self.now;
        let (word, text, since) = match state {
            SessionState::Connected { session, timeout } => {
                ("connected", format!("ZooKeeper session {session} opened, timeout {timeout:?}"), Some(now))
            }
            SessionState::Suspended => ("suspended", "ZooKeeper connection lost".to_owned(), None),
            SessionState::Reconnected { session } => {
                ("reconnected", format!("ZooKeeper connection restored, session {session}"), Some(now))
            }
            SessionState::Lost => ("lost", "ZooKeeper session lost".to_owned(), None),
            SessionState::Closed => return,
        };
        if let SessionState::Connected { session, .. } = state {
            self.session_owners.insert(session, node);
        }
        if let Some(process) = &mut self.machine_mut(node).process {
            process.session_since = since;
        }
        self.note_node(node, word, |_| text);
        if let Some(event) = adapter::event(ClientOutput::State(state)) {
            self.node_hears(node, event);
        }
    }

    /// The client is a part of the process: what it hears, the node hears at once.
    fn node_hears(&mut self, node: NodeNumber, event: zeromaster_core::coordination::CoordinationEvent) {
        // The buffer is lent to this node's own step while its effects are performed; an answer that is there at once
        // must wait until that step is over.
        self.deferred_input(node, Input::Coordination(event));
    }

    fn deferred_input(&mut self, node: NodeNumber, input: Input) {
        let now = self.now;
        let machine = self.machine_mut(node);
        let incarnation = machine.incarnation;
        if machine.process.is_some() {
            self.queue
                .push(now, Event::Handle { node, incarnation, delivery: Box::new(Delivery::Node(input)) });
        }
    }
}

fn machine(scenario: &Scenario, streams: Streams, number: NodeNumber) -> Machine {
    // Nobody's clock starts at zero, and no two at the same value.
    let offset =
        streams.indexed("clock offset", u64::from(number.0), 0).between(1_000_000, 1_000_000_000_000);
    let flow = Arc::new(setup::flow(scenario.flows.of_node(number)));
    Machine {
        number,
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
fn micros_up(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX)
}

fn header(scenario: &Scenario, seed: u64) -> String {
    let nodes = if scenario.nodes == 1 { "node" } else { "nodes" };
    format!("seed {seed} · {} {nodes} · rules {}", scenario.nodes, scenario.rules)
}

fn stimulus(input: &Input) -> Stimulus {
    match input {
        Input::Received { message, .. } => match message {
            Message::Heartbeat(heartbeat) => Stimulus::Heartbeat {
                node: heartbeat.node.id,
                incarnation: heartbeat.incarnation,
                epoch: heartbeat.epoch,
                sequence: heartbeat.sequence,
            },
            other => match other.coordinator_epoch() {
                Some(epoch) => Stimulus::FromCoordinator { name: other.name(), epoch },
                None => Stimulus::Other,
            },
        },
        Input::Wakeup
        | Input::Coordination(_)
        | Input::Requested { .. }
        | Input::FlowLoaded { .. }
        | Input::OffloadFinished { .. }
        | Input::Stop => Stimulus::Other,
    }
}

fn belief(machine: &Machine, now: SimTime) -> String {
    let Some(process) = &machine.process else { return format!("{}: does not run", machine.number) };
    let node = &process.node;
    let local = machine.local(now);
    let mut text = format!("{}: {}", machine.number, node.membership().name());
    if let Membership::Disconnected { code, .. } = node.membership() {
        text.push_str(&format!(" ({})", code.name()));
    }
    text.push_str(&format!(", flow {}", node.flow().fingerprint));
    match node.coordinator().known() {
        Some((epoch, address)) => text.push_str(&format!(", coordinator {} in epoch {epoch}", address.host)),
        None => text.push_str(", no coordinator"),
    }
    if let Some(epoch) = node.coordinates(local) {
        text.push_str(&format!(", coordinates in epoch {epoch}"));
    }
    if node.is_primary(local).is_some() {
        text.push_str(", Primary Node");
    }
    if process.pause.is_some() {
        text.push_str(", paused");
    }
    let view: Vec<String> = node
        .table()
        .iter()
        .map(|status| {
            let name = setup::node_of_host(&status.node.socket.host)
                .map_or_else(|| status.node.to_string(), |node| node.to_string());
            let code = status.state.code().map_or_else(String::new, |code| format!(" {}", code.name()));
            format!("{name} {}{code}", status.state.name())
        })
        .collect();
    text.push_str(&format!(
        "; says {}",
        if view.is_empty() { "nothing of anybody".to_owned() } else { view.join(", ") }
    ));
    text
}
