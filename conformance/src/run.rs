//! One seed's run, and the story of the first difference in it.

use crate::comparison::{Comparison, Outcome};
use crate::endpoint::{Endpoint, Unavailable};
use crate::generate::Steps;
use crate::step::Step;
use crate::versions::VersionDifference;
use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// So many steps before the difference are shown.
const HISTORY: usize = 20;

/// A step that takes longer than this may have let sessions expire.
const SLOW_STEP: Duration = Duration::from_secs(3);

/// What is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The two servers.
    pub endpoints: [Endpoint; 2],
    /// The seed of the steps.
    pub seed: u64,
    /// How many steps.
    pub steps: usize,
    /// Only these of them, counted from 1; `None` for all.
    pub only: Option<Vec<usize>>,
    /// Whether the servers may differ as 3.8.0 and 3.9.5 do.
    pub across_versions: bool,
}

impl Plan {
    /// The steps, with their numbers.
    #[must_use]
    pub fn numbered_steps(&self) -> Vec<(usize, Step)> {
        let all = (1..).zip(Steps::new(self.seed).take(self.steps));
        let mut steps: Vec<(usize, Step)> = match &self.only {
            None => all.collect(),
            Some(only) => all.filter(|(number, _)| only.contains(number)).collect(),
        };
        steps.retain(|(_, step)| {
            !self.across_versions || VersionDifference::shown_by(step, self.seed).is_none()
        });
        steps
    }

    /// The command that does it again.
    #[must_use]
    pub fn command(&self) -> String {
        let [left, right] = &self.endpoints;
        let Plan { seed, steps, .. } = self;
        let only = self.only.as_ref().map_or(String::new(), |only| {
            let numbers: Vec<String> = only.iter().map(ToString::to_string).collect();
            format!(" --only {}", numbers.join(","))
        });
        let across = if self.across_versions { " --across-versions" } else { "" };
        format!(
            "cargo run --release -p zeromaster-conformance -- diff --left '{left}' --right '{right}' --seeds {seed}..{} \
             --steps {steps}{only}{across}",
            seed + 1
        )
    }
}

/// How a run went.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Both did the same, in so many steps.
    Same(usize),
    /// They did not.
    Different(Box<Difference>),
}

/// The first difference of a run.
#[derive(Clone, Debug)]
pub struct Difference {
    /// What was run.
    pub plan: Plan,
    /// The number of the step, counted from 1; `None` when the tree was read at the end.
    pub step: Option<usize>,
    /// What both did in it.
    pub outcome: Outcome,
    /// What was done before, the newest last, with what the first server did.
    history: VecDeque<(String, Outcome)>,
    slowest: (Duration, usize),
}

/// Starts both servers and runs the plan. `witness` sees every step and what came of it.
///
/// # Errors
///
/// If a server cannot be had.
pub fn run(plan: &Plan, witness: &mut dyn FnMut(&str, &Outcome)) -> Result<Verdict, Unavailable> {
    let [left, right] = [plan.endpoints[0].start()?, plan.endpoints[1].start()?];
    Ok(run_between(plan, [left.address, right.address], witness))
}

/// Runs the plan between two servers that have just been started. `witness` sees every step and what came of it.
#[must_use]
pub fn run_between(
    plan: &Plan,
    addresses: [SocketAddr; 2],
    witness: &mut dyn FnMut(&str, &Outcome),
) -> Verdict {
    let mut comparison = Comparison::new(addresses, plan.across_versions);
    let mut history = History { last: VecDeque::new(), witness };
    let mut slowest = (Duration::ZERO, 0);
    let steps = plan.numbered_steps();
    for (number, step) in &steps {
        let started = Instant::now();
        let outcomes = comparison.step(step);
        slowest = slowest.max((started.elapsed(), *number));
        if let Some(outcome) = history.remember(&number.to_string(), outcomes) {
            return different(plan, Some(*number), outcome, history.last, slowest);
        }
    }
    match history.remember("the tree", comparison.walk()) {
        Some(outcome) => different(plan, None, outcome, history.last, slowest),
        None => Verdict::Same(steps.len()),
    }
}

fn different(
    plan: &Plan,
    step: Option<usize>,
    outcome: Outcome,
    history: VecDeque<(String, Outcome)>,
    slowest: (Duration, usize),
) -> Verdict {
    Verdict::Different(Box::new(Difference { plan: plan.clone(), step, outcome, history, slowest }))
}

/// The newest outcomes, and somebody who sees all of them.
struct History<'a> {
    last: VecDeque<(String, Outcome)>,
    witness: &'a mut dyn FnMut(&str, &Outcome),
}

impl History<'_> {
    /// Keeps the newest; the one in which the servers differ is handed back.
    fn remember(&mut self, label: &str, outcomes: Vec<Outcome>) -> Option<Outcome> {
        for outcome in outcomes {
            (self.witness)(label, &outcome);
            if !outcome.agrees() {
                return Some(outcome);
            }
            self.last.push_back((label.to_owned(), outcome));
            if self.last.len() > HISTORY {
                self.last.pop_front();
            }
        }
        None
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "The last {} steps before it, in which both did the same:", self.history.len())?;
        for (label, outcome) in &self.history {
            writeln!(f, "  {label}: {}", outcome.step)?;
            write_transcript(f, outcome, 0)?;
        }
        match self.step {
            Some(step) => writeln!(f, "\nSeed {}, step {step}: the servers differ.", self.plan.seed)?,
            None => writeln!(f, "\nSeed {}, after all steps: the trees differ.", self.plan.seed)?,
        }
        writeln!(f, "  {}", self.outcome.step)?;
        for (index, endpoint) in self.plan.endpoints.iter().enumerate() {
            writeln!(f, "\n  {endpoint}")?;
            write_transcript(f, &self.outcome, index)?;
        }
        let (time, number) = self.slowest;
        if time > SLOW_STEP {
            writeln!(f, "\nStep {number} took {time:.1?}: sessions may have expired meanwhile.")?;
        }
        writeln!(f, "\nAgain:  {}", self.plan.command())?;
        write!(f, "Shorter: the same with --shrink")
    }
}

fn write_transcript(f: &mut fmt::Formatter<'_>, outcome: &Outcome, index: usize) -> fmt::Result {
    let other = &outcome.transcripts[1 - index];
    for (place, (slot, line)) in outcome.transcripts[index].iter().enumerate() {
        let mark = if other.get(place) == Some(&(*slot, line.clone())) { ' ' } else { '!' };
        match slot {
            Some(slot) => writeln!(f, "   {mark}  {slot}: {line}")?,
            None => writeln!(f, "   {mark}  -: {line}")?,
        }
    }
    if outcome.transcripts[index].len() < other.len() {
        writeln!(f, "   !  nothing more")?;
    }
    Ok(())
}
