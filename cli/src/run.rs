//! `zeromaster run`: one run, its timeline, and its story when something broke.

use crate::args::{Format, RunArguments};
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::output::{self, print, say};
use crate::panics;
use crate::subject::Subject;
use crate::waiting::told;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use zeromaster_sim::report::report;
use zeromaster_sim::{Options, Outcome, Verdict};

/// Runs what the arguments say.
///
/// # Errors
/// When an argument or a file is wrong.
pub fn run(arguments: &RunArguments) -> Result<Exit, Complaint> {
    let subject = Subject::to_run(arguments)?;
    if arguments.print_plan {
        print(&subject.scenario.to_toml())?;
        return Ok(Exit::Passed);
    }
    let seed = subject.scenario.seed;
    let replay = subject.replay.line(seed);
    let options = Options { timeline: !arguments.quiet, ..Options::default() };
    let world = arguments.world.of;
    let run = || panics::catch(|| world.run(&subject.scenario, &subject.setup, seed, options));
    let outcome = match told("running", run) {
        Ok(outcome) => outcome,
        Err(words) => {
            output::error(panics::in_words(&words));
            say(&format!("the line that shows it again:\n  {replay}\n"));
            return Ok(Exit::Bug);
        }
    };
    if let Some(timeline) = &outcome.timeline {
        print(&match arguments.format {
            Format::Text => timeline.to_text(),
            Format::Jsonl => timeline.to_json_lines(),
        })?;
    }
    conclude(arguments, &outcome, &subject.scenario.expect.violates, &replay)?;
    for warning in &outcome.warnings {
        output::warning(warning);
    }
    Ok(Exit::of(&outcome.verdict))
}

/// Says what is not in the timeline: the verdict if there is none, and the report of a violation.
fn conclude(
    arguments: &RunArguments,
    outcome: &Outcome,
    expected: &BTreeSet<String>,
    replay: &str,
) -> Result<(), Complaint> {
    let mut text = String::new();
    if arguments.quiet {
        let _ = writeln!(text, "{}", verdict(outcome));
    }
    if matches!(outcome.verdict, Verdict::Violated | Verdict::NotConverged) {
        let report = report(outcome, expected, replay).unwrap_or_default();
        let _ = write!(text, "\n{report}its plan as a scenario file:\n  {replay} --print-plan\n");
    }
    match arguments.format {
        Format::Text => print(&text).map(|_| ()),
        // Who reads JSON lines wants nothing else among them.
        Format::Jsonl => {
            say(&text);
            Ok(())
        }
    }
}

fn verdict(outcome: &Outcome) -> String {
    match outcome.verdict {
        Verdict::Passed => format!("passed at {} s", outcome.ended_at),
        Verdict::Violated => format!("violated at {} s", outcome.ended_at),
        Verdict::NotConverged => format!("not converged at {} s", outcome.ended_at),
        Verdict::Excused => {
            let excused = outcome.violations.iter().filter_map(|violation| {
                Some(format!("{}: {}", violation.property, violation.excuse.as_ref()?))
            });
            format!("excused at {} s\n  {}", outcome.ended_at, excused.collect::<Vec<_>>().join("\n  "))
        }
    }
}
