//! What CONNECTED means.

use super::{Cluster, Finding, Incident, Interest, Observation, Property, version_of};
use crate::words::name;
use std::collections::BTreeMap;
use zeromaster_core::event::ClusterEvent;
use zeromaster_core::identity::{Incarnation, NodeId};
use zeromaster_core::message::Membership;
use zeromaster_core::status::{ConnectionState, Version};

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct ConnectedNodesShareTheFlow;

impl Property for ConnectedNodesShareTheFlow {
    fn name(&self) -> &'static str {
        "connected-nodes-share-the-flow"
    }

    fn promise(&self) -> &'static str {
        "A coordinator calls a node CONNECTED only when that node runs the flow that the coordinator hands out (spec \
         S4, S5, I12)."
    }

    fn interest(&self) -> Interest {
        Interest::RECORDING
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        for event in step.events() {
            let ClusterEvent::Transition { before, after, .. } = event else { continue };
            let was = before.as_ref().is_some_and(|before| before.state.is_connected());
            // What an earlier term decided is taken over, and put right by the node's first heartbeat; a coordinator that has
            // just left office has no cluster flow to compare with.
            let decided_here = step.coordinates == Some(after.version.epoch);
            if was || !after.state.is_connected() || !decided_here {
                continue;
            }
            // The process may be gone by now, or another one: then there is nothing to compare.
            let Some(machine) = step.cluster.machine_of(&after.node, after.incarnation) else { continue };
            let Some(running) = &machine.process else { continue };
            let cluster_flow = step.after.cluster_flow().map(|flow| &flow.fingerprint);
            let own_flow = running.node.has_inherited().then(|| &running.node.flow().fingerprint);
            let still = matches!(running.node.membership(), Membership::Connected { .. });
            if still && own_flow != cluster_flow {
                let show = |flow: Option<&zeromaster_core::flow::Fingerprint>| {
                    flow.map_or_else(|| "no flow of the cluster's".to_owned(), |flow| format!("flow {flow}"))
                };
                return Finding::new(format!(
                    "{} made {} CONNECTED with {}, the cluster has {}",
                    step.node,
                    machine.number,
                    show(own_flow),
                    show(cluster_flow)
                ));
            }
        }
        None
    }
}

/// How many runs of a node are remembered: a coordinator may lag behind that many quick restarts.
const COMPLETED_RUNS_KEPT: u64 = 64;

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct NewestConnectionWins {
    /// The newest attempt that each run of each node has completed on its own side.
    completed: BTreeMap<(NodeId, Incarnation), Version>,
}

impl Property for NewestConnectionWins {
    fn name(&self) -> &'static str {
        "newest-connection-wins"
    }

    fn promise(&self) -> &'static str {
        "CONNECTED is entered only by completing the newest attempt, and an order from before that attempt does not undo \
         it (spec S20, S21, I5)."
    }

    fn interest(&self) -> Interest {
        Interest::RECORDING
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let config = step.after.config();
        let own = (config.node.id, config.incarnation);
        for event in step.events() {
            match event {
                ClusterEvent::Membership { before, after } => {
                    if let Membership::Connected { attempt } = after {
                        self.completed.insert(own, *attempt);
                    }
                    let obeyed_before = version_of(before);
                    let stopping = matches!(
                        after,
                        Membership::Disconnected {
                            code: zeromaster_core::status::DisconnectionCode::NodeShutdown,
                            ..
                        }
                    );
                    if version_of(after) < obeyed_before && *after != Membership::Joining && !stopping {
                        return Finding::new(format!(
                            "{} obeyed decision {} after it had obeyed {obeyed_before}",
                            step.node,
                            version_of(after)
                        ));
                    }
                }
                ClusterEvent::Transition { before: Some(before), after, .. } => {
                    let ConnectionState::Connecting { attempt } = before.state else { continue };
                    let key = (after.node.id, after.incarnation);
                    let decided_here = step.term() == Some(after.version.epoch);
                    if after.state.is_connected()
                        && decided_here
                        && self.completed.get(&key).is_none_or(|completed| *completed < attempt)
                    {
                        return Finding::new(format!(
                            "{} made {} CONNECTED, which has not completed attempt {attempt}",
                            step.node,
                            name(&after.node)
                        ));
                    }
                }
                _ => {}
            }
        }
        None
    }

    fn happened(&mut self, incident: &Incident, _cluster: &Cluster<'_>) {
        if let Incident::Started { id, incarnation, .. } = incident {
            // Runs that are long over cannot be completed any more.
            self.completed.retain(|(node, run), _| node != id || run.0 + COMPLETED_RUNS_KEPT > incarnation.0);
        }
    }
}
