//! Orders to nodes: how often they are sent, and what the silence after them means.

use super::by_node::{ById, ByNode};
use super::{Cluster, Finding, Incident, Interest, Observation, Property, Stimulus, window};
use crate::words::name;
use std::collections::BTreeMap;
use std::time::Duration;
use zeromaster_core::effect::Effect;
use zeromaster_core::event::ClusterEvent;
use zeromaster_core::identity::{Incarnation, NodeId};
use zeromaster_core::leadership::Role;
use zeromaster_core::message::Message;
use zeromaster_core::status::{ConnectionState, DisconnectionCode, NodeStatus, Version};
use zeromaster_core::time::Instant;

/// How often an order may be sent (spec S38).
const ATTEMPTS: u32 = 10;

/// How far apart two attempts of one order are at least (spec S38).
const PAUSE: Duration = Duration::from_secs(5);

/// What became of one order.
#[derive(Clone, Copy, Debug)]
struct Sent {
    times: u32,
    last: Instant,
    acknowledged: bool,
}

/// The orders that one process has sent, by the decision behind each.
type Ledger = BTreeMap<Version, Sent>;

/// The decisions behind the orders that a step sends.
fn sent<'a>(step: &Observation<'a>) -> impl Iterator<Item = Version> + use<'a> {
    step.effects.iter().filter_map(|effect| match effect {
        Effect::Send { message: Message::Order { version, .. }, .. } => Some(*version),
        _ => None,
    })
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct OrdersKeepTheirPace {
    sent: ByNode<Ledger>,
}

impl Property for OrdersKeepTheirPace {
    fn name(&self) -> &'static str {
        "orders-keep-their-pace"
    }

    fn promise(&self) -> &'static str {
        "An order is sent at most ten times, each time at least 5 s after the last one on the coordinator's clock (spec S38)."
    }

    fn interest(&self) -> Interest {
        Interest::ORDERING
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let mut finding = None;
        for version in sent(step) {
            let ledger = self.sent.get_or_insert(step.node, Ledger::new);
            let new = Sent { times: 0, last: Instant::ZERO, acknowledged: false };
            let order = ledger.entry(version).or_insert(new);
            let pause = step.local.since(order.last);
            order.times += 1;
            order.last = step.local;
            if order.times > ATTEMPTS {
                let times = order.times;
                finding = Finding::new(format!("{} sent the order {version} {times} times", step.node));
            } else if order.times > 1 && pause < PAUSE {
                finding = Finding::new(format!(
                    "{} sent the order {version} again after {pause:?}, at least {PAUSE:?} are expected",
                    step.node
                ));
            }
        }
        finding
    }

    fn happened(&mut self, incident: &Incident, _cluster: &Cluster<'_>) {
        if let Incident::Ended { node } = incident {
            self.sent.remove(*node);
        }
    }
}

/// What one coordinator has done to reach the nodes, and heard of them.
#[derive(Debug, Default)]
struct Reached {
    began: Instant,
    sent: Ledger,
    nodes: ById<Signs>,
}

/// What a coordinator knows of one node's present attempt.
#[derive(Clone, Copy, Debug, Default)]
struct Signs {
    /// When the node's status changed last.
    changed: Instant,
    /// Its newest heartbeat: of which run, and its number. An older one that comes late says nothing.
    newest: Option<(Incarnation, u64)>,
    /// The attempt that its last heartbeat from a load named, and when that heartbeat came.
    loads: Option<(Version, Instant)>,
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct UnreachableWasTried {
    reached: ByNode<Reached>,
}

impl Reached {
    /// Whether the order behind `attempt` was sent ten times, and the last one, too, had its time.
    fn was_tried(&self, attempt: Version, now: Instant) -> bool {
        self.sent.get(&attempt).is_some_and(|order| {
            order.times == ATTEMPTS && !order.acknowledged && now.since(order.last) >= PAUSE
        })
    }

