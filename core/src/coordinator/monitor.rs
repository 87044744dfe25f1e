//! The heartbeat monitor's tick: each new heartbeat is judged by the decision table (spec 2.6, with the hazards of 2.9
//! resolved), then silence is. Nodes are taken in the order of their ids.

use super::connection::is_kept_out;
use super::heartbeats::Stored;
use super::{Desk, Office};
use crate::event::{ClusterEvent, Severity};
use crate::message::{Heartbeat, Membership, OrderKind};
use crate::status::{ConnectionState, DisconnectionCode, NodeStatus, Version};
use crate::time::Instant;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

// The texts of events are those of `AbstractHeartbeatMonitor`, word for word and space for space.

/// H7a.
const BEFORE_THE_REQUEST: &str =
    "Received heartbeat but ignoring because it was reported before the node was last asked to reconnect.";

impl Office {
    /// One tick, which was due at `due_at`.
    pub(super) fn tick(&mut self, desk: &mut Desk<'_>, due_at: Instant) {
        self.forgive_own_absence(desk, due_at);
        let mut fresh = core::mem::take(&mut self.fresh);
        fresh.extend(self.heartbeats.values_mut().filter_map(|stored| {
            let fresh = core::mem::take(&mut stored.fresh);
            fresh.then(|| (stored.heartbeat.clone(), stored.received_at))
        }));
        for (heartbeat, received_at) in fresh.drain(..) {
            if self.commits.contains_key(&heartbeat.node.id) {
                self.note_load(desk, &heartbeat);
            } else {
                let is_kept =
                    !desk.config.rules.complete_by_attempt && desk.table.get(heartbeat.node.id).is_some();
                self.judge(desk, &heartbeat, received_at);
                if is_kept {
                    self.keep_stale(desk, &heartbeat, received_at);
                }
            }
        }
        self.fresh = fresh;
        self.expire_silent_nodes(desk);
    }

    /// In NiFi a heartbeat that has made the coordinator ask its node back keeps its slot (H3, H5a), and is judged again in
    /// the next tick, unless there is a newer one: as one from before the request (H7a).
    fn keep_stale(&mut self, desk: &Desk<'_>, heartbeat: &Heartbeat, received_at: Instant) {
        let node = heartbeat.node.id;
        let is_asked_back = desk.table.get(node).is_some_and(|status| match status.state {
            ConnectionState::Connecting { .. } => true,
            ConnectionState::Connected { .. }
            | ConnectionState::Disconnecting
            | ConnectionState::Disconnected { .. }
            | ConnectionState::Offloading
            | ConnectionState::Offloaded
            | ConnectionState::Removed => false,
        });
        if is_asked_back
            && received_at < desk.now
            && self.changed_at.get(&node) == Some(&desk.now)
            && let Some(stored) = self.heartbeats.get_mut(&node)
        {
            stored.fresh = true;
        }
    }

    /// A tick that comes a whole interval late says that this process did not run, so it cannot have heard anybody:
    /// that time counts for nothing (spec 2.9 item 5, NIFI-1085).
    fn forgive_own_absence(&mut self, desk: &Desk<'_>, due_at: Instant) {
        let late = desk.now.since(due_at);
        if late < desk.config.heartbeat_interval || !desk.config.rules.forgive_own_pauses {
            return;
        }
        let later = |at: &mut Instant| *at = (*at + late).min(desk.now);
        later(&mut self.counted_from);
        self.heartbeats.values_mut().for_each(|stored: &mut Stored| later(&mut stored.received_at));
        self.changed_at.values_mut().for_each(later);
        self.elected.forgive(later);
    }

