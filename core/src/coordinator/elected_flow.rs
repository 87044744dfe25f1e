//! The elected flow, recorded in ZooKeeper together with its holders before it is handed out, and the bar that the record
//! puts on a new vote (spec S10). The vote itself is in `flow_election`.
//!
//! A *holder* is one run of a process that was given the elected flow; a node that loads it counts. A coordinator that
//! finds the record and has not inherited that flow holds no vote while a recorded holder may be alive. It gets the flow
//! back instead: from a holder that it hears, or, once the holders have been silent for as long as makes a node
//! disconnected, from any node that has that flow on its disk. A vote is free again when every holder is known to be over
//! (its machine runs a later process, or the holder says that it has not loaded the flow), when all have been silent for
//! [`NodeConfig::holder_patience`], or when a person removes them.

use super::{ClusterFlow, Desk, Office, Phase, Step};
use crate::config::NodeConfig;
use crate::coordination::{CoordinationError, CreateMode, Operation, Outcome, child};
use crate::discovery::{parse_member, print_member};
use crate::event::{ClusterEvent, Severity};
use crate::flow::{DataFlow, Fingerprint};
use crate::flow_election::CLOCK_STEP;
use crate::identity::{Address, Incarnation, NodeId, NodeIdentifier};
use crate::message::{ConnectionRequest, Heartbeat, Membership, Message};
use crate::status::{ConnectionState, DisconnectionCode, Epoch, Version};
use crate::time::Instant;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// What this term knows of the record, and what waits for it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct ElectedFlow {
    /// The flow that the record names.
    recorded: Option<Fingerprint>,
    /// A write of the record is on its way.
    writing: bool,
    /// The run of each node that the record names as a holder.
    holders: BTreeMap<NodeId, Incarnation>,
    /// Connection requests that are answered when their holder is recorded.
    waiting: BTreeMap<NodeId, (Address, ConnectionRequest)>,
    /// Orders to connect that are sent when their holder is recorded: to which run, and the decision behind each.
    orders: BTreeMap<NodeId, (Arc<NodeIdentifier>, Incarnation, Version)>,
    bar: Option<Bar>,
}

/// Why no vote is held: these holders may be alive.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Bar {
    flow: Fingerprint,
    /// Not empty, except while the record is being read.
    holders: BTreeMap<NodeId, Holder>,
    /// For how long the holders are waited for: as long as makes a node disconnected if this node has the flow on its
    /// disk, otherwise for [`NodeConfig::holder_patience`].
    patience: Duration,
    /// The holders have been silent for long enough: the nodes vote, until one of them is heard after all.
    lifted: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Holder {
    node: Arc<NodeIdentifier>,
    incarnation: Incarnation,
    /// When this term heard it last; `None`: not yet.
    heard_at: Option<Instant>,
}

impl ElectedFlow {
    /// Whether the record names `flow`, or there is no record.
    pub(super) fn names(&self, flow: &Fingerprint) -> bool {
        self.recorded.as_ref().is_none_or(|recorded| recorded == flow)
    }

    pub(super) fn is_recorded_holder(&self, node: NodeId, incarnation: Incarnation) -> bool {
        self.holders.get(&node) == Some(&incarnation)
    }

    /// There is nothing left to vote on.
    pub(super) fn drop_bar(&mut self) {
        self.bar = None;
    }

    pub(super) fn bars_a_vote(&self) -> bool {
        self.bar.as_ref().is_some_and(|bar| !bar.lifted)
    }

    /// Time in which this process did not run is not held against the holders.
    pub(super) fn forgive(&mut self, later: impl Fn(&mut Instant)) {
        let holders = self.bar.iter_mut().flat_map(|bar| bar.holders.values_mut());
        holders.filter_map(|holder| holder.heard_at.as_mut()).for_each(later);
    }

