//! Letting nodes in and putting them out: connection requests and their answers, orders to reconnect and to leave, and
//! what nodes say of themselves (spec 3.2 to 3.4).

use super::orders::Order;
use super::{ClusterFlow, Desk, Office, Step};
use crate::config::TRY_LATER;
use crate::coordination::{Operation, child};
use crate::event::{ClusterEvent, Severity};
use crate::flow_election::Ballot;
use crate::identity::{Address, Incarnation, NodeId, NodeIdentifier};
use crate::message::{ConnectionAnswer, ConnectionRequest, Membership, Message, OrderKind};
use crate::status::{ConnectionState, DisconnectionCode, NodeStatus, Version};
use crate::table::StatusTable;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;

impl Office {
    pub(crate) fn connection_requested(
        &mut self,
        desk: &mut Desk<'_>,
        from: &Address,
        request: ConnectionRequest,
    ) {
        let node = request.node.id;
        if !self.is_open() {
            let newest = self
                .held
                .get(&node)
                .is_none_or(|(_, held)| (held.incarnation, held.ask) < (request.incarnation, request.ask));
            if newest {
                self.held.insert(node, (from.clone(), request));
            }
            return self.heard_from(desk, node);
        }
        // A change of this node's status is on its way to ZooKeeper; it asks again.
        if self.commits.contains_key(&node) || self.answered_already(desk, from, &request) {
            return;
        }
        if !self.admits_newcomer(desk, &request.node, request.incarnation) {
            return;
        }
        if let Some(answer) = self.rejection(desk, &request) {
            return self.respond(desk, from, &request, answer);
        }
        self.asked_while_barred(desk, &request);
        self.count_vote(desk, &request);
        self.note_new_run(desk, &request);
        let answer = match &self.flow {
            ClusterFlow::Known(_) => {
                if !self.is_recorded(desk, from, &request) {
                    return;
                }
                self.accept(desk, &request)
            }
            ClusterFlow::Voting(_) if self.elected.bars_a_vote() => {
                let explanation = String::from("The cluster dataflow is not yet available");
                ConnectionAnswer::TryLater { after: TRY_LATER, explanation }
            }
            ClusterFlow::Voting(election) => {
                let status = election.status_text(desk.now);
                let explanation = format!(
                    "Cluster is still voting on which Flow is the correct flow for the cluster. {status}"
                );
                ConnectionAnswer::TryLater { after: TRY_LATER, explanation }
            }
        };
        self.respond(desk, from, &request, answer);
    }

    /// A doubled or overtaken request is not a new attempt (spec S20).
    fn answered_already(&mut self, desk: &mut Desk<'_>, from: &Address, request: &ConnectionRequest) -> bool {
        let number = (request.incarnation, request.ask);
        let status = desk.table.get(request.node.id).cloned();
        if let Some(status) = &status
            && status.incarnation > request.incarnation
        {
            return true;
        }
        // Runs on one machine are numbered, whatever id they propose: a later one has the addresses by now.
        let is_successor = |other: &Arc<NodeStatus>| other.incarnation > request.incarnation;
        // Mostly nobody has run more often, and nobody has to be looked at.
        if self.latest_run > request.incarnation
            && self.claims.of_others(desk.table, &request.node).iter().any(is_successor)
        {
            return true;
        }
        let Some(answered) = self.asked.get(&request.node.id).copied() else { return false };
        if number > answered {
            return false;
        }
        if let (true, Some(status), Some(flow)) = (number == answered, status, self.cluster_flow().cloned())
            && let ConnectionState::Connecting { attempt } = status.state
        {
            let answer = ConnectionAnswer::Accepted { attempt, flow, table: self.give_table(desk) };
            self.respond(desk, from, request, answer);
        }
        true
    }