    /// The decision table, H1 to H8. A heartbeat that was received before its node's status last changed says nothing
    /// about the new status, whatever that is (spec 2.9 items 2 and 8).
    fn judge(&mut self, desk: &mut Desk<'_>, heartbeat: &Heartbeat, received_at: Instant) {
        if !is_kept_out(desk, heartbeat.node.id, heartbeat.incarnation)
            && !desk.config.permits(&heartbeat.node.socket.host)
        {
            return self.block(desk, heartbeat);
        }
        if !self.admits_newcomer(desk, &heartbeat.node, heartbeat.incarnation) {
            return;
        }
        // A newer run of the process than the one that is known is a node that nobody has let in yet.
        let known =
            desk.table.get(heartbeat.node.id).filter(|known| known.incarnation >= heartbeat.incarnation);
        let Some(status) = known.cloned() else {
            let text = format!(
                "Received heartbeat from unknown node {}. Removing heartbeat and requesting that node connect to cluster.",
                heartbeat.node.full_description()
            );
            self.report(desk, heartbeat, Severity::Info, text);
            return self.request_connect(desk, &heartbeat.node, heartbeat.incarnation, None);
        };
        let outdated = self.changed_at.get(&heartbeat.node.id).is_some_and(|changed| received_at < *changed);
        if outdated || heartbeat.incarnation != status.incarnation {
            let is_connecting = matches!(status.state, ConnectionState::Connecting { .. });
            if is_connecting && !desk.config.rules.complete_by_attempt {
                self.report(desk, heartbeat, Severity::Info, BEFORE_THE_REQUEST.into());
            }
            return;
        }
        match &status.state {
            ConnectionState::Connected { attempt } => {
                self.judge_connected(desk, heartbeat, &status, *attempt)
            }
            ConnectionState::Connecting { attempt } => {
                self.judge_connecting(desk, heartbeat, &status, *attempt)
            }
            ConnectionState::Disconnected { code, .. } => {
                self.judge_disconnected(desk, heartbeat, &status, *code)
            }
            ConnectionState::Offloading | ConnectionState::Offloaded => {
                self.judge_offloading(desk, heartbeat, &status)
            }
            ConnectionState::Disconnecting | ConnectionState::Removed => {}
        }
    }

    /// H1.
    fn block(&mut self, desk: &mut Desk<'_>, heartbeat: &Heartbeat) {
        let known = desk.table.get(heartbeat.node.id);
        let blocked = known.is_some_and(|status| {
            status.state.code() == Some(DisconnectionCode::BlockedByFirewall)
                && status.incarnation == heartbeat.incarnation
        });
        let out = matches!(heartbeat.reported, Membership::Disconnected { .. } | Membership::Removed { .. });
        if blocked && (out || self.orders.is_pending(heartbeat.node.id)) {
            return;
        }
        let text = String::from("Firewall blocked received heartbeat. Issuing disconnection request.");
        let code = DisconnectionCode::BlockedByFirewall;
        self.order_disconnect(desk, &heartbeat.node, heartbeat.incarnation, code, text);
        self.note_order(desk, &heartbeat.node, || {
            format!("Disconnection requested due to {}", code.description())
        });
    }

    /// H3 and H8.
    fn judge_connected(
        &mut self,
        desk: &mut Desk<'_>,
        heartbeat: &Heartbeat,
        status: &Arc<NodeStatus>,
        attempt: Version,
    ) {
        if self.reported_failure(desk, heartbeat, status) {
            return;
        }
        let rules = &desk.config.rules;
        let same_attempt = heartbeat.reported.version() == attempt || !rules.complete_by_attempt;
        if !heartbeat.reported.is_connected() || !same_attempt {
            let text = format!(
                "Received heartbeat from node that thinks it is not yet part of the cluster,though the Cluster \
                 Coordinator thought it was (node claimed state was {}). Marking as Disconnected and requesting that Node \
                 reconnect to cluster",
                heartbeat.reported.name()
            );
            self.report(desk, heartbeat, Severity::Warning, text);
            return self.request_connect(desk, &heartbeat.node, heartbeat.incarnation, None);
        }
        if rules.complete_by_attempt && self.has_another_flow(heartbeat) {
            let text = String::from(
                "Received heartbeat from node whose flow is not the cluster's. Requesting that node reconnect to cluster.",
            );
            self.report(desk, heartbeat, Severity::Warning, text);
            self.request_connect(desk, &heartbeat.node, heartbeat.incarnation, None);
        }
    }

