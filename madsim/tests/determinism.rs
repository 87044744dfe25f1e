//! The same scenario and seed give the same log under madsim, in one process and whatever ran before.

use zeromaster_madsim::{expressible, run_with};
use zeromaster_sim::Options;
use zeromaster_sim::draw::draw;
use zeromaster_sim::scenario::Scenario;
use zeromaster_sim::setup::Setup;

fn log(scenario: &Scenario, setup: &Setup, seed: u64) -> String {
    let outcome = run_with(scenario, setup, seed, Options { timeline: true, ..Options::default() }).unwrap();
    let timeline = outcome.timeline.unwrap();
    format!("{}{}{:?}", timeline.to_text(), timeline.to_json_lines(), outcome.counts)
}

#[track_caller]
fn check_same(name: &str, scenario: &Scenario, setup: &Setup, seed: u64) {
    let (one, other) = (log(scenario, setup, seed), log(scenario, setup, seed));
    let difference = one.lines().zip(other.lines()).enumerate().find(|(_, (one, other))| one != other);
    if let Some((number, (one, other))) = difference {
        panic!("{name}, seed {seed}: line {} differs:\n  {one}\n  {other}", number + 1);
    }
    assert_eq!(one.len(), other.len(), "{name}, seed {seed}: one log ends before the other");
}

#[test]
fn a_drawn_scenario_runs_twice_to_the_same_log() {
    for seed in 0..12 {
        let (scenario, _) = expressible(&draw(seed));
        let setup = Setup::new(&scenario, None).unwrap();
        check_same("drawn", &scenario, &setup, seed);
    }
}

#[test]
fn scenario_files_run_twice_to_the_same_log() {
    let files = zeromaster_scenarios::all().unwrap();
    for file in files.iter().filter(|file| file.theme == "zookeeper" || file.theme == "election") {
        let scenario = file.parse().unwrap();
        let setup = file.setup(&scenario);
        if zeromaster_madsim::unsupported(&setup.complete(&scenario)).is_empty() {
            check_same(&file.to_string(), &scenario, &setup, scenario.seed);
        }
    }
}

#[test]
fn another_seed_is_another_run() {
    let scenario = Scenario::parse(
        "about = \"three nodes\"\n[cluster]\nnodes = 3\n",
        &zeromaster_sim::scenario::Known::ALL,
    )
    .unwrap();
    let setup = Setup::new(&scenario, None).unwrap();
    assert_ne!(log(&scenario, &setup, 1), log(&scenario, &setup, 2));
}