    /// Why the node may not come in, if it may not.
    fn rejection(&mut self, desk: &mut Desk<'_>, request: &ConnectionRequest) -> Option<ConnectionAnswer> {
        if !is_kept_out(desk, request.node.id, request.incarnation)
            && !desk.config.permits(&request.node.socket.host)
        {
            let code = DisconnectionCode::BlockedByFirewall;
            let known = desk.table.get(request.node.id);
            if known.is_none_or(|status| {
                status.state.code() != Some(code) || status.incarnation != request.incarnation
            }) {
                let text =
                    String::from("Connection requested from node that is blocked by firewall. Rejecting it.");
                let state = ConnectionState::disconnected(code);
                self.decide(desk, &request.node, request.incarnation, |_| state, Severity::Warning, text);
            }
            return rejected(desk, request, code.description());
        }
        let status =
            desk.table.get(request.node.id).filter(|status| status.incarnation == request.incarnation)?;
        match &status.state {
            ConnectionState::Removed => rejected(
                desk,
                request,
                "Node was removed from the cluster. It can join again after a restart.",
            ),
            ConnectionState::Offloading | ConnectionState::Offloaded => rejected(
                desk,
                request,
                "Node is offloaded. It can join again on a person's request or after a restart.",
            ),
            ConnectionState::Disconnected { code: DisconnectionCode::UserDisconnected, .. } => {
                rejected(desk, request, DisconnectionCode::UserDisconnected.description())
            }
            ConnectionState::Disconnected { .. }
            | ConnectionState::Connecting { .. }
            | ConnectionState::Connected { .. }
            | ConnectionState::Disconnecting => None,
        }
    }

    fn count_vote(&mut self, desk: &mut Desk<'_>, request: &ConnectionRequest) {
        let ClusterFlow::Voting(election) = &mut self.flow else { return };
        if self.elected.bars_a_vote() {
            return;
        }
        let outcome = election.vote(desk.now, request.node.id, request.flow.as_ref());
        let counted = match outcome.ballot {
            Ballot::Counted | Ballot::Replaced => true,
            Ballot::Repeated | Ballot::NoFlow | Ballot::TooLate => false,
        };
        if let (true, Some(flow)) = (counted, &request.flow) {
            let (flow, empty) = (flow.fingerprint.clone(), flow.empty);
            desk.effects.record(ClusterEvent::VoteCast { node: request.node.clone(), flow, empty });
        }
        self.complete_election(desk);
    }

    /// Ends the vote when its time has come, or when enough nodes have voted.
    pub(super) fn complete_election(&mut self, desk: &mut Desk<'_>) {
        let ClusterFlow::Voting(election) = &mut self.flow else { return };
        if self.elected.bars_a_vote() {
            return;
        }
        let Some(elected) = election.complete_if_due(desk.now).cloned() else { return };
        let tally = election.tally();
        let votes = tally.get(&elected.fingerprint).copied().unwrap_or(0);
        let voters = tally.values().sum();
        let (flow, empty) = (elected.fingerprint.clone(), elected.empty);
        desk.effects.record(ClusterEvent::FlowElected { flow, empty, votes, voters });
        self.flow = ClusterFlow::Known(elected);
        self.record_elected_flow(desk);
    }

    /// While a new run of a known node waits, it is this run that people mean.
    fn note_new_run(&mut self, desk: &mut Desk<'_>, request: &ConnectionRequest) {
        let known = desk.table.get(request.node.id);
        let is_older = known.is_none_or(|status| status.incarnation < request.incarnation);
        if is_older && self.cluster_flow().is_none() {
            let state = ConnectionState::disconnected(DisconnectionCode::NotYetConnected);
            let text = String::from("Connection requested. The node waits for the cluster's flow.");
            self.decide(desk, &request.node, request.incarnation, |_| state, Severity::Info, text);
        }
    }

