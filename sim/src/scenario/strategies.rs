//! Strategies for whole scenarios, and for their parts, for property tests.

use super::resolve::Size;
use super::step::check_cut;
use super::{
    ClientLibrary, Expect, FlowName, Flows, RuleChoice, RuleOverride, Scenario, Start, StateExpectation,
    ZooKeeper,
};
use crate::events::EVENTS;
use crate::plan::{
    Action, Condition, Cut, DRIFT_PPM_MAX, Direction, Disk, DurationRange, ExpectedState, Lasts, NodeNumber,
    NodeState, OperatorAction, Plan, Protocol, Ratio, SERVERS_MAX, Selector, Step,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeMap;
use std::time::Duration;
use zeromaster_core::properties::key;
use zeromaster_core::status::DisconnectionCode;
use zeromaster_zookeeper::Release;

/// Durations that a file can write, in all its units.
pub(crate) fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0..10_000_000_u64).prop_map(Duration::from_micros),
        (0..100_000_u64).prop_map(Duration::from_millis),
        (0..7_200_u64).prop_map(Duration::from_secs),
        (0..600_u64).prop_map(|minutes| Duration::from_secs(minutes * 60)),
    ]
}

/// Ranges of such durations.
pub(crate) fn duration_range() -> impl Strategy<Value = DurationRange> {
    (duration(), duration()).prop_map(|(a, b)| DurationRange { min: a.min(b), max: a.max(b) })
}

/// Reduced ratios.
pub(crate) fn ratio() -> impl Strategy<Value = Ratio> {
    prop_oneof![
        (0..=100_u32).prop_map(|percent| Ratio::new(percent, 100).unwrap()),
        (1..=u32::MAX, any::<u32>()).prop_map(|(denominator, any)| Ratio::new(
            any % denominator,
            denominator
        )
        .unwrap()),
    ]
}

fn node(nodes: u32) -> impl Strategy<Value = NodeNumber> + Clone {
    (1..=nodes).prop_map(NodeNumber)
}

fn one_node(nodes: u32) -> impl Strategy<Value = Selector> + Clone {
    prop_oneof![
        4 => node(nodes).prop_map(Selector::Node),
        1 => Just(Selector::Coordinator),
        1 => Just(Selector::Primary),
    ]
}

fn servers(servers: u32) -> impl Strategy<Value = Selector> + Clone {
    prop_oneof![
        4 => (1..=servers).prop_map(Selector::ZooKeeperServer),
        1 => Just(Selector::ZooKeeperLeader),
        1 => Just(Selector::ZooKeeperFollowers),
        1 => Just(Selector::ZooKeeper),
    ]
}

fn machines(size: Size) -> impl Strategy<Value = Selector> + Clone {
    prop_oneof![2 => processes(size.nodes), 1 => servers(size.servers)]
}

fn processes(nodes: u32) -> impl Strategy<Value = Selector> + Clone {
    prop_oneof![5 => one_node(nodes), 1 => Just(Selector::All)]
}

fn protocol() -> impl Strategy<Value = Option<Protocol>> {
    option::of(prop_oneof![Just(Protocol::Cluster), Just(Protocol::ZooKeeper), Just(Protocol::Ensemble)])
}

/// Links that make sense, with their traffic.
fn links(size: Size) -> impl Strategy<Value = (Cut, Option<Protocol>)> {
    let selector = prop_oneof![
        4 => one_node(size.nodes),
        1 => Just(Selector::Rest),
        1 => Just(Selector::All),
        2 => servers(size.servers),
    ];
    let side = vec(selector, 1..3);
    let direction = prop_oneof![Just(Direction::Both), Just(Direction::OneWay)];
    let cut = (side.clone(), side, direction).prop_map(|(from, to, direction)| Cut { from, to, direction });
    (cut, protocol()).prop_filter("the links must make sense", move |(cut, protocol)| {
        check_cut("cut", None, cut, *protocol, size).is_ok()
    })
}