    pub(super) fn check_invariants(&self) {
        if let Some(bar) = &self.bar {
            assert_eq!(Some(&bar.flow), self.recorded.as_ref(), "a bar stands for the recorded flow");
        }
        for (node, (_, request)) in &self.waiting {
            assert_eq!(*node, request.node.id, "a waiting request is filed under its node");
        }
    }
}

impl NodeConfig {
    /// How long a node is silent before it counts as gone, by its heartbeats and by its ZooKeeper session.
    #[must_use]
    pub fn silence_limit(&self) -> Duration {
        self.window().max(self.session_timeout)
    }

    /// How long every holder of the elected flow must have been silent before the nodes may vote on another one.
    #[must_use]
    pub fn holder_patience(&self) -> Duration {
        self.silence_limit().saturating_add(self.flow_election_max_wait)
    }
}

fn holder_path(config: &NodeConfig, node: NodeId, incarnation: Incarnation) -> Arc<str> {
    child(&config.paths.elected_flow(), &format!("{node}.{}", incarnation.0))
}

fn parse_holder_name(name: &str) -> Option<(NodeId, Incarnation)> {
    let (node, incarnation) = name.rsplit_once('.')?;
    Some((NodeId::parse(node)?, Incarnation(incarnation.parse().ok()?)))
}

/// The record's data: the term that elected the flow, and the flow.
fn print_record(epoch: Epoch, flow: &Fingerprint) -> Arc<str> {
    format!("{epoch} {flow}").into()
}

fn parse_record(data: &str) -> Option<Fingerprint> {
    let (epoch, flow) = data.split_once(' ')?;
    epoch.parse::<u64>().ok()?;
    Some(Fingerprint(flow.into()))
}

impl Office {
    /// Whether this node has the flow that the cluster elected.
    pub(super) fn is_qualified(&self, desk: &Desk<'_>) -> bool {
        desk.inherited && self.elected.names(&desk.own_flow.fingerprint)
    }

    // ---- Reading the record, before the office is published.

    pub(super) fn read_elected_flow(&mut self, desk: &mut Desk<'_>) {
        if !desk.config.rules.elected_flow_recorded {
            return self.list_members(desk);
        }
        self.phase = Phase::ReadingElectedFlow { missing: None };
        let path = desk.config.paths.elected_flow();
        self.perform(desk, Step::ReadElectedFlow, Operation::GetData { path, watch: false });
    }

    pub(super) fn elected_flow_read(
        &mut self,
        desk: &mut Desk<'_>,
        result: Result<Outcome, CoordinationError>,
    ) {
        match result {
            Ok(Outcome::Data { data, .. }) => self.elected.recorded = parse_record(&data),
            Err(CoordinationError::NoNode) => {}
            // The connection broke: the term ends with it.
            Ok(_) | Err(_) => return,
        }
        if self.elected.recorded.is_none() {
            return self.list_members(desk);
        }
        let path = desk.config.paths.elected_flow();
        self.perform(desk, Step::ListHolders, Operation::GetChildren { path, watch: false });
    }

    pub(super) fn holders_listed(&mut self, desk: &mut Desk<'_>, result: Result<Outcome, CoordinationError>) {
        let mut holders: Vec<_> = match &result {
            Ok(Outcome::Children { children }) => {
                children.iter().filter_map(|name| parse_holder_name(name)).collect()
            }
            Err(CoordinationError::NoNode) => Vec::new(),
            Ok(_) | Err(_) => return,
        };
        // The latest run of a node comes last, and takes the place of earlier ones.
        holders.sort_unstable();
        self.elected.holders = holders.iter().copied().collect();
        if self.is_qualified(desk) || self.cluster_flow().is_some() || self.elected.holders.is_empty() {
            return self.list_members(desk);
        }
        self.phase = Phase::ReadingElectedFlow { missing: Some(self.elected.holders.len()) };
        for (node, incarnation) in self.elected.holders.clone() {
            let path = holder_path(desk.config, node, incarnation);
            self.perform(desk, Step::ReadHolder, Operation::GetData { path, watch: false });
        }
    }

