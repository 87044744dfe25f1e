//! Steps that last for ever: the healing leaves what they did as it is, the rest must find itself again, and a run in which
//! nothing is left that could serve is no run that passed.

use zeromaster_sim::scenario::{Scenario, ScenarioBuilder};
use zeromaster_sim::{Options, Outcome, Verdict, run};

fn cluster(nodes: u32, servers: u32) -> ScenarioBuilder {
    Scenario::of(nodes)
        .about("a step lasts for ever")
        .zookeeper_servers(servers)
        .property("nifi.cluster.flow.election.max.candidates", &nodes.to_string())
}

#[track_caller]
fn outcome(scenario: ScenarioBuilder) -> (Outcome, String) {
    let scenario = scenario.build().unwrap_or_else(|error| panic!("{error}"));
    let outcome = run(&scenario, None, 1, Options { timeline: true, ..Options::default() })
        .unwrap_or_else(|error| panic!("{error}"));
    let text = outcome.timeline.as_ref().map(|timeline| timeline.to_text()).unwrap_or_default();
    (outcome, text)
}

/// The run passes, and ends with these states.
#[track_caller]
fn check_passed(scenario: ScenarioBuilder, states: &str) -> String {
    let (outcome, text) = outcome(scenario);
    assert_eq!(outcome.verdict, Verdict::Passed, "{text}");
    assert!(text.contains("all faults are undone but those that last for ever"), "{text}");
    assert!(text.lines().last().is_some_and(|line| line.contains(states)), "expected {states}:\n{text}");
    text
}

/// The run is excused for this reason.
#[track_caller]
fn check_excused(scenario: ScenarioBuilder, reason: &str) {
    let (outcome, text) = outcome(scenario);
    assert_eq!(outcome.verdict, Verdict::Excused, "{text}");
    assert!(text.contains(&format!("(excused: {reason})")), "expected {reason}:\n{text}");
}

#[test]
fn a_node_that_dies_for_ever_is_not_started_by_the_healing_or_a_later_step() {
    let scenario = cluster(3, 1).at("30s").crash("coordinator").lasting_for_ever();
    let text = check_passed(scenario, "[C D C]");
    assert!(text.contains("for ever; coordinator is n2"), "{text}");
    let scenario = cluster(3, 1).at("30s").crash("n3").lasting_for_ever().at("40s").start("n3");
    let text = check_passed(scenario, "[C C D]");
    assert!(text.contains("n3 is gone for good"), "{text}");
    assert!(!text.contains("again, run 2"), "{text}");
}

#[test]
fn a_node_that_is_stopped_or_stands_still_for_ever_does_not_come_back() {
    check_passed(cluster(3, 1).at("30s").stop("n2").lasting_for_ever(), "[C D C]");
    let text = check_passed(cluster(3, 1).at("30s").pause("n2").lasting_for_ever(), "[C D C]");
    assert!(!text.contains("resumes"), "{text}");
}

#[test]
fn nodes_that_are_cut_off_for_ever_stay_out_and_the_rest_is_whole() {
    let scenario = cluster(5, 1).at("30s").cut("n1, n2 | rest, zookeeper").lasting_for_ever();
    check_passed(scenario, "[D D C C C]");
}

#[test]
fn a_minority_of_servers_that_is_gone_for_ever_is_not_missed() {
    check_passed(cluster(3, 3).at("30s").crash("zk-leader").lasting_for_ever(), "[C C C]");
    check_passed(cluster(3, 3).at("30s").cut("zk2 | zookeeper, all").lasting_for_ever(), "[C C C]");
}

#[test]
fn a_run_in_which_nothing_is_left_that_could_serve_is_excused() {
    let no_majority = "no majority of the ZooKeeper servers is left for good";
    check_excused(cluster(3, 1).at("30s").zookeeper_down().lasting_for_ever(), no_majority);
    let scenario = cluster(3, 3).at("30s").crash("zk1").lasting_for_ever();
    check_excused(scenario.at("40s").crash("zk2").lasting_for_ever(), no_majority);
    let no_node = "no node that reaches ZooKeeper is left for good";
    check_excused(cluster(3, 1).at("30s").crash("all").lasting_for_ever(), no_node);
    check_excused(cluster(3, 1).at("30s").cut("all | zookeeper").lasting_for_ever(), no_node);
}

#[test]
fn a_coordinator_that_only_zookeeper_still_hears_stands_in_the_way_of_the_rest() {
    let scenario = cluster(3, 1).at("30s").cut("coordinator | rest").lasting_for_ever();
    check_excused(scenario, "n2 coordinates, and is cut off from others for good");
}
