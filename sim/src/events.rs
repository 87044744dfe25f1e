//! The event words of the timeline, its third column; docs/timeline.md says what each means. And which of those that a
//! scenario asks for have happened, whether a timeline is kept or not.

use std::collections::BTreeSet;

/// Every event that a line of the timeline can name, but for the verdict, in the order of docs/timeline.md.
pub const EVENTS: [&str; 56] = [
    "CONNECTING",
    "CONNECTED",
    "DISCONNECTED",
    "DISCONNECTING",
    "OFFLOADING",
    "OFFLOADED",
    "REMOVED",
    "elected",
    "in office",
    "resigned",
    "vote",
    "flow elected",
    "registered",
    "unregistered",
    "bulletin",
    "starts",
    "asks",
    "waits",
    "loads flow",
    "joined",
    "disconnected",
    "offloads",
    "offloaded",
    "removed",
    "ignored",
    "reply",
    "connected",
    "suspended",
    "reconnected",
    "lost",
    "resumes",
    "stopped",
    "expired",
    "closed",
    "looking",
    "leads",
    "follows",
    "cut",
    "loss",
    "duplicate",
    "delay",
    "crash",
    "stop",
    "start",
    "restart",
    "pause",
    "slow",
    "clock",
    "expire",
    "zookeeper",
    "operator",
    "end",
    "skipped",
    "heal",
    "VIOLATED",
    "excused",
];

/// The verdicts, which are the last line of a timeline and nothing to be reached.
const VERDICTS: [&str; 4] = ["passed", "violated", "excused", "not converged"];

/// The events that a scenario asks for and that have not happened yet.
#[derive(Clone, Debug)]
pub(crate) struct Reaches {
    missing: BTreeSet<String>,
}

impl Reaches {
    /// Nothing has happened yet of what is `wanted`.
    pub(crate) fn new(wanted: &BTreeSet<String>) -> Reaches {
        Reaches { missing: wanted.clone() }
    }

    /// Whether any of them is still missing.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.missing.is_empty()
    }

    /// An event has happened.
    pub(crate) fn reach(&mut self, event: &str) {
        debug_assert!(
            EVENTS.contains(&event) || VERDICTS.contains(&event),
            "{event:?} is among the events of the timeline"
        );
        if self.is_waiting() {
            self.missing.remove(event);
        }
    }

    /// What has not happened, in words; `None` when everything has.
    pub(crate) fn unreached(&self) -> Option<String> {
        let missing: Vec<String> = self.missing.iter().map(|event| format!("{event:?}")).collect();
        (!missing.is_empty())
            .then(|| format!("these events did not happen in the run: {}", missing.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_of_the_legend_is_known_and_every_known_event_is_in_the_legend() {
        let legend = include_str!("../../docs/timeline.md");
        let (_, legend) = legend.split_once("## The events").expect("the legend has a part about events");
        let (legend, _) = legend.split_once("## The JSON lines form").expect("and one after it");
        let rows = legend.lines().filter_map(|line| line.strip_prefix("| `"));
        let cells = rows.filter_map(|row| row.split_once(" |").map(|(cell, _)| cell));
        let told: BTreeSet<&str> =
            cells.flat_map(|cell| cell.split(", ")).map(|word| word.trim_matches('`')).collect();
        let known: BTreeSet<&str> = EVENTS.into_iter().chain(VERDICTS).collect();
        assert_eq!(told, known);
    }
}