    fn accept(&mut self, desk: &mut Desk<'_>, request: &ConnectionRequest) -> ConnectionAnswer {
        self.evict_former_owners(desk, &request.node);
        let known = desk.table.get(request.node.id).cloned();
        let is_known = known.as_ref().is_some_and(|status| status.state != ConnectionState::Removed);
        let which = if is_known { "existing" } else { "new" };
        let text = format!("Connection requested from {which} node. Setting status to connecting.");
        let state = |attempt| ConnectionState::Connecting { attempt };
        let attempt = self.decide(desk, &request.node, request.incarnation, state, Severity::Info, text);
        self.asked.insert(request.node.id, (request.incarnation, request.ask));
        if known.is_some_and(|status| is_recorded_exclusion(&status)) {
            self.forget_exclusion(desk, request);
        }
        let flow = match &self.flow {
            ClusterFlow::Known(flow) => flow.clone(),
            ClusterFlow::Voting(_) => unreachable!("nobody is accepted before the cluster's flow is known"),
        };
        ConnectionAnswer::Accepted { attempt, flow, table: self.give_table(desk) }
    }

    /// The table, for somebody who will hold this very one.
    pub(super) fn give_table(&mut self, desk: &Desk<'_>) -> Arc<StatusTable> {
        self.announcements.table_given(desk.table);
        desk.table.clone()
    }

    /// A restart brings a node back: what a person decided about its former process is done with.
    fn forget_exclusion(&mut self, desk: &mut Desk<'_>, request: &ConnectionRequest) {
        if desk.config.rules.exclusions_in_zookeeper {
            let path = child(&desk.config.paths.exclusions(), &request.node.id.to_string());
            self.perform(desk, Step::ForgetExclusion, Operation::Delete { path });
        }
    }

    /// Whether a run that nothing was decided about is to be known from now on. It is not when a later run has its addresses;
    /// an earlier run that had them is removed, so that one live process has one entry (spec S37).
    pub(super) fn admits_newcomer(
        &mut self,
        desk: &mut Desk<'_>,
        node: &Arc<NodeIdentifier>,
        incarnation: Incarnation,
    ) -> bool {
        if desk.table.get(node.id).is_some() {
            return true;
        }
        let others = self.claims.of_others(desk.table, node);
        if others.iter().any(|other| other.incarnation > incarnation) {
            return false;
        }
        self.evict_former_owners(desk, node);
        true
    }

    /// What was taken over from elsewhere may name two nodes at one address: the later run of the two has it.
    pub(super) fn settle_addresses(&mut self, desk: &mut Desk<'_>, status: &Arc<NodeStatus>) {
        let Some(status) = desk.table.get(status.node.id).cloned() else { return };
        if status.state == ConnectionState::Removed {
            return;
        }
        let others = self.claims.of_others(desk.table, &status.node);
        let lives = |other: &&Arc<NodeStatus>| other.state != ConnectionState::Removed;
        match others.iter().filter(lives).map(|other| (other.incarnation, &other.node)).max() {
            Some((latest, owner)) if latest > status.incarnation => self.evict(desk, &status, owner.id),
            Some(_) => self.evict_former_owners(desk, &status.node),
            None => {}
        }
    }

    /// The node is right about its own addresses: whoever else claims them is gone (NIFI-6779, spec S37).
    fn evict_former_owners(&mut self, desk: &mut Desk<'_>, node: &Arc<NodeIdentifier>) {
        let others = self.claims.of_others(desk.table, node);
        for status in others.into_iter().filter(|status| status.state != ConnectionState::Removed) {
            self.evict(desk, &status, node.id);
        }
    }

    fn evict(&mut self, desk: &mut Desk<'_>, status: &NodeStatus, owner: NodeId) {
        let text = format!("Node {owner} now has the addresses of this node. Removing this node.");
        let state = |_| ConnectionState::Removed;
        self.decide(desk, &status.node, status.incarnation, state, Severity::Warning, text);
        self.forget_holder(desk, status.node.id);
    }

    fn respond(
        &self,
        desk: &mut Desk<'_>,
        to: &Address,
        request: &ConnectionRequest,
        answer: ConnectionAnswer,
    ) {
        let (incarnation, ask) = (request.incarnation, request.ask);
        desk.effects.send(to, Message::ConnectionResponse { epoch: self.epoch, incarnation, ask, answer });
    }

