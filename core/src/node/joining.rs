//! The node's own side: asking to be let in, loading the cluster's flow or refusing it, heartbeating, being told to
//! leave, and saying goodbye (spec 4).

use super::{Errands, LoadFailure, Node};
use crate::config::{TRY_LATER, TRY_LATER_MAX};
use crate::effect::{Durable, Effect, Effects};
use crate::event::ClusterEvent;
use crate::flow::{DataFlow, Fingerprint, Uninheritable, inherit};
use crate::identity::{Address, Incarnation};
use crate::message::{
    ConnectionAnswer, ConnectionRequest, Heartbeat, Membership, Message, OrderKind, Passage, StatusChanges,
};
use crate::rules::EmptyClusterFlow;
use crate::status::{ConnectionState, DisconnectionCode, Epoch, NodeStatus, Version};
use crate::table::StatusTable;
use crate::time::Instant;
use alloc::string::ToString;
use alloc::sync::Arc;

impl Node {
    /// Asks the coordinator to be let in, and asks again when no answer comes. Without a coordinator the question
    /// waits for one.
    pub(super) fn ask(&mut self, now: Instant, effects: &mut Effects) {
        assert_eq!(self.membership, Membership::Joining, "only who wants in asks");
        if self.finder.looks_each_time() {
            self.ask_at = Some(now + TRY_LATER);
            self.errands.ask = true;
            self.look_for_coordinator(effects);
        } else {
            self.send_question(now, effects);
        }
    }

    fn send_question(&mut self, now: Instant, effects: &mut Effects) {
        let Some((epoch, address)) = self.finder.view().known() else {
            // Where nothing tells of a coordinator, it is looked up again.
            let pause = self.config.rules.pause_without_coordinator;
            self.ask_at = self.finder.looks_each_time().then(|| now + pause);
            return;
        };
        self.asks += 1;
        let request = ConnectionRequest {
            epoch,
            node: self.config.node.clone(),
            incarnation: self.config.incarnation,
            ask: self.asks,
            flow: Some(self.flow.clone()),
        };
        effects.send(address, Message::ConnectionRequest(request));
        self.ask_at = Some(now + self.config.read_timeout.max(core::time::Duration::from_millis(1)));
    }

    /// The coordinator was looked up, or nobody was found.
    pub(super) fn run_errands(&mut self, now: Instant, errands: Errands, effects: &mut Effects) {
        if errands.ask && self.membership == Membership::Joining {
            self.send_question(now, effects);
        }
        if errands.report {
            self.send_report(now, effects);
        }
        if errands.heartbeat && self.heartbeat_at.is_some() {
            self.send_heartbeat(effects);
        }
    }

