//! Any message, at any time, in any state that a node can be brought to: it is answered, and nothing that the node
//! believes of itself is broken. The harness checks the invariants after every single step.

use crate::harness::*;
use crate::strategies::*;
use proptest::prelude::*;
use proptest::sample::select;
use std::time::Duration;
use zeromaster_core::coordination::{CoordinationEvent, WatchKind};
use zeromaster_core::identity::Incarnation;
use zeromaster_core::message::{Message, OrderKind};
use zeromaster_core::node::{Input, LoadFailure};
use zeromaster_core::operator::OperatorRequest;
use zeromaster_core::rules::Rules;
use zeromaster_core::status::{ConnectionState, DisconnectionCode, Epoch, Version};

/// Where a run begins.
#[derive(Clone, Copy, Debug)]
enum Start {
    Alone,
    Joining,
    Member,
    InOffice,
    InOfficeWithMember,
    Disconnected,
    Removed,
}

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    /// A message exactly as drawn.
    Receive(u128, Message),
    /// A message whose term is the one that the node knows, so that it is not ignored for that alone.
    Aimed(u128, Message),
    /// An order that is newer than what was obeyed.
    Ordered(OrderKind, bool),
    Request(OperatorRequest),
    Pass(Duration),
    Sleep(Duration),
    Suspend,
    Resume,
    Expire,
    Renew(Duration),
    /// From now on ZooKeeper does not answer, or does again.
    Silence(bool),
    /// Somebody else leads from now on, or nobody.
    Lead(u64),
    NobodyLeads,
    /// Another member registers, or vanishes.
    Member(u128, bool),
    /// A znode vanishes under the node.
    Delete(&'static str),
    /// A watch fires that nobody set.
    Watched(&'static str),
    Loads(Option<Result<(), LoadFailure>>),
    Loaded(Version),
    Offloaded(Version),
    Stop,
}

fn any_duration() -> impl Strategy<Value = Duration> {
    select(vec![
        Duration::ZERO,
        TICK,
        Duration::from_millis(700),
        INTERVAL,
        INTERVAL * 3,
        WINDOW + TICK,
        Duration::from_secs(301),
    ])
}

fn any_step() -> impl Strategy<Value = Step> {
    let paths = vec![COORDINATOR, LINE, "/nifi/cluster/nodes", "/nifi/cluster/excluded", "/nifi/cluster"];
    let (watched, deleted) = (paths.clone(), paths);
    let load = select(vec![
        None,
        Some(Ok(())),
        Some(Err(LoadFailure::MissingBundle)),
        Some(Err(LoadFailure::Other)),
    ]);
    prop_oneof![
        6 => (1u128..5, any_message()).prop_map(|(from, message)| Step::Receive(from, message)),
        12 => (1u128..5, any_message()).prop_map(|(from, message)| Step::Aimed(from, message)),
        2 => (select(vec![reconnect(Some("A")), reconnect(Some("B")), reconnect(None), leave(DisconnectionCode::UserDisconnected), OrderKind::Offload]), any::<bool>())
            .prop_map(|(order, twice)| Step::Ordered(order, twice)),
        3 => any_operator_request().prop_map(Step::Request),
        6 => any_duration().prop_map(Step::Pass),
        1 => any_duration().prop_map(Step::Sleep),
        1 => Just(Step::Suspend),
        1 => Just(Step::Resume),
        1 => Just(Step::Expire),
        1 => any_duration().prop_map(Step::Renew),
        1 => any::<bool>().prop_map(Step::Silence),
        1 => (150u64..400).prop_map(Step::Lead),
        1 => Just(Step::NobodyLeads),
        1 => (1u128..5, any::<bool>()).prop_map(|(id, there)| Step::Member(id, there)),
        1 => select(deleted).prop_map(Step::Delete),
        1 => select(watched).prop_map(Step::Watched),
        1 => load.prop_map(Step::Loads),
        1 => any_version().prop_map(Step::Loaded),
        1 => any_version().prop_map(Step::Offloaded),
        1 => prop_oneof![9 => Just(Step::Pass(INTERVAL)), 1 => Just(Step::Stop)],
    ]
}

/// What happens between a node and ZooKeeper, and to nobody else.
fn any_trouble() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any_duration().prop_map(Step::Pass),
        1 => any_duration().prop_map(Step::Sleep),
        3 => Just(Step::Suspend),
        3 => Just(Step::Resume),
        2 => Just(Step::Expire),
        2 => any_duration().prop_map(Step::Renew),
        4 => any::<bool>().prop_map(Step::Silence),
        1 => (150u64..400).prop_map(Step::Lead),
        1 => Just(Step::NobodyLeads),
        1 => Just(Step::Delete(COORDINATOR)),
        1 => Just(Step::Watched(COORDINATOR)),
        1 => (1u128..5, any::<bool>()).prop_map(|(id, there)| Step::Member(id, there)),
        1 => Just(Step::Request(OperatorRequest::Disconnect(identifier(2).id))),
    ]
}

