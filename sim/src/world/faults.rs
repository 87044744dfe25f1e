//! What the plan does to the world, and how it is undone.

use super::World;
use super::process::{Machine, Pause};
use crate::doubts;
use crate::network::{Disturbance, DisturbanceId, Endpoint, LinkSet};
use crate::plan::{Action, Cut, Direction, Disk, Lasts, NodeNumber, OperatorAction, Protocol, Selector};
use crate::properties::Incident;
use crate::schedule::Planned;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use zeromaster_core::flow::DataFlow;
use zeromaster_core::node::Input;
use zeromaster_core::operator::{OperatorRequest, RequestId};
use zeromaster_zookeeper::ServerInput;

impl World<'_> {
    pub(super) fn step_begins(&mut self, step: u32) {
        // What begins after everything was healed would never be undone.
        if self.healed || self.schedule.falls_due(step) {
            return;
        }
        self.begin(step);
    }

    /// Does what has waited for a condition that has just come true.
    pub(super) fn look_for_conditions(&mut self) {
        let met = self.schedule.met(&self.cluster());
        if met.is_empty() {
            return;
        }
        self.replanned = true;
        self.schedule.come_true(met, self.now);
        for what in self.schedule.take_come_true() {
            match what {
                Planned::Start(node) => self.start(node),
                Planned::Step(step) => self.begin(step),
            }
        }
    }

    /// The healing is about to come: gives up what still waits for its condition. Whether that is anything.
    pub(crate) fn give_up(&mut self) -> bool {
        self.doubts.heals();
        let given_up = self.schedule.give_up();
        let gives_up = !given_up.is_empty();
        for (planned, condition) in given_up {
            let words = doubts::words_of(self.scenario, planned);
            self.note("--", "skipped", |_| format!("{words}: that has not come true"));
            self.doubts.gives_up(planned, words, condition, self.now);
        }
        gives_up
    }

    fn begin(&mut self, step: u32) {
        let Some(planned) = usize::try_from(step).ok().and_then(|index| self.scenario.plan.steps.get(index))
        else {
            return;
        };
        let lasts = planned.lasts;
        let suffix = planned.manner();
        let (word, object) = (planned.action.word(), planned.action.object());
        let meant = self.meant(&planned.action);
        self.note("--", word, |_| format!("{object}{suffix}{meant}"));
        let mut doubts = std::mem::take(&mut self.doubts);
        doubts.begins(step, planned, &self.cluster(), &|selector| self.select(selector));
        self.doubts = doubts;
        self.act(step, &planned.action);
        match lasts {
            Lasts::UntilHealed => {}
            Lasts::For(length) => {
                self.queue.push(self.now + length, super::Event::StepEnds { step });
            }
            Lasts::ForEver => self.lasts_for_ever(step, &planned.action),
        }
    }

    /// What a step has done stays as it is.
    fn lasts_for_ever(&mut self, step: u32, action: &Action) {
        debug_assert!(action.can_last_for_ever(), "{} does not last for ever", action.word());
        if let Some(links) = self.network.links(DisturbanceId(step)) {
            self.for_good.cut(links.clone());
            self.cut_for_good.insert(DisturbanceId(step));
        } else if *action == Action::ZooKeeperDown {
            self.for_good.lose(self.all_servers().into_iter().map(Endpoint::ZooKeeper));
        } else {
            let chosen = self.chosen.get(&step).cloned().unwrap_or_default();
            self.for_good.lose(self.with_embedded(chosen));
        }
    }

    /// Who the roles in an action are at this moment.
    fn meant(&self, action: &Action) -> String {
        roles(action).into_iter().filter_map(|role| meaning(role, &self.select(role))).collect()
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
            Action::Crash { node, disk } => self.each(step, *node, |world, machine| match machine {
                Endpoint::Node(node) => world.crash(node, *disk),
                Endpoint::ZooKeeper(server) => world.crash_server(server),
            }),
            Action::Stop { node } => {
                self.each_node(step, *node, |world, node| world.deliver_to_node(node, Input::Stop));
            }
            Action::Start { node } => self.each(step, *node, Self::start_machine),
            Action::Restart { node } => self.each(step, *node, |world, machine| {
                match machine {
                    Endpoint::Node(node) => world.crash(node, Disk::Kept),
                    Endpoint::ZooKeeper(server) => world.crash_server(server),
                }
                world.start_machine(machine);
            }),
            Action::Pause { node, buffered } => {
                self.each_of_host(step, *node, |world, machine| match machine {
                    Endpoint::Node(node) => world.pause(step, node, *buffered),
                    Endpoint::ZooKeeper(server) => world.pause_server(step, server, *buffered),
                })
            }
            Action::Slow { node, by } => self.each_node(step, *node, |world, node| {
                world.network.set_slow(node, Some(*by));
                world.happened(&Incident::Slowed { node });
            }),
            Action::ClockJump { node, by } => {
                self.each_of_host(step, *node, |world, machine| world.jump(machine, *by));
            }
            Action::ClockDrift { node, ppm } => {
                self.each_of_host(step, *node, |world, machine| world.drift(machine, *ppm));
            }
            Action::WallClock { server, by_ms } => {
                self.each(step, *server, |world, machine| match machine {
                    Endpoint::Node(_) => {}
                    Endpoint::ZooKeeper(server) => world.set_wall_clock(server, *by_ms),
                });
            }
            Action::ExpireSession { node } => {
                self.each_node(step, *node, |world, node| world.expire_session(node));
            }
            Action::ZooKeeperDown => {
                for server in self.all_servers() {
                    self.crash_server(server);
                }
            }
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
        self.doubts.ends(step);
        self.undo(step, &planned.action);
    }

    fn undo(&mut self, step: u32, action: &Action) {
        let chosen = self.chosen.get(&step).cloned().unwrap_or_default();
        match action {
            Action::Cut { .. } | Action::Loss { .. } | Action::Duplicate { .. } | Action::Delay { .. } => {
                self.network.remove(DisturbanceId(step));
            }
            Action::Crash { .. } | Action::Stop { .. } => {
                chosen.into_iter().for_each(|machine| self.start_machine(machine))
            }
            Action::Pause { .. } => chosen.into_iter().for_each(|machine| match machine {
                Endpoint::Node(node) => self.resume(node, Some(step)),
                Endpoint::ZooKeeper(server) => self.resume_server(server, Some(step)),
            }),
            Action::Slow { .. } => chosen.into_iter().for_each(|machine| match machine {
                Endpoint::Node(node) => self.network.set_slow(node, None),
                Endpoint::ZooKeeper(_) => {}
            }),
            Action::ClockDrift { .. } => chosen.into_iter().for_each(|machine| self.drift(machine, 0)),
            Action::ZooKeeperDown => self.start_servers(),
            Action::Start { .. }
            | Action::Restart { .. }
            | Action::ClockJump { .. }
            | Action::WallClock { .. }
            | Action::ExpireSession { .. }
            | Action::Operator { .. } => {}
        }
    }

    /// Undoes every fault: the network is whole, ZooKeeper serves, and every process runs.
    pub(crate) fn heal(&mut self) {
        let but = if self.for_good.is_anything() { " but those that last for ever" } else { "" };
        self.note("--", "heal", |_| format!("all faults are undone{but}"));
        self.healed = true;
        self.network.heal(&self.cut_for_good);
        for server in self.all_servers() {
            self.set_server_rate(server, 0);
            self.resume_server(server, None);
        }
        self.start_servers();
        for node in self.all() {
            self.set_rate(node, 0);
            self.resume(node, None);
            self.start(node);
        }
    }

    fn start_servers(&mut self) {
        for server in self.all_servers() {
            self.start_server(server);
        }
    }

    fn start_machine(&mut self, machine: Endpoint) {
        if self.for_good.is_gone(machine) {
            return self.note("--", "skipped", |_| format!("{machine} is gone for good"));
        }
        match machine {
            Endpoint::Node(node) => self.start(node),
            Endpoint::ZooKeeper(server) => self.start_server(server),
        }
    }

    fn jump(&mut self, machine: Endpoint, by: Duration) {
        let now = self.now;
        match machine {
            Endpoint::Node(node) => {
                self.machine_mut(node).clock.jump(now, by);
                self.happened(&Incident::Absent { node, length: by });
                self.clock_changed(node);
            }
            Endpoint::ZooKeeper(server) => {
                self.server_mut(server).clock.jump(now, by);
                self.server_clock_changed(server);
            }
        }
    }

    fn drift(&mut self, machine: Endpoint, ppm: i32) {
        match machine {
            Endpoint::Node(node) => self.set_rate(node, ppm),
            Endpoint::ZooKeeper(server) => self.set_server_rate(server, ppm),
        }
    }

    fn all(&self) -> Vec<NodeNumber> {
        (1..=self.scenario.nodes).map(NodeNumber).collect()
    }

    /// Does something to everybody that a selector means now; they are kept for when the step ends.
    fn each(&mut self, step: u32, selector: Selector, act: impl Fn(&mut Self, Endpoint)) {
        for machine in self.choose(step, selector) {
            act(self, machine);
        }
    }

    /// As [`World::each`], and the ZooKeeper servers that share a process and a clock with a chosen node are struck with it.
    fn each_of_host(&mut self, step: u32, selector: Selector, act: impl Fn(&mut Self, Endpoint)) {
        let chosen = self.choose(step, selector);
        let chosen = self.with_embedded(chosen);
        for machine in chosen.clone() {
            act(self, machine);
        }
        self.chosen.insert(step, chosen);
    }

    /// These machines, and the ZooKeeper servers in the processes of those that are nodes.
    fn with_embedded(&self, machines: impl IntoIterator<Item = Endpoint>) -> Vec<Endpoint> {
        let mut all: Vec<Endpoint> = machines.into_iter().collect();
        let embedded = all.iter().filter_map(|machine| match machine {
            Endpoint::Node(node) => self.server_in(*node).map(Endpoint::ZooKeeper),
            Endpoint::ZooKeeper(_) => None,
        });
        let embedded: Vec<Endpoint> = embedded.filter(|server| !all.contains(server)).collect();
        all.extend(embedded);
        all
    }

    fn each_node(&mut self, step: u32, selector: Selector, act: impl Fn(&mut Self, NodeNumber)) {
        self.each(step, selector, |world, machine| match machine {
            Endpoint::Node(node) => act(world, node),
            Endpoint::ZooKeeper(_) => {}
        });
    }

    /// Everybody that a selector means now; kept for when the step ends.
    fn choose(&mut self, step: u32, selector: Selector) -> Vec<Endpoint> {
        let chosen = self.select(selector);
        if chosen.is_empty() {
            self.note("--", "skipped", |_| format!("nobody is {selector} now"));
        }
        self.chosen.insert(step, chosen.clone());
        chosen
    }

    /// Everybody that a selector means now; `rest` means all nodes where it is not a side of a cut.
    fn select(&self, selector: Selector) -> Vec<Endpoint> {
        let nodes = |nodes: Vec<NodeNumber>| nodes.into_iter().map(Endpoint::Node).collect();
        let servers = |servers: Vec<u32>| servers.into_iter().map(Endpoint::ZooKeeper).collect();
        match selector {
            Selector::Node(node) => nodes(vec![node]),
            Selector::Coordinator => {
                nodes(self.cluster().coordinator().map(|(node, _, _)| node).into_iter().collect())
            }
            Selector::Primary => nodes(self.primary().into_iter().collect()),
            Selector::All | Selector::Rest => nodes(self.all()),
            Selector::ZooKeeper => servers(self.all_servers()),
            Selector::ZooKeeperServer(server) => servers(vec![server]),
            Selector::ZooKeeperLeader => servers(self.leader().into_iter().collect()),
            Selector::ZooKeeperFollowers => servers(self.followers()),
        }
    }

    /// The first node that a selector means now.
    fn select_node(&self, selector: Selector) -> Option<NodeNumber> {
        self.select(selector).into_iter().find_map(|machine| match machine {
            Endpoint::Node(node) => Some(node),
            Endpoint::ZooKeeper(_) => None,
        })
    }

    fn primary(&self) -> Option<NodeNumber> {
        let primary = self.machines.iter().find(|machine| {
            machine.awake().is_some_and(|running| running.node.is_primary(machine.local(self.now)).is_some())
        });
        primary.map(|machine| machine.number)
    }

    fn disturb(&mut self, step: u32, cut: &Cut, protocol: Option<Protocol>, disturbance: Disturbance) {
        let (mut from, mut to) = sides(cut, &|selector| self.select(selector));
        // Between nodes it parts machines, and an embedded server is on the machine of its node. A cut that names ZooKeeper
        // means the links that it names.
        if !cut.selectors().any(Selector::is_zookeeper) {
            from = self.with_embedded(from).into_iter().collect();
            to = self.with_embedded(to).into_iter().collect();
        }
        let links = LinkSet { from, to, both_ways: cut.direction == Direction::Both, protocol };
        self.network.add(DisturbanceId(step), links, disturbance);
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
        self.states.count_anew();
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
        if self.for_good.is_gone(Endpoint::Node(node)) {
            return;
        }
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
        let Some(session) = session else { return };
        let Some(leader) = self.leader() else {
            return self.note("--", "skipped", |_| "no ZooKeeper server leads now".into());
        };
        let now = self.now;
        self.forced_expiries.insert(node, now);
        self.reaches(leader, ServerInput::ExpireSession { session });
    }

    fn operator(&mut self, step: u32, at: Selector, action: OperatorAction) {
        let Some(target) = self.select_node(action.node()) else {
            return self.note("--", "skipped", |_| format!("nobody is {} now", action.node()));
        };
        let Some(Endpoint::Node(at)) = self.choose(step, at).first().copied() else { return };
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
        self.deliver_to_node(at, Input::Requested { id: number, request });
    }
}

