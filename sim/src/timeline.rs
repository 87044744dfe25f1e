//! The timeline: one log of what happened, as text for people and as JSON lines for programs. docs/timeline.md is its
//! legend.

use crate::time::SimTime;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt::Write as _;

/// The widest cluster whose nodes have a column each; of a wider one the states are counted.
pub const COLUMNS_MAX: u32 = 12;

/// One line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Entry {
    /// Microseconds from the start of the run.
    pub at: SimTime,
    /// Orders entries of the same time.
    pub sequence: u64,
    /// Who: `n1`, `zk`, `--` for the plan, `**` for the run itself.
    pub actor: Cow<'static, str>,
    /// What, in one word.
    pub event: Cow<'static, str>,
    /// Every node's state as the acting coordinator sees it.
    pub states: String,
    /// What, in words.
    pub words: String,
}

/// The log of one run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Timeline {
    header: String,
    entries: Vec<Entry>,
}

impl Timeline {
    /// An empty log; `header` says what run it is.
    #[must_use]
    pub fn new(header: String) -> Self {
        Timeline { header, entries: Vec::new() }
    }

    pub(crate) fn push(
        &mut self,
        at: SimTime,
        actor: Cow<'static, str>,
        event: Cow<'static, str>,
        states: String,
        words: String,
    ) {
        let sequence = self.entries.len() as u64 + 1;
        self.entries.push(Entry { at, sequence, actor, event, states, words });
    }

    /// The entries, in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The text form.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("# {}\n", self.header);
        for entry in &self.entries {
            let Entry { at, actor, event, states, words, .. } = entry;
            let line = format!("{at:>11}  {actor:<4} {event:<15} {states}  {words}");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// The entries as JSON, one in a line.
    ///
    /// # Panics
    /// Never: an entry holds nothing that JSON cannot express.
    #[must_use]
    pub fn to_json_lines(&self) -> String {
        let mut text = String::new();
        for entry in &self.entries {
            let line = serde_json::to_string(entry)
                .unwrap_or_else(|error| unreachable!("an entry is plain data: {error}"));
            let _ = writeln!(text, "{line}");
        }
        text
    }
}
