//! What a node tells the coordinator of itself outside of heartbeats: that it is offloaded, that it cannot take the flow
//! (spec 3.6, 4.4, 4.6). What the coordinator makes of it is not known here.

use super::Node;
use crate::config::{COORDINATOR_POLL, REPORT_ATTEMPTS, REPORT_PAUSE};
use crate::effect::Effects;
use crate::message::{Membership, Message};
use crate::status::ConnectionState;
use crate::time::Instant;

/// A report that is sent until the coordinator's answer to it, a change of this node's status, has arrived.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Report {
    /// How often it may still be sent.
    attempts_left: u32,
    /// When it is looked at again.
    pub(super) due_at: Instant,
}

impl Node {
    /// Tells the coordinator what this node has become; it is the same that the next heartbeat would say.
    pub(super) fn report(&mut self, now: Instant, effects: &mut Effects) {
        let attempts_left = if self.config.rules.reports_repeated { REPORT_ATTEMPTS } else { 1 };
        self.report = Some(Report { attempts_left, due_at: now });
        self.seek_addressee(now, effects);
    }

    /// Sends the report to the coordinator of the moment: ZooKeeper is asked for it where nothing tells of a change, as
    /// `NodeClusterCoordinator.notifyOthersOfNodeStatusChange` does.
    fn seek_addressee(&mut self, now: Instant, effects: &mut Effects) {
        if !self.finder.looks_each_time() {
            return self.send_report(now, effects);
        }
        if let Some(report) = &mut self.report {
            report.due_at = now + REPORT_PAUSE;
            self.errands.report = true;
            self.look_for_coordinator(effects);
        }
    }

    /// It is time to send the report again, unless what it says is known by now.
    pub(super) fn repeat_report(&mut self, now: Instant, effects: &mut Effects) {
        if self.has_been_heard() {
            self.report = None;
        } else {
            self.seek_addressee(now, effects);
        }
    }

    /// The coordinator is known as well as it can be: the report goes to it.
    pub(super) fn send_report(&mut self, now: Instant, effects: &mut Effects) {
        let Some((epoch, address)) = self.finder.view().known() else { return self.report_unsent(now) };
        let Some(Report { attempts_left, .. }) = self.report else { return };
        let (node, incarnation) = (self.config.node.clone(), self.config.incarnation);
        let reported = self.membership.clone();
        effects.send(address, Message::NodeReport { epoch, node, incarnation, reported });
        let again = Report { attempts_left: attempts_left.saturating_sub(1), due_at: now + REPORT_PAUSE };
        self.report = (again.attempts_left > 0).then_some(again);
    }

    /// No coordinator is known. `finishNodeOffload` waits for one; `disconnectionRequestedByNode` does not (NIFI-8196,
    /// 1.13.0), and its report is dropped.
    pub(super) fn report_unsent(&mut self, now: Instant) {
        let waits =
            self.config.rules.reports_repeated && matches!(self.membership, Membership::Offloaded { .. });
        self.report =
            self.report.filter(|_| waits).map(|report| Report { due_at: now + COORDINATOR_POLL, ..report });
    }

    /// Whether the cluster says of this node what it reports.
    fn has_been_heard(&self) -> bool {
        let Some(status) = self.table.get(self.config.node.id) else { return false };
        match (&self.membership, &status.state) {
            (Membership::Offloaded { .. }, ConnectionState::Offloaded) => true,
            (Membership::Disconnected { code, .. }, ConnectionState::Disconnected { code: known, .. }) => {
                code == known
            }
            (
                Membership::Joining
                | Membership::Loading { .. }
                | Membership::Connected { .. }
                | Membership::Disconnected { .. }
                | Membership::Offloading { .. }
                | Membership::Offloaded { .. }
                | Membership::Removed { .. },
                ConnectionState::Connecting { .. }
                | ConnectionState::Connected { .. }
                | ConnectionState::Disconnecting
                | ConnectionState::Disconnected { .. }
                | ConnectionState::Offloading
                | ConnectionState::Offloaded
                | ConnectionState::Removed,
            ) => false,
        }
    }
}
