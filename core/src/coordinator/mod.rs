//! A term of office as Cluster Coordinator: what exists only while a node coordinates, from the first look into
//! ZooKeeper to the day it is given up. It joins the concerns that do not know each other.

mod announcements;
mod claims;
mod connection;
mod elected_flow;
mod exclusion;
mod heartbeats;
mod monitor;
mod operator;
mod orders;

use crate::config::{NodeConfig, TOLD_AT_ONCE_UP_TO};
use crate::coordination::{CoordinationError, CreateMode, Names, Operation, Outcome, child};
use crate::discovery::{parse_member, well_known};
use crate::effect::Effects;
use crate::event::{ClusterEvent, FlowAtOffice, Resignation, Severity};
use crate::flow::DataFlow;
use crate::flow_election::FlowElection;
use crate::identity::{Address, Incarnation, NodeId, NodeIdentifier};
use crate::message::{ConnectionRequest, Heartbeat, Message};
use crate::node::operations::{Operations, Purpose};
use crate::status::{ConnectionState, Epoch, NodeStatus, Version};
use crate::table::StatusTable;
use crate::time::Instant;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use announcements::Announcements;
use claims::Claims;
use elected_flow::ElectedFlow;
use heartbeats::Stored;
use operator::Commit;
use orders::{Due, Orders};

pub(crate) use operator::Requester;

/// What the coordinator works with that belongs to the node.
pub(crate) struct Desk<'a> {
    pub(crate) now: Instant,
    pub(crate) config: &'a NodeConfig,
    pub(crate) table: &'a mut Arc<StatusTable>,
    pub(crate) operations: &'a mut Operations,
    /// The node's own flow, and whether it came from the cluster.
    pub(crate) own_flow: &'a Arc<DataFlow>,
    pub(crate) inherited: bool,
    pub(crate) effects: &'a mut Effects,
}

/// Which of the office's operations ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Step {
    ListExclusions,
    ReadExclusion,
    ReadElectedFlow,
    ListHolders,
    ReadHolder,
    RecordElectedFlow,
    RecordHolder(NodeId, Incarnation),
    ForgetHolder,
    ListMembers,
    ReadMember,
    CreateAddress,
    ClearAddress,
    WatchAddress,
    WriteExclusion(NodeId),
    ReplaceExclusion(NodeId),
    LiftExclusion(NodeId),
    ForgetExclusion,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Phase {
    /// Reading what people decided about nodes; so many records are still missing.
    ReadingExclusions { missing: Option<usize> },
    /// Reading which flow was elected and which runs were given it; the number of their records that are still missing.
    ReadingElectedFlow { missing: Option<usize> },
    /// Asking ZooKeeper who is there.
    ListingMembers,
    /// Writing this node's address where the others look for it.
    Publishing,
    /// Waiting for word from every member, so that nothing is decided on an old table.
    Opening { until: Instant },
    /// Deciding.
    Open { tick_at: Instant },
}

/// The cluster's flow, as far as this term knows it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum ClusterFlow {
    /// The nodes vote.
    Voting(FlowElection),
    /// Elected, or inherited from an earlier term.
    Known(Arc<DataFlow>),
}

/// One term of office.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Office {
    epoch: Epoch,
    /// How many decisions this term has made.
    sequence: u64,
    phase: Phase,
    flow: ClusterFlow,
    elected: ElectedFlow,
    /// Registered in ZooKeeper, when last looked.
    members: BTreeSet<NodeId>,
    /// The list that says so.
    listing: Names,
    /// Members from which word has come in this term.
    heard: BTreeSet<NodeId>,
    /// Members that registered before the office opened, and which run of each.
    discovered: BTreeMap<NodeId, (Arc<NodeIdentifier>, Incarnation)>,
    /// Requests that arrived before the office opened.
    held: BTreeMap<NodeId, (Address, ConnectionRequest)>,
    heartbeats: BTreeMap<NodeId, Stored>,
    /// Room for those that the monitor looks at in one tick. Empty in between.
    fresh: Vec<(Arc<Heartbeat>, Instant)>,
    /// When this term last changed what it says of a node.
    changed_at: BTreeMap<NodeId, Instant>,
    /// The connection request that a node's CONNECTING answers.
    asked: BTreeMap<NodeId, (Incarnation, u64)>,
    orders: Orders,
    announcements: Announcements,
    claims: Claims,
    /// The highest number of a run that the table ever showed in this term.
    latest_run: Incarnation,
    commits: BTreeMap<NodeId, Commit>,
    /// What was recorded in ZooKeeper when this term began.
    exclusions: BTreeMap<NodeId, NodeStatus>,
    /// From when on silence counts: nobody can have heartbeated to this term before.
    counted_from: Instant,
    /// Set when the term must end.
    leaving: Option<Resignation>,
}