    /// For how long nothing was heard of `attempt`.
    fn silence(&self, node: NodeId, attempt: Version, now: Instant) -> Duration {
        let signs = self.nodes.get(node).copied().unwrap_or_default();
        let heard = signs.loads.filter(|(loads, _)| *loads == attempt).map_or(Instant::ZERO, |(_, at)| at);
        now.since(self.began.max(signs.changed).max(heard))
    }

    /// What speaks against calling the node unreachable, if something does.
    fn objection(&self, step: &Observation<'_>, before: &NodeStatus) -> Option<String> {
        let now = step.local;
        let (attempt, waits) = match before.state {
            ConnectionState::Connecting { attempt } => (attempt, true),
            ConnectionState::Connected { .. }
            | ConnectionState::Disconnecting
            | ConnectionState::Disconnected { .. }
            | ConnectionState::Offloading
            | ConnectionState::Offloaded
            | ConnectionState::Removed => (before.version, false),
        };
        let silence = self.silence(before.node.id, attempt, now);
        if self.was_tried(attempt, now) || (waits && silence >= window(step.after.config())) {
            return None;
        }
        let times = self.sent.get(&attempt).map_or(0, |order| order.times);
        let acknowledged = self.sent.get(&attempt).is_some_and(|order| order.acknowledged);
        let so = if acknowledged { ", acknowledged," } else { "" };
        Some(format!("after {times} orders{so} and {silence:?} of silence"))
    }
}

impl Property for UnreachableWasTried {
    fn name(&self) -> &'static str {
        "unreachable-was-tried"
    }

    fn promise(&self) -> &'static str {
        "A node is put out as unreachable only after ten orders, at least 5 s apart, none of which it acknowledged, or after \
         interval × missable in which no heartbeat named its attempt (spec 3.3, L3)."
    }

    fn interest(&self) -> Interest {
        Interest::ORDERING.and(Interest::RECORDING)
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let is_election = |event: &ClusterEvent| {
            matches!(event, ClusterEvent::Elected { role: Role::ClusterCoordinator, .. })
        };
        if step.events().any(is_election) {
            let reached = self.reached.get_or_insert(step.node, Reached::default);
            *reached = Reached { began: step.local, ..Reached::default() };
        }
        let reached = self.reached.get_mut(step.node)?;
        match step.stimulus {
            Stimulus::Acknowledged { version, .. } => {
                if let Some(order) = reached.sent.get_mut(&version) {
                    order.acknowledged = true;
                }
            }
            Stimulus::Heartbeat { node, incarnation, epoch, sequence, loads }
                if step.coordinates == Some(epoch) =>
            {
                let signs = reached.nodes.get_or_default(node);
                if signs.newest < Some((incarnation, sequence)) {
                    signs.newest = Some((incarnation, sequence));
                    signs.loads = loads.map(|attempt| (attempt, step.local)).or(signs.loads);
                }
            }
            Stimulus::Heartbeat { .. }
            | Stimulus::FromCoordinator { .. }
            | Stimulus::Requested { .. }
            | Stimulus::Other => {}
        }
        let mut finding = None;
        for (before, after) in step.decided() {
            if after.state.code() == Some(DisconnectionCode::UnableToCommunicate) {
                let objection = before
                    .map_or(Some("unknown before".to_owned()), |before| reached.objection(step, before));
                let node = name(&after.node);
                finding = objection.and_then(|objection| {
                    Finding::new(format!("{} calls {node} unreachable {objection}", step.node))
                });
            }
        }
        for event in step.events() {
            if let ClusterEvent::Transition { after, .. } = event {
                reached.nodes.get_or_default(after.node.id).changed = step.local;
            }
        }
        for version in sent(step) {
            let new = Sent { times: 0, last: step.local, acknowledged: false };
            let order = reached.sent.entry(version).or_insert(new);
            order.times += 1;
            order.last = step.local;
        }
        finding
    }

    fn happened(&mut self, incident: &Incident, _cluster: &Cluster<'_>) {
        if let Incident::Ended { node } = incident {
            self.reached.remove(*node);
        }
    }
}
