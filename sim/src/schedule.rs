//! When the steps of a plan begin, and when everything is healed: times are drawn from their ranges, conditions are looked
//! at and given up. docs/plan.md tells it to people. What a step does is the world's business.

use crate::plan::{Condition, NodeNumber, Plan, Step};
use crate::properties::{self, Cluster};
use crate::random::Streams;
use crate::run::{convergence_bound, says};
use crate::scenario::{Scenario, Start};
use crate::setup::Setup;
use crate::time::SimTime;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

/// Something that a scenario plans.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Planned {
    /// The first start of a node.
    Start(NodeNumber),
    /// The step of the plan at this index.
    Step(u32),
}

/// The times of a run's plan, as far as they are known.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// When each step begins, or begins to wait.
    begins: Vec<Duration>,
    /// How long each step lasts.
    lengths: Vec<Duration>,
    /// What waits for a condition that has not come true.
    waiting: BTreeMap<Planned, Condition>,
    /// What of it has fallen due: its condition is looked at.
    looked_at: BTreeSet<Planned>,
    /// What is to happen now, for its condition has come true.
    come_true: Vec<Planned>,
    /// When the scenario has everything healed, if it says so.
    heal: Option<Duration>,
    /// When everything is over whose time is known.
    end: Duration,
    /// When the last node starts whose time is known.
    last_start: Duration,
    until: Duration,
    patience: Duration,
}

impl Schedule {
    /// The schedule of a run that has not begun.
    #[must_use]
    pub fn new(scenario: &Scenario, setup: &Setup, seed: u64) -> Schedule {
        let steps = &scenario.plan.steps;
        let mut waiting = BTreeMap::new();
        let mut last_start = Duration::ZERO;
        for (node, start) in &scenario.start {
            match start {
                Start::At(at) => last_start = last_start.max(*at),
                Start::When(state) => {
                    waiting.insert(Planned::Start(*node), Condition::State(*state));
                }
            }
        }
        // A start is waited for from the beginning.
        let looked_at = waiting.keys().copied().collect();
        let conditions = (0..).zip(steps).filter_map(|(step, planned)| Some((step, planned.when.clone()?)));
        waiting.extend(conditions.map(|(step, condition)| (Planned::Step(step), condition)));
        Schedule {
            begins: drawn(&scenario.plan, Streams::new(seed)),
            lengths: steps.iter().map(Step::length).collect(),
            waiting,
            looked_at,
            come_true: Vec::new(),
            heal: scenario.heal,
            end: scenario.plan.end(),
            last_start,
            until: scenario.until.unwrap_or_default(),
            patience: convergence_bound(scenario, setup),
        }
    }

    /// When a step begins, or begins to wait for its condition.
    #[must_use]
    pub fn begins(&self, step: u32) -> SimTime {
        SimTime::ZERO + of(&self.begins, step)
    }

    /// The time of a step has come. Whether it has to wait for a condition, which is looked at from now on.
    pub(crate) fn falls_due(&mut self, step: u32) -> bool {
        let waits = self.waiting.contains_key(&Planned::Step(step));
        if waits {
            self.looked_at.insert(Planned::Step(step));
        }
        waits
    }

    /// Whether any condition is looked at now.
    pub(crate) fn is_looking(&self) -> bool {
        !self.looked_at.is_empty()
    }

    /// What of all that is looked at has come true, in the order of the plan.
    pub(crate) fn met(&self, cluster: &Cluster<'_>) -> Vec<Planned> {
        let is_met = |what: &&Planned| self.waiting.get(*what).is_some_and(|when| holds(cluster, when));
        self.looked_at.iter().filter(is_met).copied().collect()
    }

    /// These have just been met: they happen now.
    pub(crate) fn come_true(&mut self, met: Vec<Planned>, now: SimTime) {
        for what in met {
            self.looked_at.remove(&what);
            self.waiting.remove(&what);
            let length = match what {
                Planned::Start(_) => Duration::ZERO,
                Planned::Step(step) => of(&self.lengths, step),
            };
            self.end = self.end.max(now.since(SimTime::ZERO).saturating_add(length));
            self.come_true.push(what);
        }
    }

    /// Whether something is to happen now.
    pub(crate) fn has_come_true(&self) -> bool {
        !self.come_true.is_empty()
    }

    /// What is to happen now; asked for once.
    pub(crate) fn take_come_true(&mut self) -> Vec<Planned> {
        std::mem::take(&mut self.come_true)
    }

    /// When everything is healed, as far as that is known now: a condition that comes true may change it.
    #[must_use]
    pub fn heals_at(&self) -> SimTime {
        let at = match self.heal {
            Some(heal) => heal,
            None if self.waiting.is_empty() => self.end,
            None => self.gives_up_at(),
        };
        SimTime::ZERO + at.max(self.last_start)
    }

    /// A condition gets as much time as a cluster may take to find itself again, from when everything is over that has
    /// begun and everything that waits is looked at; and the time for which the run lasts anyway.
    fn gives_up_at(&self) -> Duration {
        let due = self.waiting.keys().map(|what| match what {
            Planned::Start(_) => Duration::ZERO,
            Planned::Step(step) => of(&self.begins, *step),
        });
        let begins = due.max().unwrap_or_default().max(self.end).max(self.last_start);
        begins.saturating_add(self.patience).max(self.until)
    }

