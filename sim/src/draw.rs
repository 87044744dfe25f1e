//! Makes a scenario up from a seed: a small cluster with short timings, and a plan of faults and of requests of
//! people. Each part and each step of the plan has a stream of its own, so that taking one step out leaves all others
//! as they were. What strikes the servers of a ZooKeeper ensemble is in `ensemble`.

use crate::plan::{
    Action, Cut, Direction, Disk, DurationRange, Lasts, NodeNumber, OperatorAction, Plan, Protocol, Ratio,
    Selector, Step,
};
use crate::random::{Stream, Streams};
use crate::scenario::{Expect, FlowName, Flows, Scenario};
use std::collections::BTreeMap;
use std::time::Duration;

#[path = "draw/ensemble.rs"]
mod ensemble;

/// Drawn clusters have one to this many nodes.
pub const NODES_MAX: u32 = 7;

/// Drawn plans have up to this many steps.
pub const STEPS_MAX: u64 = 12;

/// The kinds of steps.
const KINDS: [Kind; 15] = [
    Kind::Cut,
    Kind::OneWayCut,
    Kind::ZooKeeperCut,
    Kind::Loss,
    Kind::Duplicate,
    Kind::Delay,
    Kind::Crash,
    Kind::Restart,
    Kind::Stop,
    Kind::Pause,
    Kind::Slow,
    Kind::Clock,
    Kind::ExpireSession,
    Kind::ZooKeeperDown,
    Kind::Operator,
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Cut,
    OneWayCut,
    ZooKeeperCut,
    Loss,
    Duplicate,
    Delay,
    Crash,
    Restart,
    Stop,
    Pause,
    Slow,
    Clock,
    ExpireSession,
    ZooKeeperDown,
    Operator,
}

/// The scenario of `seed`; the same on every machine.
#[must_use]
pub fn draw(seed: u64) -> Scenario {
    let streams = Streams::new(seed);
    let mut cluster = streams.stream("drawn cluster");
    let nodes = to_u32(cluster.between(1, u64::from(NODES_MAX)));
    let tick = *cluster.pick(&[200, 500, 2_000]);
    let latency = *cluster.pick(&[(1, 3), (1, 20), (5, 100)]);
    let flow_load = *cluster.pick(&[(10, 200), (200, 1_000), (1_000, 8_000)]);
    let mut ensemble = streams.stream("drawn ensemble");
    let longest_latency = Duration::from_millis(latency.1);
    let zookeeper = ensemble::draw_servers(&mut ensemble, Duration::from_millis(tick), longest_latency);
    let mut steps = draw_steps(streams, nodes);
    steps.extend(ensemble::draw_steps(streams, &mut ensemble, nodes, zookeeper.servers));
    let shortest = ensemble::shortest_session(zookeeper, longest_latency);
    Scenario {
        about: format!("Drawn from seed {seed}: every promised property must hold, whatever comes together."),
        seed,
        until: None,
        heal: None,
        nodes,
        rules: Scenario::RULES.to_owned(),
        properties: None,
        firewall: draw_firewall(&mut streams.stream("drawn firewall"), nodes),
        flows: draw_flows(&mut streams.stream("drawn flows"), nodes),
        queued: BTreeMap::new(),
        start: draw_starts(&mut streams.stream("drawn starts"), nodes),
        flow_load: millis_range(flow_load),
        load_failures: draw_load_failures(&mut streams.stream("drawn load failures"), nodes),
        nifi: draw_properties(&mut streams.stream("drawn properties"), nodes, shortest),
        zookeeper,
        latency: millis_range(latency),
        plan: Plan::new(steps),
        expect: Expect::default(),
    }
}

fn draw_properties(stream: &mut Stream, nodes: u32, shortest_session: Duration) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::new();
    let mut set = |key: &str, value: String| properties.insert(format!("nifi.{key}"), value);
    let interval = *stream.pick(&[1, 2, 5]);
    set("cluster.protocol.heartbeat.interval", format!("{interval} secs"));
    set("cluster.protocol.heartbeat.missable.max", stream.between(2, 8).to_string());
    set("cluster.flow.election.max.wait.time", format!("{} secs", stream.between(1, 15)));
    if stream.below(2) == 0 {
        set("cluster.flow.election.max.candidates", stream.between(1, u64::from(nodes) + 1).to_string());
    }
    let session = stream.between(2, 20).max(shortest_session.as_secs());
    set("zookeeper.session.timeout", format!("{session} secs"));
    set("zookeeper.connect.timeout", format!("{} secs", stream.between(1, 5)));
    set("cluster.node.connection.timeout", format!("{} secs", stream.between(1, 5)));
    set("cluster.node.read.timeout", format!("{} secs", stream.between(1, 5)));
    properties
}