fn start(start: Start, rules: Rules) -> Bench {
    let ruled = || {
        let mut config = config(1);
        config.rules = rules;
        config
    };
    let mut bench = Bench::new(ruled(), flow("A"));
    match start {
        Start::Alone => {}
        Start::Joining | Start::Member | Start::Disconnected | Start::Removed => {
            bench.lead_elsewhere(9, 200);
            bench.connect();
        }
        Start::InOffice | Start::InOfficeWithMember => {
            bench.connect();
            bench.pass(INTERVAL);
        }
    }
    match start {
        Start::Alone | Start::Joining | Start::InOffice => {}
        Start::Member => bench.receive(9, accepted(1, version(200, 1), "A")),
        Start::InOfficeWithMember => {
            bench.join(2);
        }
        Start::Disconnected => {
            bench.receive(9, order(version(200, 1), leave(DisconnectionCode::UserDisconnected)));
        }
        Start::Removed => {
            bench.receive(9, change(200, status(1, ConnectionState::Removed, version(200, 2))));
        }
    }
    bench
}

/// The same message in the term that the node under test knows; terms inside of it stay as they are.
fn aimed(message: Message, epoch: Epoch) -> Message {
    match message {
        Message::ConnectionRequest(mut request) => {
            request.epoch = epoch;
            Message::ConnectionRequest(request)
        }
        Message::ConnectionResponse { incarnation, ask, answer, .. } => {
            Message::ConnectionResponse { epoch, incarnation, ask, answer }
        }
        Message::Order { version, incarnation, order } => {
            Message::Order { version: Version { epoch, ..version }, incarnation, order }
        }
        Message::Heartbeat(heartbeat) => {
            let mut heartbeat = zeromaster_core::message::Heartbeat::clone(&heartbeat);
            heartbeat.epoch = epoch;
            Message::Heartbeat(heartbeat.into())
        }
        Message::HeartbeatResponse { differences, election, passage, .. } => {
            Message::HeartbeatResponse { epoch, differences, election, passage }
        }
        Message::NodeStatusChange { status, .. } => Message::NodeStatusChange { epoch, status },
        Message::NodeStatusChanges(changes) => {
            let changes = zeromaster_core::message::StatusChanges { epoch, ..(*changes).clone() };
            Message::NodeStatusChanges(changes.into())
        }
        Message::NodeReport { node, incarnation, reported, .. } => {
            Message::NodeReport { epoch, node, incarnation, reported }
        }
        Message::FlowRequest { flow, .. } => Message::FlowRequest { epoch, flow },
        Message::FlowResponse { flow, .. } => Message::FlowResponse { epoch, flow },
        Message::NotCoordinator { .. } => Message::NotCoordinator { epoch },
        Message::OperatorRequest { origin, incarnation, id, request, .. } => {
            Message::OperatorRequest { epoch, origin, incarnation, id, request }
        }
        Message::Acknowledgement { .. } | Message::OperatorResponse { .. } => message,
    }
}

