//! What people ask of the coordinator. A decision to keep a node out is written to ZooKeeper first, and answered when
//! it is there: then no change of coordinator can lose it (spec S13, S15).

use super::connection::is_recorded_exclusion;
use super::{Desk, Office, Step, exclusion};
use crate::coordination::{CoordinationError, CreateMode, Operation, Outcome, child};
use crate::effect::Effect;
use crate::event::Severity;
use crate::identity::{Address, Incarnation, NodeId, NodeIdentifier};
use crate::message::{Message, OrderKind};
use crate::operator::{OperatorRequest, Refusal, RequestId};
use crate::status::{ConnectionState, DisconnectionCode, NodeStatus, Version};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;

/// Who asked, and how the answer gets there.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Requester {
    /// A person, at this node.
    Here { id: RequestId },
    /// A person, at another node, which passed it on.
    There { origin: NodeId, incarnation: Incarnation, id: RequestId, address: Address },
}

/// A decision on its way to ZooKeeper.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Commit {
    kind: CommitKind,
    requester: Requester,
    status: Arc<NodeStatus>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum CommitKind {
    Disconnect,
    Offload,
    Remove,
    Connect,
}

impl Office {
    pub(crate) fn requested(&mut self, desk: &mut Desk<'_>, requester: Requester, request: OperatorRequest) {
        if !self.is_open() {
            return reply(desk, &requester, Err(Refusal::NoCoordinator));
        }
        if matches!(request, OperatorRequest::Remove(_)) {
            self.discover_holder(desk, request.node());
        }
        let Some(status) = desk.table.get(request.node()).cloned() else {
            return reply(desk, &requester, Err(Refusal::UnknownNode));
        };
        if self.commits.contains_key(&request.node()) {
            return reply(desk, &requester, Err(Refusal::Busy));
        }
        match request {
            OperatorRequest::Connect(_) => self.connect(desk, requester, status),
            OperatorRequest::Disconnect(_) => self.disconnect(desk, requester, status),
            OperatorRequest::Remove(_) => self.remove(desk, requester, status),
            OperatorRequest::Offload(_) => self.offload(desk, requester, status),
        }
    }

    fn connect(&mut self, desk: &mut Desk<'_>, requester: Requester, status: Arc<NodeStatus>) {
        match &status.state {
            ConnectionState::Removed => reply(desk, &requester, Err(Refusal::Removed)),
            ConnectionState::Connected { .. } => reply(desk, &requester, Ok(())),
            ConnectionState::Connecting { .. }
            | ConnectionState::Disconnecting
            | ConnectionState::Disconnected { .. }
            | ConnectionState::Offloading
            | ConnectionState::Offloaded => {
                if desk.config.rules.exclusions_in_zookeeper && is_recorded_exclusion(&status) {
                    let path = exclusion_path(desk, status.node.id);
                    let step = Step::LiftExclusion(status.node.id);
                    self.commit(
                        desk,
                        CommitKind::Connect,
                        requester,
                        status,
                        step,
                        Operation::Delete { path },
                    );
                } else {
                    self.carry_out(desk, &Commit { kind: CommitKind::Connect, requester, status });
                }
            }
        }
    }

    fn disconnect(&mut self, desk: &mut Desk<'_>, requester: Requester, status: Arc<NodeStatus>) {
        if status.state == ConnectionState::Removed {
            return reply(desk, &requester, Err(Refusal::Removed));
        }
        if is_recorded_exclusion(&status) {
            return reply(desk, &requester, Ok(()));
        }
        if self.is_only_connected_node(desk, &status) {
            return reply(desk, &requester, Err(Refusal::OnlyConnectedNode));
        }
        let state = ConnectionState::disconnected(DisconnectionCode::UserDisconnected);
        self.exclude(desk, CommitKind::Disconnect, requester, status, state);
    }

    /// Spec S19: the last one stays. Who is about to be put out does not count as staying.
    fn is_only_connected_node(&self, desk: &Desk<'_>, status: &NodeStatus) -> bool {
        let stays = |status: &&Arc<NodeStatus>| !self.commits.contains_key(&status.node.id);
        let mut connected = desk.table.connected().filter(stays);
        connected.next().is_some_and(|first| first.node.id == status.node.id) && connected.next().is_none()
    }

