//! The threads, and what each does with a seed.

use crate::args::RulesArgument;
use crate::complaint::Complaint;
use crate::output::Reader;
use crate::panics;
use crate::subject::Subject;
use crate::world::World;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use zeromaster_sim::draw::draw;
use zeromaster_sim::setup::Setup;
use zeromaster_sim::{Options, Outcome, Verdict, Violation};

/// Results that may wait to be heard; when nobody listens for a while, the workers wait too.
const RESULTS_MAX: usize = 1_024;

/// What is run under each seed.
pub enum Source {
    /// A scenario that is drawn from it.
    Drawn { rules: RulesArgument },
    /// This.
    Subject(Box<Subject>),
}

/// What came of one run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    pub end: End,
    /// What was found, in words.
    pub finding: Option<String>,
    /// For each step that the world cannot express and that was left out, why.
    pub left_out: Vec<&'static str>,
}

/// How a run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    Passed,
    /// With the properties that did not hold and were not promised, and why not.
    Excused(BTreeSet<String>),
    /// By this safety property.
    Violated(&'static str),
    /// By this liveness property.
    NotConverged(&'static str),
    /// By a bug of ours.
    Panicked,
}

/// Runs every seed once on `jobs` threads, and lets `hear` know, in any order, until nobody reads any more.
///
/// # Errors
/// The first of `hear`'s.
pub fn on_workers(
    jobs: usize,
    seeds: Range<u64>,
    source: &Source,
    world: World,
    mut hear: impl FnMut(u64, Summary) -> Result<Reader, Complaint>,
) -> Result<Reader, Complaint> {
    let next = AtomicU64::new(seeds.start);
    let enough = AtomicBool::new(false);
    let (results, heard) = sync_channel(RESULTS_MAX);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let results = results.clone();
            let (next, enough) = (&next, &enough);
            scope.spawn(move || {
                while !enough.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || results.send((seed, run_one(source, world, seed))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(results);
        for (seed, summary) in heard {
            let reader = hear(seed, summary);
            if !matches!(reader, Ok(Reader::Listens)) {
                enough.store(true, Ordering::Relaxed);
                return reader;
            }
        }
        Ok(Reader::Listens)
    })
}

fn run_one(source: &Source, world: World, seed: u64) -> Summary {
    panics::catch(|| match source {
        Source::Drawn { rules } => {
            let mut scenario = draw(seed);
            scenario.rules = rules
                .applied_to(&scenario.rules)
                .unwrap_or_else(|error| panic!("the arguments were checked before: {error}"));
            let setup = Setup::new(&scenario, None)
                .unwrap_or_else(|error| panic!("a scenario that was drawn can be run: {error}"));
            let (scenario, left_out) = world.drawn(scenario);
            let outcome = world.run(&scenario, &setup, seed, Options::default());
            let left_out = left_out.iter().map(|step| step.why).collect();
            Summary { left_out, ..summary(&outcome) }
        }
        Source::Subject(subject) => {
            let expected = &subject.scenario.expect.violates;
            let outcome = world.run(&subject.scenario, &subject.setup, seed, Options::default());
            summarize(&outcome, expected)
        }
    })
    .unwrap_or_else(|words| Summary {
        end: End::Panicked,
        finding: Some(panics::in_words(&words)),
        left_out: Vec::new(),
    })
}

fn summary(outcome: &Outcome) -> Summary {
    summarize(outcome, &BTreeSet::new())
}

/// What of an outcome is told; violations that the scenario wants to show are none.
fn summarize(outcome: &Outcome, expected: &BTreeSet<String>) -> Summary {
    let first = outcome
        .violations
        .iter()
        .find(|violation| violation.excuse.is_none() && !expected.contains(violation.property));
    let excuses = outcome.violations.iter().filter_map(excuse).collect();
    let end = match (&outcome.verdict, first) {
        (Verdict::Violated, Some(violation)) => End::Violated(violation.property),
        (Verdict::NotConverged, Some(violation)) => End::NotConverged(violation.property),
        (Verdict::Violated | Verdict::NotConverged, None) => unreachable!("a finding led to this verdict"),
        (Verdict::Excused, _) => End::Excused(excuses),
        (Verdict::Passed, _) => End::Passed,
    };
    let finding = first.map(|violation| {
        let Violation { property, at, event, text, .. } = violation;
        format!("{property} at {at} s, event {event}: {text}")
    });
    Summary { end, finding, left_out: Vec::new() }
}

/// Why a violation is excused, in words that are the same for every node.
fn excuse(violation: &Violation) -> Option<String> {
    let words = violation.excuse.as_ref()?.split(' ').map(|word| {
        let digits = word.trim_end_matches("'s").strip_prefix('n');
        let is_node = digits
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()));
        match (is_node, word.ends_with("'s")) {
            (true, true) => "a node's",
            (true, false) => "a node",
            (false, _) => word,
        }
    });
    Some(format!("{}: {}", violation.property, words.collect::<Vec<_>>().join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeromaster_sim::time::SimTime;

    #[test]
    fn an_excuse_names_no_node() {
        let violation = Violation {
            property: "one-acting-primary",
            at: SimTime::ZERO,
            event: 1,
            text: String::new(),
            excuse: Some("ZooKeeper gave n12's session up before its timeout, on n3".into()),
            beliefs: Vec::new(),
        };
        let words = "one-acting-primary: ZooKeeper gave a node's session up before its timeout, on a node";
        assert_eq!(excuse(&violation).as_deref(), Some(words));
    }

    #[test]
    fn every_seed_is_run_once() {
        for jobs in [1, 3] {
            let mut seen = Vec::new();
            let source = Source::Drawn { rules: RulesArgument::default() };
            let reader = on_workers(jobs, 5..12, &source, World::Sim, |seed, _| {
                seen.push(seed);
                Ok(Reader::Listens)
            });
            seen.sort_unstable();
            assert_eq!(seen, (5..12).collect::<Vec<_>>());
            assert_eq!(reader.ok(), Some(Reader::Listens));
        }
    }

    #[test]
    fn when_nobody_reads_nobody_works() {
        let source = Source::Drawn { rules: RulesArgument::default() };
        let reader = on_workers(2, 0..u64::MAX, &source, World::Sim, |_, _| Ok(Reader::Left));
        assert_eq!(reader.ok(), Some(Reader::Left));
    }
}