    /// Asks `node` to connect again. While the cluster still votes it is only told to come and vote.
    pub(super) fn request_connect(
        &mut self,
        desk: &mut Desk<'_>,
        node: &Arc<NodeIdentifier>,
        incarnation: Incarnation,
        on_behalf_of: Option<&str>,
    ) {
        let mut text = String::from("Requesting that node connect to cluster");
        if let Some(person) = on_behalf_of {
            text.push_str(" on behalf of ");
            text.push_str(person);
        }
        let flow = self.cluster_flow().cloned();
        let state = |attempt| match &flow {
            Some(_) => ConnectionState::Connecting { attempt },
            None => ConnectionState::disconnected(DisconnectionCode::NotYetConnected),
        };
        let attempt = self.decide(desk, node, incarnation, state, Severity::Info, text);
        if flow.is_none() || self.is_recorded_for_order(desk, node, incarnation, attempt) {
            self.order_reconnect(desk, node, incarnation, attempt);
        }
    }

    /// Sends the order to connect that belongs to the decision `attempt`, again and again until it is acknowledged.
    pub(super) fn order_reconnect(
        &mut self,
        desk: &mut Desk<'_>,
        node: &Arc<NodeIdentifier>,
        incarnation: Incarnation,
        attempt: Version,
    ) {
        let order = OrderKind::Reconnect { flow: self.cluster_flow().cloned(), table: self.give_table(desk) };
        self.orders.issue(desk.now, node, incarnation, attempt, order);
        self.send_due_orders(desk);
    }

    /// Puts `node` out, and tells it until it has heard.
    pub(super) fn order_disconnect(
        &mut self,
        desk: &mut Desk<'_>,
        node: &Arc<NodeIdentifier>,
        incarnation: Incarnation,
        code: DisconnectionCode,
        text: String,
    ) {
        let state = ConnectionState::disconnected(code);
        let severity = Severity::of(&state);
        let version = self.decide(desk, node, incarnation, |_| state, severity, text);
        let order = OrderKind::Disconnect { code, reason: code.description().into() };
        self.orders.issue(desk.now, node, incarnation, version, order);
        self.send_due_orders(desk);
    }

    /// Tells a node again that it is out; nothing new is decided.
    pub(super) fn repeat_disconnect(&mut self, desk: &mut Desk<'_>, status: &NodeStatus) {
        let ConnectionState::Disconnected { code, reason } = &status.state else { return };
        // A node that stopped does not listen (spec 3.4 step 3).
        if *code != DisconnectionCode::NodeShutdown {
            let order = OrderKind::Disconnect { code: *code, reason: reason.clone() };
            self.note_order(desk, &status.node, || format!("Disconnection requested due to {reason}"));
            self.repeat_order(desk, status, order);
        }
    }

    /// Sends the order of a decision that may be an earlier term's. The order is this term's, so that it is obeyed.
    pub(super) fn repeat_order(&mut self, desk: &mut Desk<'_>, status: &NodeStatus, order: OrderKind) {
        self.sequence += 1;
        self.orders.issue(desk.now, &status.node, status.incarnation, self.decided(), order);
        self.send_due_orders(desk);
    }

    /// Ten attempts, and no acknowledgement.
    pub(super) fn give_up(&mut self, desk: &mut Desk<'_>, order: Order) {
        match order.kind {
            OrderKind::Reconnect { .. } => {
                let reason: Arc<str> =
                    "Attempted to request that node reconnect to cluster but could not communicate with node"
                        .into();
                let recorded = desk.config.rules.orders_recorded;
                let what =
                    if recorded { "Disconnection requested" } else { "Node disconnected from cluster" };
                let text = format!("{what} due to {reason}");
                let state =
                    ConnectionState::Disconnected { code: DisconnectionCode::UnableToCommunicate, reason };
                let severity = if recorded { Severity::Info } else { Severity::of(&state) };
                self.decide(desk, &order.node, order.incarnation, |_| state, severity, text);
            }
            OrderKind::Offload => {
                let text = String::from("Failed to initiate node offload: could not communicate with node");
                let state = ConnectionState::disconnected(DisconnectionCode::UserDisconnected);
                self.decide(desk, &order.node, order.incarnation, |_| state, Severity::Warning, text);
            }
            // The table says it, and the next heartbeat's answer will.
            OrderKind::Disconnect { .. } => {}
        }
    }