    /// Everything is about to be healed, and nothing is waited for any longer. What had not come true.
    pub(crate) fn give_up(&mut self) -> BTreeMap<Planned, Condition> {
        self.looked_at.clear();
        std::mem::take(&mut self.waiting)
    }
}

fn of(times: &[Duration], step: u32) -> Duration {
    usize::try_from(step).ok().and_then(|index| times.get(index)).copied().unwrap_or_default()
}

/// When each step begins. A range is drawn from a stream of the step's own, which what it does settles, and not its place in
/// the plan: another step that is added or taken out moves nothing.
fn drawn(plan: &Plan, streams: Streams) -> Vec<Duration> {
    let mut equals: BTreeMap<u64, u64> = BTreeMap::new();
    let draw = |step: &Step| {
        if step.spread.is_zero() {
            return step.at;
        }
        let what = xxh3_64(format!("{} {step}", step.begins()).as_bytes());
        let number = equals.entry(what).or_default();
        let mut stream = streams.indexed("time of a planned step", what, *number);
        *number += 1;
        stream.duration(step.begins())
    };
    plan.steps.iter().map(draw).collect()
}

fn holds(cluster: &Cluster<'_>, condition: &Condition) -> bool {
    match condition {
        Condition::State(state) => says(cluster, state.node, state.state),
        Condition::Property(name) => properties::has_come_about(cluster, name),
    }
}

/// A part of the plan that had no effect in a run, which is probably not what was meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning {
    /// When the step began, or when its condition was given up.
    pub at: SimTime,
    /// What it is about.
    pub planned: Planned,
    /// The same in words, with the time or the condition that the scenario gives it: `crash n1 for 60s at 70s`.
    pub words: String,
    /// What is wrong with it.
    pub reason: WarningReason,
}

/// Why something of a plan had no effect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WarningReason {
    /// It names a role that nobody held when it began: `coordinator`, `zk-leader`.
    NobodyHeldRole(String),
    /// What it was to strike was not there to be struck; why, in words.
    StruckNobody(String),
    /// Its condition did not come true before everything was healed, so that it did not happen.
    NeverCameTrue(Condition),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Warning { at, planned: _, words, reason } = self;
        match reason {
            WarningReason::NobodyHeldRole(role) => write!(f, "{words}: nobody was {role} at {at} s"),
            WarningReason::StruckNobody(why) => write!(f, "{words} struck nobody: {why} at {at} s"),
            WarningReason::NeverCameTrue(_) => {
                write!(
                    f,
                    "{words} did not happen: that had not come true when everything was healed at {at} s"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(scenario: &Scenario, seed: u64) -> Schedule {
        let setup = Setup::new(scenario, None).expect("the shipped configuration makes sense");
        Schedule::new(scenario, &setup, seed)
    }

    #[test]
    fn a_range_is_drawn_by_the_seed_whatever_else_is_planned() {
        let alone = Scenario::of(3).at("60s..70s").crash("n1").build().unwrap();
        let beside = Scenario::of(3).at("10s").stop("n2").at("60s..70s").crash("n1").at("5s..6s").stop("n3");
        let beside = beside.build().unwrap();
        let mut times = BTreeSet::new();
        for seed in 0..100 {
            let at = schedule(&alone, seed).begins(0);
            assert!(at >= SimTime::from_micros(60_000_000) && at <= SimTime::from_micros(70_000_000), "{at}");
            assert_eq!(schedule(&beside, seed).begins(2), at, "seed {seed}");
            times.insert(at);
        }
        assert!(times.len() > 90, "{times:?}");
    }

    #[test]
    fn equal_steps_are_drawn_apart() {
        let twice = Scenario::of(3).at("60s..70s").crash("n1").at("60s..70s").crash("n1").build().unwrap();
        let schedule = schedule(&twice, 1);
        assert_ne!(schedule.begins(0), schedule.begins(1));
    }

    #[test]
    fn the_healing_waits_for_what_can_still_happen_and_gives_it_up_in_the_end() {
        let seconds = |seconds: u64| SimTime::from_micros(seconds * 1_000_000);
        let scenario = Scenario::of(3).at("30s").stop("n1").lasting("10s");
        let waits = scenario.clone().at("20s").when("n1 is CONNECTED").crash("n2").lasting("5s");
        let waits = waits.build().unwrap();
        let mut times = schedule(&waits, 1);
        assert!(times.heals_at() > seconds(500), "the vote of the shipped configuration fits in");
        assert_eq!((times.falls_due(0), times.falls_due(1)), (true, false), "only the first step waits");
        times.come_true(vec![Planned::Step(0)], seconds(100));
        assert_eq!(times.take_come_true(), [Planned::Step(0)]);
        assert_eq!(times.heals_at(), seconds(105));
        let until = Scenario { until: Some(Duration::from_secs(9_000)), ..waits.clone() };
        assert_eq!(schedule(&until, 1).heals_at(), seconds(9_000));
        let healed = Scenario { heal: Some(Duration::from_secs(50)), ..waits };
        let mut times = schedule(&healed, 1);
        assert_eq!(times.heals_at(), seconds(50), "the scenario itself says when");
        assert_eq!(times.give_up().len(), 1);
        assert_eq!(schedule(&scenario.build().unwrap(), 1).heals_at(), seconds(40));
    }
}
