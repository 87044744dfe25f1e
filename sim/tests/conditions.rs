//! Steps that wait for something, times that the seed draws, starts that wait, and what is said when nothing came of them.

use std::time::Duration;
use zeromaster_sim::plan::Condition;
use zeromaster_sim::scenario::{Scenario, ScenarioBuilder};
use zeromaster_sim::timeline::Entry;
use zeromaster_sim::{Options, Outcome, Planned, Verdict, WarningReason, run};

/// A cluster whose nodes are connected after ten seconds.
fn cluster(nodes: u32) -> ScenarioBuilder {
    Scenario::of(nodes)
        .about("steps wait")
        .property("nifi.cluster.flow.election.max.candidates", &nodes.to_string())
}

#[track_caller]
fn outcome_of(scenario: &ScenarioBuilder, seed: u64) -> Outcome {
    let scenario = scenario.clone().build().unwrap_or_else(|error| panic!("{error}"));
    let printed = Scenario::parse(&scenario.to_toml(), &KNOWN).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(printed, scenario, "what is printed is the same scenario");
    run(&scenario, None, seed, Options { timeline: true, ..Options::default() })
        .unwrap_or_else(|error| panic!("{error}"))
}

const KNOWN: zeromaster_sim::scenario::Known<'static> = zeromaster_sim::scenario::Known {
    rules: &zeromaster_core::rules::Rules::NAMES,
    safety: &zeromaster_sim::properties::SAFETY,
    liveness: &zeromaster_sim::properties::LIVENESS,
};

fn text(outcome: &Outcome) -> String {
    outcome.timeline.as_ref().map(|timeline| timeline.to_text()).unwrap_or_default()
}

/// The first line with that event whose words begin so.
#[track_caller]
fn line<'a>(outcome: &'a Outcome, event: &str, words: &str) -> &'a Entry {
    let entries = outcome.timeline.as_ref().map(|timeline| timeline.entries()).unwrap_or_default();
    let found = entries.iter().find(|entry| entry.event == event && entry.words.starts_with(words));
    found.unwrap_or_else(|| panic!("no {event} of {words:?}:\n{}", text(outcome)))
}

/// The outcome of a run that passes without a warning.
#[track_caller]
fn passed(scenario: &ScenarioBuilder) -> Outcome {
    let outcome = outcome_of(scenario, 1);
    assert_eq!((&outcome.verdict, &outcome.warnings[..]), (&Verdict::Passed, &[][..]), "{}", text(&outcome));
    outcome
}