    pub(super) fn holder_read(&mut self, desk: &mut Desk<'_>, result: Result<Outcome, CoordinationError>) {
        match result {
            Ok(Outcome::Data { data, .. }) => {
                if let (Some((node, incarnation)), Some(flow)) =
                    (parse_member(&data), self.elected.recorded.clone())
                {
                    let patience = match flow == desk.own_flow.fingerprint {
                        true => desk.config.silence_limit(),
                        false => desk.config.holder_patience(),
                    };
                    let bar = Bar { flow, holders: BTreeMap::new(), patience, lifted: false };
                    let bar = self.elected.bar.get_or_insert(bar);
                    let holder = Holder { node: Arc::new(node), incarnation, heard_at: None };
                    bar.holders.insert(holder.node.id, holder);
                }
            }
            Err(CoordinationError::NoNode) => {}
            Ok(_) | Err(_) => return,
        }
        let Phase::ReadingElectedFlow { missing: Some(missing) } = self.phase else { return };
        let missing = missing.saturating_sub(1);
        self.phase = Phase::ReadingElectedFlow { missing: Some(missing) };
        if missing == 0 {
            // The former run of this very process is over.
            self.note_run(desk, &desk.config.node, desk.config.incarnation);
            self.list_members(desk);
        }
    }

    // ---- Writing the record, before the flow is handed out.

    /// Whether `request` can be accepted now. If not, it is as soon as the run is recorded as a holder.
    pub(super) fn is_recorded(
        &mut self,
        desk: &mut Desk<'_>,
        from: &Address,
        request: &ConnectionRequest,
    ) -> bool {
        let (node, incarnation) = (request.node.id, request.incarnation);
        if !desk.config.rules.elected_flow_recorded || self.elected.is_recorded_holder(node, incarnation) {
            return true;
        }
        let before = self.elected.waiting.insert(node, (from.clone(), request.clone()));
        if before.is_none_or(|(_, before)| before.incarnation != incarnation) {
            self.record(desk, &request.node, incarnation);
        }
        false
    }

    /// Whether the order to connect that the decision `attempt` calls for can be sent now. If not, it is as soon as the run
    /// is recorded as a holder.
    pub(super) fn is_recorded_for_order(
        &mut self,
        desk: &mut Desk<'_>,
        node: &Arc<NodeIdentifier>,
        incarnation: Incarnation,
        attempt: Version,
    ) -> bool {
        if !desk.config.rules.elected_flow_recorded || self.elected.is_recorded_holder(node.id, incarnation) {
            return true;
        }
        self.elected.orders.insert(node.id, (node.clone(), incarnation, attempt));
        self.record(desk, node, incarnation);
        false
    }

    /// Records a run as a holder; first the flow itself, if that is not recorded.
    fn record(&mut self, desk: &mut Desk<'_>, node: &NodeIdentifier, incarnation: Incarnation) {
        if self.elected.recorded == self.cluster_flow().map(|flow| flow.fingerprint.clone()) {
            self.record_holder(desk, node, incarnation);
        } else {
            self.record_elected_flow(desk);
        }
    }

    /// Writes down which flow is the cluster's. Holders of another flow are none of this one.
    pub(super) fn record_elected_flow(&mut self, desk: &mut Desk<'_>) {
        let Some(flow) = self.cluster_flow().map(|flow| flow.fingerprint.clone()) else { return };
        if self.elected.writing || !desk.config.rules.elected_flow_recorded {
            return;
        }
        self.elected.writing = true;
        self.elected.bar = None;
        for (node, incarnation) in core::mem::take(&mut self.elected.holders) {
            let path = holder_path(desk.config, node, incarnation);
            self.perform(desk, Step::ForgetHolder, Operation::Delete { path });
        }
        let (path, data) = (desk.config.paths.elected_flow(), print_record(self.epoch, &flow));
        let create = Operation::Create { path, data, mode: CreateMode::Persistent };
        self.perform(desk, Step::RecordElectedFlow, create);
    }