    pub(crate) fn acknowledged(&mut self, desk: &mut Desk<'_>, node: NodeId, version: Version) {
        let Some(order) = self.orders.acknowledged(node, version) else { return };
        if let OrderKind::Disconnect { reason, .. } = &order.kind {
            self.note_order(desk, &order.node, || format!("Node disconnected due to {reason}"));
        }
    }

    // What `NodeClusterCoordinator` says of its orders beside its decisions, word for word.

    /// Records what became of an order, where that is recorded.
    pub(super) fn note_order(
        &self,
        desk: &mut Desk<'_>,
        node: &Arc<NodeIdentifier>,
        text: impl FnOnce() -> String,
    ) {
        if desk.config.rules.orders_recorded {
            let (node, severity) = (Some(node.clone()), Severity::Info);
            desk.effects.record(ClusterEvent::Reported { node, severity, text: text() });
        }
    }

    /// An order was sent and not acknowledged. Here that is all that is known; NiFi names the exception, which is this one
    /// when the node does not answer in time.
    pub(super) fn note_failed_attempt(&self, desk: &mut Desk<'_>, order: &Order) {
        match &order.kind {
            OrderKind::Reconnect { .. } if desk.config.rules.orders_recorded => {
                let text = format!(
                    "Problem encountered issuing reconnection request to node {} due to: \
                     org.apache.nifi.cluster.protocol.ProtocolException: Failed unmarshalling 'RECONNECTION_RESPONSE' protocol \
                     message due to: java.net.SocketTimeoutException: Read timed out",
                    order.node
                );
                // A bulletin, and nothing in the node's history.
                let severity = Severity::Warning;
                desk.effects.record(ClusterEvent::Reported { node: None, severity, text });
            }
            OrderKind::Reconnect { .. } | OrderKind::Disconnect { .. } | OrderKind::Offload => {}
        }
    }

    /// An order to leave that was not acknowledged is moot: its node is let in again (NIFI-10362, 1.18.0).
    pub(super) fn note_dropped(&self, desk: &mut Desk<'_>, order: &Order, state: &ConnectionState) {
        let is_back = match state {
            ConnectionState::Connecting { .. } | ConnectionState::Connected { .. } => true,
            ConnectionState::Disconnecting
            | ConnectionState::Disconnected { .. }
            | ConnectionState::Offloading
            | ConnectionState::Offloaded
            | ConnectionState::Removed => false,
        };
        if is_back && matches!(order.kind, OrderKind::Disconnect { .. }) {
            self.note_order(desk, &order.node, || {
                format!(
                    "State of Node {} has now transitioned from DISCONNECTED to {} so will no longer attempt to notify node \
                     that it is disconnected.",
                    order.node,
                    state.name()
                )
            });
        }
    }

