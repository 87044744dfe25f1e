//! When a plan's steps begin, whom they mean at that moment, and the lines that they leave.

use super::Witness;
use crate::doubts;
use crate::network::{Endpoint, LinkSet};
use crate::plan::{Action, Cut, Direction, NodeNumber, Selector, Step};
use crate::schedule::Planned;
use crate::time::SimTime;
use crate::world::faults::{meaning, roles, sides};
use std::collections::BTreeSet;

impl Witness {
    /// When a step of the plan begins, or begins to wait for its condition.
    #[must_use]
    pub fn begins(&self, step: u32) -> SimTime {
        self.schedule.begins(step)
    }

    /// The time of a step has come. Whether it waits for a condition, which is looked at from now on.
    pub fn falls_due(&mut self, step: u32) -> bool {
        self.schedule.falls_due(step)
    }

    /// Looks at the conditions that something waits for; to be called whenever something may have changed. Whether
    /// something is to happen now.
    pub fn looks_for_conditions(&mut self) -> bool {
        if self.schedule.is_looking() {
            let met = self.schedule.met(&self.cluster());
            self.schedule.come_true(met, self.now);
        }
        self.schedule.has_come_true()
    }

    /// What is to happen now, for its condition has come true; each is told of once.
    pub fn take_come_true(&mut self) -> Vec<Planned> {
        self.schedule.take_come_true()
    }

    /// When everything is to be healed, as far as that is known now: a condition that comes true may change it.
    #[must_use]
    pub fn heals_at(&self) -> SimTime {
        self.schedule.heals_at()
    }

    /// The healing is about to come: gives up what still waits for its condition. Whether that is anything.
    pub fn gives_up(&mut self) -> bool {
        self.doubts.heals();
        let given_up = self.schedule.give_up();
        let gives_up = !given_up.is_empty();
        for (planned, condition) in given_up {
            let words = doubts::words_of(&self.scenario, planned);
            self.note("--", "skipped", || format!("{words}: that has not come true"));
            self.doubts.gives_up(planned, words, condition, self.now);
        }
        gives_up
    }

    /// A step of the plan begins, and has not done anything yet. `number`: its index in the plan.
    pub fn step_begins(&mut self, number: u32, step: &Step) {
        let suffix = step.manner();
        let (word, object) = (step.action.word(), step.action.object());
        let meant: String =
            roles(&step.action).into_iter().filter_map(|role| meaning(role, &self.select(role))).collect();
        self.note("--", word, || format!("{object}{suffix}{meant}"));
        let mut doubts = std::mem::take(&mut self.doubts);
        doubts.begins(number, step, &self.cluster(), &|selector| self.select(selector));
        self.doubts = doubts;
    }

    /// A step of the plan is over. `number`: its index in the plan.
    pub fn step_ends(&mut self, number: u32, action: &Action) {
        self.doubts.ends(number);
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
        sides(cut, &|selector| self.select(selector))
    }
}