    pub(super) fn elected_flow_recorded(
        &mut self,
        desk: &mut Desk<'_>,
        result: Result<Outcome, CoordinationError>,
    ) {
        let flow = self.cluster_flow().map(|flow| flow.fingerprint.clone());
        match (result, flow) {
            (Ok(_), flow) => {
                self.elected.writing = false;
                self.elected.recorded = flow;
                let requests = self.elected.waiting.values();
                let requests = requests.map(|(_, request)| (request.node.clone(), request.incarnation));
                let orders = self.elected.orders.values();
                let orders = orders.map(|(node, incarnation, _)| (node.clone(), *incarnation));
                let runs: BTreeMap<_, _> =
                    requests.chain(orders).map(|(node, run)| ((node.id, run), node)).collect();
                for ((_, incarnation), node) in runs {
                    self.record_holder(desk, &node, incarnation);
                }
            }
            (Err(CoordinationError::NodeExists), Some(flow)) => {
                let (path, data) = (desk.config.paths.elected_flow(), print_record(self.epoch, &flow));
                self.perform(desk, Step::RecordElectedFlow, Operation::SetData { path, data });
            }
            // The nodes that wait ask again, and the record is written again then.
            (Err(_), _) => {
                self.elected.writing = false;
                self.elected.waiting.clear();
                self.elected.orders.clear();
            }
        }
    }

    fn record_holder(&mut self, desk: &mut Desk<'_>, node: &NodeIdentifier, incarnation: Incarnation) {
        let path = holder_path(desk.config, node.id, incarnation);
        let data = print_member(node, incarnation);
        let create = Operation::Create { path, data, mode: CreateMode::Persistent };
        self.perform(desk, Step::RecordHolder(node.id, incarnation), create);
    }

    pub(super) fn holder_recorded(
        &mut self,
        desk: &mut Desk<'_>,
        (node, incarnation): (NodeId, Incarnation),
        result: Result<Outcome, CoordinationError>,
    ) {
        let is_meant = |(_, request): &(Address, ConnectionRequest)| request.incarnation == incarnation;
        let waits = self.elected.waiting.get(&node).is_some_and(is_meant);
        let request = if waits { self.elected.waiting.remove(&node) } else { None };
        let waits = self.elected.orders.get(&node).is_some_and(|(_, run, _)| *run == incarnation);
        let order = if waits { self.elected.orders.remove(&node) } else { None };
        match result {
            Ok(_) | Err(CoordinationError::NodeExists) => {
                let before = self.elected.holders.insert(node, incarnation);
                if let Some(earlier) = before.filter(|earlier| *earlier != incarnation) {
                    let path = holder_path(desk.config, node, earlier);
                    self.perform(desk, Step::ForgetHolder, Operation::Delete { path });
                }
                if let Some((node, incarnation, attempt)) = order {
                    let connecting = desk.table.get(node.id).map(|status| status.state.clone());
                    if connecting == Some(ConnectionState::Connecting { attempt }) {
                        self.order_reconnect(desk, &node, incarnation, attempt);
                    }
                }
                if let Some((from, request)) = request {
                    self.connection_requested(desk, &from, request);
                }
            }
            // The record itself is gone: the next request writes it again.
            Err(CoordinationError::NoNode) => self.elected.recorded = None,
            Err(_) => {}
        }
    }

    /// No run of `node` holds the flow any more.
    pub(super) fn forget_holder(&mut self, desk: &mut Desk<'_>, node: NodeId) {
        if let Some(incarnation) = self.elected.holders.remove(&node) {
            let path = holder_path(desk.config, node, incarnation);
            self.perform(desk, Step::ForgetHolder, Operation::Delete { path });
        }
        self.release(desk, |holder| holder.node.id == node);
    }

    // ---- The bar.

