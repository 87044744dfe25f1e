//! One scenario in both worlds, as a row of the page.

use std::fmt::Write as _;
use zeromaster_madsim::Unsupported;
use zeromaster_scenarios::ScenarioFile;
use zeromaster_sim::timeline::{Entry, Timeline};
use zeromaster_sim::{Options, Outcome, Verdict};

/// What a coordinator decides about a node.
const TRANSITIONS: [&str; 7] =
    ["CONNECTING", "CONNECTED", "DISCONNECTED", "DISCONNECTING", "OFFLOADING", "OFFLOADED", "REMOVED"];

/// Whether a member is noticed by its registration or by its request is a race that decides nothing.
const NOT_YET: &str = "[NOT_YET_CONNECTED]";

/// Where the verdicts differ: the scenario, the verdict under madsim, and why.
const DIFFERENCES: [(&str, Verdict, &str); 2] = [
    (
        "nifi/two-coordinators",
        Verdict::Violated,
        "The scenario shows that the old coordinator answers n4, which asked while it stood still, before it looks at its \
         session. In the shell the timer of its ZooKeeper client goes off first: taking in a new connection takes madsim a \
         millisecond.",
    ),
    (
        "partition/one-way-cut-from-the-coordinator",
        Verdict::Violated,
        "The scenario expects n3 to stay CONNECTED while only what the coordinator says to it is lost. TCP needs both \
         directions: n3's heartbeats are not acknowledged, its connection is given up, and no other can be opened. The \
         coordinator hears nothing, and puts n3 out.",
    ),
];

/// Where the order of decisions differs, and why; where the verdicts do, that says why.
const ORDERS: [(&str, &str); 4] = [
    (
        "election/coordinator-without-the-flow-makes-room",
        "Three nodes start at once, and another one is first in line.",
    ),
    (
        "heartbeat/node-that-beats-too-slowly",
        "Whether the third tick of the monitor after a heartbeat comes more than 15 s later is a matter of milliseconds.",
    ),
    (
        "regressions/second-flow-after-an-early-expiry",
        "Messages take up to 100 ms and loads up to 8 s, and another node is first in line.",
    ),
    (
        "regressions/wiped-node-leads-after-all-sessions-expired",
        "Five ZooKeeper servers take another time to come to terms, and another node is first in line.",
    ),
];

/// A scenario, and what came of it.
pub struct Row {
    name: String,
    here: Outcome,
    there: Result<Outcome, Vec<Unsupported>>,
}

impl Row {
    /// Runs a scenario in both worlds.
    pub fn of(file: &ScenarioFile) -> Row {
        let scenario = file.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
        let setup = file.setup(&scenario);
        let options = Options { timeline: true, ..Options::default() };
        let here = zeromaster_sim::run::run_with(&scenario, &setup, scenario.seed, options);
        let unsupported = zeromaster_madsim::unsupported(&setup.complete(&scenario));
        let there = if unsupported.is_empty() {
            Ok(zeromaster_madsim::run_with(&scenario, &setup, scenario.seed, options).unwrap())
        } else {
            Err(unsupported)
        };
        Row { name: file.to_string(), here, there }
    }

    /// What is wrong, if the verdicts differ.
    pub fn is_wrong(&self) -> Option<String> {
        let there = self.there.as_ref().ok()?;
        let expected = self.difference().map_or(&self.here.verdict, |(verdict, _)| verdict);
        let order = order(&self.here, there);
        let has_reason = self.difference().is_some() || ORDERS.iter().any(|(name, _)| *name == self.name);
        if there.verdict == *expected && !has_reason && !order.starts_with("the same") {
            return Some(format!(
                "{}: the order of decisions differs, and nobody says why: {order}",
                self.name
            ));
        }
        if there.verdict == *expected {
            return None;
        }
        let found: Vec<String> = there
            .violations
            .iter()
            .map(|violation| format!("{} at {}: {}", violation.property, violation.at, violation.text))
            .collect();
        let (here, there) = (word(&self.here.verdict), word(&there.verdict));
        Some(format!("{}: {here} here, {there} there: {}", self.name, found.join("; ")))
    }
}

impl Row {
    /// The verdict under madsim and why it is another one, if it is known to be.
    fn difference(&self) -> Option<(&'static Verdict, &'static str)> {
        let known = DIFFERENCES.iter().find(|(name, ..)| *name == self.name)?;
        Some((&known.1, known.2))
    }
}

