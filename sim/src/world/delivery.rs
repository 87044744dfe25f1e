//! What reaches a process: handled now, or later, or never; and when the process is woken.

use super::process::Delivery;
use super::{Event, World};
use crate::plan::NodeNumber;
use crate::time::SimTime;
use zeromaster_core::coordination::CoordinationEvent;
use zeromaster_core::identity::Incarnation;
use zeromaster_core::node::Input;
use zeromaster_zookeeper::ClientInput;

impl World<'_> {
    pub(super) fn deliver_to_run(&mut self, node: NodeNumber, incarnation: Incarnation, input: Input) {
        if self.machine_mut(node).incarnation == incarnation {
            self.deliver(node, Delivery::Node(input));
        }
    }

    /// Hands something to the node in a process, now or as soon as that gets to it.
    #[inline]
    pub(super) fn deliver_to_node(&mut self, node: NodeNumber, input: Input) {
        if self.is_at_hand(node) {
            self.node_handles(node, input);
        } else {
            self.deliver(node, Delivery::Node(input));
        }
    }

    /// As [`World::deliver_to_node`], for its ZooKeeper client.
    #[inline]
    pub(super) fn deliver_to_client(&mut self, node: NodeNumber, input: ClientInput) {
        if self.is_at_hand(node) {
            self.client_handles(node, input);
        } else {
            self.deliver(node, Delivery::Client(input));
        }
    }

    /// Whether a process runs there, and nothing holds it up.
    #[inline]
    fn is_at_hand(&mut self, node: NodeNumber) -> bool {
        let now = self.now;
        let is_quick = self.network.slowness(node).is_zero();
        let process = self.machine_mut(node).process.as_ref();
        is_quick && process.is_some_and(|process| process.pause.is_none() && process.busy_until <= now)
    }

    /// Something reaches a process: handled now, or later if the process is slow, or when it runs again.
    #[cold]
    #[inline(never)]
    pub(super) fn deliver(&mut self, node: NodeNumber, delivery: Delivery) {
        let slow = self.network.slowness(node);
        let now = self.now;
        let machine = self.machine_mut(node);
        let incarnation = machine.incarnation;
        let Some(process) = &mut machine.process else { return };
        if let Some(pause) = &process.pause {
            // What is lost is what comes from the network; the process's own doings wait for it.
            let lost = !pause.buffered && matches!(delivery, Delivery::Node(Input::Received { .. }));
            if !lost {
                process.buffer.push_back(delivery);
            }
            return;
        }
        let at = (now + slow).max(process.busy_until);
        if at > now {
            process.busy_until = at;
            self.queue.push(at, Event::Handle { node, incarnation, delivery: Box::new(delivery) });
        } else {
            self.handle(node, delivery);
        }
    }

    /// As `handle_late`, without wrapping what nearly always is handled at once.
    pub(super) fn hears(&mut self, node: NodeNumber, incarnation: Incarnation, event: CoordinationEvent) {
        let machine = self.machine_mut(node);
        let process = machine.process.as_mut().filter(|_| machine.incarnation == incarnation);
        let input = Input::Coordination(event);
        match process {
            Some(process) if process.pause.is_some() => process.buffer.push_back(Delivery::Node(input)),
            Some(_) => self.node_handles(node, input),
            None => {}
        }
    }

    pub(super) fn handle_late(&mut self, node: NodeNumber, incarnation: Incarnation, delivery: Delivery) {
        let machine = self.machine_mut(node);
        if machine.incarnation != incarnation {
            return;
        }
        match &mut machine.process {
            Some(process) if process.pause.is_some() => process.buffer.push_back(delivery),
            Some(_) => self.handle(node, delivery),
            None => {}
        }
    }

    fn handle(&mut self, node: NodeNumber, delivery: Delivery) {
        match delivery {
            Delivery::Node(input) => self.node_handles(node, input),
            Delivery::Client(input) => self.client_handles(node, input),
        }
    }

    /// The time that a process waited for has come, unless something else came first.
    pub(super) fn wake(&mut self, node: NodeNumber, incarnation: Incarnation) {
        let now = self.now;
        let machine = self.machine_mut(node);
        if machine.incarnation != incarnation {
            return;
        }
        let Some(process) = &mut machine.process else { return };
        if process.wakes_at == Some(now) {
            process.wakes_at = None;
        }
        if process.pause.is_none() {
            self.wake_if_due(node);
        }
    }

    pub(super) fn wake_if_due(&mut self, node: NodeNumber) {
        let now = self.now;
        let machine = self.machine_mut(node);
        let local = machine.local(now);
        let Some(process) = &machine.process else { return };
        let client_due = process.client_due.is_some_and(|at| at <= local);
        let node_due = process.node_due.is_some_and(|at| at <= local);
        if client_due {
            self.deliver_to_client(node, ClientInput::Wakeup);
        }
        if node_due {
            self.deliver_to_node(node, Input::Wakeup);
        }
        self.schedule(node);
    }

    /// Makes sure that the process is woken when it wants to be.
    pub(super) fn schedule(&mut self, node: NodeNumber) {
        let now = self.now;
        let machine = self.machine_mut(node);
        let incarnation = machine.incarnation;
        let Some(process) = &machine.process else { return };
        let local = match (process.node_due, process.client_due) {
            (Some(node), Some(client)) => node.min(client),
            (Some(due), None) | (None, Some(due)) => due,
            (None, None) => return,
        };
        // A slow process gets to it late.
        let at = machine.clock.sim_time_of(local.as_micros()).max(now).max(process.busy_until);
        if at < SimTime::FAR_FUTURE && process.wakes_at.is_none_or(|wakes_at| at < wakes_at) {
            if let Some(process) = &mut machine.process {
                process.wakes_at = Some(at);
            }
            self.queue.push(at, Event::Wake { node, incarnation });
        }
    }
}