    /// Whether this term waits for a node that has the elected flow.
    pub(crate) fn awaits_flow(&self) -> bool {
        self.is_open() && self.elected.bars_a_vote()
    }

    /// Enters a holder that this term waits for into the table, if it is not there.
    pub(super) fn discover_holder(&mut self, desk: &mut Desk<'_>, node: NodeId) {
        let holder = self.elected.bar.as_ref().and_then(|bar| bar.holders.get(&node)).cloned();
        if let Some(Holder { node, incarnation, .. }) = holder.filter(|_| desk.table.get(node).is_none()) {
            let state = ConnectionState::disconnected(DisconnectionCode::NotYetConnected);
            let text = String::from("Node was given the cluster's flow by an earlier coordinator.");
            self.decide(desk, &node, incarnation, |_| state, Severity::Info, text);
        }
    }

    /// These holders are none any more. When the last one is released, the vote is free.
    fn release(&mut self, desk: &mut Desk<'_>, is_over: impl Fn(&Holder) -> bool) {
        let Some(bar) = &mut self.elected.bar else { return };
        bar.holders.retain(|_, holder| !is_over(holder));
        if bar.holders.is_empty() {
            self.elected.bar = None;
            self.complete_election(desk);
        }
    }

    /// A process runs: earlier ones on its machine are over, whatever their id.
    pub(super) fn note_run(
        &mut self,
        desk: &mut Desk<'_>,
        node: &Arc<NodeIdentifier>,
        incarnation: Incarnation,
    ) {
        let same_machine =
            |holder: &Holder| holder.node.id == node.id || holder.node.is_logically_equal(node);
        self.release(desk, |holder| same_machine(holder) && holder.incarnation < incarnation);
    }

    /// A node asks to be let in while a new vote is barred: what it has may settle the matter.
    pub(super) fn asked_while_barred(&mut self, desk: &mut Desk<'_>, request: &ConnectionRequest) {
        self.note_run(desk, &request.node, request.incarnation);
        let Some(bar) = &self.elected.bar else { return };
        let is_holder =
            bar.holders.get(&request.node.id).is_some_and(|holder| holder.incarnation == request.incarnation);
        let has_flow = request.flow.as_ref().filter(|flow| flow.fingerprint == bar.flow).cloned();
        match has_flow {
            Some(flow) if is_holder || self.holders_count_as_gone(desk) => self.resume_flow(desk, flow),
            Some(_) => {}
            None if is_holder => {
                let node = request.node.id;
                self.release(desk, |holder| holder.node.id == node);
            }
            None => {}
        }
    }

    /// A heartbeat of a holder: the cluster's flow stays, and this coordinator gets it.
    pub(super) fn holder_heard(&mut self, desk: &mut Desk<'_>, from: &Address, heartbeat: &Heartbeat) {
        self.note_run(desk, &heartbeat.node, heartbeat.incarnation);
        let now = desk.now;
        let Some(bar) = &mut self.elected.bar else { return };
        // A holder that failed to load the flow may have it on its disk all the same.
        let has_flow = match heartbeat.reported {
            Membership::Loading { .. } => true,
            Membership::Joining
            | Membership::Connected { .. }
            | Membership::Disconnected { .. }
            | Membership::Offloading { .. }
            | Membership::Offloaded { .. }
            | Membership::Removed { .. } => heartbeat.flow == bar.flow,
        };
        let node = heartbeat.node.id;
        let Some(holder) =
            bar.holders.get_mut(&node).filter(|holder| holder.incarnation == heartbeat.incarnation)
        else {
            return;
        };
        if !has_flow {
            return self.release(desk, |holder| holder.node.id == node);
        }
        holder.heard_at = Some(now);
        bar.lifted = false;
        if desk.own_flow.fingerprint == bar.flow {
            self.resume_flow(desk, desk.own_flow.clone());
        } else {
            desk.effects.send(from, Message::FlowRequest { epoch: self.epoch, flow: bar.flow.clone() });
        }
    }

