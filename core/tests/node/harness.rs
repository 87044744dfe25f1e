//! One node under test, the ZooKeeper that it talks to, and its peers, for whom the test speaks. Each builder extends
//! the one before.

use crate::zookeeper::ZooKeeper;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use zeromaster_core::config::NodeConfig;
use zeromaster_core::coordination::{
    CoordinationError, CoordinationEvent, CoordinationRequest, Operation, Paths,
};
use zeromaster_core::effect::{Effect, Effects};
use zeromaster_core::flow::DataFlow;
use zeromaster_core::identity::{Address, Incarnation, NodeId, NodeIdentifier};
use zeromaster_core::message::{
    ConnectionAnswer, ConnectionRequest, Heartbeat, Membership, Message, OrderKind,
};
use zeromaster_core::node::{Input, LoadFailure, Node};
use zeromaster_core::operator::{OperatorRequest, RequestId};
use zeromaster_core::rules::Rules;
use zeromaster_core::status::{ConnectionState, DisconnectionCode, Epoch, NodeStatus, Version};
use zeromaster_core::table::StatusTable;
use zeromaster_core::time::Instant;

pub(crate) const INTERVAL: Duration = Duration::from_secs(5);
pub(crate) const WINDOW: Duration = Duration::from_secs(40);
/// A node that needs more steps than this at one instant runs in circles.
const STEPS_AT_ONCE_MAX: u32 = 2_000;
/// Longer than any test.
pub(crate) const LEASE: Duration = Duration::from_secs(1_000_000);
pub(crate) const TICK: Duration = Duration::from_micros(1);
pub(crate) const COORDINATOR: &str = "/nifi/cluster/coordinator";
pub(crate) const LINE: &str = "/nifi/leaders/Cluster Coordinator";

pub(crate) fn identifier(id: u128) -> Arc<NodeIdentifier> {
    let host = format!("n{id}");
    Arc::new(NodeIdentifier::new(NodeId(id), Address::new(&host, 8443), Address::new(&host, 11443)))
}

pub(crate) fn flow(name: &str) -> Arc<DataFlow> {
    Arc::new(if name.starts_with('E') { DataFlow::empty(name) } else { DataFlow::new(name) })
}

/// NiFi's shipped times; the first vote elects its flow, so that a lone node is quickly in office.
pub(crate) fn config(id: u128) -> NodeConfig {
    NodeConfig {
        node: identifier(id),
        incarnation: Incarnation(1),
        heartbeat_interval: INTERVAL,
        heartbeat_missable_max: 8,
        flow_election_max_wait: Duration::from_secs(300),
        flow_election_max_candidates: Some(1),
        session_timeout: Duration::from_secs(2),
        connection_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_secs(5),
        paths: Paths::new("/nifi"),
        firewall: None,
        hosts: Arc::new(BTreeMap::new()),
        queued: BTreeSet::new(),
        rules: Rules::default(),
    }
}

pub(crate) fn out(code: DisconnectionCode, version: Version) -> Membership {
    Membership::Disconnected { code, reason: code.description().into(), version }
}

pub(crate) fn version(epoch: u64, sequence: u64) -> Version {
    Version { epoch: Epoch(epoch), sequence }
}

/// What `id`'s first run is, by the decision `version`.
pub(crate) fn status(id: u128, state: ConnectionState, version: Version) -> Arc<NodeStatus> {
    Arc::new(NodeStatus { node: identifier(id), incarnation: Incarnation(1), state, version })
}

/// The node under test, with everything around it.
#[derive(Clone)]
pub(crate) struct Bench {
    pub(crate) node: Node,
    pub(crate) now: Instant,
    pub(crate) zookeeper: ZooKeeper,
    /// Everything that came out since [`Bench::take`], with its time.
    pub(crate) log: Vec<(Instant, Effect)>,
    /// What a load of a flow ends in; `None`: it does not end by itself.
    pub(crate) loads: Option<Result<(), LoadFailure>>,
    /// Whether ZooKeeper answers now.
    pub(crate) answers: bool,
    unanswered: Vec<CoordinationRequest>,
    /// Operations on paths that begin so are not answered, but put aside.
    pub(crate) hold: Option<&'static str>,
    pub(crate) held: Vec<CoordinationRequest>,
    /// There is a session, and a connection.
    opened: bool,
    online: bool,
    heartbeats: u64,
    asks: u64,
}

