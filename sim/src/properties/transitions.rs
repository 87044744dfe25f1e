//! Which changes of a node's status a coordinator may decide.

use super::by_node::ByNode;
use super::{Cluster, Finding, Incident, Interest, Observation, Property};
use crate::words::name;
use crate::world::process::Machine;
use std::collections::BTreeSet;
use zeromaster_core::event::ClusterEvent;
use zeromaster_core::identity::NodeId;
use zeromaster_core::leadership::Role;
use zeromaster_core::message::Membership;
use zeromaster_core::operator::OperatorRequest;
use zeromaster_core::status::{ConnectionState, DisconnectionCode, Epoch, NodeStatus};

/// Whether a later process on the machine of `status`'s node has another id, and its addresses: then that node is gone
/// (NIFI-6779).
fn is_succeeded(step: &Observation<'_>, status: &NodeStatus) -> bool {
    step.cluster
        .machine(Machine::number_of(status.node.id))
        .is_some_and(|machine| machine.disk.id != status.node.id && machine.incarnation > status.incarnation)
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct OffloadAndRemovalInOrder;

impl Property for OffloadAndRemovalInOrder {
    fn name(&self) -> &'static str {
        "offload-and-removal-in-order"
    }

    fn promise(&self) -> &'static str {
        "OFFLOADING comes only after DISCONNECTED and OFFLOADED only after OFFLOADING, and a node is removed only when it \
         is DISCONNECTED or OFFLOADED, or when a later process has its addresses (spec S17, S18)."
    }

    fn interest(&self) -> Interest {
        Interest::RECORDING
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        step.decided().find_map(|(before, after)| {
            let was = before.map(|before| &before.state);
            let was_out = matches!(was, Some(ConnectionState::Disconnected { .. }));
            let in_order = match after.state {
                ConnectionState::Offloading => was_out,
                ConnectionState::Offloaded => was == Some(&ConnectionState::Offloading),
                ConnectionState::Removed => {
                    was_out || was == Some(&ConnectionState::Offloaded) || is_succeeded(step, after)
                }
                ConnectionState::Connecting { .. }
                | ConnectionState::Connected { .. }
                | ConnectionState::Disconnecting
                | ConnectionState::Disconnected { .. } => true,
            };
            if in_order {
                return None;
            }
            let was = was.map_or("unknown", ConnectionState::name);
            let (node, is) = (name(&after.node), after.state.name());
            Finding::new(format!("{} made {node} {is}, which was {was}", step.node))
        })
    }
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct RemovedEntryStays;

impl Property for RemovedEntryStays {
    fn name(&self) -> &'static str {
        "removed-entry-stays"
    }

    fn promise(&self) -> &'static str {
        "The entry of a removed node stays REMOVED until a later run of its process asks to connect (spec S15)."
    }

    fn interest(&self) -> Interest {
        Interest::RECORDING
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        step.decided().find_map(|(before, after)| {
            let before = before.filter(|before| before.state == ConnectionState::Removed)?;
            if after.state == ConnectionState::Removed || after.incarnation > before.incarnation {
                return None;
            }
            let code = after.state.code().map_or_else(String::new, |code| format!(" ({})", code.name()));
            let (node, is) = (name(&after.node), after.state.name());
            Finding::new(format!(
                "{} made {node} {is}{code}, which was removed and has not restarted since",
                step.node
            ))
        })
    }
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct RemovedOnlyOnRequest {
    /// The nodes of which a person has asked the removal.
    asked: BTreeSet<NodeId>,
}