    /// A holder's answer to a request for the cluster's flow.
    pub(crate) fn flow_given(&mut self, desk: &mut Desk<'_>, flow: Arc<DataFlow>) {
        if self.elected.bar.as_ref().is_some_and(|bar| bar.flow == flow.fingerprint) {
            self.resume_flow(desk, flow);
        }
    }

    /// The flow that an earlier term elected stays the cluster's.
    fn resume_flow(&mut self, desk: &mut Desk<'_>, flow: Arc<DataFlow>) {
        assert!(self.elected.bar.is_some(), "the recorded flow replaces only a vote that it bars");
        assert!(self.cluster_flow().is_none(), "a flow that is known is not replaced");
        self.elected.bar = None;
        let text = format!(
            "The cluster's flow is still {}, which an earlier coordinator handed out",
            flow.fingerprint
        );
        desk.effects.record(ClusterEvent::Reported { node: None, severity: Severity::Info, text });
        self.flow = ClusterFlow::Known(flow);
    }

    /// The nodes may vote, whatever the holders do.
    fn lift_bar(&mut self, desk: &mut Desk<'_>, why: String) {
        if let Some(bar) = self.elected.bar.as_mut().filter(|bar| !bar.lifted) {
            bar.lifted = true;
            let text = format!("{why}: the nodes may vote on another flow than {}", bar.flow);
            let severity = Severity::Warning;
            desk.effects.record(ClusterEvent::Reported { node: None, severity, text });
            self.complete_election(desk);
        }
    }

    /// When the last holder was heard, or could first have been.
    fn holders_heard_at(&self) -> Option<Instant> {
        let bar = self.elected.bar.as_ref()?;
        let heard = bar.holders.values().filter_map(|holder| holder.heard_at).max();
        Some(heard.unwrap_or(self.counted_from).max(self.counted_from))
    }

    fn holders_count_as_gone(&self, desk: &Desk<'_>) -> bool {
        self.holders_heard_at().is_some_and(|heard| desk.now > heard + desk.config.silence_limit())
    }

    /// When the holders have been silent for long enough.
    pub(super) fn bar_ends_at(&self) -> Option<Instant> {
        let heard = self.holders_heard_at().filter(|_| self.is_published())?;
        self.elected.bar.as_ref().filter(|bar| !bar.lifted).map(|bar| heard + bar.patience + CLOCK_STEP)
    }

    /// Looks at how long the holders have been silent.
    pub(super) fn judge_holders(&mut self, desk: &mut Desk<'_>) {
        if self.bar_ends_at().is_none_or(|at| desk.now < at) {
            return;
        }
        if self.elected.bar.as_ref().is_some_and(|bar| bar.flow == desk.own_flow.fingerprint) {
            return self.resume_flow(desk, desk.own_flow.clone());
        }
        let seconds = self.holders_heard_at().map_or(0, |heard| desk.now.since(heard).as_secs());
        let why = format!("No node that was given the cluster's flow has been heard for {seconds} seconds");
        self.lift_bar(desk, why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_the_flow_that_it_names() {
        for flow in ["A", "empty:E3", "A at (0, 0)", ""] {
            let flow = Fingerprint(flow.into());
            assert_eq!(parse_record(&print_record(Epoch(7), &flow)), Some(flow));
        }
    }

    #[test]
    fn what_is_no_record_names_no_flow() {
        for text in ["", "7", "x A", "A"] {
            assert_eq!(parse_record(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_name_of_a_holder_is_its_node_and_run() {
        let (node, incarnation) = (NodeId(3), Incarnation(12));
        assert_eq!(parse_holder_name(&format!("{node}.{}", incarnation.0)), Some((node, incarnation)));
        for name in ["", "3.1", "00000000-0000-0000-0000-000000000003", "x"] {
            assert_eq!(parse_holder_name(name), None, "{name:?}");
        }
    }
}
