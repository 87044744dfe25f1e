//! Nothing changes silently.

use super::{Finding, Observation, Property};
use std::sync::Arc;
use zeromaster_core::event::ClusterEvent;
use zeromaster_core::identity::NodeId;
use zeromaster_core::status::{ConnectionState, NodeStatus};
use zeromaster_core::table::StatusTable;

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct EveryTransitionRecorded;

impl Property for EveryTransitionRecorded {
    fn name(&self) -> &'static str {
        "every-transition-recorded"
    }

    fn promise(&self) -> &'static str {
        "Every change of the coordinator's table is recorded in the same step, once, with what was before and what is \
         after (spec S33)."
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let coordinated = step.before.coordinated.is_some()
            && step.before.coordinated == step.after.coordinates(step.local);
        let before = step.before.table.as_ref().filter(|_| coordinated)?;
        if Arc::ptr_eq(before, step.after.table()) {
            return None;
        }
        for node in differing(before, step.after.table()) {
            if let Some(problem) = unexplained(step, before, node) {
                return Finding::new(format!("{}'s table changed about {problem}", step.node));
            }
        }
        None
    }
}

/// The nodes about which the two tables differ.
fn differing(before: &StatusTable, after: &StatusTable) -> Vec<NodeId> {
    let gone = before.iter().filter(|status| after.get(status.node.id).is_none());
    let new = after.iter().filter(|status| before.get(status.node.id) != Some(status));
    gone.chain(new).map(|status| status.node.id).collect()
}

/// Follows the recorded transitions of `node` from the old entry; what is wrong if they do not lead to the new one.
fn unexplained(step: &Observation<'_>, before: &StatusTable, node: NodeId) -> Option<String> {
    let mut reached: Option<&Arc<NodeStatus>> = before.get(node);
    for event in step.events() {
        let ClusterEvent::Transition { before, after, .. } = event else { continue };
        if after.node.id == node {
            if before.as_ref() != reached {
                return Some(format!("{node}, and the record begins elsewhere"));
            }
            reached = Some(after);
        }
    }
    let now = step.after.table().get(node);
    // Where removal leaves no tombstone, it leaves nothing.
    let forgotten = now.is_none() && reached.is_some_and(|status| status.state == ConnectionState::Removed);
    (reached != now && !forgotten).then(|| format!("{node}, and no record of it leads to what is there now"))
}