impl Office {
    /// Begins a term. `decided`: the last decision this process ever made, so that a term that goes on after an
    /// interruption goes on counting.
    ///
    /// `elected`: the flow that this same term handed out before such an interruption.
    pub(crate) fn begin(
        desk: &mut Desk<'_>,
        epoch: Epoch,
        decided: Version,
        elected: Option<Arc<DataFlow>>,
    ) -> Result<Office, Resignation> {
        // The bounds were checked when the node was built.
        let election = desk.config.flow_election().map_err(|_| Resignation::NotEntitled)?;
        let mut office = Office {
            epoch,
            sequence: if decided.epoch == epoch { decided.sequence } else { 0 },
            phase: Phase::ReadingExclusions { missing: None },
            flow: elected.map_or(ClusterFlow::Voting(election), ClusterFlow::Known),
            elected: ElectedFlow::default(),
            members: BTreeSet::new(),
            listing: Names::default(),
            heard: BTreeSet::new(),
            discovered: BTreeMap::new(),
            held: BTreeMap::new(),
            heartbeats: BTreeMap::new(),
            fresh: Vec::new(),
            changed_at: BTreeMap::new(),
            asked: BTreeMap::new(),
            orders: Orders::default(),
            announcements: Announcements::default(),
            claims: Claims::default(),
            latest_run: desk.table.iter().map(|status| status.incarnation).max().unwrap_or_default(),
            commits: BTreeMap::new(),
            exclusions: BTreeMap::new(),
            counted_from: desk.now,
            leaving: None,
        };
        if desk.config.rules.exclusions_in_zookeeper {
            let path = desk.config.paths.exclusions();
            office.perform(desk, Step::ListExclusions, Operation::GetChildren { path, watch: false });
        } else {
            office.read_elected_flow(desk);
        }
        Ok(office)
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The last decision of this term.
    pub(crate) fn decided(&self) -> Version {
        Version { epoch: self.epoch, sequence: self.sequence }
    }

    /// Whether others can know of this term: from then on it answers.
    pub(crate) fn is_published(&self) -> bool {
        match self.phase {
            Phase::Opening { .. } | Phase::Open { .. } => true,
            Phase::ReadingExclusions { .. }
            | Phase::ReadingElectedFlow { .. }
            | Phase::ListingMembers
            | Phase::Publishing => false,
        }
    }

    /// Whether this term decides.
    pub(crate) fn is_open(&self) -> bool {
        match self.phase {
            Phase::Open { .. } => true,
            Phase::ReadingExclusions { .. }
            | Phase::ReadingElectedFlow { .. }
            | Phase::ListingMembers
            | Phase::Publishing
            | Phase::Opening { .. } => false,
        }
    }

    pub(crate) fn leaving(&self) -> Option<Resignation> {
        self.leaving
    }

    /// The flow that this term hands out, once it is known.
    pub(crate) fn cluster_flow(&self) -> Option<&Arc<DataFlow>> {
        match &self.flow {
            ClusterFlow::Known(flow) => Some(flow),
            ClusterFlow::Voting(_) => None,
        }
    }

    /// The earliest moment at which this term has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Opening { until } => Some(until),
            Phase::Open { tick_at } => Some(tick_at),
            Phase::ReadingExclusions { .. }
            | Phase::ReadingElectedFlow { .. }
            | Phase::ListingMembers
            | Phase::Publishing => None,
        };
        let election = match &self.flow {
            ClusterFlow::Voting(election) => election.deadline(),
            ClusterFlow::Known(_) => None,
        };
        let rest = [self.bar_ends_at(), self.orders.next_at(), self.announcements.due_at()];
        [phase, election].into_iter().chain(rest).flatten().min()
    }

    /// Does what is due.
    pub(crate) fn wake(&mut self, desk: &mut Desk<'_>) {
        if matches!(self.phase, Phase::Opening { until } if until <= desk.now) {
            self.open(desk);
        }
        self.judge_holders(desk);
        self.complete_election(desk);
        self.send_due_orders(desk);
        if let Phase::Open { tick_at } = self.phase
            && tick_at <= desk.now
        {
            self.tick(desk, tick_at);
            self.phase = Phase::Open { tick_at: desk.now + desk.config.heartbeat_interval };
        }
        if self.announcements.due_at().is_some_and(|at| at <= desk.now) {
            self.announce(desk);
        }
    }

    /// Tells everybody what was gathered.
    pub(crate) fn announce(&mut self, desk: &mut Desk<'_>) {
        let Some(changes) = self.announcements.take(self.epoch, desk.table) else { return };
        let me = desk.config.node.id;
        for other in desk.table.iter() {
            if other.node.id != me && other.state != ConnectionState::Removed {
                desk.effects.send(&other.node.socket, Message::NodeStatusChanges(changes.clone()));
            }
        }
    }

    fn send_due_orders(&mut self, desk: &mut Desk<'_>) {
        while let Some(due) = self.orders.due(desk.now) {
            match due {
                Due::Send(order) => {
                    if order.is_repeated() {
                        self.note_failed_attempt(desk, &order);
                    }
                    let message = Message::Order {
                        version: order.version,
                        incarnation: order.incarnation,
                        order: order.kind,
                    };
                    desk.effects.send(&order.node.socket, message);
                }
                Due::GiveUp(order) => {
                    self.note_failed_attempt(desk, &order);
                    self.give_up(desk, order);
                }
            }
        }
    }

    pub(crate) fn completed(
        &mut self,
        desk: &mut Desk<'_>,
        step: Step,
        result: Result<Outcome, CoordinationError>,
    ) {
        match step {
            Step::ListExclusions => self.exclusions_listed(desk, result),
            Step::ReadExclusion => self.exclusion_read(desk, result),
            Step::ReadElectedFlow => self.elected_flow_read(desk, result),
            Step::ListHolders => self.holders_listed(desk, result),
            Step::ReadHolder => self.holder_read(desk, result),
            Step::RecordElectedFlow => self.elected_flow_recorded(desk, result),
            Step::RecordHolder(node, incarnation) => self.holder_recorded(desk, (node, incarnation), result),
            Step::ListMembers => self.members_listed(desk, result),
            Step::ReadMember => self.member_read(desk, result),
            Step::CreateAddress => self.address_created(desk, result),
            Step::ClearAddress => self.publish(desk),
            Step::WriteExclusion(node) => self.exclusion_written(desk, node, result),
            Step::ReplaceExclusion(node) | Step::LiftExclusion(node) => self.committed(desk, node, result),
            Step::WatchAddress => {
                if result == Err(CoordinationError::NoNode) {
                    self.publish(desk);
                }
            }
            Step::ForgetExclusion | Step::ForgetHolder => {}
        }
    }

    /// The list of members changed, or this term's address did.
    pub(crate) fn watched(&mut self, desk: &mut Desk<'_>, path: &str) {
        if path == desk.config.paths.members().as_ref() {
            self.ask_for_members(desk);
        } else if path == desk.config.paths.coordinator().as_ref() && self.is_published() {
            self.watch_address(desk);
        }
    }

    /// Should a predecessor that took its time delete the address, it is written again.
    fn watch_address(&mut self, desk: &mut Desk<'_>) {
        let path = desk.config.paths.coordinator();
        self.perform(desk, Step::WatchAddress, Operation::Exists { path, watch: true });
    }

    fn exclusions_listed(&mut self, desk: &mut Desk<'_>, result: Result<Outcome, CoordinationError>) {
        let mut names: Vec<_> = match result {
            Ok(Outcome::Children { children }) => children.into(),
            Err(CoordinationError::NoNode) => return self.read_elected_flow(desk),
            // The connection broke: the term ends with it.
            Ok(_) | Err(_) => return,
        };
        // What is asked does not depend on the order in which ZooKeeper lists.
        names.sort_unstable();
        self.phase = Phase::ReadingExclusions { missing: Some(names.len()) };
        let parent = desk.config.paths.exclusions();
        for name in &names {
            let path = child(&parent, name);
            self.perform(desk, Step::ReadExclusion, Operation::GetData { path, watch: false });
        }
        if names.is_empty() {
            self.read_elected_flow(desk);
        }
    }

    fn exclusion_read(&mut self, desk: &mut Desk<'_>, result: Result<Outcome, CoordinationError>) {
        match result {
            Ok(Outcome::Data { data, .. }) => {
                if let Some(status) = exclusion::parse(&data) {
                    self.exclusions.insert(status.node.id, status.clone());
                    self.adopt(desk, &Arc::new(status));
                }
            }
            Err(CoordinationError::NoNode) => {}
            Ok(_) | Err(_) => return,
        }
        if let Phase::ReadingExclusions { missing: Some(missing) } = self.phase {
            let missing = missing.saturating_sub(1);
            self.phase = Phase::ReadingExclusions { missing: Some(missing) };
            if missing == 0 {
                self.read_elected_flow(desk);
            }
        }
    }

    fn list_members(&mut self, desk: &mut Desk<'_>) {
        if desk.config.rules.members_register {
            self.phase = Phase::ListingMembers;
            self.ask_for_members(desk);
        } else {
            self.publish(desk);
        }
    }

    fn ask_for_members(&mut self, desk: &mut Desk<'_>) {
        let path = desk.config.paths.members();
        self.perform(desk, Step::ListMembers, Operation::GetChildren { path, watch: true });
    }

    fn members_listed(&mut self, desk: &mut Desk<'_>, result: Result<Outcome, CoordinationError>) {
        let Ok(Outcome::Children { children }) = result else { return };
        let (came, gone) = self.compare_members(&children);
        self.listing = children;
        let parent = desk.config.paths.members();
        for node in &came {
            if self.is_published() {
                desk.effects.record(ClusterEvent::MemberAppeared { node: *node });
            }
            if desk.table.get(*node).is_none() {
                let path = child(&parent, &node.to_string());
                self.perform(desk, Step::ReadMember, Operation::GetData { path, watch: false });
            }
        }
        for node in &gone {
            desk.effects.record(ClusterEvent::MemberGone { node: *node });
            self.members.remove(node);
        }
        self.members.extend(came);
        if self.phase == Phase::ListingMembers {
            self.publish(desk);
        } else {
            self.open_if_all_heard(desk);
        }
    }

    /// Who is in the list and was no member, and who was and is not in it. Mostly it is the last list with one more name in
    /// it; what the two share is not read.
    fn compare_members(&self, listing: &Names) -> (BTreeSet<NodeId>, BTreeSet<NodeId>) {
        let id = |name: &Arc<str>| NodeId::parse(name);
        let came = listing.not_shared_with(&self.listing).filter_map(id).collect::<BTreeSet<_>>();
        let missed = self.listing.not_shared_with(listing).filter_map(id).any(|node| !came.contains(&node));
        // One id can be written in several ways, so who is missed may be there under another name.
        let gone = match missed {
            true => &self.members - &listing.iter().filter_map(id).collect(),
            false => BTreeSet::new(),
        };
        (&came - &self.members, gone)
    }

    /// A member that is in nobody's table, as far as is known yet.
    fn member_read(&mut self, desk: &mut Desk<'_>, result: Result<Outcome, CoordinationError>) {
        let Ok(Outcome::Data { data, .. }) = result else { return };
        let Some((node, incarnation)) = parse_member(&data) else { return };
        if self.is_open() {
            self.discover(desk, &Arc::new(node), incarnation);
        } else {
            // What the members themselves say comes first.
            self.discovered.insert(node.id, (Arc::new(node), incarnation));
        }
    }

    /// A member that nobody knew: now it is known, and not connected.
    fn discover(&mut self, desk: &mut Desk<'_>, node: &Arc<NodeIdentifier>, incarnation: Incarnation) {
        if desk.table.get(node.id).is_none() && self.admits_newcomer(desk, node, incarnation) {
            let state = ConnectionState::disconnected(crate::status::DisconnectionCode::NotYetConnected);
            let text = String::from("Node discovered in ZooKeeper. It has not yet connected to the cluster.");
            self.decide(desk, node, incarnation, |_| state, Severity::Info, text);
        }
    }

    /// Writes the address, once everything is read that the first message may need.
    fn publish(&mut self, desk: &mut Desk<'_>) {
        match desk.config.rules.coordinator_lookup {
            crate::rules::CoordinatorLookup::WellKnownZnode => {
                if !self.is_published() {
                    self.phase = Phase::Publishing;
                }
                let data = well_known(self.epoch, &desk.config.node);
                let path = desk.config.paths.coordinator();
                let create = Operation::Create { path, data, mode: CreateMode::Ephemeral };
                self.perform(desk, Step::CreateAddress, create);
            }
            crate::rules::CoordinatorLookup::ElectionZnode => self.published(desk),
        }
    }

    fn address_created(&mut self, desk: &mut Desk<'_>, result: Result<Outcome, CoordinationError>) {
        match result {
            Ok(_) => {
                self.watch_address(desk);
                if !self.is_published() {
                    self.published(desk);
                }
            }
            // Written again already; to clear it now would call for the next one, and so on for ever.
            Err(CoordinationError::NodeExists) if self.is_published() => self.watch_address(desk),
            // It belongs to an earlier term: only one candidate is first in line.
            Err(CoordinationError::NodeExists) => {
                let path = desk.config.paths.coordinator();
                self.perform(desk, Step::ClearAddress, Operation::Delete { path });
            }
            Err(_) => {}
        }
    }

    fn published(&mut self, desk: &mut Desk<'_>) {
        self.counted_from = desk.now;
        self.phase = Phase::Opening { until: desk.now + desk.config.connection_timeout };
        if !desk.config.rules.hear_members_before_acting {
            self.open(desk);
        } else {
            self.open_if_all_heard(desk);
        }
    }

    fn open_if_all_heard(&mut self, desk: &mut Desk<'_>) {
        let me = desk.config.node.id;
        if matches!(self.phase, Phase::Opening { .. })
            && self.members.iter().all(|node| *node == me || self.heard.contains(node))
        {
            self.open(desk);
        }
    }

    /// Begins to decide.
    fn open(&mut self, desk: &mut Desk<'_>) {
        assert!(!self.is_open(), "an office opens once");
        // A process that took so long to open may have stood still meanwhile: what it missed is held against nobody.
        if desk.now.since(self.counted_from) >= desk.config.heartbeat_interval {
            self.counted_from = desk.now;
        }
        self.phase = Phase::Open { tick_at: desk.now + desk.config.heartbeat_interval };
        if self.is_qualified(desk) {
            self.elected.drop_bar();
            self.flow = ClusterFlow::Known(desk.own_flow.clone());
        }
        let flow = match (self.cluster_flow().is_some(), self.elected.bars_a_vote()) {
            (true, _) => FlowAtOffice::Known,
            (false, true) => FlowAtOffice::Awaited,
            (false, false) => FlowAtOffice::Voted,
        };
        desk.effects.record(ClusterEvent::TookOffice { epoch: self.epoch, flow });
        for status in desk.table.clone().iter() {
            self.settle_addresses(desk, status);
        }
        for node in self.exclusions.keys().copied().collect::<Vec<_>>() {
            self.uphold_exclusion(desk, node);
        }
        for (_, (node, incarnation)) in core::mem::take(&mut self.discovered) {
            self.discover(desk, &node, incarnation);
        }
        let held = core::mem::take(&mut self.held);
        for (_, request) in held.values() {
            self.note_run(desk, &request.node, request.incarnation);
        }
        for (_, (from, request)) in held {
            self.connection_requested(desk, &from, request);
        }
    }

    /// This node itself has joined, under an attempt of an earlier term, while its own term was still voting: then the
    /// cluster has a flow, and there is nothing left to vote on.
    pub(crate) fn end_moot_election(&mut self, desk: &mut Desk<'_>) {
        if self.is_open() && self.is_qualified(desk) && matches!(self.flow, ClusterFlow::Voting(_)) {
            self.elected.drop_bar();
            self.flow = ClusterFlow::Known(desk.own_flow.clone());
            let text =
                format!("The cluster's flow is {}, which this node has inherited", desk.own_flow.fingerprint);
            desk.effects.record(ClusterEvent::Reported { node: None, severity: Severity::Info, text });
        }
    }

    /// Word from `node`: it is there, and what it knew is known here.
    fn heard_from(&mut self, desk: &mut Desk<'_>, node: NodeId) {
        if matches!(self.phase, Phase::Opening { .. }) && self.heard.insert(node) {
            self.open_if_all_heard(desk);
        }
    }

    /// Decides something about `node`, records it, and tells everybody.
    fn decide(
        &mut self,
        desk: &mut Desk<'_>,
        node: &Arc<NodeIdentifier>,
        incarnation: Incarnation,
        state: impl FnOnce(Version) -> ConnectionState,
        severity: Severity,
        text: String,
    ) -> Version {
        self.sequence += 1;
        let version = self.decided();
        let before = desk.table.get(node.id).cloned();
        let after = Arc::new(NodeStatus { node: node.clone(), incarnation, state: state(version), version });
        let gathers = desk.table.len() > TOLD_AT_ONCE_UP_TO;
        if gathers {
            self.announcements.before_decision(desk.table, before.is_none());
        }
        self.latest_run = self.latest_run.max(incarnation);
        let newest = Arc::make_mut(desk.table).merge(&after);
        assert!(newest, "a coordinator's new decision supersedes everything it knows");
        if let Some(order) = self.orders.cancel(node.id) {
            self.note_dropped(desk, &order, &after.state);
        }
        self.changed_at.insert(node.id, desk.now);
        desk.effects.record(ClusterEvent::Transition { before, after: after.clone(), severity, text });
        let forgets = !desk.config.rules.removal_leaves_tombstone && after.state == ConnectionState::Removed;
        if forgets {
            // Forgotten before the others are told, so the node itself is not told (NIFI-9893, 1.17.0; spec 3.5).
            self.announcements.table_changed();
            Arc::make_mut(desk.table).forget(node.id);
        }
        if gathers && forgets {
            self.announcements.gather(desk.now, after);
        } else if gathers {
            self.tell_later(desk, &after);
        } else {
            self.announcements.table_changed();
            self.broadcast(desk, &after);
        }
        version
    }

    /// Tells every known node but this one (NIFI-5585); a removed node is told only of its own removal.
    fn broadcast(&self, desk: &mut Desk<'_>, status: &Arc<NodeStatus>) {
        let me = desk.config.node.id;
        for other in desk.table.iter() {
            let removed = other.state == ConnectionState::Removed && other.node.id != status.node.id;
            if other.node.id != me && !removed {
                let message = Message::NodeStatusChange { epoch: self.epoch, status: status.clone() };
                desk.effects.send(&other.node.socket, message);
            }
        }
    }

    /// Tells everybody soon. A node that is removed is told at once: nobody tells it anything later.
    fn tell_later(&mut self, desk: &mut Desk<'_>, status: &Arc<NodeStatus>) {
        if status.state == ConnectionState::Removed && status.node.id != desk.config.node.id {
            let message = Message::NodeStatusChange { epoch: self.epoch, status: status.clone() };
            desk.effects.send(&status.node.socket, message);
        }
        self.announcements.gather(desk.now, status.clone());
    }

    /// Takes in what an earlier term decided and this one did not know, or this one before an interruption.
    fn adopt(&mut self, desk: &mut Desk<'_>, status: &Arc<NodeStatus>) {
        let known = desk.table.get(status.node.id);
        if status.version.epoch > self.epoch {
            self.leaving = Some(Resignation::Deposed);
        } else if known.is_none_or(|known| status.supersedes(known)) && status.version <= self.decided() {
            let before = known.cloned();
            self.announcements.table_changed();
            self.latest_run = self.latest_run.max(status.incarnation);
            Arc::make_mut(desk.table).merge(status);
            self.changed_at.insert(status.node.id, desk.now);
            let old = before.as_ref().map_or("[Unknown Node]", |before| before.state.name());
            let reason = match &status.state {
                ConnectionState::Disconnected { reason, .. } => format!(" due to {reason}"),
                ConnectionState::Connecting { .. }
                | ConnectionState::Connected { .. }
                | ConnectionState::Disconnecting
                | ConnectionState::Offloading
                | ConnectionState::Offloaded
                | ConnectionState::Removed => String::new(),
            };
            let text = format!("Node Status changed from {old} to {}{reason}", status.state.name());
            let (after, severity) = (status.clone(), Severity::Info);
            desk.effects.record(ClusterEvent::Transition { before, after, severity, text });
            if self.is_open() {
                self.settle_addresses(desk, status);
                self.uphold_exclusion(desk, status.node.id);
            }
        }
    }

    fn perform(&self, desk: &mut Desk<'_>, step: Step, operation: Operation) {
        desk.operations.perform(desk.effects, Purpose::Office(step), operation);
    }

    pub(crate) fn check_invariants(&self, table: &StatusTable) {
        self.orders.check_invariants();
        self.elected.check_invariants();
        assert!(
            !self.elected.bars_a_vote() || self.cluster_flow().is_none(),
            "a vote is barred only while no flow is known"
        );
        for status in table.iter() {
            assert!(
                status.version.epoch <= self.epoch || self.leaving.is_some(),
                "nothing is newer than this term"
            );
            if status.version.epoch == self.epoch {
                assert!(status.version.sequence <= self.sequence, "this term knows all its decisions");
            }
        }
        if let ClusterFlow::Voting(election) = &self.flow {
            election.check_invariants();
            assert!(election.elected().is_none(), "a completed election is a known flow");
        }
    }
}
