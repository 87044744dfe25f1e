//! The cluster's flow: which one it is within a term, where it comes from, and what becomes of the flows on the disks.

use super::by_node::ByNode;
use super::{Cluster, Finding, Incident, Interest, Observation, Property, oracle};
use crate::time::SimTime;
use crate::world::process::Machine;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use zeromaster_core::effect::Effect;
use zeromaster_core::event::ClusterEvent;
use zeromaster_core::flow::{DataFlow, Fingerprint};
use zeromaster_core::leadership::Role;
use zeromaster_core::message::{ConnectionAnswer, Membership, Message, OrderKind};
use zeromaster_core::status::Epoch;
use zeromaster_core::time::Instant;

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct ElectedFlowStays {
    /// The cluster's flow in each term, once the term had one.
    known: BTreeMap<Epoch, Fingerprint>,
    /// When each node that coordinates received the first vote of its present election.
    first_vote: ByNode<Instant>,
}

impl Property for ElectedFlowStays {
    fn name(&self) -> &'static str {
        "elected-flow-stays"
    }

    fn promise(&self) -> &'static str {
        "Within a term the cluster's flow does not change once it is known, and no vote is counted after that, or when the \
         first vote has waited for longer than nifi.cluster.flow.election.max.wait.time (spec S11, S12)."
    }

    fn interest(&self) -> Interest {
        Interest::RECORDING.and(Interest::ORDERING)
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let is_election = |event: &ClusterEvent| {
            matches!(event, ClusterEvent::Elected { role: Role::ClusterCoordinator, .. })
        };
        if step.events().any(is_election) {
            self.first_vote.remove(step.node);
        }
        let epoch = step.coordinates?;
        for event in step.events() {
            match event {
                ClusterEvent::VoteCast { node, .. } => {
                    let first = *self.first_vote.get_or_insert(step.node, || step.local);
                    let waited = step.local.since(first);
                    let late = waited > step.after.config().flow_election_max_wait;
                    if late || self.known.contains_key(&epoch) {
                        let node = crate::words::name(node);
                        let text = format!(
                            "{} counted a vote of {node} {waited:?} after the first, when it was late",
                            step.node
                        );
                        return Finding::new(text);
                    }
                }
                ClusterEvent::FlowElected { flow, .. } => {
                    self.known.entry(epoch).or_insert_with(|| flow.clone());
                }
                _ => {}
            }
        }
        let flow = &step.after.cluster_flow()?.fingerprint;
        let known = self.known.entry(epoch).or_insert_with(|| flow.clone());
        if known == flow {
            return None;
        }
        Finding::new(format!(
            "{} has the cluster's flow {flow} in epoch {epoch}, which had {known}",
            step.node
        ))
    }

    fn happened(&mut self, incident: &Incident, _cluster: &Cluster<'_>) {
        if let Incident::Ended { node } = incident {
            self.first_vote.remove(*node);
        }
    }
}

/// The flows that a step hands out: with an answer that lets a node in, or with an order to reconnect.
fn handed_out<'a>(step: &Observation<'a>) -> impl Iterator<Item = &'a Fingerprint> + use<'a> {
    step.effects.iter().filter_map(|effect| match effect {
        Effect::Send {
            message:
                Message::ConnectionResponse { answer: ConnectionAnswer::Accepted { flow, .. }, .. }
                | Message::Order { order: OrderKind::Reconnect { flow: Some(flow), .. }, .. },
            ..
        } => Some(&flow.fingerprint),
        _ => None,
    })
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct FlowIsKnownBeforeItIsHandedOut {
    /// The flow that each process runs as a member, or ran last.
    run: ByNode<Fingerprint>,
    /// The flow that a term may hand out.
    known: BTreeMap<Epoch, Fingerprint>,
    /// The flows that votes have elected, in any term: a later term may get them back from those that were given them.
    elected: BTreeSet<Fingerprint>,
}

impl Property for FlowIsKnownBeforeItIsHandedOut {
    fn name(&self) -> &'static str {
        "flow-is-known-before-it-is-handed-out"
    }

    fn promise(&self) -> &'static str {
        "A coordinator hands out no flow before a vote has elected it, or before the coordinator itself has loaded it as a \
         member, and no other one than that until its term ends (spec S34, S35)."
    }

    fn interest(&self) -> Interest {
        Interest::RECORDING.and(Interest::ORDERING)
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        for event in step.events() {
            match event {
                ClusterEvent::Membership { after: Membership::Connected { .. }, .. } => {
                    let flow = &step.after.flow().fingerprint;
                    *self.run.get_or_insert(step.node, || flow.clone()) = flow.clone();
                }
                ClusterEvent::FlowElected { flow, .. } => {
                    self.elected.insert(flow.clone());
                    if let Some(epoch) = step.coordinates {
                        self.known.insert(epoch, flow.clone());
                    }
                }
                _ => {}
            }
        }
        let epoch = step.coordinates?;
        let run = self.run.get(step.node);
        let known = &mut self.known;
        let elected = &self.elected;
        let early = handed_out(step).find(|flow| match known.get(&epoch) {
            Some(known) => known != *flow,
            None => run != Some(*flow) && !elected.contains(*flow),
        });
        if let Some(flow) = early {
            return Finding::new(format!(
                "{} handed out {flow} in epoch {epoch}, which no vote has elected and which it has not loaded",
                step.node
            ));
        }
        // What it hands out once, it hands out until the term ends.
        if let Some(flow) = handed_out(step).next() {
            known.entry(epoch).or_insert_with(|| flow.clone());
        }
        None
    }

    fn happened(&mut self, incident: &Incident, _cluster: &Cluster<'_>) {
        if let Incident::Ended { node } = incident {
            self.run.remove(*node);
        }
    }
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct InheritedFlowIsOnDisk {
    /// The flow that each node gave to its disk last, and when: a shell takes a moment to write it.
    written: ByNode<(Fingerprint, SimTime)>,
}

