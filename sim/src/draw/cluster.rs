//! The cluster of a drawn scenario: how many nodes, how fast they and the network are, and what is on their disks.

use super::{millis_range, to_u32};
use crate::plan::{DurationRange, NodeNumber};
use crate::random::Stream;
use crate::scenario::{FlowName, Flows};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Drawn clusters that are not wide have one to this many nodes.
pub const NODES_MAX: u32 = 7;

/// Wide clusters have so many nodes: more than the 64 that a coordinator tells of every change at once.
pub const WIDE_NODES: RangeInclusive<u32> = 65..=100;

/// One of this many clusters is wide. It costs what a hundred others do.
const WIDE_ONE_IN: u64 = 200;

/// How large and how fast a cluster is.
pub(super) struct Size {
    pub(super) nodes: u32,
    pub(super) tick: Duration,
    pub(super) latency: DurationRange,
    pub(super) flow_load: DurationRange,
}

pub(super) fn draw_size(stream: &mut Stream) -> Size {
    let nodes = draw_nodes(stream);
    let tick = Duration::from_millis(*stream.pick(&[200, 500, 2_000]));
    let latency = millis_range(*stream.pick(&[(1, 3), (1, 20), (5, 100)]));
    let flow_load = millis_range(*stream.pick(&[(10, 200), (200, 1_000), (1_000, 8_000)]));
    Size { nodes, tick, latency, flow_load }
}

/// One of twenty clusters has one node, one of eight has two.
fn draw_nodes(stream: &mut Stream) -> u32 {
    if stream.below(WIDE_ONE_IN) == 0 {
        return to_u32(stream.between(u64::from(*WIDE_NODES.start()), u64::from(*WIDE_NODES.end())));
    }
    match stream.below(40) {
        0..2 => 1,
        2..7 => 2,
        _ => to_u32(stream.between(3, u64::from(NODES_MAX))),
    }
}

/// Mostly one flow everywhere; sometimes a node has none, or another one.
pub(super) fn draw_flows(stream: &mut Stream, nodes: u32) -> Flows {
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

/// In one of four clusters some queues hold data.
pub(super) fn draw_queued(stream: &mut Stream, nodes: u32) -> BTreeMap<NodeNumber, BTreeSet<String>> {
    if stream.below(4) != 0 {
        return BTreeMap::new();
    }
    let holders: Vec<u32> = (1..=nodes).filter(|_| stream.below(3) == 0).collect();
    holders.into_iter().map(|node| (NodeNumber(node), BTreeSet::from(["q1".to_owned()]))).collect()
}

pub(super) fn draw_starts(stream: &mut Stream, nodes: u32) -> BTreeMap<NodeNumber, Duration> {
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

/// One of ten nodes fails to load its flow, mostly once, at most four times.
pub(super) fn draw_load_failures(stream: &mut Stream, nodes: u32) -> BTreeMap<NodeNumber, u32> {
    let mut failures = BTreeMap::new();
    for node in 1..=nodes {
        if stream.below(10) == 0 {
            failures.insert(NodeNumber(node), to_u32(stream.heavy_tail(1, 4)));
        }
    }
    failures
}

/// Seldom: a firewall file that leaves one node out.
pub(super) fn draw_firewall(stream: &mut Stream, nodes: u32) -> Option<String> {
    if nodes < 2 || stream.below(10) != 0 {
        return None;
    }
    let blocked = stream.between(1, u64::from(nodes));
    let allowed = (1..=u64::from(nodes)).filter(|node| *node != blocked);
    Some(allowed.map(|node| format!("n{node}\n")).collect())
}
