//! What is expected at a time, what must come about after the healing, and the verdict.

use super::{Missing, Witness};
use crate::properties;
use crate::run::{self, Outcome};
use crate::scenario::StateExpectation;
use crate::time::SimTime;
use std::time::Duration;

impl Witness {
    /// Compares a state that is expected now with what the coordinator says.
    pub fn compare(&mut self, expected: &StateExpectation) {
        if let Some(text) = run::unexpected(&self.cluster(), expected) {
            self.found(run::EXPECTED_STATE, properties::Finding::new(text));
        }
    }

    /// What must come about after a healing at `since` and has not, and whether any of it is late. `patience`: how much
    /// longer it may take than in a world of the simulation's own.
    #[must_use]
    pub fn waits_for(&self, since: SimTime, patience: Duration) -> (Missing, bool) {
        let bounds = run::bounds(&self.scenario, &self.setup);
        let waiting = run::waiting(&self.cluster(), &bounds);
        let late = waiting
            .iter()
            .any(|(name, _)| bounds.get(name).is_some_and(|bound| self.now > since + *bound + patience));
        (waiting, late)
    }

    /// The end of the run.
    #[must_use]
    pub fn conclude(mut self, missing: &Missing) -> Outcome {
        for (property, finding) in run::liveness_findings(&self.cluster(), missing) {
            self.found(property, Some(finding));
        }
        let scenario = self.scenario.clone();
        let asked = run::bounds(&scenario, &self.setup).contains_key(properties::MEMBER_EXISTS);
        if missing.is_empty() && !self.is_violated() && asked {
            let finding = properties::without_members(&self.cluster());
            self.found(properties::MEMBER_EXISTS, finding);
        }
        let is_over = scenario.expect.violates.is_empty() && self.is_violated();
        if !is_over && let Some(text) = self.reaches.unreached() {
            self.found(run::EXPECTED_EVENT, properties::Finding::new(text));
        }
        for name in run::kept(&scenario, &self.violations) {
            let text = format!("{name} held, although this run should show how it breaks");
            self.found(run::EXPECTED_VIOLATION, properties::Finding::new(text));
        }
        let verdict = run::verdict(&self.violations, &self.scenario.expect.violates);
        self.note("**", verdict.word(), String::new);
        Outcome {
            verdict,
            violations: self.violations,
            warnings: self.doubts.take(),
            digest: None,
            timeline: self.timeline,
            counts: self.counts,
            ended_at: self.now,
        }
    }
}