/// Mostly one flow everywhere; sometimes a node has none, or another one.
fn draw_flows(stream: &mut Stream, nodes: u32) -> Flows {
    let mut flows = Flows { all: FlowName::Named("A".into()), of: BTreeMap::new() };
    for node in 1..=nodes {
        let name = match stream.below(12) {
            0 => FlowName::Empty("empty".into()),
            1 => FlowName::Named("B".into()),
            _ => continue,
        };
        flows.of.insert(NodeNumber(node), name);
    }
    flows
}

fn draw_starts(stream: &mut Stream, nodes: u32) -> BTreeMap<NodeNumber, Duration> {
    let spread = *stream.pick(&[0, 2_000, 20_000]);
    let mut starts = BTreeMap::new();
    for node in 1..=nodes {
        let start = stream.between(0, spread);
        if start > 0 {
            starts.insert(NodeNumber(node), Duration::from_millis(start));
        }
    }
    starts
}

fn draw_load_failures(stream: &mut Stream, nodes: u32) -> BTreeMap<NodeNumber, u32> {
    let unlucky = (1..=nodes).filter(|_| stream.below(10) == 0);
    unlucky.map(|node| (NodeNumber(node), 1)).collect()
}

/// Seldom: a firewall file that leaves one node out.
fn draw_firewall(stream: &mut Stream, nodes: u32) -> Option<String> {
    if nodes < 2 || stream.below(10) != 0 {
        return None;
    }
    let blocked = stream.between(1, u64::from(nodes));
    let allowed = (1..=u64::from(nodes)).filter(|node| *node != blocked);
    Some(allowed.map(|node| format!("n{node}\n")).collect())
}

fn draw_steps(streams: Streams, nodes: u32) -> Vec<Step> {
    let mut shape = streams.stream("drawn plan");
    let steps = shape.between(0, STEPS_MAX);
    let horizon = shape.between(20_000, 150_000);
    // A run that has everything in it shows little of anything.
    let kinds: Vec<Kind> = KINDS.into_iter().filter(|_| shape.below(5) < 2).collect();
    let kinds = if kinds.is_empty() { KINDS.to_vec() } else { kinds };
    let steps = (0..steps).map(|number| {
        let mut stream = streams.indexed("drawn step", number, 0);
        let at = Duration::from_millis(stream.between(2_000, horizon));
        let action = draw_action(&mut stream, &kinds, nodes);
        let lasts = if action.lasts() {
            Lasts::For(Duration::from_millis(stream.heavy_tail(200, 60_000)))
        } else {
            Lasts::UntilHealed
        };
        Step { at, action, lasts }
    });
    steps.collect()
}

fn draw_action(stream: &mut Stream, kinds: &[Kind], nodes: u32) -> Action {
    let node = draw_node(stream, nodes);
    match *stream.pick(kinds) {
        Kind::Cut => {
            Action::Cut { cut: draw_cut(stream, nodes, Direction::Both), protocol: draw_protocol(stream) }
        }
        Kind::OneWayCut => Action::Cut { cut: draw_cut(stream, nodes, Direction::OneWay), protocol: None },
        Kind::ZooKeeperCut => {
            let direction = if stream.below(3) == 0 { Direction::OneWay } else { Direction::Both };
            let (mut from, mut to) = (vec![node], vec![Selector::ZooKeeper]);
            if stream.below(2) == 0 {
                std::mem::swap(&mut from, &mut to);
            }
            Action::Cut { cut: Cut { from, to, direction }, protocol: None }
        }
        Kind::Loss => {
            Action::Loss { between: Cut::everything(), ratio: draw_ratio(stream, 50), protocol: None }
        }
        Kind::Duplicate => {
            Action::Duplicate { between: Cut::everything(), ratio: draw_ratio(stream, 50), protocol: None }
        }
        Kind::Delay => {
            let longest = stream.heavy_tail(50, 30_000);
            let by = DurationRange { min: Duration::ZERO, max: Duration::from_millis(longest) };
            Action::Delay { between: Cut::everything(), by, protocol: Some(Protocol::Cluster) }
        }
        Kind::Crash => {
            let disk = *stream.pick(&[Disk::Kept, Disk::Kept, Disk::LastWriteLost, Disk::Wiped]);
            Action::Crash { node, disk }
        }
        Kind::Restart => Action::Restart { node },
        Kind::Stop => Action::Stop { node },
        Kind::Pause => Action::Pause { node, buffered: stream.below(4) != 0 },
        Kind::Slow => Action::Slow { node, by: Duration::from_millis(stream.between(10, 500)) },
        Kind::Clock if stream.below(2) == 0 => {
            Action::ClockJump { node, by: Duration::from_millis(stream.heavy_tail(500, 120_000)) }
        }
        Kind::Clock => {
            let parts = i32::try_from(stream.between(0, 20_000)).unwrap_or(0);
            Action::ClockDrift { node, ppm: parts - 10_000 }
        }
        Kind::ExpireSession => Action::ExpireSession { node },
        Kind::ZooKeeperDown => Action::ZooKeeperDown,
        Kind::Operator => draw_request(stream, nodes),
    }
}

