//! Receiving heartbeats: the newest of each node is kept for the monitor's next tick, and answered at once with the
//! difference of the two tables (spec 2.7). Nothing is decided here.

use super::connection::is_recorded_exclusion;
use super::{ClusterFlow, Desk, Office};
use crate::event::Resignation;
use crate::identity::Address;
use crate::message::{Heartbeat, Message, Passage};
use crate::status::{ConnectionState, NodeStatus};
use crate::table::StatusTable;
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The newest heartbeat of one node.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Stored {
    pub(super) heartbeat: Arc<Heartbeat>,
    /// On the coordinator's own clock.
    pub(super) received_at: Instant,
    /// The monitor has not looked at it yet. A heartbeat is an event, it is acted on once.
    pub(super) fresh: bool,
    /// The coordinator's table when it was last found equal to the sender's; compared by pointer, so that in a quiet
    /// cluster no table is ever walked.
    agreed: Option<Arc<StatusTable>>,
}

impl Office {
    pub(crate) fn heartbeat_received(
        &mut self,
        desk: &mut Desk<'_>,
        from: &Address,
        heartbeat: Arc<Heartbeat>,
    ) {
        let node = heartbeat.node.id;
        let number = (heartbeat.incarnation, heartbeat.sequence);
        let stored = self.heartbeats.get(&node);
        if stored.is_some_and(|stored| number <= (stored.heartbeat.incarnation, stored.heartbeat.sequence)) {
            return;
        }
        let agreed = stored
            .filter(|stored| Arc::ptr_eq(&stored.heartbeat.table, &heartbeat.table))
            .and_then(|stored| stored.agreed.clone())
            .filter(|agreed| Arc::ptr_eq(agreed, desk.table));
        let (differences, passage) = match agreed {
            Some(_) => (Vec::new(), None),
            None => self.reconcile(desk, &heartbeat.table),
        };
        self.resign_for_a_qualified_node(desk, &heartbeat);
        if self.leaving.is_some() {
            // Nothing is opened, counted or accepted in a term that ends.
            return;
        }
        let agreed = differences.is_empty().then(|| desk.table.clone());
        self.answer(desk, from, differences, passage);
        self.holder_heard(desk, from, &heartbeat);
        let stored = Stored { heartbeat, received_at: desk.now, fresh: true, agreed };
        self.heartbeats.insert(node, stored);
        self.heard_from(desk, node);
    }

    /// Takes in what the sender knows better, and says what it should know better. If it knows nothing better, it comes to
    /// the table that there is here.
    fn reconcile(
        &mut self,
        desk: &mut Desk<'_>,
        theirs: &Arc<StatusTable>,
    ) -> (Vec<Arc<NodeStatus>>, Option<Box<Passage>>) {
        if Arc::ptr_eq(theirs, desk.table) {
            return (Vec::new(), None);
        }
        let (differences, news) = desk.table.news(theirs);
        if news.is_empty() {
            let passage = Passage { from: Vec::from([theirs.clone()]), to: self.give_table(desk) };
            return (differences, Some(Box::new(passage)));
        }
        // Without tombstones, not to be known is to be removed: the sender is told so, and nothing is taken from it
        // (`ClusterProtocolHeartbeatMonitor`; spec 2.7). The monitor asks it to connect.
        let forgets = !desk.config.rules.removal_leaves_tombstone;
        let (unknown, known): (Vec<_>, Vec<_>) =
            news.into_iter().partition(|status| forgets && desk.table.get(status.node.id).is_none());
        for status in &known {
            self.adopt(desk, status);
        }
        if unknown.iter().any(|status| status.version.epoch > self.epoch) {
            self.leaving = Some(Resignation::Deposed);
        }
        let mut differences = desk.table.newer_than(theirs);
        differences.extend(unknown.iter().map(|status| removed(status)));
        (differences, None)
    }

    fn answer(
        &self,
        desk: &mut Desk<'_>,
        to: &Address,
        differences: Vec<Arc<NodeStatus>>,
        passage: Option<Box<Passage>>,
    ) {
        let election = match &self.flow {
            ClusterFlow::Voting(election) if self.is_open() => Some(election.status_text(desk.now)),
            ClusterFlow::Voting(_) | ClusterFlow::Known(_) => None,
        };
        let epoch = self.epoch;
        desk.effects.send(to, Message::HeartbeatResponse { epoch, differences, election, passage });
    }

    /// A coordinator that has no flow of the cluster's makes room when a member shows up that has it: it must not
    /// hold a vote that leaves that member's flow out (spec I8, S10).
    fn resign_for_a_qualified_node(&mut self, desk: &Desk<'_>, heartbeat: &Heartbeat) {
        let joined_elsewhere = heartbeat.reported.is_connected()
            && heartbeat.reported.version().epoch != self.epoch
            && self.elected.names(&heartbeat.flow);
        // A node that a person put out will not lead, even if it does not know that yet.
        let is_put_out = desk.table.get(heartbeat.node.id).is_some_and(|status| {
            status.incarnation >= heartbeat.incarnation && is_recorded_exclusion(status)
        });
        if desk.config.rules.hear_members_before_acting
            && matches!(self.flow, ClusterFlow::Voting(_))
            && !self.is_qualified(desk)
            && joined_elsewhere
            && !is_put_out
        {
            self.leaving = Some(Resignation::NotQualified);
        }
    }
}

/// What a sender is told of a node that is not known here: as old as what the sender knows, so that it undoes nothing newer.
fn removed(status: &NodeStatus) -> Arc<NodeStatus> {
    Arc::new(NodeStatus { state: ConnectionState::Removed, ..status.clone() })
}