impl Bench {
    /// A node whose process has just started.
    pub(crate) fn new(config: NodeConfig, own: Arc<DataFlow>) -> Self {
        Bench {
            node: Node::new(Arc::new(config), own).unwrap(),
            now: Instant::from_micros(1_000_000),
            zookeeper: ZooKeeper::new(),
            log: Vec::new(),
            loads: Some(Ok(())),
            answers: true,
            unanswered: Vec::new(),
            hold: None,
            held: Vec::new(),
            opened: false,
            online: false,
            heartbeats: 0,
            asks: 0,
        }
    }

    /// n1, connected to ZooKeeper where nobody leads: it takes office, and joins its own cluster.
    pub(crate) fn coordinator() -> Self {
        Bench::coordinator_with(config(1))
    }

    pub(crate) fn coordinator_with(config: NodeConfig) -> Self {
        let mut bench = Bench::new(config, flow("A"));
        bench.connect();
        bench.pass(INTERVAL);
        assert!(bench.node.decides(bench.now).is_some(), "it is in office");
        assert!(bench.node.membership().is_connected(), "it has joined itself");
        bench.take();
        bench
    }

    /// n1 in office, and n2 CONNECTED.
    pub(crate) fn with_member() -> Self {
        let mut bench = Bench::coordinator();
        bench.join(2);
        bench
    }

    /// n1, a member under n9, which coordinates in term 200.
    pub(crate) fn member() -> Self {
        let mut bench = Bench::joining();
        bench.receive(9, accepted(1, version(200, 1), "A"));
        assert!(bench.node.membership().is_connected(), "it has joined");
        bench.take();
        bench
    }

    /// n1, which has asked n9 once; n9 coordinates in term 200.
    pub(crate) fn joining() -> Self {
        let mut bench = Bench::new(config(1), flow("A"));
        bench.lead_elsewhere(9, 200);
        bench.connect();
        bench.take();
        bench
    }

    /// Node `id` coordinates in term `epoch`.
    pub(crate) fn lead_elsewhere(&mut self, id: u128, epoch: u64) {
        self.zookeeper.put(&format!("{LINE}/_c_{id}-lock-0000000000"), &identifier(id).socket.to_string());
        while self.zookeeper.put(COORDINATOR, &format!("{epoch} {}", identifier(id).socket)) < epoch {}
        self.settle();
    }

    /// A new session, and a lease for a long time.
    pub(crate) fn connect(&mut self) {
        self.connect_with_lease(LEASE);
    }

    pub(crate) fn connect_with_lease(&mut self, lease: Duration) {
        (self.opened, self.online) = (true, true);
        self.input(Input::Coordination(CoordinationEvent::Connected));
        self.renew(lease);
    }

    pub(crate) fn renew(&mut self, lease: Duration) {
        let until = self.now + lease;
        self.input(Input::Coordination(CoordinationEvent::Lease { until }));
    }

    pub(crate) fn is_open(&self) -> bool {
        self.opened
    }

    pub(crate) fn is_online(&self) -> bool {
        self.online
    }

    /// The connection breaks: nothing that was asked is answered.
    pub(crate) fn suspend(&mut self) {
        if !std::mem::take(&mut self.online) {
            return;
        }
        self.answers = false;
        let lost = std::mem::take(&mut self.unanswered);
        for request in lost {
            if let CoordinationRequest::Perform { id, .. } = request {
                let result = Err(CoordinationError::ConnectionLoss);
                self.input(Input::Coordination(CoordinationEvent::Completed { id, result }));
            }
        }
        self.input(Input::Coordination(CoordinationEvent::Suspended));
    }

    pub(crate) fn resume(&mut self) {
        if !self.opened || std::mem::replace(&mut self.online, true) {
            return;
        }
        self.answers = true;
        self.input(Input::Coordination(CoordinationEvent::Reconnected));
    }

    /// The session ends, and a new one begins.
    pub(crate) fn expire(&mut self) {
        self.suspend();
        self.zookeeper.expire();
        self.input(Input::Coordination(CoordinationEvent::Lost));
        self.answers = true;
        self.connect();
    }

    /// The node gives its session up, and has a new one while ZooKeeper still keeps the old one.
    pub(crate) fn lose_session(&mut self) {
        self.suspend();
        self.zookeeper.abandon();
        self.input(Input::Coordination(CoordinationEvent::Lost));
        self.answers = true;
        self.connect();
    }