fn draw_request(stream: &mut Stream, nodes: u32) -> Action {
    let at = draw_node(stream, nodes);
    let node = Selector::Node(draw_number(stream, nodes));
    let request = match stream.below(8) {
        0..3 => OperatorAction::Disconnect(node),
        3..5 => OperatorAction::Connect(node),
        5..7 => OperatorAction::Remove(node),
        _ => OperatorAction::Offload(node),
    };
    Action::Operator { at, request }
}

fn draw_node(stream: &mut Stream, nodes: u32) -> Selector {
    match stream.below(4) {
        0 => Selector::Coordinator,
        1 if stream.below(2) == 0 => Selector::Primary,
        _ => Selector::Node(draw_number(stream, nodes)),
    }
}

fn draw_number(stream: &mut Stream, nodes: u32) -> NodeNumber {
    NodeNumber(to_u32(stream.between(1, u64::from(nodes))))
}

/// One node, or some, against the rest.
fn draw_cut(stream: &mut Stream, nodes: u32, direction: Direction) -> Cut {
    let side = if stream.below(2) == 0 {
        vec![draw_node(stream, nodes)]
    } else {
        let mut side: Vec<Selector> = (1..=nodes)
            .filter(|_| stream.below(2) == 0)
            .map(|node| Selector::Node(NodeNumber(node)))
            .collect();
        if side.is_empty() {
            side.push(Selector::Node(NodeNumber(1)));
        }
        side
    };
    let (mut from, mut to) = (side, vec![Selector::Rest]);
    if direction == Direction::OneWay && stream.below(2) == 0 {
        std::mem::swap(&mut from, &mut to);
    }
    Cut { from, to, direction }
}

fn draw_protocol(stream: &mut Stream) -> Option<Protocol> {
    *stream.pick(&[None, Some(Protocol::Cluster)])
}

fn draw_ratio(stream: &mut Stream, percent_max: u64) -> Ratio {
    let percent = to_u32(stream.between(1, percent_max));
    Ratio::new(percent, 100).unwrap_or(Ratio { numerator: 1, denominator: 100 })
}

fn millis_range((min, max): (u64, u64)) -> DurationRange {
    DurationRange { min: Duration::from_millis(min), max: Duration::from_millis(max) }
}

fn to_u32(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties::{LIVENESS, SAFETY};
    use crate::scenario::Known;
    use zeromaster_core::rules::Rules;

    const KNOWN: Known<'_> = Known { rules: &Rules::NAMES, safety: &SAFETY, liveness: &LIVENESS };

    #[test]
    fn a_drawn_scenario_is_a_scenario_file() {
        for seed in 0..2_000 {
            let drawn = draw(seed);
            let text = drawn.to_toml();
            let read =
                Scenario::parse(&text, &KNOWN).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
            assert_eq!(read, drawn, "seed {seed}");
        }
    }

    #[test]
    fn every_kind_of_step_is_drawn() {
        let mut words: Vec<&str> =
            (0..500).flat_map(|seed| draw(seed).plan.steps).map(|step| step.action.word()).collect();
        words.sort_unstable();
        words.dedup();
        let expected = [
            "clock",
            "crash",
            "cut",
            "delay",
            "duplicate",
            "expire",
            "loss",
            "operator",
            "pause",
            "restart",
            "slow",
            "stop",
            "zookeeper",
        ];
        assert_eq!(words, expected);
    }
}
