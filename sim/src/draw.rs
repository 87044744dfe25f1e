//! Makes a scenario up from a seed: a small cluster with short timings, and a plan of faults and of requests of
//! people. Each part and each step of the plan has a stream of its own, so that taking one step out leaves all others
//! as they were. Each concern has a file of its own; this one puts their parts together.

mod bursts;
mod cluster;
mod ensemble;
mod faults;
mod for_ever;
mod properties;
mod stories;
mod temperament;

use crate::plan::{DurationRange, NodeNumber, Plan, Selector, Step};
use crate::random::{Stream, Streams};
use crate::scenario::{Expect, RuleChoice, Scenario, Start};
use std::collections::BTreeMap;
use std::time::Duration;
use temperament::{Pace, Temperament};

pub use cluster::{NODES_MAX, WIDE_NODES};

/// What the parts of one plan have in common.
#[derive(Clone, Copy, Debug)]
struct Frame {
    streams: Streams,
    nodes: u32,
    servers: u32,
    temperament: Temperament,
    pace: Pace,
    /// No step of the plan begins later than this many milliseconds after the start, but for those of a story.
    horizon: u64,
}

/// The scenario of `seed`; the same on every machine.
#[must_use]
pub fn draw(seed: u64) -> Scenario {
    let streams = Streams::new(seed);
    let size = cluster::draw_size(&mut streams.stream("drawn cluster"));
    let nodes = size.nodes;
    let mut ensemble = streams.stream("drawn ensemble");
    let zookeeper = ensemble::draw_servers(&mut ensemble, size.tick, size.latency.max);
    let shortest = ensemble::shortest_session(zookeeper, size.latency.max);
    let timings = properties::draw_timings(&mut streams.stream("drawn properties"), nodes, shortest);
    let temperament = Temperament::draw(&mut streams.stream("drawn temperament"), nodes);
    let frame = Frame {
        streams,
        nodes,
        servers: zookeeper.servers,
        temperament,
        pace: timings.pace(zookeeper.tick),
        horizon: temperament.draw_horizon(&mut streams.stream("drawn horizon")),
    };
    Scenario {
        about: format!("Drawn from seed {seed}: every promised property must hold, whatever comes together."),
        seed,
        until: None,
        heal: None,
        nodes,
        rules: RuleChoice::default(),
        properties: None,
        properties_of: BTreeMap::new(),
        rules_of: BTreeMap::new(),
        firewall: cluster::draw_firewall(&mut streams.stream("drawn firewall"), nodes),
        flows: cluster::draw_flows(&mut streams.stream("drawn flows"), nodes),
        queued: cluster::draw_queued(&mut streams.stream("drawn queues"), nodes),
        start: drawn_starts(streams, nodes),
        flow_load: size.flow_load,
        load_failures: cluster::draw_load_failures(&mut streams.stream("drawn load failures"), nodes),
        nifi: timings.properties,
        zookeeper,
        latency: size.latency,
        plan: Plan::new(draw_plan(&frame)),
        expect: Expect::default(),
    }
}

fn drawn_starts(streams: Streams, nodes: u32) -> BTreeMap<NodeNumber, Start> {
    let starts = cluster::draw_starts(&mut streams.stream("drawn starts"), nodes);
    starts.into_iter().map(|(node, at)| (node, Start::At(at))).collect()
}

fn draw_plan(frame: &Frame) -> Vec<Step> {
    let mut steps = faults::draw_steps(frame);
    steps.extend(bursts::draw_steps(frame));
    steps.extend(stories::draw_steps(frame));
    steps.extend(for_ever::draw_steps(frame));
    steps.extend(ensemble::draw_steps(frame));
    steps
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

/// A moment from `earliest` to `latest` milliseconds after the start.
fn draw_moment(stream: &mut Stream, earliest: u64, latest: u64) -> Duration {
    Duration::from_millis(stream.between(earliest, latest.max(earliest)))
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
    use crate::scenario::Known;

    #[test]
    fn a_drawn_scenario_is_a_scenario_file() {
        for seed in 0..2_000 {
            let drawn = draw(seed);
            let text = drawn.to_toml();
            let read = Scenario::parse(&text, &Known::ALL)
                .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{text}"));
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
            "start",
            "stop",
            "zookeeper",
        ];
        assert_eq!(words, expected);
    }
}