/// The page.
pub fn page(rows: &[Row]) -> String {
    let mut text = String::from(include_str!("head.md"));
    let there: Vec<(&Row, &Outcome)> =
        rows.iter().filter_map(|row| Some((row, row.there.as_ref().ok()?))).collect();
    let same = there.iter().filter(|(row, there)| order(&row.here, there).starts_with("the same")).count();
    let _ = writeln!(
        text,
        "{} scenarios, {} of them in both worlds; in {same} of these the order of decisions is the same, at least for each node.\n",
        rows.len(),
        there.len(),
    );
    text.push_str("| scenario | here | madsim | order of decisions | expiry, here and there | next coordinator in office |\n");
    text.push_str("|---|---|---|---|---|---|\n");
    for (row, there) in &there {
        let here = &row.here;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            row.name,
            word(&here.verdict),
            word(&there.verdict),
            order(here, there),
            times(expiry(timeline(here)), expiry(timeline(there))),
            times(failover(timeline(here)), failover(timeline(there))),
        );
    }
    text.push_str("\n## Where the verdicts differ\n\n");
    for (row, _) in &there {
        if let Some((_, why)) = row.difference() {
            let _ = writeln!(text, "- {}: {why}", row.name);
        }
    }
    text.push_str("\n## Where the order differs, and the verdicts do not\n\n");
    for (row, _) in &there {
        if let Some((_, why)) = ORDERS.iter().find(|(name, _)| *name == row.name) {
            let _ = writeln!(text, "- {}: {why}", row.name);
        }
    }
    text.push_str("\n## What madsim cannot express\n\n| scenario | step | why |\n|---|---|---|\n");
    for row in rows {
        for Unsupported { step, why } in row.there.as_ref().err().into_iter().flatten() {
            let _ = writeln!(text, "| {} | {} | {why} |", row.name, step.replace('|', "\\|"));
        }
    }
    text
}

fn word(verdict: &Verdict) -> &'static str {
    verdict.word()
}

fn timeline(outcome: &Outcome) -> &Timeline {
    outcome.timeline.as_ref().expect("a timeline was asked for")
}

/// What was decided about whom, in order.
fn decisions(outcome: &Outcome) -> Vec<(String, String)> {
    let about = |entry: &Entry| entry.words.split(':').next().unwrap_or_default().to_owned();
    let entries = timeline(outcome).entries().iter();
    entries
        .filter(|entry| TRANSITIONS.contains(&&*entry.event) && !entry.words.contains(NOT_YET))
        .map(|entry| (about(entry), entry.event.to_string()))
        .collect()
}

/// Who took office, in order.
fn coordinators(outcome: &Outcome) -> Vec<String> {
    let entries = timeline(outcome).entries().iter();
    entries.filter(|entry| entry.event == "in office").map(|entry| entry.actor.to_string()).collect()
}

/// Whether the order of decisions is the same, or why not.
fn order(here: &Outcome, there: &Outcome) -> String {
    let (mut ours, mut theirs) = (decisions(here), decisions(there));
    if ours == theirs {
        return "the same".to_owned();
    }
    ours.sort_by(|one, other| one.0.cmp(&other.0));
    theirs.sort_by(|one, other| one.0.cmp(&other.0));
    if ours == theirs {
        return "the same for each node".to_owned();
    }
    let (took_office, took_office_there) = (coordinators(here), coordinators(there));
    if took_office != took_office_there {
        let (here, there) = (took_office.join(", "), took_office_there.join(", "));
        return format!("another coordinator: {here} here, {there} there");
    }
    let at = ours.iter().zip(&theirs).take_while(|(one, other)| one == other).count();
    let show = |decisions: &[(String, String)]| {
        decisions.get(at).map_or_else(|| "nothing more".to_owned(), |(node, event)| format!("{node} {event}"))
    };
    format!("{} here, {} there", show(&ours), show(&theirs))
}

/// When ZooKeeper first gave a session up.
fn expiry(timeline: &Timeline) -> Option<String> {
    let expired = timeline.entries().iter().find(|entry| entry.event == "expired")?;
    Some(expired.at.to_string())
}

/// When the second coordinator took office.
fn failover(timeline: &Timeline) -> Option<String> {
    let second = timeline.entries().iter().filter(|entry| entry.event == "in office").nth(1)?;
    Some(second.at.to_string())
}

fn times(here: Option<String>, there: Option<String>) -> String {
    let show = |time: Option<String>| time.map_or_else(|| "never".to_owned(), |time| format!("{time} s"));
    match (here, there) {
        (None, None) => String::new(),
        (here, there) => format!("{}, {}", show(here), show(there)),
    }
}
