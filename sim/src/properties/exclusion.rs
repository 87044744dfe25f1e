//! Who was put out stays out.

use super::oracle::is_in;
use super::{Cluster, Finding, Incident, Interest, Observation, Property};
use crate::setup::node_of_host;
use crate::words::name;
use std::collections::{BTreeMap, BTreeSet};
use zeromaster_core::effect::Effect;
use zeromaster_core::event::ClusterEvent;
use zeromaster_core::identity::{Incarnation, NodeId};
use zeromaster_core::operator::{OperatorRequest, RequestId};
use zeromaster_core::status::{ConnectionState, DisconnectionCode};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wish {
    Disconnected,
    Removed,
}

/// See [`Property::promise`]. Two properties of one shape: a person's wish, granted, holds until a person or a restart
/// takes it back.
#[derive(Debug)]
pub(super) struct StaysOut {
    wish: Wish,
    /// Requests without a reply.
    asked: BTreeMap<RequestId, OperatorRequest>,
    /// Which run of which node a coordinator decided about last.
    decided: BTreeMap<NodeId, Incarnation>,
    /// Which run of each node was started last.
    started: BTreeMap<NodeId, Incarnation>,
    /// Which run of which node is to stay out.
    out: BTreeMap<NodeId, Incarnation>,
    /// Nodes about which a request to connect may still take effect, because nobody knows what became of it.
    in_doubt: BTreeSet<NodeId>,
}

impl StaysOut {
    pub(super) fn user_disconnected() -> Self {
        StaysOut::new(Wish::Disconnected)
    }

    pub(super) fn removed() -> Self {
        StaysOut::new(Wish::Removed)
    }

    /// A coordinator that decides, and whose table never heard of it.
    fn overlooked(&self, step: &Observation<'_>) -> Option<Finding> {
        if self.out.is_empty() || step.after.decides(step.local).is_none() {
            return None;
        }
        let status = self.out.iter().find_map(|(node, incarnation)| {
            let status = step.after.table().get(*node)?;
            (is_in(&status.state) && status.incarnation <= *incarnation).then_some(status)
        })?;
        Finding::new(format!(
            "{} decides, and calls {} {}, which a person had put out",
            step.node,
            name(&status.node),
            status.state.name()
        ))
    }

    fn is_wished(&self, state: &ConnectionState) -> bool {
        match self.wish {
            Wish::Disconnected => {
                state.code() == Some(DisconnectionCode::UserDisconnected)
                    || matches!(state, ConnectionState::Offloading | ConnectionState::Offloaded)
            }
            Wish::Removed => *state == ConnectionState::Removed,
        }
    }

    fn new(wish: Wish) -> Self {
        StaysOut {
            wish,
            asked: BTreeMap::new(),
            decided: BTreeMap::new(),
            started: BTreeMap::new(),
            out: BTreeMap::new(),
            in_doubt: BTreeSet::new(),
        }
    }

    fn replied(&mut self, id: RequestId, granted: bool, unknown: bool) {
        let Some(request) = self.asked.remove(&id) else { return };
        let node = request.node();
        match (request, self.wish) {
            (OperatorRequest::Connect(_), _) if unknown => {
                self.in_doubt.insert(node);
            }
            (OperatorRequest::Disconnect(_), Wish::Disconnected)
            | (OperatorRequest::Remove(_), Wish::Removed) => {
                let connecting = self.asked.values().any(|other| *other == OperatorRequest::Connect(node));
                if granted && !connecting && !self.in_doubt.contains(&node) {
                    // A run that the coordinator had not heard of yet is a restart.
                    let out = self.decided.get(&node).copied().unwrap_or_default();
                    if self.started.get(&node).is_none_or(|started| *started <= out) {
                        self.out.insert(node, out);
                    }
                }
            }
            (
                OperatorRequest::Connect(_)
                | OperatorRequest::Disconnect(_)
                | OperatorRequest::Remove(_)
                | OperatorRequest::Offload(_),
                _,
            ) => {}
        }
    }
}

