//! A shell that makes a mistake is found out, by the property that names it.

use std::collections::BTreeSet;
use zeromaster_madsim::{Flaw, SHELL, expressible, run_flawed};
use zeromaster_sim::draw::draw;
use zeromaster_sim::scenario::Scenario;
use zeromaster_sim::setup::Setup;
use zeromaster_sim::{Options, Verdict};

/// How many drawn scenarios it may take to find a mistake.
const SEEDS: u64 = 60;

fn scenario(theme: &str, name: &str) -> Scenario {
    let files = zeromaster_scenarios::all().unwrap();
    let file = files.iter().find(|file| file.theme == theme && file.name == name);
    file.unwrap_or_else(|| panic!("there is no scenario {theme}/{name}")).parse().unwrap()
}

/// The properties that a flawed shell violates.
fn violated(scenario: &Scenario, seed: u64, flaw: Flaw) -> BTreeSet<&'static str> {
    let setup = Setup::new(scenario, None).unwrap();
    let outcome = run_flawed(scenario, &setup, seed, Options::default(), flaw).unwrap();
    let found = outcome.violations.iter().filter(|violation| violation.excuse.is_none());
    let found: BTreeSet<&str> = found.map(|violation| violation.property).collect();
    assert_eq!(found.is_empty(), matches!(outcome.verdict, Verdict::Passed | Verdict::Excused));
    found
}

#[track_caller]
fn check_found(found: &BTreeSet<&'static str>, property: &str) {
    assert!(found.contains(property), "expected {property} among {found:?}");
}

#[test]
fn a_message_that_leaves_before_what_it_stands_on_is_on_disk() {
    let start = scenario("start-up", "three-nodes-start-and-vote");
    check_found(&violated(&start, 1, Flaw::SendsBeforePersist), "persisted-before-sent");
}

#[test]
fn a_timer_that_is_not_armed_again() {
    let start = scenario("start-up", "three-nodes-start-and-vote");
    check_found(&violated(&start, 1, Flaw::ArmsTimerOnce), "woken-in-time");
}

#[test]
fn a_session_that_is_kept_after_its_end() {
    let paused = scenario("zookeeper", "session-expires-while-paused");
    check_found(&violated(&paused, 1, Flaw::KeepsOldSession), "node-hears-its-client");
}

#[test]
fn late_news_of_a_connection_that_was_given_up() {
    let finds = |seed: &u64| {
        let (scenario, _) = expressible(&draw(*seed));
        violated(&scenario, *seed, Flaw::BelievesDeadConnections).contains("news-of-its-own-connection")
    };
    assert!((0..SEEDS).any(|seed| finds(&seed)), "nobody has noticed in {SEEDS} runs");
}

#[test]
fn every_property_of_the_shell_finds_a_mistake() {
    let found_here =
        ["persisted-before-sent", "woken-in-time", "node-hears-its-client", "news-of-its-own-connection"];
    assert_eq!(SHELL, found_here);
}
