//! What the plan does to the world, and how it is undone.

use super::process::{Delivery, Machine, Pause};
use super::{World, ZOOKEEPER};
use crate::network::{Disturbance, DisturbanceId, Endpoint, LinkSet};
use crate::plan::{Action, Cut, Direction, Disk, NodeNumber, OperatorAction, Protocol, Selector};
use crate::properties::Incident;
use std::collections::BTreeSet;
use std::sync::Arc;
use zeromaster_core::flow::DataFlow;
use zeromaster_core::node::Input;
use zeromaster_core::operator::{OperatorRequest, RequestId};
use zeromaster_zookeeper::ServerInput;

impl World<'_> {
    pub(super) fn step_begins(&mut self, step: u32) {
        let Some(planned) = usize::try_from(step).ok().and_then(|index| self.scenario.plan.steps.get(index))
        else {
            return;
        };
        // What begins after everything was healed would never be undone.
        if self.healed {
            return;
        }
        let lasts = planned.lasts;
        let suffix =
            lasts.map_or_else(String::new, |lasts| format!(" for {}", crate::plan::show_duration(lasts)));
        let (word, object) = (planned.action.word(), planned.action.object());
        let meant = self.meant(&planned.action);
        self.note("--", word, |_| format!("{object}{suffix}{meant}"));
        self.act(step, &planned.action);
        if let Some(lasts) = lasts {
            self.queue.push(self.now + lasts, super::Event::StepEnds { step });
        }
    }

    /// Who the roles in an action are at this moment.
    fn meant(&self, action: &Action) -> String {
        let mut selectors: Vec<Selector> = match action {
            Action::Cut { cut, .. } => cut.selectors().collect(),
            Action::Loss { between, .. }
            | Action::Duplicate { between, .. }
            | Action::Delay { between, .. } => between.selectors().collect(),
            Action::Crash { node, .. }
            | Action::Stop { node }
            | Action::Start { node }
            | Action::Restart { node }
            | Action::Pause { node, .. }
            | Action::Slow { node, .. }
            | Action::ClockJump { node, .. }
            | Action::ClockDrift { node, .. }
            | Action::ExpireSession { node } => vec![*node],
            Action::Operator { at, request } => vec![*at, request.node()],
            Action::ZooKeeperDown => Vec::new(),
        };
        selectors.dedup();
        let roles =
            selectors.iter().filter(|selector| matches!(selector, Selector::Coordinator | Selector::Primary));
        let named =
            roles.filter_map(|role| self.select(*role).first().map(|node| format!("; {role} is {node}")));
        named.collect()
    }

    fn act(&mut self, step: u32, action: &Action) {
        match action {
            Action::Cut { cut, protocol } => self.disturb(step, cut, *protocol, Disturbance::Cut),
            Action::Loss { between, ratio, protocol } => {
                self.disturb(step, between, *protocol, Disturbance::Loss(*ratio));
            }
            Action::Duplicate { between, ratio, protocol } => {
                self.disturb(step, between, *protocol, Disturbance::Duplicate(*ratio));
            }
            Action::Delay { between, by, protocol } => {
                self.disturb(step, between, *protocol, Disturbance::Delay(*by))
            }
            Action::Crash { node, disk } => {
                for node in self.choose(step, *node) {
                    self.crash(node, *disk);
                }
            }
            Action::Stop { node } => {
                for node in self.choose(step, *node) {
                    self.deliver(node, Delivery::Node(Input::Stop));
                }
            }
            Action::Start { node } => {
                for node in self.choose(step, *node) {
                    self.start(node);
                }
            }
            Action::Restart { node } => {
                for node in self.choose(step, *node) {
                    self.crash(node, Disk::Kept);
                    self.start(node);
                }
            }
            Action::Pause { node, buffered } => {
                for node in self.choose(step, *node) {
                    self.pause(step, node, *buffered);
                }
            }
            Action::Slow { node, by } => {
                for node in self.choose(step, *node) {
                    self.network.set_slow(node, Some(*by));
                    self.happened(&Incident::Slowed { node });
                }
            }
            Action::ClockJump { node, by } => {
                for node in self.choose(step, *node) {
                    let now = self.now;
                    self.machine_mut(node).clock.jump(now, *by);
                    self.happened(&Incident::Absent { node, length: *by });
                    self.clock_changed(node);
                }
            }
            Action::ClockDrift { node, ppm } => {
                for node in self.choose(step, *node) {
                    self.set_rate(node, *ppm);
                }
            }
            Action::ExpireSession { node } => {
                for node in self.choose(step, *node) {
                    self.expire_session(node);
                }
            }
            Action::ZooKeeperDown => self.server_handles(ServerInput::Stopped),
            Action::Operator { at, request } => self.operator(step, *at, *request),
        }
    }

    pub(super) fn step_ends(&mut self, step: u32) {
        if self.healed {
            return;
        }
        let Some(planned) = usize::try_from(step).ok().and_then(|index| self.scenario.plan.steps.get(index))
        else {
            return;
        };
        let (word, object) = (planned.action.word(), planned.action.object());
        self.note("--", "end", |_| format!("of {word} {object}"));
        self.undo(step, &planned.action);
    }

    fn undo(&mut self, step: u32, action: &Action) {
        let chosen = self.chosen.get(&step).cloned().unwrap_or_default();
        match action {
            Action::Cut { .. } | Action::Loss { .. } | Action::Duplicate { .. } | Action::Delay { .. } => {
                self.network.remove(DisturbanceId(step));
            }
            Action::Crash { .. } | Action::Stop { .. } => {
                chosen.into_iter().for_each(|node| self.start(node))
            }
            Action::Pause { .. } => chosen.into_iter().for_each(|node| self.resume(node, Some(step))),
            Action::Slow { .. } => chosen.into_iter().for_each(|node| self.network.set_slow(node, None)),
            Action::ClockDrift { .. } => chosen.into_iter().for_each(|node| self.set_rate(node, 0)),
            Action::ZooKeeperDown => {
                if !self.server.is_running() {
                    self.server_handles(ServerInput::Started);
                }
            }
            Action::Start { .. }
            | Action::Restart { .. }
            | Action::ClockJump { .. }
            | Action::ExpireSession { .. }
            | Action::Operator { .. } => {}
        }
    }

    /// Undoes every fault: the network is whole, ZooKeeper serves, and every process runs.
    pub(crate) fn heal(&mut self) {
        self.note("--", "heal", |_| "all faults are undone".into());
        self.healed = true;
        self.network.heal();
        if !self.server.is_running() {
            self.server_handles(ServerInput::Started);
        }
        for node in self.all() {
            self.set_rate(node, 0);
            self.resume(node, None);
            self.start(node);
        }
    }

    fn all(&self) -> Vec<NodeNumber> {
        (1..=self.scenario.nodes).map(NodeNumber).collect()
    }

    /// The nodes that a selector means now; kept for when the step ends.
    fn choose(&mut self, step: u32, selector: Selector) -> Vec<NodeNumber> {
        let chosen = self.select(selector);
        if chosen.is_empty() {
            self.note("--", "skipped", |_| format!("nobody is {selector} now"));
        }
        self.chosen.insert(step, chosen.clone());
        chosen
    }

    fn select(&self, selector: Selector) -> Vec<NodeNumber> {
        match selector {
            Selector::Node(node) => vec![node],
            Selector::Coordinator => {
                self.cluster().coordinator().map(|(node, _, _)| node).into_iter().collect()
            }
            Selector::Primary => self.primary().into_iter().collect(),
            Selector::All | Selector::Rest => self.all(),
            Selector::ZooKeeper | Selector::ZooKeeperServer(_) => Vec::new(),
        }
    }

    fn primary(&self) -> Option<NodeNumber> {
        let primary = self.machines.iter().find(|machine| {
            machine.awake().is_some_and(|running| running.node.is_primary(machine.local(self.now)).is_some())
        });
        primary.map(|machine| machine.number)
    }

    fn disturb(&mut self, step: u32, cut: &Cut, protocol: Option<Protocol>, disturbance: Disturbance) {
        let named = |selectors: &[Selector]| -> BTreeSet<Endpoint> {
            selectors.iter().flat_map(|selector| self.endpoints(*selector)).collect()
        };
        let with_rest = |own: &[Selector], other: &BTreeSet<Endpoint>| -> BTreeSet<Endpoint> {
            let mut endpoints = named(own);
            if own.contains(&Selector::Rest) {
                endpoints
                    .extend(self.all().into_iter().map(Endpoint::Node).filter(|node| !other.contains(node)));
            }
            endpoints
        };
        let (from, to) = (named(&cut.from), named(&cut.to));
        let links = LinkSet {
            from: with_rest(&cut.from, &to),
            to: with_rest(&cut.to, &from),
            both_ways: cut.direction == Direction::Both,
            protocol,
        };
        self.network.add(DisturbanceId(step), links, disturbance);
    }

    /// What a selector other than `rest` means now.
    fn endpoints(&self, selector: Selector) -> Vec<Endpoint> {
        match selector {
            Selector::ZooKeeper | Selector::ZooKeeperServer(_) => vec![ZOOKEEPER],
            Selector::Rest => Vec::new(),
            Selector::Node(_) | Selector::Coordinator | Selector::Primary | Selector::All => {
                self.select(selector).into_iter().map(Endpoint::Node).collect()
            }
        }
    }

    fn crash(&mut self, node: NodeNumber, disk: Disk) {
        self.end(node);
        match disk {
            Disk::Kept => {}
            Disk::LastWriteLost => self.machine_mut(node).disk.lose_last_write(),
            Disk::Wiped => self.wipe(node),
        }
    }

    /// Nothing is left: the node will propose a new id, and an empty flow of its own.
    fn wipe(&mut self, node: NodeNumber) {
        let machine = self.machine_mut(node);
        machine.wipes += 1;
        let id = Machine::fresh_id(node, machine.wipes);
        let flow = Arc::new(DataFlow::empty(&format!("empty:{node}.{}", machine.wipes)));
        machine.disk = super::DiskContent::new(id, flow);
    }

    fn pause(&mut self, step: u32, node: NodeNumber, buffered: bool) {
        let now = self.now;
        if let Some(process) = &mut self.machine_mut(node).process
            && process.pause.is_none()
        {
            process.pause = Some(Pause { step, since: now, buffered });
        }
    }

    /// Lets a process run on. `step`: only if it was that step that held it up.
    fn resume(&mut self, node: NodeNumber, step: Option<u32>) {
        let now = self.now;
        let timers_first = self.resume_order.below(2) == 0;
        let Some(process) = &mut self.machine_mut(node).process else { return };
        let held_up_by = |pause: &Pause| step.is_none_or(|step| pause.step == step);
        if !process.pause.as_ref().is_some_and(held_up_by) {
            return;
        }
        let Some(pause) = process.pause.take() else { return };
        let buffer = std::mem::take(&mut process.buffer);
        self.happened(&Incident::Absent { node, length: now.since(pause.since) });
        self.note_node(node, "resumes", |_| format!("after {:?}", now.since(pause.since)));
        if timers_first {
            self.wake_if_due(node);
        }
        for delivery in buffer {
            self.deliver(node, delivery);
        }
        self.wake_if_due(node);
    }

    fn set_rate(&mut self, node: NodeNumber, ppm: i32) {
        let now = self.now;
        self.machine_mut(node).clock.set_rate(now, ppm);
        self.clock_changed(node);
    }

    /// Timers are times on the process's own clock: they come at another moment now.
    fn clock_changed(&mut self, node: NodeNumber) {
        if let Some(process) = &mut self.machine_mut(node).process {
            process.wakes_at = None;
        }
        self.schedule(node);
    }

    fn expire_session(&mut self, node: NodeNumber) {
        let session = self.machine_mut(node).process.as_ref().and_then(|process| process.client.session());
        if let Some(session) = session {
            let now = self.now;
            self.forced_expiries.insert(node, now);
            self.server_handles(ServerInput::ExpireSession { session });
        }
    }

    fn operator(&mut self, step: u32, at: Selector, action: OperatorAction) {
        let Some(target) = self.select(action.node()).first().copied() else {
            return self.note("--", "skipped", |_| format!("nobody is {} now", action.node()));
        };
        let Some(at) = self.choose(step, at).first().copied() else { return };
        let id = self.machine_mut(target).disk.id;
        let request = match action {
            OperatorAction::Connect(_) => OperatorRequest::Connect(id),
            OperatorAction::Disconnect(_) => OperatorRequest::Disconnect(id),
            OperatorAction::Remove(_) => OperatorRequest::Remove(id),
            OperatorAction::Offload(_) => OperatorRequest::Offload(id),
        };
        if self.machine_mut(at).awake().is_none() {
            return self.note("--", "skipped", |_| format!("{at} does not answer"));
        }
        if !matches!(action, OperatorAction::Connect(_)) {
            let now = self.now;
            self.put_out.insert(target, now);
        }
        self.requests += 1;
        let number = RequestId(self.requests);
        self.asked.insert(number, format!("{} {target}", action.word()));
        self.happened(&Incident::Requested { id: number, request });
        self.deliver(at, Delivery::Node(Input::Requested { id: number, request }));
    }
}