    /// What a node says of itself: that it cannot load the flow, that it stops, that it is offloaded. What it says of
    /// an attempt that is over counts for nothing.
    pub(crate) fn node_reported(
        &mut self,
        desk: &mut Desk<'_>,
        node: &Arc<NodeIdentifier>,
        incarnation: Incarnation,
        reported: &Membership,
    ) {
        let Some(status) =
            desk.table.get(node.id).cloned().filter(|status| status.incarnation == incarnation)
        else {
            return;
        };
        match reported {
            Membership::Disconnected { code, reason, version } => {
                if self.believes_report(&status, *code, *version) {
                    let text = format!("Node disconnected from cluster due to {reason}");
                    let state = ConnectionState::Disconnected { code: *code, reason: reason.clone() };
                    let severity = Severity::of(&state);
                    self.decide(desk, node, incarnation, |_| state, severity, text);
                }
            }
            Membership::Offloaded { .. } if status.state == ConnectionState::Offloading => {
                let text = String::from("Node was offloaded");
                self.decide(desk, node, incarnation, |_| ConnectionState::Offloaded, Severity::Info, text);
            }
            Membership::Joining
            | Membership::Loading { .. }
            | Membership::Connected { .. }
            | Membership::Offloading { .. }
            | Membership::Offloaded { .. }
            | Membership::Removed { .. } => {}
        }
    }

    /// Whether a node's word that it is out because of `code` is news about the present attempt.
    fn believes_report(&self, status: &NodeStatus, code: DisconnectionCode, version: Version) -> bool {
        match code {
            DisconnectionCode::StartupFailure
            | DisconnectionCode::MismatchedFlows
            | DisconnectionCode::MissingBundle => match status.state {
                ConnectionState::Connecting { attempt } | ConnectionState::Connected { attempt } => {
                    attempt == version
                }
                ConnectionState::Disconnecting
                | ConnectionState::Disconnected { .. }
                | ConnectionState::Offloading
                | ConnectionState::Offloaded
                | ConnectionState::Removed => false,
            },
            // A run of a process stops once, so there is no newer attempt of it.
            DisconnectionCode::NodeShutdown => match &status.state {
                ConnectionState::Connecting { .. }
                | ConnectionState::Connected { .. }
                | ConnectionState::Disconnecting => true,
                ConnectionState::Disconnected { code, .. } => !code.bars_from_office(),
                ConnectionState::Offloading | ConnectionState::Offloaded | ConnectionState::Removed => false,
            },
            DisconnectionCode::Unknown
            | DisconnectionCode::NotYetConnected
            | DisconnectionCode::UserDisconnected
            | DisconnectionCode::LackOfHeartbeat
            | DisconnectionCode::BlockedByFirewall
            | DisconnectionCode::UnableToCommunicate
            | DisconnectionCode::FailedToServiceRequest
            | DisconnectionCode::HeartbeatReceivedFromDisconnectedNode => false,
        }
    }
}

/// Whether a person keeps this run of the node out: what the firewall says of it changes nothing then, least of all a
/// tombstone (spec S15).
pub(super) fn is_kept_out(desk: &Desk<'_>, node: NodeId, incarnation: Incarnation) -> bool {
    let rules = &desk.config.rules;
    let Some(status) = desk.table.get(node).filter(|status| status.incarnation >= incarnation) else {
        return false;
    };
    match status.state {
        ConnectionState::Removed => rules.removal_leaves_tombstone,
        ConnectionState::Connecting { .. }
        | ConnectionState::Connected { .. }
        | ConnectionState::Disconnecting
        | ConnectionState::Disconnected { .. }
        | ConnectionState::Offloading
        | ConnectionState::Offloaded => rules.exclusions_in_zookeeper && is_recorded_exclusion(status),
    }
}

/// Whether this status is also recorded in ZooKeeper.
pub(super) fn is_recorded_exclusion(status: &NodeStatus) -> bool {
    match &status.state {
        ConnectionState::Removed | ConnectionState::Offloading | ConnectionState::Offloaded => true,
        ConnectionState::Disconnected { code, .. } => *code == DisconnectionCode::UserDisconnected,
        ConnectionState::Connecting { .. }
        | ConnectionState::Connected { .. }
        | ConnectionState::Disconnecting => false,
    }
}

fn rejected(desk: &Desk<'_>, request: &ConnectionRequest, reason: &str) -> Option<ConnectionAnswer> {
    let status = desk.table.get(request.node.id)?.clone();
    Some(ConnectionAnswer::Rejected { reason: reason.into(), status })
}
