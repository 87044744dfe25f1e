//! What the world writes down: the lines of the timeline, every node's state in them, and what each node believes.

use super::{Machine, World};
use crate::plan::{NodeNumber, show_duration};
use crate::properties::Cluster;
use crate::scenario::Scenario;
use crate::setup::Setup;
use crate::time::SimTime;
use crate::timeline::COLUMNS_MAX;
use crate::{setup, words};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use zeromaster_core::event::ClusterEvent;
use zeromaster_core::message::Membership;
use zeromaster_core::status::NodeStatus;
use zeromaster_core::table::StatusTable;

impl World<'_> {
    pub(super) fn record(&mut self, node: NodeNumber, event: &ClusterEvent) {
        if (self.timeline.is_some() || self.reaches.is_waiting())
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
        if self.timeline.is_some() || self.reaches.is_waiting() {
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
        let word = word.into();
        self.reaches.reach(&word);
        if self.timeline.is_some() {
            let words = words(self);
            let mut seen = std::mem::take(&mut self.states);
            let (now, states) = (self.now, seen.show(&self.cluster()));
            self.states = seen;
            if let Some(timeline) = &mut self.timeline {
                timeline.push(now, actor.into(), word, states, words);
            }
        }
    }

    /// What each node believes, in a line each.
    pub(crate) fn beliefs(&self) -> Vec<String> {
        self.machines.iter().map(|machine| belief(machine, self.now)).collect()
    }
}

/// Every node's state as the acting coordinator sees it. In a wide cluster each line counts what has changed since the one
/// before it, and looks at no other node.
#[derive(Debug, Default)]
pub(crate) struct States {
    /// The table of which the counts are.
    counted: StatusTable,
    /// How many machines have a state with this letter. Empty when nothing is counted yet.
    counts: BTreeMap<char, u32>,
}

impl States {
    /// A machine has another id than before, as after a wipe: what was counted of it is void.
    pub(crate) fn count_anew(&mut self) {
        *self = States::default();
    }

    /// As they stand in a line; a question mark each when nobody acts.
    pub(crate) fn show(&mut self, cluster: &Cluster<'_>) -> String {
        let table = cluster.coordinator().map(|(_, _, node)| &**node.table());
        if cluster.machines.len() <= COLUMNS_MAX as usize {
            let columns: Vec<String> = letters(cluster, table).map(String::from).collect();
            return format!("[{}]", columns.join(" "));
        }
        let Some(table) = table else { return format!("[?:{}]", cluster.machines.len()) };
        self.count(cluster, table);
        debug_assert!(
            cluster.machines.len() > super::INVARIANTS_UP_TO_NODES as usize
                || self.counts == counted(letters(cluster, Some(table))),
            "what was counted step by step is what there is"
        );
        let counts: Vec<String> =
            self.counts.iter().map(|(letter, count)| format!("{letter}:{count}")).collect();
        format!("[{}]", counts.join(" "))
    }

    /// Counts what `table` says otherwise than the one that was counted before.
    fn count(&mut self, cluster: &Cluster<'_>, table: &StatusTable) {
        if self.counts.is_empty() {
            let all = u32::try_from(cluster.machines.len()).unwrap_or(u32::MAX);
            self.counts.insert(words::letter(None), all);
        }
        let mut changed = false;
        for (now, before) in table.beside(&self.counted) {
            changed = true;
            if now.or(before).is_some_and(|status| is_of_a_machine(cluster, status)) {
                let [now, before] = [now, before].map(|status| words::letter(status.map(Arc::as_ref)));
                *self.counts.entry(now).or_default() += 1;
                let count = self.counts.entry(before).or_default();
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&before);
                }
            }
        }
        if changed {
            self.counted = table.clone();
        }
    }
}

/// Each machine's letter in `table`; a question mark each when there is none.
fn letters<'a>(cluster: &'a Cluster<'_>, table: Option<&'a StatusTable>) -> impl Iterator<Item = char> + 'a {
    cluster.machines.iter().map(move |machine| match table {
        Some(table) => words::letter(table.get(machine.disk.id).map(Arc::as_ref)),
        None => '?',
    })
}

fn counted(letters: impl Iterator<Item = char>) -> BTreeMap<char, u32> {
    let mut counts = BTreeMap::new();
    letters.for_each(|letter| *counts.entry(letter).or_default() += 1);
    counts
}