    /// H7.
    fn judge_connecting(
        &mut self,
        desk: &mut Desk<'_>,
        heartbeat: &Heartbeat,
        status: &Arc<NodeStatus>,
        attempt: Version,
    ) {
        if self.reported_failure(desk, heartbeat, status) {
            return;
        }
        let any_heartbeat_completes = !desk.config.rules.complete_by_attempt;
        let completes = match &heartbeat.reported {
            Membership::Connected { attempt: reported } => *reported == attempt,
            Membership::Loading { .. } => {
                self.note_load(desk, heartbeat);
                if !any_heartbeat_completes {
                    return;
                }
                true
            }
            Membership::Joining
            | Membership::Disconnected { .. }
            | Membership::Offloading { .. }
            | Membership::Offloaded { .. }
            | Membership::Removed { .. } => false,
        };
        if !completes && !any_heartbeat_completes {
            return self.report(desk, heartbeat, Severity::Info, BEFORE_THE_REQUEST.into());
        }
        // Nobody is connected before the cluster has a flow.
        if self.cluster_flow().is_none() {
            return;
        }
        if desk.config.rules.complete_by_attempt && self.has_another_flow(heartbeat) {
            return self.request_connect(desk, &heartbeat.node, heartbeat.incarnation, None);
        }
        let text = String::from("Received first heartbeat from connecting node. Node connected.");
        let state = |_| ConnectionState::Connected { attempt };
        self.decide(desk, &heartbeat.node, heartbeat.incarnation, state, Severity::Info, text);
    }

    /// A node that loads the flow under its present attempt is alive and at work: the attempt goes on.
    fn note_load(&mut self, desk: &Desk<'_>, heartbeat: &Heartbeat) {
        let status = desk.table.get(heartbeat.node.id);
        let status = status.filter(|status| status.incarnation == heartbeat.incarnation);
        if let (Membership::Loading { attempt: reported }, Some(ConnectionState::Connecting { attempt })) =
            (&heartbeat.reported, status.map(|status| &status.state))
            && reported == attempt
        {
            self.changed_at.insert(heartbeat.node.id, desk.now);
        }
    }

    /// H5.
    fn judge_disconnected(
        &mut self,
        desk: &mut Desk<'_>,
        heartbeat: &Heartbeat,
        status: &Arc<NodeStatus>,
        code: DisconnectionCode,
    ) {
        // The cluster's flow may have become the one that the node has, or may be voted on again.
        let fits_now = code == DisconnectionCode::MismatchedFlows
            && match self.cluster_flow() {
                Some(flow) => flow.fingerprint == heartbeat.flow,
                None => !self.elected.bars_a_vote(),
            };
        if fits_now || desk.config.rules.auto_reconnect.contains(code) {
            let text = format!(
                "Received heartbeat from node previously disconnected due to {}. Issuing reconnection request.",
                code.description()
            );
            self.report(desk, heartbeat, Severity::Info, text);
            return self.request_connect(desk, &heartbeat.node, heartbeat.incarnation, None);
        }
        let obeys = match &heartbeat.reported {
            Membership::Disconnected { .. }
            | Membership::Offloading { .. }
            | Membership::Offloaded { .. }
            | Membership::Removed { .. } => true,
            Membership::Joining | Membership::Loading { .. } | Membership::Connected { .. } => false,
        };
        if !obeys && !self.orders.is_pending(heartbeat.node.id) {
            self.repeat_disconnect(desk, status);
        }
    }

    /// H4, and the offloaded node's own word for it.
    fn judge_offloading(&mut self, desk: &mut Desk<'_>, heartbeat: &Heartbeat, status: &NodeStatus) {
        if matches!(heartbeat.reported, Membership::Offloaded { .. }) {
            return self.node_reported(desk, &heartbeat.node, heartbeat.incarnation, &heartbeat.reported);
        }
        if heartbeat.reported.is_connected() {
            let text = "Received heartbeat from node that is offloading or offloaded. Removing this heartbeat.  Offloaded nodes \
                        will only be reconnected to the cluster by an explicit connection request or restarting the node.";
            self.report(desk, heartbeat, Severity::Info, text.into());
        }
        // The decision may be one of an earlier term, which came to be known here after a newer order to leave had been sent: to
        // the node the decision is old, and it must be told anew.
        let has_not_begun = match heartbeat.reported {
            Membership::Connected { .. } | Membership::Disconnected { .. } => true,
            Membership::Joining
            | Membership::Loading { .. }
            | Membership::Offloading { .. }
            | Membership::Offloaded { .. }
            | Membership::Removed { .. } => false,
        };
        let is_offloading = status.state == ConnectionState::Offloading;
        if is_offloading
            && has_not_begun
            && desk.config.rules.fence_stale_epochs
            && !self.orders.is_pending(status.node.id)
        {
            self.repeat_order(desk, status, OrderKind::Offload);
        }
    }

