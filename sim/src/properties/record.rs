//! Nothing changes silently.

use super::{Finding, Interest, Observation, Property};
use std::collections::BTreeMap;
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

    fn interest(&self) -> Interest {
        Interest::IN_OFFICE
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let coordinated = step.before.coordinated.is_some() && step.before.coordinated == step.coordinates;
        let before = step.before.table.as_ref().filter(|_| coordinated)?;
        if Arc::ptr_eq(before, step.after.table()) {
            return None;
        }
        let recorded = recorded(step);
        for node in differing(before, step.after.table()) {
            if let Some(problem) = unexplained(step, before, recorded.get(&node), node) {
                return Finding::new(format!("{}'s table changed about {problem}", step.node));
            }
        }
        None
    }
}

/// The nodes about which the two tables differ, in their order. What did not change is mostly shared, and not looked at.
fn differing<'a>(before: &'a StatusTable, after: &'a StatusTable) -> impl Iterator<Item = NodeId> + use<'a> {
    let beside = before.beside(after).filter(|(was, is)| was != is);
    beside.filter_map(|(was, is)| was.or(is)).map(|status| status.node.id)
}

/// A chain of recorded transitions of one node.
struct Recorded<'a> {
    first_before: Option<&'a Arc<NodeStatus>>,
    last_after: &'a Arc<NodeStatus>,
    /// Each begins where the one before it ends.
    unbroken: bool,
}

/// The recorded transitions of the step, node by node.
fn recorded<'a>(step: &Observation<'a>) -> BTreeMap<NodeId, Recorded<'a>> {
    let mut recorded: BTreeMap<NodeId, Recorded<'a>> = BTreeMap::new();
    for event in step.events() {
        let ClusterEvent::Transition { before, after, .. } = event else { continue };
        recorded
            .entry(after.node.id)
            .and_modify(|chain| {
                chain.unbroken &= before.as_ref() == Some(chain.last_after);
                chain.last_after = after;
            })
            .or_insert(Recorded { first_before: before.as_ref(), last_after: after, unbroken: true });
    }
    recorded
}

/// What is wrong if the recorded transitions of `node` do not lead from the old entry to the new one.
fn unexplained(
    step: &Observation<'_>,
    before: &StatusTable,
    recorded: Option<&Recorded<'_>>,
    node: NodeId,
) -> Option<String> {
    let was = before.get(node);
    if recorded.is_some_and(|chain| !chain.unbroken || chain.first_before != was) {
        return Some(format!("{node}, and the record begins elsewhere"));
    }
    let reached = recorded.map_or(was, |chain| Some(chain.last_after));
    let now = step.after.table().get(node);
    // Where removal leaves no tombstone, it leaves nothing.
    let forgotten = now.is_none() && reached.is_some_and(|status| status.state == ConnectionState::Removed);
    (reached != now && !forgotten).then(|| format!("{node}, and no record of it leads to what is there now"))
}
