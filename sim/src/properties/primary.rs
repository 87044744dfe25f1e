//! Who may be Primary Node.

use super::{Cluster, Finding, Incident, Interest, Observation, Property};
use crate::plan::NodeNumber;
use std::collections::BTreeSet;

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct OneActingPrimary {
    /// The nodes that were primary when they last took a step.
    acting: BTreeSet<NodeNumber>,
}

impl Property for OneActingPrimary {
    fn name(&self) -> &'static str {
        "one-acting-primary"
    }

    fn promise(&self) -> &'static str {
        "At no time two nodes run what belongs on the Primary Node alone (spec S31, I9)."
    }

    fn interest(&self) -> Interest {
        Interest::IN_OFFICE
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let Some(epoch) = step.after.is_primary(step.local) else {
            self.acting.remove(&step.node);
            return None;
        };
        self.acting.insert(step.node);
        if self.acting.len() == 1 {
            return None;
        }
        let (other, other_epoch) =
            self.acting.iter().filter(|node| **node != step.node).find_map(|node| {
                let machine = step.cluster.machine(*node)?;
                let running = machine.awake()?;
                Some((*node, running.node.is_primary(machine.local(step.cluster.now))?))
            })?;
        let text =
            format!("{} is Primary Node in epoch {epoch}, and {other} in epoch {other_epoch}", step.node);
        Some(Finding { text, excuse: step.cluster.excuse_of_forced_expiry(&[step.node, other]) })
    }

    fn happened(&mut self, incident: &Incident, _cluster: &Cluster<'_>) {
        if let Incident::Ended { node } = incident {
            self.acting.remove(node);
        }
    }
}
