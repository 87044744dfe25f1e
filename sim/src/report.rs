//! A violation as a story for people: what, when, who believed what, and the line that shows it again.

use crate::run::Outcome;
use std::fmt::Write as _;

/// The report of the first violation that nothing excuses; `None` when there is none. `replay`: the command that shows
/// it again.
#[must_use]
pub fn report(outcome: &Outcome, replay: &str) -> Option<String> {
    let violation = outcome.first_violation()?;
    let mut text = String::new();
    let (at, event) = (violation.at, violation.event);
    let _ = writeln!(text, "violated: {} at {at} s, event {event}", violation.property);
    let _ = writeln!(text, "  {}", violation.text);
    let _ = writeln!(text, "what each node believed:");
    for belief in &violation.beliefs {
        let _ = writeln!(text, "  {belief}");
    }
    let _ = writeln!(text, "replay:\n  {replay}");
    Some(text)
}
