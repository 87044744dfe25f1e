//! Orders to nodes that have not been acknowledged: at most one for each node, each sent again until it is
//! acknowledged or ten attempts have been made (spec 3.3, 3.4, S38; one at a time since NIFI-16006).

use crate::config::{ORDER_ATTEMPTS, ORDER_PAUSE};
use crate::identity::{Incarnation, NodeId, NodeIdentifier};
use crate::message::OrderKind;
use crate::status::Version;
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Order {
    pub(crate) node: Arc<NodeIdentifier>,
    pub(crate) incarnation: Incarnation,
    pub(crate) version: Version,
    pub(crate) kind: OrderKind,
    attempts: u32,
    next_at: Instant,
}

impl Order {
    /// Whether it was sent before, and not acknowledged.
    pub(crate) fn is_repeated(&self) -> bool {
        self.attempts > 1
    }
}

/// What is to be done about an order whose time has come.
pub(crate) enum Due {
    Send(Order),
    GiveUp(Order),
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Orders {
    pending: BTreeMap<NodeId, Order>,
    times: BTreeSet<(Instant, NodeId)>,
}

impl Orders {
    /// Issues an order; it is due at once, and replaces an older one to the same node.
    pub(crate) fn issue(
        &mut self,
        now: Instant,
        node: &Arc<NodeIdentifier>,
        incarnation: Incarnation,
        version: Version,
        kind: OrderKind,
    ) {
        self.cancel(node.id);
        let order = Order { node: node.clone(), incarnation, version, kind, attempts: 0, next_at: now };
        self.times.insert((now, node.id));
        self.pending.insert(node.id, order);
    }

    /// Nothing is asked of `node` any longer. Gives the order that it has not acknowledged.
    pub(crate) fn cancel(&mut self, node: NodeId) -> Option<Order> {
        let order = self.pending.remove(&node)?;
        self.times.remove(&(order.next_at, node));
        Some(order)
    }

    /// `node` has received the order of that decision, which is given if it was not known yet.
    pub(crate) fn acknowledged(&mut self, node: NodeId, version: Version) -> Option<Order> {
        let is_it = self.pending.get(&node).is_some_and(|order| order.version == version);
        if is_it { self.cancel(node) } else { None }
    }

    pub(crate) fn is_pending(&self, node: NodeId) -> bool {
        self.pending.contains_key(&node)
    }

    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.times.first().map(|(at, _)| *at)
    }

    /// Takes the next order whose time has come.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Due> {
        let (at, node) = *self.times.first().filter(|(at, _)| *at <= now)?;
        self.times.remove(&(at, node));
        let order = self.pending.get_mut(&node)?;
        if order.attempts == ORDER_ATTEMPTS {
            return self.pending.remove(&node).map(Due::GiveUp);
        }
        order.attempts += 1;
        order.next_at = now + ORDER_PAUSE;
        self.times.insert((order.next_at, node));
        Some(Due::Send(order.clone()))
    }

    pub(crate) fn check_invariants(&self) {
        assert_eq!(self.pending.len(), self.times.len(), "every pending order has exactly one next time");
        for (node, order) in &self.pending {
            assert!(
                self.times.contains(&(order.next_at, *node)),
                "the order's own time is the one it waits for"
            );
            assert!(order.attempts <= ORDER_ATTEMPTS, "no order is sent more often than allowed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Address;
    use crate::status::DisconnectionCode;

    fn node(id: u128) -> Arc<NodeIdentifier> {
        Arc::new(NodeIdentifier::new(NodeId(id), Address::new("n", 1), Address::new("n", 2)))
    }

    fn kind() -> OrderKind {
        OrderKind::Disconnect { code: DisconnectionCode::UserDisconnected, reason: "".into() }
    }

    fn version(sequence: u64) -> Version {
        Version { sequence, ..Version::NONE }
    }

    #[test]
    fn an_order_is_sent_ten_times_five_seconds_apart_and_then_given_up() {
        let mut orders = Orders::default();
        let start = Instant::from_micros(7);
        orders.issue(start, &node(1), Incarnation(0), version(1), kind());
        for attempt in 0..ORDER_ATTEMPTS {
            let at = start + ORDER_PAUSE * attempt;
            assert_eq!(orders.next_at(), Some(at));
            assert!(matches!(orders.due(at), Some(Due::Send(_))), "attempt {attempt}");
            assert!(orders.due(at).is_none());
            orders.check_invariants();
        }
        let end = start + ORDER_PAUSE * ORDER_ATTEMPTS;
        assert!(matches!(orders.due(end), Some(Due::GiveUp(_))));
        assert_eq!(orders.next_at(), None);
    }

    #[test]
    fn a_newer_order_replaces_the_older_one() {
        let mut orders = Orders::default();
        orders.issue(Instant::ZERO, &node(1), Incarnation(0), version(1), kind());
        orders.issue(Instant::ZERO, &node(1), Incarnation(0), version(2), kind());
        orders.acknowledged(NodeId(1), version(1));
        assert!(orders.is_pending(NodeId(1)), "the old order's acknowledgement says nothing of the new one");
        orders.acknowledged(NodeId(1), version(2));
        assert!(!orders.is_pending(NodeId(1)));
        orders.check_invariants();
    }
}
