//! The same scenario and the same seed give the same timeline, byte for byte. That it is the same on another machine
//! and in another build is what the snapshots show.

use zeromaster_scenarios::{ScenarioFile, all};
use zeromaster_sim::Options;
use zeromaster_sim::run::run_with;

fn timeline(file: &ScenarioFile, seed: u64) -> String {
    let scenario = file.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
    let options = Options { timeline: true, digest: true };
    let outcome = run_with(&scenario, &file.setup(&scenario), seed, options);
    let timeline = outcome.timeline.unwrap_or_else(|| panic!("{file}: a timeline was asked for"));
    let digest = outcome.digest.unwrap_or_else(|| panic!("{file}: a digest was asked for"));
    // Last, because the first difference is to be named in words where there are any.
    format!("{}{}every event: {digest:016x}\n", timeline.to_text(), timeline.to_json_lines())
}

/// The first line in which the two differ, in the words of both.
fn first_difference(one: &str, other: &str) -> Option<String> {
    if one == other {
        return None;
    }
    let (mut ones, mut others) = (one.lines(), other.lines());
    for number in 1.. {
        match (ones.next(), others.next()) {
            (None, None) => break,
            (one, other) if one == other => {}
            (one, other) => {
                let show = |line: Option<&str>| line.unwrap_or("(the timeline has ended)").to_owned();
                return Some(format!("line {number}:\n  {}\n  {}", show(one), show(other)));
            }
        }
    }
    Some("the line ends differ".to_owned())
}

#[test]
fn the_same_scenario_and_seed_give_the_same_timeline() {
    for file in all().unwrap() {
        for seed in [1, 7] {
            if let Some(difference) = first_difference(&timeline(&file, seed), &timeline(&file, seed)) {
                panic!("{file}, seed {seed}: two runs differ in {difference}");
            }
        }
    }
}

#[test]
fn the_first_difference_is_named() {
    assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
    assert_eq!(first_difference("a\nb\n", "a\nc\n").as_deref(), Some("line 2:\n  b\n  c"));
    assert_eq!(
        first_difference("a\n", "a\nb\n").as_deref(),
        Some("line 2:\n  (the timeline has ended)\n  b")
    );
}
