//! Whom a plan means, at the moment when a step begins, and the lines that it leaves.

use super::Witness;
use crate::network::{Endpoint, LinkSet};
use crate::plan::{Action, Cut, Direction, NodeNumber, Selector, Step};
use crate::world::faults::{meaning, roles};
use std::collections::BTreeSet;

impl Witness {
    /// A step of the plan begins.
    pub fn step_begins(&mut self, step: &Step) {
        let suffix = step.lasts.words();
        let (word, object) = (step.action.word(), step.action.object());
        let meant: String =
            roles(&step.action).into_iter().filter_map(|role| meaning(role, &self.select(role))).collect();
        self.note("--", word, || format!("{object}{suffix}{meant}"));
    }

    /// A step of the plan is over.
    pub fn step_ends(&mut self, action: &Action) {
        let (word, object) = (action.word(), action.object());
        self.note("--", "end", || format!("of {word} {object}"));
    }

    /// What a step has just done stays as it is for ever. `struck`: the machines whose processes it has ended or holds up.
    pub fn lasts_for_ever(&mut self, action: &Action, struck: &[Endpoint]) {
        if let Action::Cut { cut, protocol } = action {
            let (from, to) = self.sides(cut);
            let both_ways = cut.direction == Direction::Both;
            self.for_good.cut(LinkSet { from, to, both_ways, protocol: *protocol });
        } else {
            self.for_good.lose(struck.iter().copied());
        }
    }

    /// Whether a machine's process never runs again.
    #[must_use]
    pub fn is_gone(&self, machine: Endpoint) -> bool {
        self.for_good.is_gone(machine)
    }

    /// The line of the healing.
    pub fn heals(&mut self) {
        let but = if self.for_good.is_anything() { " but those that last for ever" } else { "" };
        self.note("--", "heal", || format!("all faults are undone{but}"));
    }

    /// Everybody that a selector means now; `rest` means all nodes where it is not a side of a cut.
    #[must_use]
    pub fn select(&self, selector: Selector) -> Vec<Endpoint> {
        let nodes = |nodes: Vec<NodeNumber>| nodes.into_iter().map(Endpoint::Node).collect();
        let servers = |servers: Vec<u32>| servers.into_iter().map(Endpoint::ZooKeeper).collect();
        match selector {
            Selector::Node(node) => nodes(vec![node]),
            Selector::Coordinator => {
                nodes(self.cluster().coordinator().map(|(node, _, _)| node).into_iter().collect())
            }
            Selector::Primary => nodes(self.primary().into_iter().collect()),
            Selector::All | Selector::Rest => nodes((1..=self.scenario.nodes).map(NodeNumber).collect()),
            Selector::ZooKeeper => servers((1..=self.scenario.zookeeper.servers).collect()),
            Selector::ZooKeeperServer(server) => servers(vec![server]),
            Selector::ZooKeeperLeader => servers(self.leader().into_iter().collect()),
            Selector::ZooKeeperFollowers => servers(self.followers()),
        }
    }

    fn primary(&self) -> Option<NodeNumber> {
        let is_primary = |node: &NodeNumber| {
            self.machine(*node)
                .awake()
                .is_some_and(|running| running.node.is_primary(self.local(*node)).is_some())
        };
        (1..=self.scenario.nodes).map(NodeNumber).find(is_primary)
    }

    /// The two sides of a cut, as they are now.
    #[must_use]
    pub fn sides(&self, cut: &Cut) -> (BTreeSet<Endpoint>, BTreeSet<Endpoint>) {
        let named = |selectors: &[Selector]| -> BTreeSet<Endpoint> {
            let others = selectors.iter().filter(|selector| **selector != Selector::Rest);
            others.flat_map(|selector| self.select(*selector)).collect()
        };
        let with_rest = |own: &[Selector], other: &BTreeSet<Endpoint>| -> BTreeSet<Endpoint> {
            let mut side = named(own);
            if own.contains(&Selector::Rest) {
                side.extend(self.select(Selector::Rest).into_iter().filter(|node| !other.contains(node)));
            }
            side
        };
        let (from, to) = (named(&cut.from), named(&cut.to));
        (with_rest(&cut.from, &to), with_rest(&cut.to, &from))
    }
}
