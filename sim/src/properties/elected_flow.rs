//! The cluster keeps the flow that it elected.

use super::{Cluster, Finding, Incident, Interest, Observation, Property, Stimulus, window};
use crate::plan::NodeNumber;
use crate::world::process::Machine;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use zeromaster_core::effect::Effect;
use zeromaster_core::event::ClusterEvent;
use zeromaster_core::flow::Fingerprint;
use zeromaster_core::identity::{Incarnation, NodeIdentifier};
use zeromaster_core::leadership::Role;
use zeromaster_core::message::Membership;
use zeromaster_core::status::ConnectionState;
use zeromaster_core::time::Instant;

/// The name of the property of this file.
pub(crate) const ONE_ELECTED_FLOW: &str = "one-elected-flow";

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct OneElectedFlow {
    /// The flow that the cluster has, once some process was given it.
    cluster_flow: Option<Fingerprint>,
    /// Which flow the running process of each node was given: it loads it, or has loaded it.
    holders: BTreeMap<NodeNumber, Fingerprint>,
    /// Flows that gave way to another one after the silence of all their holders: those count no more.
    replaced: BTreeSet<Fingerprint>,
    /// The coordinator's present term, for each node that has one.
    terms: BTreeMap<NodeNumber, Term>,
}

/// A term, and whom its coordinator has heard in it.
#[derive(Debug)]
struct Term {
    began: Instant,
    heard: BTreeMap<(NodeNumber, Incarnation), Instant>,
}

impl OneElectedFlow {
    /// A node whose process runs, and was given another flow than `flow`.
    fn holder_of_another(&self, flow: &Fingerprint, cluster: &Cluster<'_>) -> Option<NodeNumber> {
        let runs = |node: NodeNumber| cluster.machine(node).is_some_and(|machine| machine.process.is_some());
        let counts = |held: &Fingerprint| held != flow && !self.replaced.contains(held);
        self.holders.iter().find(|(node, held)| counts(held) && runs(**node)).map(|(node, _)| *node)
    }

    /// How long the coordinator has heard none of the processes that were given another flow than `flow`.
    fn silence(&self, flow: &Fingerprint, step: &Observation<'_>) -> Duration {
        let Some(term) = self.terms.get(&step.node) else { return Duration::ZERO };
        let others = self.holders.iter().filter(|(_, held)| *held != flow).map(|(node, _)| *node);
        let heard = others.filter_map(|node| {
            let run = step.cluster.machine(node)?.incarnation;
            term.heard.get(&(node, run)).copied()
        });
        step.local.since(heard.max().unwrap_or(term.began).max(term.began))
    }

    fn removed(&mut self, node: &NodeIdentifier, incarnation: Incarnation, cluster: &Cluster<'_>) {
        let number = Machine::number_of(node.id);
        if cluster.machine(number).is_some_and(|machine| machine.incarnation <= incarnation) {
            self.holders.remove(&number);
        }
    }

    fn elected(&mut self, flow: &Fingerprint, step: &Observation<'_>) -> Option<Finding> {
        self.replaced.remove(flow);
        let holder = self.holder_of_another(flow, &step.cluster)?;
        let held = self.holders.get(&holder)?;
        let text = format!("{} held a vote that elected {flow}, and {holder} was given {held}", step.node);
        let config = step.after.config();
        let patience = window(config).max(config.session_timeout) + config.flow_election_max_wait;
        let excuse = (self.silence(flow, step) >= patience)
            .then(|| "all that were given another flow had been silent for as long as it takes".to_owned());
        if excuse.is_some() {
            self.cluster_flow = Some(flow.clone());
            self.replaced.extend(self.holders.values().filter(|held| *held != flow).cloned());
        }
        Some(Finding { text, excuse })
    }

    fn given(&mut self, flow: &Fingerprint, step: &Observation<'_>) -> Option<Finding> {
        if self.holders.get(&step.node) == Some(flow) {
            // It was given it before, and has loaded it by now, or was asked to connect again.
            return None;
        }
        let before = self.cluster_flow.clone().filter(|before| before != flow);
        let keeps_it = before.filter(|before| {
            let runs = |node: NodeNumber| {
                step.cluster.machine(node).is_some_and(|machine| machine.process.is_some())
            };
            self.holders.iter().any(|(node, held)| held == before && *node != step.node && runs(*node))
        });
        self.holders.insert(step.node, flow.clone());
        let Some(before) = keeps_it else {
            self.cluster_flow = Some(flow.clone());
            return None;
        };
        Finding::new(format!("{} was given {flow}, and the cluster has {before}", step.node))
    }
}

impl Property for OneElectedFlow {
    fn name(&self) -> &'static str {
        ONE_ELECTED_FLOW
    }

    fn promise(&self) -> &'static str {
        "While a process runs that was given the elected flow, no other flow is elected or given to anybody, unless all \
         those processes were removed by a person, or have been silent for max(interval × missable, session timeout) and \
         the longest wait of a vote (spec S10, seed 003)."
    }

    fn interest(&self) -> Interest {
        Interest::RECORDING.and(Interest::IN_OFFICE)
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        if let Stimulus::Heartbeat { node, incarnation, .. } = step.stimulus
            && let Some(term) = self.terms.get_mut(&step.node)
        {
            term.heard.insert((Machine::number_of(node), incarnation), step.local);
        }
        let mut finding = None;
        for event in step.events() {
            match event {
                ClusterEvent::Elected { role: Role::ClusterCoordinator, .. } => {
                    let term = Term { began: step.local, heard: BTreeMap::new() };
                    self.terms.insert(step.node, term);
                }
                // A person says that this process counts no more.
                ClusterEvent::Transition { after, .. } if after.state == ConnectionState::Removed => {
                    self.removed(&after.node, after.incarnation, &step.cluster);
                }
                ClusterEvent::FlowElected { flow, .. } => {
                    finding = finding.or(self.elected(flow, step));
                }
                ClusterEvent::Membership { after, .. } => match after {
                    Membership::Loading { .. } => {
                        if let Some(flow) = loaded_flow(step) {
                            finding = finding.or(self.given(flow, step));
                        }
                    }
                    Membership::Connected { .. } => {
                        finding = finding.or(self.given(&step.after.flow().fingerprint, step));
                    }
                    Membership::Joining
                    | Membership::Disconnected { .. }
                    | Membership::Offloading { .. }
                    | Membership::Offloaded { .. }
                    | Membership::Removed { .. } => {
                        if !step.after.has_inherited() {
                            self.holders.remove(&step.node);
                        }
                    }
                },
                _ => {}
            }
        }
        finding
    }

    fn happened(&mut self, incident: &Incident, _cluster: &Cluster<'_>) {
        if let Incident::Ended { node } = incident {
            self.holders.remove(node);
            self.terms.remove(node);
        }
    }
}

/// The flow that the node begins to load in this step.
fn loaded_flow<'a>(step: &Observation<'a>) -> Option<&'a Fingerprint> {
    step.effects.iter().find_map(|effect| match effect {
        Effect::LoadFlow { flow, .. } => Some(&flow.fingerprint),
        _ => None,
    })
}
