//! The threads, and what each does with a seed.

use crate::args::RulesArgument;
use crate::complaint::Complaint;
use crate::panics;
use crate::subject::Subject;
use crate::world::World;
use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;
use zeromaster_sim::draw::draw;
use zeromaster_sim::setup::Setup;
use zeromaster_sim::{Options, Outcome, Verdict, Violation};

/// Results that may wait to be heard; when there are more, the workers wait too.
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
    /// What of the scenario's plan had no effect. Of a drawn one it is of no interest.
    pub without_effect: BTreeSet<String>,
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

/// What comes next from the workers.
#[derive(Debug)]
pub enum Next {
    /// A run is done.
    Done(u64, Summary),
    /// None is done yet.
    Nothing,
    /// All are done, and were told.
    Over,
}

/// Threads that run every seed once, in any order. Dropping it makes them stop after the run they are at; they are not
/// waited for.
pub struct Workers {
    heard: Receiver<(u64, Summary)>,
    left: Arc<Mutex<Range<u64>>>,
}

/// What a worker has.
struct Worker {
    results: SyncSender<(u64, Summary)>,
    left: Arc<Mutex<Range<u64>>>,
    source: Arc<Source>,
    world: World,
}

impl Workers {
    /// Starts `jobs` threads, as far as there are seeds for them.
    ///
    /// # Errors
    /// When they cannot be started; nothing is run then.
    pub fn start(jobs: u32, seeds: Range<u64>, source: Source, world: World) -> Result<Workers, Complaint> {
        let source = Arc::new(source);
        Workers::start_with(jobs, seeds, &source, world, |worker| {
            Builder::new().spawn(move || worker.work()).map(|_| ())
        })
    }

    fn start_with(
        jobs: u32,
        seeds: Range<u64>,
        source: &Arc<Source>,
        world: World,
        mut start: impl FnMut(Worker) -> io::Result<()>,
    ) -> Result<Workers, Complaint> {
        let (results, heard) = sync_channel(RESULTS_MAX);
        let left = Arc::new(Mutex::new(seeds));
        let workers = Workers { heard, left: Arc::clone(&left) };
        // The lock keeps the seeds from those that have been started until all have been.
        let mut seeds = left.lock().unwrap_or_else(PoisonError::into_inner);
        for number in 1..=jobs {
            let (results, source) = (results.clone(), Arc::clone(source));
            let worker = Worker { results, left: Arc::clone(&left), source, world };
            if let Err(error) = start(worker) {
                seeds.start = seeds.end;
                let complaint =
                    format!("--jobs {jobs}: thread {number} cannot be started: {error}; expected fewer");
                return Err(Complaint::new(complaint));
            }
        }
        drop(seeds);
        Ok(workers)
    }

    /// The next result, if there is one within `patience`.
    pub fn next(&self, patience: Duration) -> Next {
        match self.heard.recv_timeout(patience) {
            Ok((seed, summary)) => Next::Done(seed, summary),
            Err(RecvTimeoutError::Timeout) => Next::Nothing,
            Err(RecvTimeoutError::Disconnected) => Next::Over,
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let mut seeds = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        seeds.start = seeds.end;
    }
}

impl Worker {
    fn work(self) {
        let next = || self.left.lock().unwrap_or_else(PoisonError::into_inner).next();
        while let Some(seed) = next() {
            let summary = run_one(&self.source, self.world, seed);
            if self.results.send((seed, summary)).is_err() {
                return;
            }
        }
    }
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
            let without_effect = outcome.warnings.iter().map(|warning| warning.words.clone()).collect();
            Summary { without_effect, ..summarize(&outcome, expected) }
        }
    })
    .unwrap_or_else(|words| Summary {
        end: End::Panicked,
        finding: Some(panics::in_words(&words)),
        left_out: Vec::new(),
        without_effect: BTreeSet::new(),
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
    Summary { end, finding, left_out: Vec::new(), without_effect: BTreeSet::new() }
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

    /// Long enough for any of these runs.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn drawn() -> Source {
        Source::Drawn { rules: RulesArgument::default() }
    }

    /// The seeds that are run, in order.
    fn run_all(jobs: u32, seeds: Range<u64>) -> Vec<u64> {
        let workers = Workers::start(jobs, seeds, drawn(), World::Sim).expect("they can be started");
        let mut seen = Vec::new();
        loop {
            match workers.next(PATIENCE) {
                Next::Done(seed, _) => seen.push(seed),
                Next::Nothing => panic!("a run takes too long; so far {seen:?}"),
                Next::Over => break,
            }
        }
        seen.sort_unstable();
        seen
    }

    #[test]
    fn every_seed_is_run_once() {
        for jobs in [1, 3] {
            assert_eq!(run_all(jobs, 5..12), (5..12).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_largest_seeds_are_run_once_too() {
        assert_eq!(run_all(2, u64::MAX - 1..u64::MAX), [u64::MAX - 1]);
        assert_eq!(run_all(3, u64::MAX - 3..u64::MAX), [u64::MAX - 3, u64::MAX - 2, u64::MAX - 1]);
    }

    #[test]
    fn workers_that_are_dropped_take_no_more_seeds() {
        let workers = Workers::start(2, 0..u64::MAX, drawn(), World::Sim).expect("they can be started");
        assert!(matches!(workers.next(PATIENCE), Next::Done(..)));
        let left = Arc::clone(&workers.left);
        drop(workers);
        assert_eq!(left.lock().ok().and_then(|mut seeds| seeds.next()), None);
    }

    #[test]
    fn when_a_thread_cannot_be_started_nothing_is_run() {
        let mut room = 2;
        let mut started = Vec::new();
        let result = Workers::start_with(5, 0..100, &Arc::new(drawn()), World::Sim, |worker| {
            if room == 0 {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            room -= 1;
            started.push(worker);
            Ok(())
        });
        let complaint = result.err().expect("it is not started").to_string();
        assert_eq!(complaint, "--jobs 5: thread 3 cannot be started: out of memory; expected fewer");
        assert_eq!(started.len(), 2);
        let left = |worker: &Worker| worker.left.lock().ok().and_then(|mut seeds| seeds.next());
        assert!(started.iter().all(|worker| left(worker).is_none()));
    }
}
