//! What the world writes down: the lines of the timeline, every node's state in them, and what each node believes.

use super::{Machine, World};
use crate::plan::NodeNumber;
use crate::properties::Cluster;
use crate::scenario::Scenario;
use crate::time::SimTime;
use crate::{setup, words};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use zeromaster_core::event::ClusterEvent;
use zeromaster_core::message::Membership;

impl World<'_> {
    pub(super) fn record(&mut self, node: NodeNumber, event: &ClusterEvent) {
        if self.timeline.is_some()
            && let Some((word, text)) = words::words(event)
        {
            self.note_node(node, word, |_| text);
        }
    }

    /// Adds a line of a node to the timeline, if one is kept.
    pub(super) fn note_node(
        &mut self,
        node: NodeNumber,
        word: impl Into<Cow<'static, str>>,
        words: impl FnOnce(&Self) -> String,
    ) {
        if self.timeline.is_some() {
            self.note(node.to_string(), word, words);
        }
    }

    /// Adds a line to the timeline, if one is kept.
    pub(crate) fn note(
        &mut self,
        actor: impl Into<Cow<'static, str>>,
        word: impl Into<Cow<'static, str>>,
        words: impl FnOnce(&Self) -> String,
    ) {
        if self.timeline.is_some() {
            let (words, states) = (words(self), states(&self.cluster()));
            let now = self.now;
            if let Some(timeline) = &mut self.timeline {
                timeline.push(now, actor.into(), word.into(), states, words);
            }
        }
    }

    /// What each node believes, in a line each.
    pub(crate) fn beliefs(&self) -> Vec<String> {
        self.machines.iter().map(|machine| belief(machine, self.now)).collect()
    }
}

/// Every node's state as the acting coordinator sees it; a question mark each when nobody acts.
pub(crate) fn states(cluster: &Cluster<'_>) -> String {
    let table = cluster.coordinator().map(|(_, _, node)| node.table().clone());
    let letters = cluster.machines.iter().map(|machine| match &table {
        Some(table) => words::letter(table.get(machine.disk.id).map(Arc::as_ref)),
        None => '?',
    });
    if cluster.machines.len() <= crate::timeline::COLUMNS_MAX as usize {
        let columns: Vec<String> = letters.map(String::from).collect();
        return format!("[{}]", columns.join(" "));
    }
    let mut counts: BTreeMap<char, u32> = BTreeMap::new();
    for letter in letters {
        *counts.entry(letter).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(letter, count)| format!("{letter}:{count}")).collect();
    format!("[{}]", counts.join(" "))
}

pub(crate) fn header(scenario: &Scenario, seed: u64) -> String {
    let nodes = if scenario.nodes == 1 { "node" } else { "nodes" };
    format!("seed {seed} · {} {nodes} · rules {}", scenario.nodes, scenario.rules)
}

pub(crate) fn belief(machine: &Machine, now: SimTime) -> String {
    let Some(process) = &machine.process else { return format!("{}: does not run", machine.number) };
    let node = &process.node;
    let local = machine.local(now);
    let mut text = format!("{}: {}", machine.number, node.membership().name());
    if let Membership::Disconnected { code, .. } = node.membership() {
        text.push_str(&format!(" ({})", code.name()));
    }
    text.push_str(&format!(", flow {}", node.flow().fingerprint));
    match node.coordinator().known() {
        Some((epoch, address)) => text.push_str(&format!(", coordinator {} in epoch {epoch}", address.host)),
        None => text.push_str(", no coordinator"),
    }
    if let Some(epoch) = node.coordinates(local) {
        text.push_str(&format!(", coordinates in epoch {epoch}"));
    }
    if node.is_primary(local).is_some() {
        text.push_str(", Primary Node");
    }
    if process.pause.is_some() {
        text.push_str(", paused");
    }
    let view: Vec<String> = node
        .table()
        .iter()
        .map(|status| {
            let name = setup::node_of_host(&status.node.socket.host)
                .map_or_else(|| status.node.to_string(), |node| node.to_string());
            let code = status.state.code().map_or_else(String::new, |code| format!(" {}", code.name()));
            format!("{name} {}{code}", status.state.name())
        })
        .collect();
    text.push_str(&format!(
        "; says {}",
        if view.is_empty() { "nothing of anybody".to_owned() } else { view.join(", ") }
    ));
    text
}