    /// The process ends without a word and starts anew, on the same machine; ZooKeeper has not noticed yet.
    pub(crate) fn restart(&mut self) {
        let mut config = self.node.config().clone();
        config.incarnation = Incarnation(config.incarnation.0 + 1);
        let (now, mut zookeeper) = (self.now, self.zookeeper.clone());
        zookeeper.abandon();
        *self = Bench { now, zookeeper, ..Bench::new(config, self.node.flow().clone()) };
    }

    /// One input, and everything that follows from it at this moment.
    pub(crate) fn input(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        let mut steps_left = STEPS_AT_ONCE_MAX;
        loop {
            while let Some(input) = inputs.pop_front() {
                steps_left -= 1;
                assert!(steps_left > 0, "it comes to rest: {input:?}");
                let mut effects = Effects::new();
                self.node.handle(self.now, input, &mut effects);
                self.node.check_invariants();
                let next = self.node.next_deadline();
                assert!(next.is_none_or(|(at, _)| at > self.now), "what is due is done: {next:?}");
                for effect in effects.drain() {
                    inputs.extend(self.perform(&effect));
                    self.log.push((self.now, effect));
                }
            }
            inputs.extend(self.answer());
            if inputs.is_empty() {
                return;
            }
        }
    }

    /// Lets ZooKeeper answer and its watches fire.
    pub(crate) fn settle(&mut self) {
        for input in self.answer() {
            self.input(input);
        }
    }

    fn perform(&mut self, effect: &Effect) -> Option<Input> {
        match effect {
            Effect::Coordinate(request) => {
                self.unanswered.push(request.clone());
                None
            }
            Effect::Send { to, message } if *to == self.node.config().node.socket => {
                Some(Input::Received { from: to.clone(), message: message.clone() })
            }
            Effect::LoadFlow { attempt, .. } => {
                self.loads.map(|result| Input::FlowLoaded { attempt: *attempt, result })
            }
            Effect::Send { .. }
            | Effect::Persist(_)
            | Effect::Reply { .. }
            | Effect::Record(_)
            | Effect::Offload { .. }
            | Effect::Exit => None,
        }
    }

    fn answer(&mut self) -> Vec<Input> {
        let mut events = Vec::new();
        if self.answers {
            for request in std::mem::take(&mut self.unanswered) {
                match request {
                    CoordinationRequest::Perform { ref operation, .. } if self.holds_back(operation) => {
                        self.held.push(request);
                    }
                    CoordinationRequest::Perform { id, operation } => {
                        let result = self.zookeeper.perform(&operation);
                        events.extend(self.zookeeper.fired());
                        events.push(CoordinationEvent::Completed { id, result });
                    }
                    CoordinationRequest::Close => self.zookeeper.expire(),
                }
            }
            events.extend(self.zookeeper.fired());
        }
        events.into_iter().map(Input::Coordination).collect()
    }

    fn holds_back(&self, operation: &Operation) -> bool {
        let path = match operation {
            Operation::Create { path, .. }
            | Operation::SetData { path, .. }
            | Operation::Delete { path }
            | Operation::Exists { path, .. }
            | Operation::GetData { path, .. }
            | Operation::GetChildren { path, .. }
            | Operation::Sync { path } => path,
        };
        self.hold.is_some_and(|prefix| path.starts_with(prefix))
    }

    /// Carries out and answers what was put aside.
    pub(crate) fn complete(&mut self, request: &CoordinationRequest) {
        if let CoordinationRequest::Perform { id, operation } = request {
            let result = self.zookeeper.perform(operation);
            self.input(Input::Coordination(CoordinationEvent::Completed { id: *id, result }));
        }
    }

    /// Carries out what was asked, and lets the answers get lost.
    pub(crate) fn carry_out_unanswered(&mut self) {
        for request in &self.unanswered {
            if let CoordinationRequest::Perform { operation, .. } = request {
                self.zookeeper.perform(operation).ok();
            }
        }
    }

