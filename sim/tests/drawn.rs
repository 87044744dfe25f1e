//! Drawn runs: the same bytes every time, the promised properties, and plans that can be taken apart.

use std::time::Duration;
use zeromaster_sim::draw::draw;
use zeromaster_sim::scenario::{Known, Scenario};
use zeromaster_sim::{Options, Outcome, Verdict, run};

fn run_with_timeline(scenario: &Scenario, seed: u64) -> Outcome {
    run(scenario, None, seed, Options { timeline: true, digest: true })
        .unwrap_or_else(|error| panic!("seed {seed}: {error}"))
}

fn text(outcome: &Outcome) -> String {
    outcome.timeline.as_ref().map(|timeline| timeline.to_text()).unwrap_or_default()
}

/// The timeline, and the digest of every event behind it.
fn everything(outcome: &Outcome) -> String {
    format!("{}{:?}\n", text(outcome), outcome.digest)
}

/// Compares line by line, and names the first difference.
#[track_caller]
fn assert_same(seed: u64, first: &str, second: &str) {
    for (number, (one, other)) in (1..).zip(first.lines().zip(second.lines())) {
        assert_eq!(one, other, "seed {seed} differs first in line {number}");
    }
    assert_eq!(first.lines().count(), second.lines().count(), "seed {seed}: one timeline goes on");
}

#[test]
fn a_seed_gives_the_same_timeline_every_time() {
    for seed in 0..150 {
        let scenario = draw(seed);
        assert_same(
            seed,
            &everything(&run_with_timeline(&scenario, seed)),
            &everything(&run_with_timeline(&scenario, seed)),
        );
    }
}

#[test]
fn seeds_give_the_same_timelines_in_any_order() {
    let forward: Vec<String> =
        (0..40).map(|seed| everything(&run_with_timeline(&draw(seed), seed))).collect();
    for seed in (0..40).rev() {
        let index = usize::try_from(seed).unwrap_or_default();
        assert_same(seed, &forward[index], &everything(&run_with_timeline(&draw(seed), seed)));
    }
}

#[test]
fn keeping_the_timeline_changes_nothing() {
    for seed in 0..60 {
        let kept = run_with_timeline(&draw(seed), seed);
        let not_kept = run(&draw(seed), None, seed, Options::default());
        let not_kept = not_kept.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(
            (kept.counts, kept.ended_at, kept.verdict),
            (not_kept.counts, not_kept.ended_at, not_kept.verdict)
        );
        assert_eq!(not_kept.digest, None);
    }
}

#[test]
fn drawn_runs_hold_what_is_promised() {
    for seed in 0..1_000 {
        let outcome = run(&draw(seed), None, seed, Options::default());
        let outcome = outcome.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let kept = matches!(outcome.verdict, Verdict::Passed | Verdict::Excused);
        assert!(kept, "seed {seed}: {:?}", outcome.first_violation());
    }
}

#[test]
fn a_printed_plan_runs_to_the_same_timeline() {
    for seed in 0..100 {
        let drawn = draw(seed);
        let printed = drawn.to_toml();
        let read =
            Scenario::parse(&printed, &Known::ALL).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(read.seed, seed);
        assert_same(
            seed,
            &text(&run_with_timeline(&drawn, seed)),
            &text(&run_with_timeline(&read, read.seed)),
        );
    }
}

/// The timeline's lines before `until`.
fn lines_before(text: &str, until: Duration) -> Vec<&str> {
    let is_before = |line: &&str| {
        let seconds = line.split_whitespace().next().unwrap_or_default();
        let (whole, millis) = seconds.split_once('.').unwrap_or((seconds, "0"));
        let at = whole.parse().ok().zip(millis.parse().ok());
        at.is_none_or(|(whole, millis)| Duration::from_secs(whole) + Duration::from_millis(millis) < until)
    };
    text.lines().take_while(is_before).collect()
}

#[test]
fn taking_one_step_out_of_a_plan_leaves_everything_before_it_as_it_was() {
    for seed in 0..60 {
        let whole = draw(seed);
        let before = text(&run_with_timeline(&whole, seed));
        for index in 0..whole.plan.steps.len() {
            let mut without = whole.clone();
            // The others keep their times, and the healing its own.
            without.heal = Some(whole.heals_at());
            let step = without.plan.steps.remove(index);
            let rest: Vec<_> =
                whole.plan.steps.iter().enumerate().filter(|(other, _)| *other != index).collect();
            assert!(
                rest.iter().map(|(_, step)| *step).eq(&without.plan.steps),
                "the other steps are as they were"
            );
            let after = text(&run_with_timeline(&without, seed));
            let (before, after) = (lines_before(&before, step.at), lines_before(&after, step.at));
            assert_eq!(before, after, "seed {seed}, step {index}");
        }
    }
}

/// A fault on a link that nobody uses changes nothing but its own lines: no draw of any other link has moved.
#[test]
fn a_fault_that_meets_nothing_moves_no_other_draw() {
    let quiet = |faults: bool| {
        let scenario = Scenario::of(3)
            .about("n2 and n3 have nothing to say to each other while n1 coordinates")
            .property("nifi.cluster.flow.election.max.wait.time", "5 secs")
            .starting("n2", "10s")
            .starting("n3", "12s")
            .until("200s");
        let scenario = if faults {
            let scenario =
                scenario.at("60s").loss("50%").between("n2 | n3").protocol("cluster").lasting("20s");
            scenario.at("90s").cut("n2 | n3").lasting("20s")
        } else {
            scenario
        };
        scenario.heal("190s").build().unwrap_or_else(|error| panic!("{error}"))
    };
    for seed in 0..10 {
        let plain = text(&run_with_timeline(&quiet(false), seed));
        let faulty = text(&run_with_timeline(&quiet(true), seed));
        let of_nodes = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.contains("  --   ")).map(str::to_owned).collect()
        };
        assert_eq!(of_nodes(&plain), of_nodes(&faulty), "seed {seed}");
    }
}

/// Runs that once failed, and whose timelines are too long to be read as scenarios: a long line of nodes without the flow
/// moved too slowly; a server applied more at once than it remembers; a request came again after it was refused; a node
/// without the flow kept a place in front of one that has it; a lease ended again and again; a copy was taken for a request; an order to offload was never
/// repeated; a server that stood still led an epoch that was over; a node expired while a decision about it was recorded.
#[test]
fn what_is_promised_holds_where_it_once_did_not() {
    for seed in [383_903, 391_307, 534_044, 657_153, 673_598, 607_435, 781_605, 971_240, 2_058_326] {
        let outcome = run(&draw(seed), None, seed, Options::default());
        let outcome = outcome.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(outcome.verdict, Verdict::Passed, "seed {seed}: {:?}", outcome.first_violation());
    }
}