/// The warnings of a run that passes.
#[track_caller]
fn warnings(scenario: &ScenarioBuilder) -> Vec<String> {
    let outcome = outcome_of(scenario, 1);
    assert_eq!(outcome.verdict, Verdict::Passed, "{}", text(&outcome));
    outcome.warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_step_begins_when_the_coordinator_says_what_it_waits_for_and_lasts_from_then_on() {
    let scenario = cluster(3).at("0s").when("n2 is CONNECTED").crash("n2").lasting("7s");
    let outcome = passed(&scenario);
    let connected = line(&outcome, "CONNECTED", "n2: ").at;
    let crash = line(&outcome, "crash", "n2 for 7s, when n2 is CONNECTED").at;
    assert_eq!(crash, connected, "{}", text(&outcome));
    assert_eq!(line(&outcome, "end", "of crash n2").at, crash + Duration::from_secs(7));
    assert_eq!(line(&outcome, "heal", "").at, crash + Duration::from_secs(7));
}

#[test]
fn a_code_is_waited_for_too_and_one_step_may_wait_for_what_another_brings_about() {
    let scenario = cluster(3).at("30s").crash("n3").lasting("300s");
    let scenario = scenario.at("0s").when("n3 is DISCONNECTED LACK_OF_HEARTBEAT").start("n3");
    let outcome = passed(&scenario.at("80s").when("n3 is CONNECTED").stop("n3").lasting("5s"));
    let put_out = line(&outcome, "DISCONNECTED", "n3: WARNING").at;
    let start = line(&outcome, "start", "n3, when n3 is DISCONNECTED LACK_OF_HEARTBEAT").at;
    assert_eq!(start, put_out, "{}", text(&outcome));
    assert!(line(&outcome, "stop", "n3 for 5s, when n3 is CONNECTED").at > start, "{}", text(&outcome));
}

#[test]
fn a_property_is_waited_for_from_the_time_of_the_step_on() {
    let early = passed(&cluster(3).at("0s").after("all-connected").expire("n3"));
    let expire = line(&early, "expire", "n3, after all-connected");
    assert_eq!(expire.states, "[C C C]", "{}", text(&early));
    let connected = expire.at;
    assert!(connected.as_micros() > 1_000_000, "nobody is a member before: {connected}");
    let late = passed(&cluster(3).at("100s").after("all-connected").expire("n3"));
    assert_eq!(line(&late, "expire", "n3").at.as_micros(), 100_000_000);
    let again = cluster(3).at("30s").zookeeper_down().lasting("20s");
    let again = passed(&again.at("31s").after("zookeeper-serves").stop("n2").lasting("5s"));
    assert_eq!(line(&again, "stop", "n2").at, line(&again, "end", "of zookeeper down").at);
    let gone = cluster(3).at("30s").crash("n3").lasting("100s").at("31s").after("all-connected").expire("n2");
    let at = line(&passed(&gone), "expire", "n2").at;
    assert_eq!(at.as_micros(), 31_000_000, "a node that does not run is not waited for");
}

#[test]
fn a_node_starts_when_another_one_has_been_let_in() {
    let scenario = Scenario::of(2).about("an ordered start").flow("n1", "old").flow("n2", "new");
    let scenario = scenario.starting_when("n2", "n1 is CONNECTED").until("30s");
    let scenario = scenario.property("nifi.cluster.flow.election.max.candidates", "1");
    let outcome = passed(&scenario);
    let entries = outcome.timeline.as_ref().unwrap().entries();
    let start = entries.iter().find(|entry| entry.actor == "n2" && entry.event == "starts").unwrap();
    assert_eq!(start.at, line(&outcome, "CONNECTED", "n1: ").at, "{}", text(&outcome));
    assert!(text(&outcome).contains("MISMATCHED_FLOWS"), "the flow of the first one is the cluster's");
}

#[test]
fn what_never_comes_true_is_given_up_with_a_warning_and_does_not_happen() {
    let scenario = cluster(3).until("100s").at("20s").when("n3 is OFFLOADED").stop("n3");
    let outcome = outcome_of(&scenario, 1);
    assert_eq!(outcome.verdict, Verdict::Passed, "{}", text(&outcome));
    assert!(!text(&outcome).contains("  stop  "), "{}", text(&outcome));
    let [warning] = &outcome.warnings[..] else { panic!("one warning: {:?}", outcome.warnings) };
    assert_eq!((warning.planned, warning.at), (Planned::Step(0), line(&outcome, "heal", "").at));
    let condition = Condition::State("n3 is OFFLOADED".parse().unwrap());
    assert_eq!(warning.reason, WarningReason::NeverCameTrue(condition));
    line(&outcome, "skipped", "stop n3, when n3 is OFFLOADED, from 20s on: that has not come true");
    let healed = warnings(&scenario.heal("50s"));
    let expected = "stop n3, when n3 is OFFLOADED, from 20s on did not happen: that had not come true when everything was healed at 50.000 s";
    assert_eq!(healed, [expected]);
}

#[test]
fn a_start_that_is_given_up_is_left_to_the_healing() {
    let scenario = cluster(3).starting_when("n3", "n1 is REMOVED").heal("60s").until("90s");
    let outcome = outcome_of(&scenario, 1);
    assert_eq!(outcome.verdict, Verdict::Passed, "{}", text(&outcome));
    let [warning] = &outcome.warnings[..] else { panic!("one warning: {:?}", outcome.warnings) };
    assert_eq!(
        warning.to_string(),
        "first start of n3, when n1 is REMOVED did not happen: that had not come true when everything was healed at 60.000 s"
    );
    assert!(text(&outcome).lines().last().is_some_and(|line| line.contains("[C C C]")), "{}", text(&outcome));
}

#[test]
fn the_time_of_a_step_is_drawn_from_its_range_by_the_seed_and_moves_nothing_else() {
    let scenario = cluster(3).at("60s..70s").expire("n2");
    let times: Vec<u64> =
        (1..=8).map(|seed| line(&outcome_of(&scenario, seed), "expire", "n2").at.as_micros()).collect();
    assert!(times.iter().all(|at| (60_000_000..=70_000_000).contains(at)), "{times:?}");
    assert!(times.windows(2).all(|pair| pair[0] != pair[1]), "{times:?}");
    let first = text(&outcome_of(&scenario, 1));
    assert_eq!(first, text(&outcome_of(&scenario, 1)), "the same seed, the same run");
    let without = text(&outcome_of(&cluster(3).until("70s"), 1));
    let before = |text: &str| -> Vec<String> {
        let lines = text.lines().take_while(|line| !line.contains("  expire  "));
        lines.map(str::to_owned).collect()
    };
    assert!(before(&without).starts_with(&before(&first)), "{first}\n{without}");
}

#[test]
fn a_step_that_strikes_nobody_is_a_warning() {
    let check = |scenario: ScenarioBuilder, expected: &str| {
        assert_eq!(warnings(&scenario), [expected]);
    };
    let down = || cluster(3).at("30s").crash("n2").lasting("60s");
    let nobody = "struck nobody: n2 did not run at 40.000 s";
    check(down().at("40s").crash("n2").lasting("10s"), &format!("crash n2 for 10s at 40s {nobody}"));
    check(down().at("40s").stop("n2").lasting("10s"), &format!("stop n2 for 10s at 40s {nobody}"));
    check(down().at("40s").clock_jump("n2", "5s"), &format!("clock n2 jump 5s at 40s {nobody}"));
    let pause = down().at("40s").pause("n2").lasting("10s");
    check(pause, &format!("pause n2 for 10s at 40s {nobody}"));
    let slow = down().at("40s").slow("n2", "100ms").lasting("10s");
    check(slow, &format!("slow n2 by 100ms for 10s at 40s {nobody}"));
    let until_healed = down().at("40s").slow("n2", "100ms").heal("50s");
    check(until_healed, &format!("slow n2 by 100ms at 40s {nobody}"));
    check(
        down().at("40s").expire("n2"),
        "expire n2 at 40s struck nobody: n2 held no ZooKeeper session at 40.000 s",
    );
    check(
        down().at("40s").operator("n2", "disconnect n3"),
        "operator disconnect n3 at n2 at 40s struck nobody: n2 did not answer at 40.000 s",
    );
    check(cluster(3).at("40s").start("n2"), "start n2 at 40s struck nobody: n2 ran already at 40.000 s");
    check(
        cluster(3).at("30s").crash("n2").lasting_for_ever().at("40s").restart("n2"),
        "restart n2 at 40s struck nobody: n2 was gone for good at 40.000 s",
    );
    check(
        cluster(3).at("30s").pause("n2").lasting("20s").at("40s").pause("n2").lasting("5s"),
        "pause n2 for 5s at 40s struck nobody: n2 stood still already at 40.000 s",
    );
    check(
        cluster(1).at("40s").cut("coordinator | rest").lasting("5s"),
        "cut coordinator | rest for 5s at 40s struck nobody: there was no link between its two sides at 40.000 s",
    );
    let zookeeper = cluster(3).at("30s").zookeeper_down().lasting("20s");
    check(
        zookeeper.at("32s").zookeeper_down().lasting("2s"),
        "zookeeper down for 2s at 32s struck nobody: no ZooKeeper server ran at 32.000 s",
    );
}

#[test]
fn a_role_that_nobody_holds_is_a_warning() {
    let check = |scenario: ScenarioBuilder, expected: &str| {
        assert_eq!(warnings(&scenario), [expected]);
    };
    let early = || cluster(3).at("1ms");
    check(
        early().crash("coordinator").lasting("5s"),
        "crash coordinator for 5s at 1ms: nobody was coordinator at 0.001 s",
    );
    let cut = early().cut("primary, n2 | rest").lasting("5s");
    check(cut, "cut primary, n2 | rest for 5s at 1ms: nobody was primary at 0.001 s");
    check(
        cluster(3).at("40s").crash("zk-followers").lasting("5s"),
        "crash zk-followers for 5s at 40s: nobody was zk-followers at 40.000 s",
    );
    check(
        early().operator("n1", "disconnect primary"),
        "operator disconnect primary at n1 at 1ms: nobody was primary at 0.001 s",
    );
}

#[test]
fn a_step_that_strikes_somebody_is_none() {
    let scenario = cluster(3).at("30s").crash("n2").lasting("60s");
    passed(&scenario.clone().at("40s").crash("all").lasting("5s"));
    passed(&scenario.clone().at("40s").start("n2"));
    passed(&scenario.clone().at("40s").restart("n2"));
    // It strikes the process that starts while it lasts.
    passed(&scenario.at("80s").slow("n2", "100ms").lasting("20s"));
}

#[test]
fn an_event_that_must_happen_is_looked_for_with_and_without_a_timeline() {
    let scenario = cluster(3).at("30s").crash("coordinator").lasting("60s");
    let reached = scenario.clone().reaches("expired").reaches("elected").reaches("in office");
    passed(&reached);
    let missed = scenario.reaches("expired").reaches("OFFLOADED").reaches("resigned");
    for timeline in [true, false] {
        let options = Options { timeline, ..Options::default() };
        let kept = run(&reached.clone().build().unwrap(), None, 1, options).unwrap();
        assert_eq!(kept.verdict, Verdict::Passed);
        let outcome = run(&missed.clone().build().unwrap(), None, 1, options).unwrap();
        assert_eq!(outcome.verdict, Verdict::Violated);
        let found = outcome.first_violation().unwrap();
        assert_eq!(found.property, zeromaster_sim::run::EXPECTED_EVENT);
        assert_eq!(found.text, "these events did not happen in the run: \"OFFLOADED\", \"resigned\"");
    }
}
