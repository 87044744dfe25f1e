//! What is over stays over.

use super::by_node::ByNode;
use super::{Cluster, Finding, Incident, Interest, Observation, Property, Stimulus};
use std::sync::Arc;
use zeromaster_core::effect::Effect;
use zeromaster_core::status::{Epoch, NodeStatus};

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct StaleCoordinatorHasNoEffect {
    /// The latest term of which each process has taken a message in.
    latest: ByNode<Epoch>,
}

impl Property for StaleCoordinatorHasNoEffect {
    fn name(&self) -> &'static str {
        "stale-coordinator-has-no-effect"
    }

    fn promise(&self) -> &'static str {
        "What a coordinator of an earlier term says changes nothing on a node that has heard a later one (spec S2)."
    }

    fn interest(&self) -> Interest {
        Interest::COMMANDED
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let Stimulus::FromCoordinator { name, epoch, .. } = step.stimulus else { return None };
        let latest = self.latest.get_or_insert(step.node, Epoch::default);
        if epoch >= *latest {
            *latest = epoch;
            return None;
        }
        // What a coordinator decides in the same step, because it is due, is its own.
        let table = step.after.table();
        let changed = step.before.table.as_ref().is_some_and(|before| {
            let is_new = |status: &Arc<NodeStatus>| before.get(status.node.id) != Some(status);
            let is_own = |status: &Arc<NodeStatus>| step.coordinates == Some(status.version.epoch);
            table.iter().any(|status| is_new(status) && !is_own(status))
                || before.iter().any(|status| table.get(status.node.id).is_none())
        }) || step
            .before
            .membership
            .as_ref()
            .is_some_and(|membership| membership != step.after.membership())
            || step
                .effects
                .iter()
                .any(|effect| matches!(effect, Effect::Persist(_) | Effect::LoadFlow { .. }));
        if !changed {
            return None;
        }
        Finding::new(format!("{name} of epoch {epoch} changed {}, which has heard epoch {latest}", step.node))
    }

    fn happened(&mut self, incident: &Incident, _cluster: &Cluster<'_>) {
        if let Incident::Ended { node } = incident {
            self.latest.remove(*node);
        }
    }
}
