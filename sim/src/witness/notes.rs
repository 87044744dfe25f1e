//! The lines of the timeline, and what each node believes.

use super::Witness;
use crate::world::notes::belief;
use std::borrow::Cow;

impl Witness {
    /// Adds a line to the timeline, if one is kept.
    pub fn note(
        &mut self,
        actor: impl Into<Cow<'static, str>>,
        word: impl Into<Cow<'static, str>>,
        words: impl FnOnce() -> String,
    ) {
        let word = word.into();
        self.reaches.reach(&word);
        if self.timeline.is_none() {
            return;
        }
        let mut seen = std::mem::take(&mut self.states);
        let (now, states) = (self.now, seen.show(&self.cluster()));
        self.states = seen;
        if let Some(timeline) = &mut self.timeline {
            timeline.push(now, actor.into(), word, states, words());
        }
    }

    pub(super) fn beliefs(&self) -> Vec<String> {
        self.machines.iter().map(|machine| belief(machine, self.now)).collect()
    }
}