fn take(bench: &mut Bench, step: Step) {
    match step {
        Step::Receive(from, message) => bench.receive(from, message),
        Step::Aimed(from, message) => {
            let message = aimed(message, bench.node.known_epoch());
            bench.receive(from, message);
        }
        Step::Ordered(kind, twice) => {
            let version = bench.node.membership().version();
            let version = Version { sequence: version.sequence.saturating_add(1), ..version };
            let message = Message::Order { version, incarnation: Incarnation(1), order: kind };
            for _ in 0..=u32::from(twice) {
                bench.receive(9, message.clone());
            }
        }
        Step::Request(request) => {
            bench.request(request);
        }
        Step::Pass(duration) => bench.pass(duration),
        Step::Sleep(duration) => bench.sleep(duration),
        Step::Suspend => bench.suspend(),
        Step::Resume => bench.resume(),
        Step::Expire => bench.expire(),
        Step::Renew(lease) => bench.renew(lease),
        Step::Silence(silent) => {
            if bench.is_online() {
                bench.answers = !silent;
                bench.settle();
            }
        }
        Step::Lead(epoch) => bench.lead_elsewhere(9, epoch),
        Step::NobodyLeads => {
            bench.zookeeper.remove(COORDINATOR);
            bench.zookeeper.remove(&format!("{LINE}/_c_9-lock-0000000000"));
            bench.settle();
        }
        Step::Member(id, there) => {
            let node = identifier(id);
            let path = format!("/nifi/cluster/nodes/{}", node.id);
            if there {
                bench.zookeeper.put(&path, &format!("{} {} {} 1", node.id, node.api, node.socket));
            } else {
                bench.zookeeper.remove(&path);
            }
            bench.settle();
        }
        Step::Delete(path) => {
            bench.zookeeper.remove(path);
            bench.settle();
        }
        Step::Watched(path) => {
            let event = CoordinationEvent::Watched { path: path.into(), kind: WatchKind::Deleted };
            bench.input(Input::Coordination(event));
        }
        Step::Loads(result) => bench.loads = result,
        Step::Loaded(attempt) => bench.input(Input::FlowLoaded { attempt, result: Ok(()) }),
        Step::Offloaded(version) => bench.input(Input::OffloadFinished { version }),
        Step::Stop => bench.input(Input::Stop),
    }
    bench.take();
}

fn any_start() -> impl Strategy<Value = Start> {
    select(vec![
        Start::Alone,
        Start::Joining,
        Start::Member,
        Start::InOffice,
        Start::InOfficeWithMember,
        Start::Disconnected,
        Start::Removed,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_said_to_a_node_it_answers_and_keeps_its_beliefs(
        from in any_start(),
        rules in select(Rules::NAMES.to_vec()),
        steps in prop::collection::vec(any_step(), 1..40),
    ) {
        let mut bench = start(from, Rules::named(rules).unwrap());
        for step in steps {
            take(&mut bench, step);
        }
    }

    /// Nobody coordinates for ever is the one thing that must not come of it.
    #[test]
    fn when_zookeeper_is_well_again_a_lone_node_coordinates_and_joins_itself(
        from in select(vec![Start::Alone, Start::Joining, Start::Member, Start::InOffice, Start::InOfficeWithMember]),
        steps in prop::collection::vec(any_trouble(), 1..40),
        expires in any::<bool>(),
    ) {
        let mut bench = start(from, Rules::default());
        for step in steps {
            take(&mut bench, step);
        }
        take(&mut bench, Step::NobodyLeads);
        if expires || !bench.is_open() {
            bench.expire();
        } else {
            take(&mut bench, Step::Resume);
            take(&mut bench, Step::Silence(false));
            bench.renew(LEASE);
        }
        bench.pass(WINDOW * 2);
        prop_assert!(bench.node.decides(bench.now).is_some(), "{:?}", bench.node);
        prop_assert!(bench.node.membership().is_connected());
        prop_assert!(bench.state(1).is_some_and(|state| state.is_connected()));
    }
}