    /// Lets time pass; whatever falls due in it, does.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some((at, _)) = self.node.next_deadline().filter(|(at, _)| *at <= until) {
            self.now = self.now.max(at);
            self.input(Input::Wakeup);
        }
        self.now = until;
    }

    /// Lets time pass while this process does not run.
    pub(crate) fn sleep(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.input(Input::Wakeup);
    }

    /// What came out since the last call.
    pub(crate) fn take(&mut self) -> Vec<Effect> {
        self.log.drain(..).map(|(_, effect)| effect).collect()
    }

    pub(crate) fn receive(&mut self, from: u128, message: Message) {
        self.input(Input::Received { from: identifier(from).socket.clone(), message });
    }

    /// The term in which the node under test coordinates.
    #[track_caller]
    pub(crate) fn epoch(&self) -> Epoch {
        self.node.coordinates(self.now).expect("it coordinates")
    }

    pub(crate) fn request(&mut self, request: OperatorRequest) -> RequestId {
        self.asks += 1;
        let id = RequestId(self.asks);
        self.input(Input::Requested { id, request });
        id
    }

    /// A connection request of node `id`'s first run, with `own` as its flow.
    pub(crate) fn ask(&mut self, id: u128, own: &str) {
        self.asks += 1;
        let request = self.question(id, self.asks, own);
        self.receive(id, Message::ConnectionRequest(request));
    }

    pub(crate) fn question(&self, id: u128, ask: u64, own: &str) -> ConnectionRequest {
        ConnectionRequest {
            epoch: self.epoch(),
            node: identifier(id),
            incarnation: Incarnation(1),
            ask,
            flow: Some(flow(own)),
        }
    }

    /// A heartbeat of node `id`'s first run, which has inherited the cluster's flow.
    pub(crate) fn beat(&mut self, id: u128, reported: Membership) {
        let heartbeat = self.heartbeat(id, reported);
        self.receive(id, Message::Heartbeat(Arc::new(heartbeat)));
    }

    pub(crate) fn heartbeat(&mut self, id: u128, reported: Membership) -> Heartbeat {
        self.heartbeats += 1;
        Heartbeat {
            epoch: self.epoch(),
            node: identifier(id),
            incarnation: Incarnation(1),
            sequence: self.heartbeats,
            reported,
            flow: flow("A").fingerprint.clone(),
            inherited: true,
            table: Arc::new(StatusTable::default()),
        }
    }

    /// Node `id` asks, is accepted, says that it has joined, and is CONNECTED at the next tick.
    #[track_caller]
    pub(crate) fn join(&mut self, id: u128) -> Version {
        self.ask(id, "A");
        let attempt = self.attempt(id);
        self.beat(id, Membership::Connected { attempt });
        self.pass(INTERVAL);
        assert_eq!(self.state(id), Some(ConnectionState::Connected { attempt }));
        self.take();
        attempt
    }

    /// The attempt under which `id` is CONNECTING or CONNECTED.
    #[track_caller]
    pub(crate) fn attempt(&self, id: u128) -> Version {
        match self.state(id) {
            Some(ConnectionState::Connecting { attempt } | ConnectionState::Connected { attempt }) => attempt,
            other => panic!("no attempt of n{id}: {other:?}"),
        }
    }

    pub(crate) fn state(&self, id: u128) -> Option<ConnectionState> {
        self.node.table().get(NodeId(id)).map(|status| status.state.clone())
    }

    pub(crate) fn code(&self, id: u128) -> Option<DisconnectionCode> {
        self.state(id).and_then(|state| state.code())
    }
}

/// n9's answer to the node under test: come in.
pub(crate) fn accepted(ask: u64, attempt: Version, name: &str) -> Message {
    let table = Arc::new(StatusTable::default());
    answer(ask, attempt.epoch, ConnectionAnswer::Accepted { attempt, flow: flow(name), table })
}

pub(crate) fn answer(ask: u64, epoch: Epoch, answer: ConnectionAnswer) -> Message {
    Message::ConnectionResponse { epoch, incarnation: Incarnation(1), ask, answer }
}

/// An order to the node under test.
pub(crate) fn order(version: Version, order: OrderKind) -> Message {
    Message::Order { version, incarnation: Incarnation(1), order }
}

pub(crate) fn reconnect(name: Option<&str>) -> OrderKind {
    OrderKind::Reconnect { flow: name.map(flow), table: Arc::new(StatusTable::default()) }
}

pub(crate) fn leave(code: DisconnectionCode) -> OrderKind {
    OrderKind::Disconnect { code, reason: code.description().into() }
}

pub(crate) fn change(epoch: u64, status: Arc<NodeStatus>) -> Message {
    Message::NodeStatusChange { epoch: Epoch(epoch), status }
}