fn request(nodes: u32) -> impl Strategy<Value = OperatorAction> {
    (0..4, one_node(nodes)).prop_map(|(kind, node)| match kind {
        0 => OperatorAction::Connect(node),
        1 => OperatorAction::Disconnect(node),
        2 => OperatorAction::Remove(node),
        _ => OperatorAction::Offload(node),
    })
}

fn link_action(size: Size) -> impl Strategy<Value = Action> {
    prop_oneof![
        links(size).prop_map(|(cut, protocol)| Action::Cut { cut, protocol }),
        (links(size), ratio()).prop_map(|((between, protocol), ratio)| Action::Loss {
            between,
            ratio,
            protocol
        }),
        (links(size), ratio()).prop_map(|((between, protocol), ratio)| Action::Duplicate {
            between,
            ratio,
            protocol
        }),
        (links(size), duration_range()).prop_map(|((between, protocol), by)| Action::Delay {
            between,
            by,
            protocol
        }),
    ]
}

fn process_action(size: Size) -> impl Strategy<Value = Action> {
    let disk = prop_oneof![Just(Disk::Kept), Just(Disk::LastWriteLost), Just(Disk::Wiped)];
    let drift = (1..=DRIFT_PPM_MAX, any::<bool>()).prop_map(|(ppm, fast)| if fast { ppm } else { -ppm });
    let node = processes(size.nodes);
    let machine = machines(size);
    let ahead = (1..=86_400_000_i64, any::<bool>()).prop_map(|(ms, forward)| if forward { ms } else { -ms });
    prop_oneof![
        (node.clone(), disk).prop_map(|(node, disk)| Action::Crash { node, disk }),
        servers(size.servers).prop_map(|node| Action::Crash { node, disk: Disk::Kept }),
        node.clone().prop_map(|node| Action::Stop { node }),
        machine.clone().prop_map(|node| Action::Start { node }),
        machine.clone().prop_map(|node| Action::Restart { node }),
        (machine.clone(), any::<bool>()).prop_map(|(node, buffered)| Action::Pause { node, buffered }),
        (node.clone(), duration()).prop_map(|(node, by)| Action::Slow { node, by }),
        (machine.clone(), duration()).prop_map(|(node, by)| Action::ClockJump { node, by }),
        (machine, drift).prop_map(|(node, ppm)| Action::ClockDrift { node, ppm }),
        (servers(size.servers), ahead).prop_map(|(server, by_ms)| Action::WallClock { server, by_ms }),
        node.prop_map(|node| Action::ExpireSession { node }),
        Just(Action::ZooKeeperDown),
        (one_node(size.nodes), request(size.nodes))
            .prop_map(|(at, request)| Action::Operator { at, request }),
    ]
}

/// What can be said of one of that many nodes.
fn node_state(nodes: u32) -> impl Strategy<Value = NodeState> {
    (node(nodes), state()).prop_map(|(node, state)| NodeState { node, state })
}

/// Conditions that name these properties.
fn condition(nodes: u32, liveness: &'static [&'static str]) -> impl Strategy<Value = Condition> {
    let property = (0..liveness.len()).prop_map(|index| Condition::Property(liveness[index].to_owned()));
    prop_oneof![2 => node_state(nodes).prop_map(Condition::State), 1 => property]
}

/// Steps among that many machines.
fn step(size: Size, liveness: &'static [&'static str]) -> impl Strategy<Value = Step> {
    let action = prop_oneof![link_action(size), process_action(size)];
    let lasts = prop_oneof![
        3 => Just(Lasts::UntilHealed),
        6 => duration().prop_filter("a length is not zero", |length| !length.is_zero()).prop_map(Lasts::For),
        2 => Just(Lasts::ForEver),
    ];
    let at = prop_oneof![
        1 => Just(DurationRange::exactly(Duration::ZERO)),
        4 => duration().prop_map(DurationRange::exactly),
        2 => duration_range(),
    ];
    let when = prop_oneof![3 => Just(None), 1 => condition(size.nodes, liveness).prop_map(Some)];
    (at, when, action, lasts).prop_map(|(at, when, action, lasts)| {
        let needed = matches!(action, Action::Pause { .. } | Action::ZooKeeperDown);
        let lasts = match lasts {
            Lasts::UntilHealed if needed => Lasts::For(Duration::from_secs(1)),
            Lasts::ForEver if !action.can_last_for_ever() => Lasts::UntilHealed,
            Lasts::For(_) if !action.lasts() => Lasts::UntilHealed,
            other => other,
        };
        Step { at: at.min, spread: at.max - at.min, when, action, lasts }
    })
}

