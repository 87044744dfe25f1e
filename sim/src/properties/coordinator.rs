//! Who may coordinate.

use super::oracle::is_in;
use super::{Cluster, Finding, Incident, Interest, Observation, Property, ServerStep};
use crate::plan::NodeNumber;
use std::collections::BTreeSet;
use std::sync::Arc;
use zeromaster_core::event::ClusterEvent;
use zeromaster_core::leadership::Role;
use zeromaster_core::message::Membership;
use zeromaster_core::status::NodeStatus;
use zeromaster_zookeeper::{ServerRecord, SessionId};

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct OneActingCoordinator {
    /// The nodes that acted when they last took a step.
    acting: BTreeSet<NodeNumber>,
}

impl Property for OneActingCoordinator {
    fn name(&self) -> &'static str {
        "one-acting-coordinator"
    }

    fn promise(&self) -> &'static str {
        "At no time two processes act as Cluster Coordinator (spec S1, I6)."
    }

    fn interest(&self) -> Interest {
        Interest::IN_OFFICE
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let Some(epoch) = step.coordinates else {
            self.acting.remove(&step.node);
            return None;
        };
        self.acting.insert(step.node);
        if self.acting.len() == 1 {
            return None;
        }
        let others: Vec<NodeNumber> = self.acting.iter().copied().filter(|node| *node != step.node).collect();
        let (other, other_epoch) = others.iter().find_map(|node| {
            let machine = step.cluster.machine(*node)?;
            // One that does not run does not act; before it acts again it looks at its lease.
            let running = machine.awake()?;
            Some((*node, running.node.coordinates(machine.local(step.cluster.now))?))
        })?;
        let text =
            format!("{} acts as coordinator in epoch {epoch}, and {other} in epoch {other_epoch}", step.node);
        let excuse = step.cluster.excuse_of_forced_expiry(&[step.node, other]);
        Some(Finding { text, excuse })
    }

    fn happened(&mut self, incident: &Incident, _cluster: &Cluster<'_>) {
        if let Incident::Ended { node } = incident {
            self.acting.remove(node);
        }
    }
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct QualifiedCoordinator {
    /// The processes that were CONNECTED for themselves.
    joined: BTreeSet<NodeNumber>,
    /// Sessions that ZooKeeper has given up: their owners are in no line any more, and may not know it yet.
    expired: BTreeSet<SessionId>,
}

impl Property for QualifiedCoordinator {
    fn name(&self) -> &'static str {
        "qualified-coordinator"
    }

    fn promise(&self) -> &'static str {
        "A node without the cluster's flow that knows of members is not elected coordinator while a settled one that has the \
         flow, and whose ZooKeeper session lives, is there (spec I8)."
    }

    fn interest(&self) -> Interest {
        Interest::RECORDING.and(Interest::TURNING)
    }

    fn served(&mut self, step: &ServerStep<'_>) -> Option<Finding> {
        self.expired.extend(step.records().filter_map(|record| match record {
            ServerRecord::SessionExpired { session } => Some(*session),
            ServerRecord::SessionOpened { .. }
            | ServerRecord::SessionClosed { .. }
            | ServerRecord::Looking
            | ServerRecord::Leads { .. }
            | ServerRecord::Follows { .. } => None,
        }));
        None
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let elected = step
            .events()
            .any(|event| matches!(event, ClusterEvent::Elected { role: Role::ClusterCoordinator, .. }));
        let joins = |event: &ClusterEvent| {
            matches!(event, ClusterEvent::Membership { after: Membership::Connected { .. }, .. })
        };
        if step.events().any(joins) {
            self.joined.insert(step.node);
        }
        if !elected || (self.joined.contains(&step.node) && step.after.has_inherited()) {
            return None;
        }
        // A process that has just started knows of nobody, and makes room when it hears them.
        let knows = |status: &Arc<NodeStatus>| status.node.id != step.after.id() && is_in(&status.state);
        if !step.after.table().iter().any(knows) {
            return None;
        }
        // Who has just joined, or has just found its way back to ZooKeeper, may not be in line yet.
        let settled_after = step.cluster.session_timeout + step.cluster.common.heartbeat_interval * 2;
        let settled = |since: Option<crate::time::SimTime>| {
            since.is_some_and(|since| step.cluster.now.since(since) > settled_after)
        };
        let better = step.cluster.machines.iter().find(|machine| {
            machine.number != step.node
                && machine.awake().is_some_and(|running| {
                    running.node.membership().is_connected()
                        && running.client.session().is_some_and(|session| !self.expired.contains(&session))
                        && settled(running.session_since)
                        && settled(running.connected_since)
                })
        })?;
        let text = format!(
            "{} was elected coordinator without the cluster's flow, although {} has it and is connected",
            step.node, better.number
        );
        let excuse = step.cluster.excuse_of_forced_expiry(&[better.number]);
        Some(Finding { text, excuse })
    }

    fn happened(&mut self, incident: &Incident, _cluster: &Cluster<'_>) {
        if let Incident::Ended { node } = incident {
            self.joined.remove(node);
        }
    }
}
