//! Every scenario passes, each of its steps has an effect, and its timeline is the one that somebody has read:
//! `snapshots/<theme>/<name>.snap`.

use insta::Settings;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use zeromaster_scenarios::{ScenarioFile, all, files_below, folder};
use zeromaster_sim::report::report;
use zeromaster_sim::run::run_with;
use zeromaster_sim::{Options, Outcome, Verdict};

fn run_once(file: &ScenarioFile) -> Outcome {
    let scenario = file.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
    let options = Options { timeline: true, ..Options::default() };
    run_with(&scenario, &file.setup(&scenario), scenario.seed, options)
}

/// An excused run passes, too: the reason is in its timeline.
fn check_verdict(file: &ScenarioFile, outcome: &Outcome) {
    let passes = matches!(outcome.verdict, Verdict::Passed | Verdict::Excused);
    let replay = format!("zeromaster run scenarios/{file}.toml");
    let expected = file.parse().map(|scenario| scenario.expect.violates).unwrap_or_default();
    let story = || report(outcome, &expected, &replay).unwrap_or_else(|| format!("{:?}", outcome.verdict));
    assert!(passes, "{file} does not pass\n{}", story());
}

/// A step that strikes nobody would make a scenario pass that tests nothing.
fn check_effects(file: &ScenarioFile, outcome: &Outcome) {
    let warnings: Vec<String> = outcome.warnings.iter().map(ToString::to_string).collect();
    assert!(warnings.is_empty(), "{file}: a step has no effect\n{}", warnings.join("\n"));
}

fn check_timeline(file: &ScenarioFile, outcome: &Outcome) {
    let timeline = outcome.timeline.as_ref().unwrap_or_else(|| panic!("{file}: a timeline was asked for"));
    let mut settings = Settings::new();
    settings.set_snapshot_path(folder().join("../snapshots").join(&file.theme));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(file.name.as_str(), timeline.to_text()));
}

/// All of them are looked at before the test fails, so that one run shows every change.
#[test]
fn every_scenario_passes_and_its_timeline_is_the_reviewed_one() {
    let mut failed = Vec::new();
    for file in all().unwrap() {
        let checked = catch_unwind(AssertUnwindSafe(|| {
            let outcome = run_once(&file);
            check_timeline(&file, &outcome);
            check_verdict(&file, &outcome);
            check_effects(&file, &outcome);
        }));
        if checked.is_err() {
            failed.push(file.to_string());
        }
    }
    assert!(failed.is_empty(), "these scenarios failed, see above: {}", failed.join(", "));
}

#[test]
fn every_scenario_has_a_snapshot_and_every_snapshot_a_scenario() {
    let names = |files: Vec<(String, String, std::path::PathBuf)>| -> BTreeSet<String> {
        files.into_iter().map(|(theme, name, _)| format!("{theme}/{name}")).collect()
    };
    let scenarios = names(files_below(folder(), "toml").unwrap());
    let snapshots = names(files_below(&folder().join("../snapshots"), "snap").unwrap());
    let without: Vec<&String> = scenarios.difference(&snapshots).collect();
    assert!(
        without.is_empty(),
        "scenarios without a snapshot (make them with INSTA_UPDATE=always): {without:?}"
    );
    let left_over: Vec<&String> = snapshots.difference(&scenarios).collect();
    assert!(left_over.is_empty(), "snapshots without a scenario: {left_over:?}");
}

#[test]
fn every_scenario_opens_with_what_must_hold() {
    for file in all().unwrap() {
        let comment = file.comment();
        assert!(comment.ends_with('.'), "{file}: the first comment is no sentence: {comment:?}");
        let lines = file.text.lines().count();
        assert!((10..=40).contains(&lines), "{file}: {lines} lines");
        let about = file.parse().unwrap_or_else(|error| panic!("{file}: {error}")).about;
        assert!(about.ends_with('.') && !about.contains('\n'), "{file}: about is no sentence: {about:?}");
    }
}