    /// The coordinator's answer to the newest question; to an older one it is void.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        incarnation: Incarnation,
        ask: u64,
        answer: ConnectionAnswer,
        effects: &mut Effects,
    ) {
        if incarnation != self.config.incarnation
            || ask != self.asks
            || self.membership != Membership::Joining
        {
            return;
        }
        match answer {
            ConnectionAnswer::Accepted { attempt, flow, table } => {
                if attempt > self.obeyed {
                    self.merge_all(now, &table, effects);
                    self.take_over(now, attempt, &flow, effects);
                }
            }
            ConnectionAnswer::TryLater { after, explanation } => {
                self.ask_at = Some(now + after.min(TRY_LATER_MAX));
                if !core::mem::replace(&mut self.told_to_wait, true) {
                    effects.record(ClusterEvent::ToldToWait { explanation });
                }
            }
            ConnectionAnswer::Rejected { status, .. } => self.status_told(now, &status, effects),
        }
    }

    /// An order of the coordinator: acknowledged, and obeyed unless something newer was obeyed already (NIFI-10362,
    /// NIFI-16006).
    pub(super) fn ordered(
        &mut self,
        now: Instant,
        from: &Address,
        version: Version,
        incarnation: Incarnation,
        order: OrderKind,
        effects: &mut Effects,
    ) {
        if incarnation != self.config.incarnation {
            return;
        }
        effects.send(from, Message::Acknowledgement { node: self.config.node.id, version });
        let obsolete = version <= self.obeyed && self.config.rules.fence_stale_epochs;
        if obsolete || matches!(self.membership, Membership::Removed { .. }) {
            return;
        }
        match order {
            OrderKind::Reconnect { flow, table } => {
                self.merge_all(now, &table, effects);
                match flow {
                    Some(flow) => self.take_over(now, version, &flow, effects),
                    None => {
                        self.obeyed = self.obeyed.max(version);
                        self.change_membership(now, Membership::Joining, effects);
                    }
                }
            }
            OrderKind::Disconnect { code, reason } => {
                self.change_membership(now, Membership::Disconnected { code, reason, version }, effects);
            }
            OrderKind::Offload => self.begin_offload(now, version, effects),
        }
    }

    fn begin_offload(&mut self, now: Instant, version: Version, effects: &mut Effects) {
        self.change_membership(now, Membership::Offloading { version }, effects);
        effects.push(Effect::Offload { version });
    }

    pub(super) fn offload_finished(&mut self, now: Instant, version: Version, effects: &mut Effects) {
        if self.membership == (Membership::Offloading { version }) {
            self.change_membership(now, Membership::Offloaded { version }, effects);
            self.report(now, effects);
        }
    }

    /// Takes the cluster's flow over under `attempt`, if it fits; loads it, unless it is loaded already.
    fn take_over(&mut self, now: Instant, attempt: Version, flow: &Arc<DataFlow>, effects: &mut Effects) {
        let allowed = inherit(&self.flow, &self.config.queued, flow, self.config.rules.differing_flow);
        if let Err(why) = allowed.and_then(|()| self.keep_from_empty(flow)) {
            let code = DisconnectionCode::MismatchedFlows;
            self.fail(now, attempt, code, why.to_string().as_str(), effects);
        } else if self.inherited && self.flow.fingerprint == flow.fingerprint {
            self.change_membership(now, Membership::Connected { attempt }, effects);
        } else {
            // The flow is taken over when it is loaded; until then this node has none of the cluster's.
            self.inherited = false;
            self.loading = Some(flow.clone());
            self.change_membership(now, Membership::Loading { attempt }, effects);
            effects.push(Effect::LoadFlow { attempt, flow: flow.clone() });
        }
    }

    /// An empty cluster flow does not replace a flow with components, as far as this process knows of one.
    fn keep_from_empty(&self, flow: &DataFlow) -> Result<(), Uninheritable> {
        let in_memory = match self.config.rules.empty_cluster_flow {
            EmptyClusterFlow::Refuse => true,
            EmptyClusterFlow::ReplaceAtStart => self.has_loaded,
        };
        if flow.empty && !self.flow.empty && in_memory {
            Err(Uninheritable::ClusterFlowEmpty)
        } else {
            Ok(())
        }
    }

    pub(super) fn flow_loaded(
        &mut self,
        now: Instant,
        attempt: Version,
        result: Result<(), LoadFailure>,
        effects: &mut Effects,
    ) {
        if self.membership != (Membership::Loading { attempt }) {
            return;
        }
        let Some(flow) = self.loading.take() else { return };
        match result {
            Ok(()) => {
                self.flow = flow;
                // On disk before anybody hears of it (NIFI-2628).
                let durable = Durable { id: self.config.node.id, flow: self.flow.clone() };
                effects.push(Effect::Persist(durable));
                self.inherited = true;
                self.has_loaded = true;
                self.change_membership(now, Membership::Connected { attempt }, effects);
            }
            Err(LoadFailure::MissingBundle) => {
                let code = DisconnectionCode::MissingBundle;
                self.fail(now, attempt, code, code.description(), effects);
            }
            Err(LoadFailure::Other) => {
                let code = DisconnectionCode::StartupFailure;
                self.fail(now, attempt, code, code.description(), effects);
            }
        }
    }

    /// This attempt has failed: the node is out, and says so.
    fn fail(
        &mut self,
        now: Instant,
        attempt: Version,
        code: DisconnectionCode,
        reason: &str,
        effects: &mut Effects,
    ) {
        let reason = reason.into();
        self.change_membership(now, Membership::Disconnected { code, reason, version: attempt }, effects);
        if self.config.rules.announce_failures {
            self.report(now, effects);
        }
    }

    /// A status that the coordinator tells: merged, and obeyed if it is about this node.
    pub(super) fn status_told(&mut self, now: Instant, status: &Arc<NodeStatus>, effects: &mut Effects) {
        if !self.is_believable(status) {
            return;
        }
        // A status that is older than the known one changes nothing (NIFI-8433, 1.14.0; R3 of spec 3.6).
        if self.table.get(status.node.id).is_none_or(|known| status.supersedes(known)) {
            let table = Arc::make_mut(&mut self.table);
            match status.state == ConnectionState::Removed && !self.config.rules.removal_leaves_tombstone {
                true => table.forget(status.node.id),
                false => _ = table.merge(status),
            }
        }
        self.own_status_told(now, status, effects);
    }

    /// The same for many at once.
    pub(super) fn statuses_told(&mut self, now: Instant, changes: &StatusChanges, effects: &mut Effects) {
        let passage = changes.passages.iter().find(|passage| passage.begins_at(&self.table));
        match passage.filter(|_| self.merges_alone()) {
            // What others decided in a term that this node does not hold, and has heard of, is believable.
            Some(Passage { to, .. })
                if changes.epoch <= self.known_epoch && changes.epoch != self.decided.epoch =>
            {
                self.replace_table(now, to, effects);
            }
            Some(_) | None => {
                for status in &changes.statuses {
                    self.status_told(now, status, effects);
                }
                // Who was not in step is from now on, if all that it lacked was this.
                if let Some(passage) = changes.passages.iter().find(|passage| passage.to == self.table) {
                    self.table = passage.to.clone();
                }
            }
        }
    }

    /// The answer to a heartbeat.
    pub(super) fn differences_told(
        &mut self,
        now: Instant,
        differences: &[Arc<NodeStatus>],
        passage: Option<&Passage>,
        effects: &mut Effects,
    ) {
        match passage.filter(|passage| passage.begins_at(&self.table)) {
            Some(passage)
                if self.merges_alone() && differences.iter().all(|status| self.is_believable(status)) =>
            {
                self.replace_table(now, &passage.to, effects);
            }
            Some(_) | None => {
                for status in differences {
                    self.status_told(now, status, effects);
                }
            }
        }
    }

    /// Whether all that this node does with what it is told, and believes, is to merge it.
    fn merges_alone(&self) -> bool {
        self.config.rules.fence_stale_epochs && self.config.rules.removal_leaves_tombstone
    }

    /// Nobody tells what was decided in a term that is still to come, and of this node's own term nobody knows more
    /// than this node.
    fn is_believable(&self, status: &NodeStatus) -> bool {
        let version = status.version;
        version.epoch <= self.known_epoch && (version.epoch != self.decided.epoch || version <= self.decided)
    }

    fn merge_all(&mut self, now: Instant, table: &Arc<StatusTable>, effects: &mut Effects) {
        if Arc::ptr_eq(table, &self.table) {
            return;
        }
        if self.is_covered_by(table) {
            // Entry by entry it would come to the same, and to a copy.
            return self.replace_table(now, table, effects);
        }
        for status in table.newer_than(&self.table) {
            self.status_told(now, &status, effects);
        }
        // Equal content: share it, so that the next comparison is one of pointers.
        if *table == self.table {
            self.table = table.clone();
        }
    }

    /// Whether `table` is all that comes of merging it with this node's.
    fn is_covered_by(&self, table: &StatusTable) -> bool {
        self.merges_alone()
            && table.beside(&self.table).all(|(theirs, mine)| match (theirs, mine) {
                (Some(theirs), None) => self.is_believable(theirs),
                (Some(theirs), Some(mine)) => {
                    if theirs.supersedes(mine) {
                        self.is_believable(theirs)
                    } else {
                        theirs == mine
                    }
                }
                (None, Some(_) | None) => false,
            })
    }

    /// Takes over what comes of merging something into this node's table, and obeys it if it says something new about this
    /// node.
    fn replace_table(&mut self, now: Instant, table: &Arc<StatusTable>, effects: &mut Effects) {
        let me = self.config.node.id;
        let known = core::mem::replace(&mut self.table, table.clone());
        // Mostly it says what was obeyed long ago, and what was known does not matter.
        if let Some(status) = table.get(me).filter(|status| status.version > self.obeyed)
            && known.get(me) != Some(status)
        {
            self.own_status_told(now, status, effects);
        }
    }

    /// What the cluster says about this very node. CONNECTING and CONNECTED are only entered by an order or an answer
    /// that brings the flow along; to be out is obeyed whoever says it.
    pub(super) fn own_status_told(&mut self, now: Instant, status: &Arc<NodeStatus>, effects: &mut Effects) {
        let about_this_run =
            status.node.id == self.config.node.id && status.incarnation == self.config.incarnation;
        let obsolete = status.version <= self.obeyed;
        if !about_this_run || obsolete || matches!(self.membership, Membership::Removed { .. }) {
            return;
        }
        match &status.state {
            ConnectionState::Connecting { .. } | ConnectionState::Disconnecting => {}
            ConnectionState::Connected { attempt } => {
                if self.membership == (Membership::Connected { attempt: *attempt }) {
                    self.obeyed = status.version;
                }
            }
            // Discovered, or asked to come and vote: nothing to leave.
            ConnectionState::Disconnected { code: DisconnectionCode::NotYetConnected, .. } => {}
            // Where a node that is out falls silent, it is not told that it was silent: its next heartbeat is to bring it
            // back (NIFI-2406).
            ConnectionState::Disconnected {
                code: DisconnectionCode::LackOfHeartbeat | DisconnectionCode::UnableToCommunicate,
                ..
            } if !self.config.rules.disconnected_nodes_heartbeat => {}
            ConnectionState::Disconnected { code, reason } => {
                let (code, reason, version) = (*code, reason.clone(), status.version);
                self.change_membership(now, Membership::Disconnected { code, reason, version }, effects);
            }
            ConnectionState::Offloading => self.begin_offload(now, status.version, effects),
            ConnectionState::Offloaded => {
                self.change_membership(now, Membership::Offloaded { version: status.version }, effects);
            }
            // It means "not known": the next heartbeat is that of an unknown node, which is asked to connect (spec 2.6, H2).
            ConnectionState::Removed if !self.config.rules.removal_leaves_tombstone => {}
            ConnectionState::Removed => {
                self.change_membership(now, Membership::Removed { version: status.version }, effects);
                self.unregister(effects);
            }
        }
    }

    /// Changes what the node believes of itself, and what it does because of it.
    fn change_membership(&mut self, now: Instant, membership: Membership, effects: &mut Effects) {
        self.obeyed = self.obeyed.max(membership.version());
        if self.membership == membership {
            return;
        }
        let before = core::mem::replace(&mut self.membership, membership);
        let after = self.membership.clone();
        self.told_to_wait = false;
        self.report = None;
        self.ask_at = match after {
            Membership::Joining => Some(now),
            Membership::Loading { .. }
            | Membership::Connected { .. }
            | Membership::Disconnected { .. }
            | Membership::Offloading { .. }
            | Membership::Offloaded { .. }
            | Membership::Removed { .. } => None,
        };
        self.heartbeat_at = self.heartbeats_now().then_some(now);
        if !is_the_same_state(&before, &after) {
            effects.record(ClusterEvent::Membership { before, after });
        }
    }

    /// Whether a node that is what this one is sends heartbeats.
    fn heartbeats_now(&self) -> bool {
        match self.membership {
            Membership::Connected { .. } => true,
            Membership::Loading { .. } => self.config.rules.loading_nodes_heartbeat,
            Membership::Joining | Membership::Removed { .. } => false,
            Membership::Disconnected { .. }
            | Membership::Offloading { .. }
            | Membership::Offloaded { .. } => self.config.rules.disconnected_nodes_heartbeat,
        }
    }

    /// Sends a heartbeat to the coordinator, if one is known; a missed one is lost.
    pub(super) fn heartbeat(&mut self, now: Instant, effects: &mut Effects) {
        self.heartbeat_at = Some(now + self.config.heartbeat_period());
        if self.finder.looks_each_time() {
            self.errands.heartbeat = true;
            self.look_for_coordinator(effects);
        } else {
            self.send_heartbeat(effects);
        }
    }

    fn send_heartbeat(&mut self, effects: &mut Effects) {
        let Some((epoch, address)) = self.finder.view().known() else { return };
        self.heartbeats += 1;
        self.last_heartbeats.swap(0, 1);
        let [room, _] = &mut self.last_heartbeats;
        let new = || Heartbeat {
            epoch,
            node: self.config.node.clone(),
            incarnation: self.config.incarnation,
            sequence: self.heartbeats,
            reported: self.membership.clone(),
            flow: self.flow.fingerprint.clone(),
            inherited: self.inherited,
            table: self.table.clone(),
        };
        // Of what seldom changes from one heartbeat to the next, nothing is touched.
        let renew = |last: &mut Heartbeat| {
            let Heartbeat {
                epoch: term,
                node: _,
                incarnation: _,
                sequence,
                reported,
                flow,
                inherited,
                table,
            } = &mut *last;
            (*term, *sequence, *inherited) = (epoch, self.heartbeats, self.inherited);
            if *reported != self.membership {
                *reported = self.membership.clone();
            }
            if !Arc::ptr_eq(&flow.0, &self.flow.fingerprint.0) {
                *flow = self.flow.fingerprint.clone();
            }
            if !Arc::ptr_eq(table, &self.table) {
                *table = self.table.clone();
            }
            debug_assert_eq!(*last, new(), "a heartbeat that is renewed says what a new one would");
        };
        let heartbeat = shared_again(room, new, renew);
        effects.send(address, Message::Heartbeat(heartbeat));
    }

    /// Somebody else coordinates now, or somebody at all: it hears from this node at once.
    pub(super) fn coordinator_found(&mut self, now: Instant) {
        if self.membership == Membership::Joining {
            self.ask_at = Some(now);
        }
        if self.heartbeats_now() {
            self.heartbeat_at = Some(now);
        }
    }

    /// Gives a coordinator that was elected without the cluster's flow that flow, if this node has it or is loading it.
    pub(super) fn give_flow(&self, to: &Address, epoch: Epoch, flow: &Fingerprint, effects: &mut Effects) {
        let mut own = self.loading.iter().chain([&self.flow]);
        if let Some(flow) = own.find(|own| own.fingerprint == *flow) {
            effects.send(to, Message::FlowResponse { epoch, flow: flow.clone() });
        }
    }

    pub(super) fn announce_shutdown(&mut self, now: Instant, effects: &mut Effects) {
        if !self.config.rules.announce_failures {
            return;
        }
        let code = DisconnectionCode::NodeShutdown;
        let membership =
            Membership::Disconnected { code, reason: code.description().into(), version: self.obeyed };
        let (node, incarnation) = (self.config.node.clone(), self.config.incarnation);
        if self.office.is_some() {
            let reported = membership.clone();
            self.with_office(now, effects, |office, desk| {
                office.node_reported(desk, &node, incarnation, &reported)
            });
        } else if let Some((epoch, address)) = self.finder.view().known() {
            let reported = membership.clone();
            effects.send(address, Message::NodeReport { epoch, node, incarnation, reported });
        }
        self.change_membership(now, membership, effects);
        self.heartbeat_at = None;
    }
}