impl Property for RemovedOnlyOnRequest {
    fn name(&self) -> &'static str {
        "removed-only-on-request"
    }

    fn promise(&self) -> &'static str {
        "A node is removed, for the coordinator and for itself, only after a person asked for it or a later process took \
         its addresses (spec S30)."
    }

    fn interest(&self) -> Interest {
        Interest::RECORDING
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let decided = step.decided().find(|(_, after)| {
            let removed = after.state == ConnectionState::Removed;
            removed && !self.asked.contains(&after.node.id) && !is_succeeded(step, after)
        });
        if let Some((_, after)) = decided {
            let node = name(&after.node);
            return Finding::new(format!("{} removed {node}, which no person asked for", step.node));
        }
        let believes = step
            .events()
            .any(|event| matches!(event, ClusterEvent::Membership { after: Membership::Removed { .. }, .. }));
        if !believes || self.asked.contains(&step.after.id()) {
            return None;
        }
        Finding::new(format!("{} believes that it was removed, which no person asked for", step.node))
    }

    fn happened(&mut self, incident: &Incident, _cluster: &Cluster<'_>) {
        if let Incident::Requested { request: OperatorRequest::Remove(node), .. } = incident {
            self.asked.insert(*node);
        }
    }
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct OnlyTheCoordinatorDecides {
    /// The coordinator's term that each node holds, as far as it has recorded it.
    held: ByNode<Epoch>,
}

impl Property for OnlyTheCoordinatorDecides {
    fn name(&self) -> &'static str {
        "only-the-coordinator-decides"
    }

    fn promise(&self) -> &'static str {
        "Only a node that holds the coordinator's term changes a status, and only by a decision of that term or of an \
         earlier one (spec S3)."
    }

    fn interest(&self) -> Interest {
        Interest::RECORDING
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let mut finding = None;
        for event in step.events() {
            match event {
                ClusterEvent::Elected { role: Role::ClusterCoordinator, epoch } => {
                    *self.held.get_or_insert(step.node, Epoch::default) = *epoch;
                }
                ClusterEvent::Resigned { role: Role::ClusterCoordinator, .. } => self.held.remove(step.node),
                ClusterEvent::Transition { after, .. } => {
                    let why = match self.held.get(step.node) {
                        Some(epoch) if after.version.epoch <= *epoch => continue,
                        Some(epoch) => format!("it holds epoch {epoch}"),
                        None => "it does not coordinate".to_owned(),
                    };
                    let (node, is, version) = (name(&after.node), after.state.name(), after.version);
                    finding = Finding::new(format!(
                        "{} made {node} {is} by decision {version}, although {why}",
                        step.node
                    ));
                }
                _ => {}
            }
        }
        finding
    }

    fn happened(&mut self, incident: &Incident, _cluster: &Cluster<'_>) {
        if let Incident::Ended { node } = incident {
            self.held.remove(*node);
        }
    }
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct ShutdownMeansStopped;

impl Property for ShutdownMeansStopped {
    fn name(&self) -> &'static str {
        "shutdown-means-stopped"
    }

    fn promise(&self) -> &'static str {
        "A node is put out as shut down only when that very run of its process has stopped: the goodbye of an earlier run \
         does not concern the present one."
    }

    fn interest(&self) -> Interest {
        Interest::RECORDING
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        step.decided().find_map(|(before, after)| {
            if after.state.code() != Some(DisconnectionCode::NodeShutdown) {
                return None;
            }
            let known = before.map_or(after.incarnation, |before| before.incarnation);
            let run = known.max(after.incarnation);
            let machine = step.cluster.machine_of(&after.node, run)?;
            let node = if machine.number == step.node { step.after } else { &machine.process.as_ref()?.node };
            let stops = matches!(
                node.membership(),
                Membership::Disconnected { code: DisconnectionCode::NodeShutdown, .. }
            );
            if stops || step.effects.contains(&zeromaster_core::effect::Effect::Exit) {
                return None;
            }
            let (node, run) = (machine.number, run.0);
            Finding::new(format!("{} put {node} out as shut down, and run {run} of it goes on", step.node))
        })
    }
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct AllowedIsNotBlocked;

impl Property for AllowedIsNotBlocked {
    fn name(&self) -> &'static str {
        "allowed-is-not-blocked"
    }

    fn promise(&self) -> &'static str {
        "A node that the firewall file lets in is never put out as blocked by the firewall (spec S23)."
    }

    fn interest(&self) -> Interest {
        Interest::RECORDING
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        step.decided().find_map(|(_, after)| {
            let blocked = after.state.code() == Some(DisconnectionCode::BlockedByFirewall);
            let node = crate::setup::node_of_host(&after.node.socket.host)?;
            if !blocked || step.cluster.blocked.contains(&node) {
                return None;
            }
            Finding::new(format!("{} blocked {node}, which the firewall file lets in", step.node))
        })
    }
}