    fn remove(&mut self, desk: &mut Desk<'_>, requester: Requester, status: Arc<NodeStatus>) {
        match &status.state {
            ConnectionState::Removed => reply(desk, &requester, Ok(())),
            ConnectionState::Disconnected { .. } | ConnectionState::Offloaded => {
                self.exclude(desk, CommitKind::Remove, requester, status, ConnectionState::Removed);
            }
            ConnectionState::Connecting { .. }
            | ConnectionState::Connected { .. }
            | ConnectionState::Disconnecting
            | ConnectionState::Offloading => refuse_state(desk, &requester, &status),
        }
    }

    fn offload(&mut self, desk: &mut Desk<'_>, requester: Requester, status: Arc<NodeStatus>) {
        match &status.state {
            ConnectionState::Offloading | ConnectionState::Offloaded => reply(desk, &requester, Ok(())),
            ConnectionState::Removed => reply(desk, &requester, Err(Refusal::Removed)),
            // Offloaded nodes are out because a person said so, and stay out like disconnected ones.
            ConnectionState::Disconnected { .. } => {
                let state = ConnectionState::disconnected(DisconnectionCode::UserDisconnected);
                self.exclude(desk, CommitKind::Offload, requester, status, state);
            }
            ConnectionState::Connecting { .. }
            | ConnectionState::Connected { .. }
            | ConnectionState::Disconnecting => {
                refuse_state(desk, &requester, &status);
            }
        }
    }

    fn exclude(
        &mut self,
        desk: &mut Desk<'_>,
        kind: CommitKind,
        requester: Requester,
        status: Arc<NodeStatus>,
        state: ConnectionState,
    ) {
        if !desk.config.rules.exclusions_in_zookeeper {
            return self.carry_out(desk, &Commit { kind, requester, status });
        }
        self.sequence += 1;
        let version = self.decided();
        let record =
            NodeStatus { node: status.node.clone(), incarnation: status.incarnation, state, version };
        let path = exclusion_path(desk, status.node.id);
        let create =
            Operation::Create { path, data: exclusion::print(&record), mode: CreateMode::Persistent };
        let step = Step::WriteExclusion(status.node.id);
        self.commit(desk, kind, requester, status, step, create);
    }

    /// Until ZooKeeper has answered, nothing else is decided about the node.
    fn commit(
        &mut self,
        desk: &mut Desk<'_>,
        kind: CommitKind,
        requester: Requester,
        status: Arc<NodeStatus>,
        step: Step,
        operation: Operation,
    ) {
        let earlier = self.commits.insert(status.node.id, Commit { kind, requester, status });
        assert!(earlier.is_none(), "one decision about a node at a time");
        self.perform(desk, step, operation);
    }

    /// There may be a record already: of the same node, put out and now removed.
    pub(super) fn exclusion_written(
        &mut self,
        desk: &mut Desk<'_>,
        node: NodeId,
        result: Result<Outcome, CoordinationError>,
    ) {
        let Some(commit) = self.commits.get(&node) else { return };
        if result == Err(CoordinationError::NodeExists) {
            let state = match commit.kind {
                CommitKind::Remove => ConnectionState::Removed,
                CommitKind::Disconnect | CommitKind::Offload | CommitKind::Connect => {
                    ConnectionState::disconnected(DisconnectionCode::UserDisconnected)
                }
            };
            let (node_identifier, incarnation) = (commit.status.node.clone(), commit.status.incarnation);
            let version = Version { epoch: self.epoch, sequence: self.sequence };
            let record = NodeStatus { node: node_identifier, incarnation, state, version };
            let path = exclusion_path(desk, node);
            let replace = Operation::SetData { path, data: exclusion::print(&record) };
            return self.perform(desk, Step::ReplaceExclusion(node), replace);
        }
        self.committed(desk, node, result);
    }