/// When one of that many nodes starts.
fn start(nodes: u32) -> impl Strategy<Value = Start> {
    prop_oneof![2 => duration().prop_map(Start::At), 1 => node_state(nodes).prop_map(Start::When)]
}

/// Plans among that many machines.
fn plan(size: Size, liveness: &'static [&'static str]) -> impl Strategy<Value = Plan> {
    vec(step(size, liveness), 0..8).prop_map(Plan::new)
}

fn flow_name() -> impl Strategy<Value = FlowName> {
    let name = "[A-Za-z0-9._-]{1,8}";
    prop_oneof![
        Just(FlowName::Empty("empty".to_owned())),
        name.prop_map(FlowName::Empty),
        name.prop_filter("these words mean something else", |name| name != "none" && name != "empty")
            .prop_map(FlowName::Named),
    ]
}

fn flows(nodes: u32) -> impl Strategy<Value = Flows> {
    (flow_name(), btree_map(node(nodes), flow_name(), 0..3)).prop_map(|(all, mut of)| {
        of.retain(|_, flow| *flow != all);
        Flows { all, of }
    })
}

/// Any text of one line, with what has to be escaped.
fn line() -> impl Strategy<Value = String> {
    "[a-zA-Z \"'\\\\#=.é⚡-]{0,12}x"
}

fn state() -> impl Strategy<Value = ExpectedState> {
    let code = option::of((0..DisconnectionCode::ALL.len()).prop_map(|index| DisconnectionCode::ALL[index]));
    prop_oneof![
        Just(ExpectedState::Connecting),
        Just(ExpectedState::Connected),
        Just(ExpectedState::Disconnecting),
        code.prop_map(ExpectedState::Disconnected),
        Just(ExpectedState::Offloading),
        Just(ExpectedState::Offloaded),
        Just(ExpectedState::Removed),
    ]
}

fn zookeeper() -> impl Strategy<Value = ZooKeeper> {
    let release = prop_oneof![Just(Release::V3_8_0), Just(Release::V3_9_5)];
    let library = prop_oneof![Just(ClientLibrary::Curator), Just(ClientLibrary::CuratorOn393)];
    let timeout =
        || option::of((1..=i32::MAX.unsigned_abs()).prop_map(|ms| Duration::from_millis(ms.into())));
    let limits = (1..=100_u32, 1..=100_u32);
    (1..=SERVERS_MAX, duration(), limits, (timeout(), timeout()), release, library).prop_map(
        |(servers, tick, (init_limit, sync_limit), (min, max), release, library)| {
            let tick = tick.max(Duration::from_millis(1));
            let (min_session_timeout, max_session_timeout) = match (min, max) {
                (Some(min), Some(max)) => (Some(min.min(max)), Some(min.max(max))),
                (Some(min), None) => (Some(min).filter(|min| *min <= tick * 20), None),
                (None, max) => (None, max.filter(|max| *max >= tick * 2)),
            };
            ZooKeeper {
                servers,
                servers_by_properties: servers == 1 && init_limit.is_multiple_of(2),
                embedded: 0,
                tick,
                init_limit,
                sync_limit,
                min_session_timeout,
                max_session_timeout,
                release,
                library,
            }
        },
    )
}