impl Property for StaysOut {
    fn name(&self) -> &'static str {
        match self.wish {
            Wish::Disconnected => "user-disconnected-stays-out",
            Wish::Removed => "removed-stays-out",
        }
    }

    fn promise(&self) -> &'static str {
        match self.wish {
            Wish::Disconnected => {
                "A node that a person disconnected does not come back before a person connects it or its process \
                 restarts, whoever coordinates (spec S13, I4)."
            }
            Wish::Removed => {
                "A node that a person removed does not come back before its process restarts, whoever coordinates \
                 (spec S15, I4)."
            }
        }
    }

    fn interest(&self) -> Interest {
        Interest::RECORDING.and(Interest::IN_OFFICE)
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let mut finding = None;
        for effect in step.effects {
            match effect {
                Effect::Reply { id, outcome } => {
                    let unknown = outcome.as_ref().is_err_and(|refusal| refusal.outcome_is_unknown());
                    self.replied(*id, outcome.is_ok(), unknown);
                }
                Effect::Record(ClusterEvent::Transition { after, .. }) => {
                    let back = is_in(&after.state);
                    if self.is_wished(&after.state) {
                        self.decided.insert(after.node.id, after.incarnation);
                    }
                    let out = self.out.get(&after.node.id);
                    if back && out.is_some_and(|incarnation| after.incarnation <= *incarnation) {
                        finding = Finding::new(format!(
                            "{} made {} {}, which a person had put out",
                            step.node,
                            name(&after.node),
                            after.state.name()
                        ));
                    }
                }
                Effect::Record(_)
                | Effect::Persist(_)
                | Effect::Send { .. }
                | Effect::Coordinate(_)
                | Effect::LoadFlow { .. }
                | Effect::Offload { .. }
                | Effect::Exit => {}
            }
        }
        // A coordinator whose session ZooKeeper gave up by force does not know of its successor's decisions yet.
        let excuse = || step.cluster.excuse_of_forced_expiry(&[step.node]);
        finding.or_else(|| self.overlooked(step)).map(|finding| Finding { excuse: excuse(), ..finding })
    }

    fn happened(&mut self, incident: &Incident, _cluster: &Cluster<'_>) {
        match incident {
            Incident::Started { id, incarnation, .. } => {
                self.started.insert(*id, *incarnation);
                if self.out.get(id).is_some_and(|out| incarnation > out) {
                    self.out.remove(id);
                }
            }
            Incident::Requested { id, request } => {
                // It may take effect at any time from now on. A removed node, though, is not let in by asking.
                if let (OperatorRequest::Connect(node), Wish::Disconnected) = (request, self.wish) {
                    self.out.remove(node);
                    // A "disconnect" that was asked before may be decided before, and answered after it.
                    self.asked.retain(|_, asked| *asked != OperatorRequest::Disconnect(*node));
                }
                // A "connect" that is not answered yet may take effect after this "disconnect".
                let is_overtaken = |node: NodeId| {
                    self.wish == Wish::Disconnected
                        && self.asked.values().any(|other| *other == OperatorRequest::Connect(node))
                };
                match request {
                    OperatorRequest::Disconnect(node) if is_overtaken(*node) => {}
                    OperatorRequest::Connect(_)
                    | OperatorRequest::Disconnect(_)
                    | OperatorRequest::Remove(_)
                    | OperatorRequest::Offload(_) => {
                        self.asked.insert(*id, *request);
                    }
                }
            }
            Incident::Ended { .. }
            | Incident::Absent { .. }
            | Incident::Slowed { .. }
            | Incident::ServerEnded { .. } => {}
        }
    }
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct BlockedStaysOut;

impl Property for BlockedStaysOut {
    fn name(&self) -> &'static str {
        "blocked-stays-out"
    }

    fn promise(&self) -> &'static str {
        "A node that the firewall file does not list never becomes CONNECTED (spec S22)."
    }

    fn interest(&self) -> Interest {
        Interest::RECORDING
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let connected = step.events().find_map(|event| match event {
            ClusterEvent::Transition { after, .. } if after.state.is_connected() => Some(after),
            _ => None,
        })?;
        let node = node_of_host(&connected.node.socket.host)?;
        if !step.cluster.blocked.contains(&node) {
            return None;
        }
        Finding::new(format!(
            "{} made {} CONNECTED, which the firewall blocks",
            step.node,
            name(&connected.node)
        ))
    }
}