/// Whether only the decision behind the state is another one.
fn is_the_same_state(before: &Membership, after: &Membership) -> bool {
    match (before, after) {
        (Membership::Disconnected { code: before, .. }, Membership::Disconnected { code: after, .. }) => {
            before == after
        }
        (Membership::Offloading { .. }, Membership::Offloading { .. })
        | (Membership::Offloaded { .. }, Membership::Offloaded { .. }) => true,
        (
            Membership::Joining
            | Membership::Loading { .. }
            | Membership::Connected { .. }
            | Membership::Disconnected { .. }
            | Membership::Offloading { .. }
            | Membership::Offloaded { .. }
            | Membership::Removed { .. },
            _,
        ) => before == after,
    }
}

/// Shares what was shared before, renewed, if nobody reads that any more; otherwise something new.
fn shared_again<T>(room: &mut Option<Arc<T>>, new: impl FnOnce() -> T, renew: impl FnOnce(&mut T)) -> Arc<T> {
    if let Some(before) = room
        && let Some(unread) = Arc::get_mut(before)
    {
        renew(unread);
        return before.clone();
    }
    room.insert(Arc::new(new())).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_still_reads_is_not_written_over() {
        let mut room = None;
        let mut share = |value| shared_again(&mut room, || value, |last| *last = value);
        let first = share(1);
        let second = share(2);
        assert_eq!((*first, *second), (1, 2));
        drop(second);
        assert_eq!((*share(3), *first), (3, 1));
    }
}