    pub(super) fn committed(
        &mut self,
        desk: &mut Desk<'_>,
        node: NodeId,
        result: Result<Outcome, CoordinationError>,
    ) {
        let Some(commit) = self.commits.remove(&node) else { return };
        if desk.table.get(node).is_some_and(|now| now.state == ConnectionState::Removed) {
            // Another node took its addresses over meanwhile.
            return reply(desk, &commit.requester, Err(Refusal::Removed));
        }
        match result {
            Ok(_) => self.carry_out(desk, &commit),
            // No record to delete is as good; no place to write one is not.
            Err(CoordinationError::NoNode) if commit.kind == CommitKind::Connect => {
                self.carry_out(desk, &commit);
            }
            Err(
                CoordinationError::NoNode
                | CoordinationError::NodeExists
                | CoordinationError::ConnectionLoss
                | CoordinationError::SessionExpired
                | CoordinationError::Refused(_),
            ) => reply(desk, &commit.requester, Err(Refusal::OutcomeUnknown)),
        }
    }

    fn carry_out(&mut self, desk: &mut Desk<'_>, commit: &Commit) {
        let (node, incarnation) = (&commit.status.node, commit.status.incarnation);
        match commit.kind {
            CommitKind::Disconnect => {
                let code = DisconnectionCode::UserDisconnected;
                let text = format!("Disconnection requested due to {}", code.description());
                self.order_disconnect(desk, node, incarnation, code, text);
            }
            CommitKind::Remove => self.removed(desk, node, incarnation),
            CommitKind::Offload => {
                let text = String::from("Offload requested due to a person's request");
                let state = |_| ConnectionState::Offloading;
                let version = self.decide(desk, node, incarnation, state, Severity::Info, text);
                self.orders.issue(desk.now, node, incarnation, version, OrderKind::Offload);
                self.send_due_orders(desk);
            }
            CommitKind::Connect => self.request_connect(desk, node, incarnation, Some("a person")),
        }
        reply(desk, &commit.requester, Ok(()));
    }

    /// Decides anew what a person decided about the node in an earlier term, if that term decided something else while the
    /// decision was being recorded: silence, for example. That has the later version, and the person's decision stands all
    /// the same for as long as it is recorded (spec S13, S15).
    pub(super) fn uphold_exclusion(&mut self, desk: &mut Desk<'_>, node: NodeId) {
        let (Some(record), Some(known)) = (self.exclusions.get(&node), desk.table.get(node)) else { return };
        let is_removed = known.state == ConnectionState::Removed;
        let is_upheld =
            if record.state == ConnectionState::Removed { is_removed } else { is_recorded_exclusion(known) };
        if is_upheld || known.incarnation > record.incarnation {
            return;
        }
        let (node, incarnation) = (known.node.clone(), known.incarnation);
        match record.state.code() {
            Some(code) => {
                let text = format!("Disconnection requested due to {}", code.description());
                self.order_disconnect(desk, &node, incarnation, code, text);
            }
            None => self.removed(desk, &node, incarnation),
        }
    }

    fn removed(&mut self, desk: &mut Desk<'_>, node: &Arc<NodeIdentifier>, incarnation: Incarnation) {
        let text = String::from("A person requested that node be removed from cluster");
        self.decide(desk, node, incarnation, |_| ConnectionState::Removed, Severity::Info, text);
        self.heartbeats.remove(&node.id);
        self.forget_holder(desk, node.id);
    }

    /// The term ends: nobody will hear what became of these.
    pub(crate) fn abandon(&mut self, desk: &mut Desk<'_>) {
        for (_, commit) in core::mem::take(&mut self.commits) {
            reply(desk, &commit.requester, Err(Refusal::OutcomeUnknown));
        }
    }
}

fn exclusion_path(desk: &Desk<'_>, node: NodeId) -> Arc<str> {
    child(&desk.config.paths.exclusions(), &node.to_string())
}

fn refuse_state(desk: &mut Desk<'_>, requester: &Requester, status: &NodeStatus) {
    reply(desk, requester, Err(Refusal::NotDisconnected { state: status.state.name().into() }));
}

fn reply(desk: &mut Desk<'_>, requester: &Requester, outcome: Result<(), Refusal>) {
    match requester {
        Requester::Here { id } => desk.effects.push(Effect::Reply { id: *id, outcome }),
        Requester::There { incarnation, id, address, .. } => {
            let message = Message::OperatorResponse { incarnation: *incarnation, id: *id, outcome };
            desk.effects.send(address, message);
        }
    }
}