/// The two sides of a cut. `select`: everybody that a selector means now.
pub(crate) fn sides(
    cut: &Cut,
    select: &dyn Fn(Selector) -> Vec<Endpoint>,
) -> (BTreeSet<Endpoint>, BTreeSet<Endpoint>) {
    let named = |selectors: &[Selector]| -> BTreeSet<Endpoint> {
        let others = selectors.iter().filter(|selector| **selector != Selector::Rest);
        others.flat_map(|selector| select(*selector)).collect()
    };
    let with_rest = |own: &[Selector], other: &BTreeSet<Endpoint>| -> BTreeSet<Endpoint> {
        let mut side = named(own);
        if own.contains(&Selector::Rest) {
            side.extend(select(Selector::Rest).into_iter().filter(|node| !other.contains(node)));
        }
        side
    };
    let (from, to) = (named(&cut.from), named(&cut.to));
    (with_rest(&cut.from, &to), with_rest(&cut.to, &from))
}

/// The selectors in an action, each once where two stand side by side.
pub(crate) fn roles(action: &Action) -> Vec<Selector> {
    let mut selectors: Vec<Selector> = match action {
        Action::Cut { cut, .. } => cut.selectors().collect(),
        Action::Loss { between, .. } | Action::Duplicate { between, .. } | Action::Delay { between, .. } => {
            between.selectors().collect()
        }
        Action::Crash { node, .. }
        | Action::Stop { node }
        | Action::Start { node }
        | Action::Restart { node }
        | Action::Pause { node, .. }
        | Action::Slow { node, .. }
        | Action::ClockJump { node, .. }
        | Action::ClockDrift { node, .. }
        | Action::ExpireSession { node } => vec![*node],
        Action::WallClock { server, .. } => vec![*server],
        Action::Operator { at, request } => vec![*at, request.node()],
        Action::ZooKeeperDown => Vec::new(),
    };
    selectors.dedup();
    selectors
}

/// Who a role is, in words; `None` for what is no role, or for one that nobody has.
pub(crate) fn meaning(role: Selector, chosen: &[Endpoint]) -> Option<String> {
    let is = match role {
        Selector::Coordinator | Selector::Primary | Selector::ZooKeeperLeader => "is",
        Selector::ZooKeeperFollowers => "are",
        Selector::Node(_)
        | Selector::Rest
        | Selector::All
        | Selector::ZooKeeper
        | Selector::ZooKeeperServer(_) => return None,
    };
    let names: Vec<String> = chosen.iter().map(ToString::to_string).collect();
    (!names.is_empty()).then(|| format!("; {role} {is} {}", names.join(", ")))
}