/// Expectations that name these properties.
fn expect(
    nodes: u32,
    safety: &'static [&'static str],
    liveness: &'static [&'static str],
) -> impl Strategy<Value = Expect> {
    let safe = (0..safety.len()).prop_map(|index| safety[index].to_owned());
    let live = (0..liveness.len()).prop_map(|index| liveness[index].to_owned());
    let state =
        (duration(), node(nodes), state()).prop_map(|(at, node, state)| StateExpectation { at, node, state });
    (
        option::of(btree_set(safe.clone(), 0..3)),
        option::of(btree_map(live.clone(), duration(), 0..3)),
        btree_set(prop_oneof![safe, live], 0..3),
        btree_set((0..EVENTS.len()).prop_map(|index| EVENTS[index].to_owned()), 0..3),
        vec(state, 0..3),
    )
        .prop_map(|(always, eventually, violates, reaches, mut states)| {
            states.sort_by_key(|state| state.at);
            Expect { always, eventually, violates, reaches, states }
        })
}

/// A rule set of one of these names, or one that is known with a few rules changed.
fn rule_choice(names: &'static [&'static str]) -> impl Strategy<Value = RuleChoice> {
    let name = (0..names.len()).prop_map(|index| RuleChoice::named(names[index]));
    let changes = [
        "complete_by_attempt=true",
        "complete_by_attempt=false",
        "leadership_cache=1500ms",
        "leadership_check=NameRead",
        "auto_reconnect=UNKNOWN,NODE_SHUTDOWN",
        "auto_reconnect=",
    ];
    let change = (0..changes.len()).prop_map(move |index| changes[index].parse::<RuleOverride>().unwrap());
    let changed = vec(change, 1..4).prop_map(|changes| {
        changes.iter().fold(RuleChoice::default(), |choice, change| choice.with(change).unwrap())
    });
    prop_oneof![2 => name, 1 => changed]
}

/// A key that a scenario may override.
fn nifi_key() -> impl Strategy<Value = String> {
    select(&key::CLUSTER_KEYS[..]).prop_map(str::to_owned)
}

/// Scenarios that use these names.
pub(crate) fn scenario(
    rules: &'static [&'static str],
    safety: &'static [&'static str],
    liveness: &'static [&'static str],
) -> impl Strategy<Value = Scenario> {
    (prop_oneof![4 => 1..6_u32, 1 => 1..=10_000_u32], zookeeper())
        .prop_flat_map(move |(nodes, zookeeper)| {
            let size = Size { nodes, servers: zookeeper.servers };
            let head = (line(), any::<u64>(), option::of(duration()), option::of(duration()));
            let names = (
                rule_choice(rules),
                option::of(line()),
                option::of("[ -~\n\té]{0,30}"),
                btree_map(nifi_key(), "[ -~\n\t\r\u{7f}\u{85}é]{0,10}", 0..3),
            );
            let cluster = (
                flows(nodes),
                btree_map(node(nodes), btree_set(line(), 1..3), 0..3),
                btree_map(node(nodes), start(nodes), 0..3),
                btree_map(node(nodes), 1..=u32::MAX, 0..3),
                btree_map(node(nodes), line(), 0..3),
                btree_map(node(nodes), select(rules).prop_map(RuleChoice::named), 0..3),
            );
            let times = (duration_range(), Just(zookeeper), duration_range());
            (Just(nodes), head, names, cluster, times, plan(size, liveness), expect(nodes, safety, liveness))
        })
        .prop_map(|(nodes, head, names, cluster, times, plan, expect)| {
            let last = plan.steps.iter().map(|step| step.begins().max).max().unwrap_or_default();
            let mut start: BTreeMap<_, _> = cluster.2;
            start.retain(|node, start| match start {
                Start::At(at) => !at.is_zero(),
                Start::When(state) => state.node != *node,
            });
            let mut rules_of: BTreeMap<_, _> = cluster.5;
            rules_of.retain(|_, other| *other != names.0 && names.0.cannot_talk_with(other).is_none());
            Scenario {
                about: head.0,
                seed: head.1,
                until: head.2,
                heal: head.3.map(|heal| heal.max(last)),
                nodes,
                rules: names.0,
                properties: names.1,
                properties_of: cluster.4,
                rules_of,
                firewall: names.2,
                flows: cluster.0,
                queued: cluster.1,
                start,
                flow_load: times.0,
                load_failures: cluster.3,
                nifi: names.3,
                zookeeper: times.1,
                latency: times.2,
                plan,
                expect,
            }
        })
}
