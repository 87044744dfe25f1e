//! Drawn plans reach the situations in which a cluster breaks: each is counted over the first seeds.

use std::collections::BTreeMap;
use std::time::Duration;
use zeromaster_sim::Options;
use zeromaster_sim::draw::{NODES_MAX, WIDE_NODES, draw};
use zeromaster_sim::plan::{Action, Lasts, Selector, Step};
use zeromaster_sim::run::run_with;
use zeromaster_sim::scenario::Scenario;
use zeromaster_sim::setup::Setup;

const SEEDS: u64 = 2_000;

#[derive(Default)]
struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    fn count(&mut self, what: &'static str, happens: bool) {
        *self.0.entry(what).or_default() += u64::from(happens);
    }

    #[track_caller]
    fn check(&self, expected: &[(&'static str, u64, u64)]) {
        let count = |what| self.0.get(what).copied().unwrap_or_default();
        let wrong: Vec<String> = expected
            .iter()
            .filter(|(what, least, most)| !(*least..=*most).contains(&count(*what)))
            .map(|(what, least, most)| format!("{what}: {}, expected {least} to {most}", count(*what)))
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert_eq!(self.0.len(), expected.len(), "every count is checked: {:?}", self.0.keys());
    }
}

fn length(step: &Step) -> Duration {
    match step.lasts {
        Lasts::For(length) => length,
        Lasts::UntilHealed | Lasts::ForEver => Duration::ZERO,
    }
}

/// Steps that overlap another one of the plan.
fn overlaps(scenario: &Scenario) -> usize {
    let steps = &scenario.plan.steps;
    let lasting = |step: &&Step| length(step) > Duration::ZERO;
    let begins_within = |step: &Step| {
        let within = |other: &&Step| other.at < step.at && step.at < other.at + length(other);
        steps.iter().filter(lasting).any(|other| within(&other))
    };
    steps.iter().filter(|step| begins_within(step)).count()
}

#[test]
fn plans_reach_what_breaks_clusters() {
    let mut counts = Counts::default();
    for seed in 0..SEEDS {
        let scenario = draw(seed);
        let setup = Setup::new(&scenario, None).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let window = setup.common().heartbeat_interval * setup.common().heartbeat_missable_max;
        let session = setup.negotiated_timeout(&scenario);
        let steps = &scenario.plan.steps;
        let has = |is: &dyn Fn(&Step) -> bool| steps.iter().any(is);
        counts.count("one node", scenario.nodes == 1);
        counts.count("two nodes", scenario.nodes == 2);
        counts.count("wide cluster", WIDE_NODES.contains(&scenario.nodes));
        counts.count("neither small nor wide", (3..=NODES_MAX).contains(&scenario.nodes));
        counts.count("fault longer than the window", has(&|step| length(step) > window));
        counts.count(
            "short fault",
            has(&|step| {
                step.action.lasts()
                    && step.lasts != Lasts::ForEver
                    && length(step) < Duration::from_millis(400)
            }),
        );
        counts.count(
            "crash longer than the session",
            has(&|step| matches!(step.action, Action::Crash { .. }) && length(step) > session),
        );
        counts.count("something for ever", has(&|step| step.lasts == Lasts::ForEver));
        counts.count(
            "all nodes at once",
            has(&|step| {
                let (Action::Crash { node, .. } | Action::Stop { node } | Action::Restart { node }) =
                    step.action
                else {
                    return false;
                };
                node == Selector::All
            }),
        );
        counts.count(
            "two nodes that cannot talk with each other",
            has(&|step| {
                matches!(&step.action, Action::Cut { cut, .. }
                if matches!((&cut.from[..], &cut.to[..]), ([Selector::Node(_)], [Selector::Node(_)])))
            }),
        );
        counts.count("five faults that begin while others last", overlaps(&scenario) >= 5);
        counts.count("an even number of servers", scenario.zookeeper.servers.is_multiple_of(2));
        counts.count("data in queues", !scenario.queued.is_empty());
        counts.count(
            "a load that fails more than once",
            scenario.load_failures.values().any(|&count| count > 1),
        );
        counts.count("one heartbeat may be missed", setup.common().heartbeat_missable_max == 1);
    }
    counts.check(&[
        ("one node", 60, 140),
        ("two nodes", 190, 310),
        ("wide cluster", 4, 25),
        ("neither small nor wide", 1_500, 1_750),
        ("fault longer than the window", 700, SEEDS),
        ("short fault", 400, SEEDS),
        ("crash longer than the session", 250, SEEDS),
        ("something for ever", 150, 400),
        ("all nodes at once", 200, SEEDS),
        ("two nodes that cannot talk with each other", 200, SEEDS),
        ("five faults that begin while others last", 300, SEEDS),
        ("an even number of servers", 40, 130),
        ("data in queues", 200, 700),
        ("a load that fails more than once", 100, 600),
        ("one heartbeat may be missed", 150, 400),
    ]);
}

/// `connect n3: done`
fn is_connected_again(words: &str) -> bool {
    words.starts_with("connect ") && words.ends_with(": done")
}

#[test]
fn runs_reach_what_people_can_ask_for() {
    let mut counts = Counts::default();
    for seed in 0..SEEDS {
        let scenario = draw(seed);
        if !scenario.plan.steps.iter().any(|step| matches!(step.action, Action::Operator { .. })) {
            continue;
        }
        let setup = Setup::new(&scenario, None).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let outcome = run_with(&scenario, &setup, seed, Options { timeline: true, ..Options::default() });
        let timeline = outcome.timeline.unwrap_or_default();
        let has = |event: &str| timeline.entries().iter().any(|entry| entry.event == event);
        let says = |event: &str, text: &str| {
            let mut entries = timeline.entries().iter();
            entries.any(|entry| entry.event == event && entry.words.contains(text))
        };
        counts.count("a node is removed", has("REMOVED"));
        counts.count("a node is disconnected by a person", says("DISCONNECTED", "[USER_DISCONNECTED]"));
        counts.count("an offload begins", has("OFFLOADING"));
        counts.count("an offload ends", has("OFFLOADED"));
        counts.count(
            "a person brings a node back",
            timeline.entries().iter().any(|entry| entry.event == "reply" && is_connected_again(&entry.words)),
        );
    }
    counts.check(&[
        ("a node is removed", 200, SEEDS),
        ("a node is disconnected by a person", 400, SEEDS),
        ("an offload begins", 100, SEEDS),
        ("an offload ends", 50, SEEDS),
        ("a person brings a node back", 100, SEEDS),
    ]);
}