    /// Whether the node says itself that this attempt failed; then that is what counts.
    fn reported_failure(
        &mut self,
        desk: &mut Desk<'_>,
        heartbeat: &Heartbeat,
        status: &Arc<NodeStatus>,
    ) -> bool {
        self.node_reported(desk, &heartbeat.node, heartbeat.incarnation, &heartbeat.reported);
        desk.table.get(heartbeat.node.id).is_none_or(|now| !Arc::ptr_eq(now, status))
    }

    fn has_another_flow(&self, heartbeat: &Heartbeat) -> bool {
        self.cluster_flow().is_some_and(|flow| !heartbeat.inherited || heartbeat.flow != flow.fingerprint)
    }

    fn report(&self, desk: &mut Desk<'_>, heartbeat: &Heartbeat, severity: Severity, text: String) {
        let node = Some(heartbeat.node.clone());
        desk.effects.record(ClusterEvent::Reported { node, severity, text });
    }

    /// Puts out every node that has been silent for more than interval × missable: CONNECTED ones, and CONNECTING
    /// ones whose attempt nobody has heard of since (spec 2.5 T3, I1, I5). The table decides who is looked at, not the
    /// heartbeats (NIFI-3933).
    fn expire_silent_nodes(&mut self, desk: &mut Desk<'_>) {
        let window = desk.config.window();
        let silent: Vec<(Arc<NodeStatus>, Duration)> = desk
            .table
            .iter()
            .filter_map(|status| {
                let since = match status.state {
                    ConnectionState::Connected { .. } => self.heard_at(status),
                    // While a person's decision about it is being recorded nothing that it says is judged.
                    ConnectionState::Connecting { .. }
                        if desk.config.rules.connecting_expires
                            && !self.commits.contains_key(&status.node.id) =>
                    {
                        self.changed(status)
                    }
                    ConnectionState::Connecting { .. }
                    | ConnectionState::Disconnecting
                    | ConnectionState::Disconnected { .. }
                    | ConnectionState::Offloading
                    | ConnectionState::Offloaded
                    | ConnectionState::Removed => return None,
                };
                let silence = desk.now.since(since);
                (silence > window).then(|| (status.clone(), silence))
            })
            .collect();
        for (status, silence) in silent {
            let seconds = silence.as_secs();
            let (code, reason) = if status.state.is_connected() {
                let reason = format!("Have not received a heartbeat from node in {seconds} seconds");
                (DisconnectionCode::LackOfHeartbeat, reason)
            } else {
                let reason = format!("Node did not complete its connection in {seconds} seconds");
                (DisconnectionCode::UnableToCommunicate, reason)
            };
            let reason: Arc<str> = reason.into();
            let text = format!("Node disconnected from cluster due to {reason}");
            let state = ConnectionState::Disconnected { code, reason };
            let severity = Severity::of(&state);
            // Recorded only: a node that merely paused must not find an order to leave when it wakes (bug A6).
            self.decide(desk, &status.node, status.incarnation, |_| state, severity, text);
        }
    }

    /// When `status`'s node was last heard of: its last heartbeat, its last change, or the begin of this term.
    fn heard_at(&self, status: &NodeStatus) -> Instant {
        let heartbeat = self.heartbeats.get(&status.node.id);
        let heartbeat = heartbeat.filter(|stored| stored.heartbeat.incarnation == status.incarnation);
        heartbeat.map_or(Instant::ZERO, |stored| stored.received_at).max(self.changed(status))
    }

    fn changed(&self, status: &NodeStatus) -> Instant {
        let changed: &BTreeMap<_, _> = &self.changed_at;
        changed.get(&status.node.id).copied().unwrap_or(Instant::ZERO).max(self.counted_from)
    }
}
