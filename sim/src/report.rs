//! A violation as a story for people: what, when, who believed what, and the line that shows it again.

use crate::properties::LIVENESS;
use crate::run::Outcome;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The report of the first violation that nothing excuses and that the scenario does not expect; `None` when there is
/// none. `expected`: what it does expect. `replay`: the command that shows it again.
#[must_use]
pub fn report(outcome: &Outcome, expected: &BTreeSet<String>, replay: &str) -> Option<String> {
    let counts = |property: &str| !expected.contains(property);
    let mut violations = outcome.violations.iter().filter(|violation| violation.excuse.is_none());
    let violation = violations.find(|violation| counts(violation.property))?;
    let mut text = String::new();
    let (at, event) = (violation.at, violation.event);
    let word = if LIVENESS.contains(&violation.property) { "not converged" } else { "violated" };
    let _ = writeln!(text, "{word}: {} at {at} s, event {event}", violation.property);
    let _ = writeln!(text, "  {}", violation.text);
    let _ = writeln!(text, "what each node believed:");
    for belief in &violation.beliefs {
        let _ = writeln!(text, "  {belief}");
    }
    let _ = writeln!(text, "replay:\n  {replay}");
    Some(text)
}