impl Property for InheritedFlowIsOnDisk {
    fn name(&self) -> &'static str {
        "inherited-flow-is-on-disk"
    }

    fn promise(&self) -> &'static str {
        "A node gives the cluster's flow to its disk before it is CONNECTED for itself, and has it there within one \
         heartbeat interval and as long as it is CONNECTED (NIFI-2628)."
    }

    fn interest(&self) -> Interest {
        Interest::RECORDING
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let machine = step.cluster.machine(step.node)?;
        let mut on_disk = &machine.disk.flow.fingerprint;
        for effect in step.effects {
            match effect {
                Effect::Persist(durable) => {
                    on_disk = &durable.flow.fingerprint;
                    let now = step.cluster.now;
                    *self.written.get_or_insert(step.node, || (on_disk.clone(), now)) =
                        (on_disk.clone(), now);
                }
                Effect::Record(ClusterEvent::Membership { after: Membership::Connected { .. }, .. }) => {
                    let flow = &step.after.flow().fingerprint;
                    if flow != on_disk {
                        return not_on_disk(step.node, flow, on_disk);
                    }
                }
                Effect::Record(_)
                | Effect::Send { .. }
                | Effect::Coordinate(_)
                | Effect::Reply { .. }
                | Effect::LoadFlow { .. }
                | Effect::Offload { .. }
                | Effect::Exit => {}
            }
        }
        None
    }

    fn looked(&mut self, cluster: &Cluster<'_>) -> Option<Finding> {
        let is_being_written = |machine: &Machine, flow: &Fingerprint| {
            self.written.get(machine.number).is_some_and(|(written, at)| {
                written == flow && cluster.now.since(*at) <= cluster.common.heartbeat_interval
            })
        };
        cluster.machines.iter().find_map(|machine| {
            let node = &machine.awake()?.node;
            let (flow, on_disk) = (&node.flow().fingerprint, &machine.disk.flow.fingerprint);
            let is_member = matches!(node.membership(), Membership::Connected { .. });
            if !is_member || flow == on_disk || is_being_written(machine, flow) {
                return None;
            }
            not_on_disk(machine.number, flow, on_disk)
        })
    }

    fn happened(&mut self, incident: &Incident, _cluster: &Cluster<'_>) {
        if let Incident::Ended { node } = incident {
            self.written.remove(*node);
        }
    }
}

fn not_on_disk(node: crate::plan::NodeNumber, flow: &Fingerprint, on_disk: &Fingerprint) -> Option<Finding> {
    Finding::new(format!("{node} is CONNECTED with flow {flow}, and has {on_disk} on its disk"))
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct NoFlowIsLost {
    /// The flow of each process when it started, or when it was CONNECTED last.
    flow: ByNode<Arc<DataFlow>>,
}

impl Property for NoFlowIsLost {
    fn name(&self) -> &'static str {
        "no-flow-is-lost"
    }

    fn promise(&self) -> &'static str {
        "A node does not become CONNECTED with the cluster's flow if that replaces another flow with components, where such \
         a node is refused, or a flow with a queue that holds data and is not in the cluster's (spec S6, P7, P12)."
    }

    fn interest(&self) -> Interest {
        Interest::RECORDING
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let joins = step.events().any(|event| {
            matches!(event, ClusterEvent::Membership { after: Membership::Connected { .. }, .. })
        });
        if !joins {
            return None;
        }
        let (flow, config) = (step.after.flow(), step.after.config());
        let held = self.flow.get_or_insert(step.node, || flow.clone());
        let former = std::mem::replace(held, flow.clone());
        if oracle::may_replace(&former, &config.queued, flow, config.rules.differing_flow) {
            return None;
        }
        let (flow, former) = (&flow.fingerprint, &former.fingerprint);
        Finding::new(format!(
            "{} is CONNECTED with flow {flow}, which may not replace its {former}",
            step.node
        ))
    }

    fn happened(&mut self, incident: &Incident, cluster: &Cluster<'_>) {
        match incident {
            Incident::Started { node, .. } => {
                let started = cluster.machine(*node).and_then(|machine| machine.process.as_ref());
                if let Some(process) = started {
                    let flow = process.node.flow();
                    *self.flow.get_or_insert(*node, || flow.clone()) = flow.clone();
                }
            }
            Incident::Ended { node } => self.flow.remove(*node),
            Incident::Absent { .. }
            | Incident::Slowed { .. }
            | Incident::ServerEnded { .. }
            | Incident::Requested { .. } => {}
        }
    }
}
