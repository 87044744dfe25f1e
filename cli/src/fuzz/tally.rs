//! The counts at the end of a campaign.

use super::workers::{End, Summary};
use crate::exit::Exit;
use std::collections::BTreeMap;
use std::fmt;

/// How many runs ended how.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    runs: u64,
    passed: u64,
    excused: u64,
    /// A run may have several reasons.
    reasons: BTreeMap<String, u64>,
    violated: BTreeMap<&'static str, u64>,
    not_converged: BTreeMap<&'static str, u64>,
    panicked: u64,
    /// Steps that the world could not express.
    left_out: BTreeMap<&'static str, u64>,
    /// Runs in which a step of the scenario's plan had no effect, and those steps.
    without_effect: u64,
    steps: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts a run.
    pub fn add(&mut self, summary: &Summary) {
        self.runs += 1;
        for why in &summary.left_out {
            *self.left_out.entry(why).or_default() += 1;
        }
        self.without_effect += u64::from(!summary.without_effect.is_empty());
        for step in &summary.without_effect {
            *self.steps.entry(step.clone()).or_default() += 1;
        }
        match &summary.end {
            End::Passed => self.passed += 1,
            End::Excused(reasons) => {
                self.excused += 1;
                for reason in reasons {
                    *self.reasons.entry(reason.clone()).or_default() += 1;
                }
            }
            End::Violated(property) => *self.violated.entry(property).or_default() += 1,
            End::NotConverged(property) => *self.not_converged.entry(property).or_default() += 1,
            End::Panicked => self.panicked += 1,
        }
    }

    /// How many runs found something.
    pub fn findings(&self) -> u64 {
        self.runs - self.passed - self.excused
    }

    /// How the command ends.
    pub fn exit(&self) -> Exit {
        let ends = [
            (self.panicked, Exit::Bug),
            (self.violated.values().sum(), Exit::Violated),
            (self.not_converged.values().sum(), Exit::NotConverged),
        ];
        ends.into_iter().find(|(count, _)| *count > 0).map_or(Exit::Passed, |(_, exit)| exit)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", self.runs, if self.runs == 1 { "run" } else { "runs" })?;
        writeln!(f, "{:>9}  passed", self.passed)?;
        writeln!(f, "{:>9}  excused", self.excused)?;
        write_each(f, self.reasons.iter())?;
        writeln!(f, "{:>9}  violated", self.violated.values().sum::<u64>())?;
        write_each(f, self.violated.iter())?;
        writeln!(f, "{:>9}  not converged", self.not_converged.values().sum::<u64>())?;
        write_each(f, self.not_converged.iter())?;
        if self.panicked > 0 {
            writeln!(f, "{:>9}  panicked", self.panicked)?;
        }
        if !self.left_out.is_empty() {
            writeln!(f, "{:>9}  steps left out", self.left_out.values().sum::<u64>())?;
            write_each(f, self.left_out.iter())?;
        }
        if self.without_effect > 0 {
            writeln!(f, "{:>9}  with a step that had no effect", self.without_effect)?;
            write_each(f, self.steps.iter())?;
        }
        Ok(())
    }
}

fn write_each<'a, K: fmt::Display + 'a>(
    f: &mut fmt::Formatter<'_>,
    mut counts: impl Iterator<Item = (&'a K, &'a u64)>,
) -> fmt::Result {
    counts.try_for_each(|(what, count)| writeln!(f, "{count:>17}  {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn tally(ends: &[End]) -> Tally {
        let mut tally = Tally::default();
        for end in ends {
            tally.add(&Summary {
                end: end.clone(),
                finding: None,
                left_out: Vec::new(),
                without_effect: BTreeSet::new(),
            });
        }
        tally
    }

    #[test]
    fn the_worst_end_is_told() {
        let (stuck, broken) = (End::NotConverged("all-connected"), End::Violated("no-false-expiry"));
        assert_eq!(tally(&[]).exit(), Exit::Passed);
        assert_eq!(tally(&[End::Passed, End::Excused(["a".to_owned()].into())]).exit(), Exit::Passed);
        assert_eq!(tally(&[End::Passed, stuck.clone()]).exit(), Exit::NotConverged);
        assert_eq!(tally(&[stuck.clone(), broken.clone()]).exit(), Exit::Violated);
        assert_eq!(tally(&[broken, End::Panicked, stuck]).exit(), Exit::Bug);
    }

    #[test]
    fn every_run_is_counted_once() {
        let excuses = ["a: because".to_owned(), "b: because".to_owned()].into();
        let counted = tally(&[End::Passed, End::Excused(excuses), End::Violated("p"), End::Violated("q")]);
        assert_eq!(counted.findings(), 2);
        let expected = [
            "4 runs",
            "        1  passed",
            "        1  excused",
            "                1  a: because",
            "                1  b: because",
            "        2  violated",
            "                1  p",
            "                1  q",
            "        0  not converged",
            "",
        ];
        assert_eq!(counted.to_string(), expected.join("\n"));
    }
}