/// Whether a machine has the id that `status` is about; a node with a wiped disk has left its former one behind.
fn is_of_a_machine(cluster: &Cluster<'_>, status: &NodeStatus) -> bool {
    let machine = setup::node_of_host(&status.node.socket.host).and_then(|number| cluster.machine(number));
    machine.is_some_and(|machine| machine.disk.id == status.node.id)
}

pub(crate) fn header(scenario: &Scenario, setup: &Setup, seed: u64) -> String {
    let plural = |count: u32| if count == 1 { "" } else { "s" };
    let (nodes, servers) = (scenario.nodes, setup.zookeeper.servers);
    let mut header = format!(
        "seed {seed} · {nodes} node{} · {servers} ZooKeeper server{}",
        plural(nodes),
        plural(servers)
    );
    match setup.zookeeper.embedded {
        0 => {}
        1 => header.push_str(", zk1 in n1"),
        embedded => header.push_str(&format!(", zk1 to zk{embedded} in n1 to n{embedded}")),
    }
    let (asked, granted) = (setup.session_timeout, setup.negotiated_timeout(scenario));
    if granted != asked {
        let [asked, granted] = [asked, granted].map(show_duration);
        header.push_str(&format!(" · session timeout {granted}, asked for {asked}"));
    }
    header.push_str(&format!(" · rules {}", scenario.rules));
    for (node, rules) in &scenario.rules_of {
        header.push_str(&format!(", {node} {rules}"));
    }
    header
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Options;
    use crate::setup::Setup;
    use std::time::Duration;

    /// Seventy nodes: members leave, some with another id than they came with, and the coordinator and ZooKeeper change.
    fn churn() -> Scenario {
        Scenario::of(70)
            .until(Duration::from_secs(240))
            .zookeeper_servers(3)
            .property("nifi.cluster.flow.election.max.candidates", "70")
            .at(Duration::from_secs(40))
            .wipe("n3")
            .lasting(Duration::from_secs(5))
            .at(Duration::from_secs(60))
            .wipe("coordinator")
            .lasting(Duration::from_secs(20))
            .at(Duration::from_secs(110))
            .operator("n5", "disconnect n6")
            .at(Duration::from_secs(120))
            .operator("n5", "remove n6")
            .at(Duration::from_secs(130))
            .pause("coordinator")
            .lasting(Duration::from_secs(40))
            .at(Duration::from_secs(180))
            .zookeeper_down()
            .lasting(Duration::from_secs(30))
            .build()
            .expect("a scenario")
    }

    #[test]
    fn counting_what_has_changed_comes_to_the_same_as_counting_all() {
        let scenario = churn();
        let setup = Setup::new(&scenario, None).expect("the shipped configuration makes sense");
        let options = Options { timeline: true, ..Options::default() };
        let mut world = World::new(&scenario, &setup, 1, options);
        let mut shown = Vec::new();
        for second in 0..240 {
            world.run_until(SimTime::ZERO + Duration::from_secs(second), false);
            let mut states = std::mem::take(&mut world.states);
            let cluster = world.cluster();
            let line = states.show(&cluster);
            if let Some((_, _, node)) = cluster.coordinator() {
                assert_eq!(states.counts, counted(letters(&cluster, Some(node.table()))), "after {second} s");
            }
            world.states = states;
            if shown.last() != Some(&line) {
                shown.push(line);
            }
        }
        assert!(shown.len() > 10, "the states change: {shown:?}");
        assert!(shown.iter().any(|line| line.contains("R:")), "a member is removed: {shown:?}");
    }

    #[test]
    fn who_acts_as_coordinator_is_among_those_in_office() {
        let scenario = churn();
        let setup = Setup::new(&scenario, None).expect("the shipped configuration makes sense");
        let mut world = World::new(&scenario, &setup, 2, Options::default());
        let mut terms = Vec::new();
        for step in 0..2_400 {
            world.run_until(SimTime::ZERO + Duration::from_millis(step * 100), false);
            let cluster = world.cluster();
            let acts = |machine: &Machine| {
                let local = machine.local(cluster.now);
                Some((machine.number, machine.awake()?.node.coordinates(local)?))
            };
            let acting = cluster.machines.iter().filter_map(acts).max_by_key(|(_, epoch)| *epoch);
            assert_eq!(cluster.coordinator().map(|(number, epoch, _)| (number, epoch)), acting);
            terms.extend(acting.filter(|term| terms.last() != Some(term)));
        }
        assert!(terms.len() >= 3, "several act, one after the other: {terms:?}");
    }
}
