//! The vote on the flow.

use super::{Cluster, Finding, Incident, Interest, Observation, Property};
use crate::plan::NodeNumber;
use std::collections::BTreeMap;
use zeromaster_core::event::ClusterEvent;
use zeromaster_core::flow::Fingerprint;
use zeromaster_core::identity::NodeId;
use zeromaster_core::leadership::Role;

/// One vote of each node: for which flow, and whether it is empty.
type Ballots = BTreeMap<NodeId, (Fingerprint, bool)>;

/// The votes that a coordinator has counted in its present term: one for each node, the last one.
#[derive(Debug, Default)]
struct Votes {
    of: BTreeMap<NodeNumber, Ballots>,
}

impl Votes {
    /// Notes the step's votes; what was elected in it, if something was, and the votes for it.
    fn note(&mut self, step: &Observation<'_>) -> Option<(Fingerprint, bool, Ballots)> {
        let mut elected = None;
        for event in step.events() {
            match event {
                ClusterEvent::Elected { role: Role::ClusterCoordinator, .. } => {
                    self.of.insert(step.node, BTreeMap::new());
                }
                ClusterEvent::VoteCast { node, flow, empty } => {
                    self.of.entry(step.node).or_default().insert(node.id, (flow.clone(), *empty));
                }
                ClusterEvent::FlowElected { flow, empty, .. } => {
                    let votes = self.of.get(&step.node).cloned().unwrap_or_default();
                    elected = Some((flow.clone(), *empty, votes));
                }
                _ => {}
            }
        }
        elected
    }
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct EmptyFlowNeverWins {
    votes: Votes,
}

impl Property for EmptyFlowNeverWins {
    fn name(&self) -> &'static str {
        "empty-flow-never-wins"
    }

    fn promise(&self) -> &'static str {
        "An empty flow is not elected when a flow with components was voted for (spec S7, I16)."
    }

    fn interest(&self) -> Interest {
        Interest::RECORDING
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let (flow, empty, votes) = self.votes.note(step)?;
        let (real, _) = votes.values().find(|(_, empty)| !empty)?;
        if !empty {
            return None;
        }
        Finding::new(format!("{} elected {flow}, which is empty, although {real} was voted for", step.node))
    }

    fn happened(&mut self, incident: &Incident, _cluster: &Cluster<'_>) {
        if let Incident::Ended { node } = incident {
            self.votes.of.remove(node);
        }
    }
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct MostVotesWin {
    votes: Votes,
}

impl Property for MostVotesWin {
    fn name(&self) -> &'static str {
        "most-votes-win"
    }

    fn promise(&self) -> &'static str {
        "The elected flow has the most votes among the flows with components, each node counted once, and the smallest \
         fingerprint among equals (spec S8, S9, I16)."
    }

    fn interest(&self) -> Interest {
        Interest::RECORDING
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let (elected, _, votes) = self.votes.note(step)?;
        let some_real = votes.values().any(|(_, empty)| !empty);
        let mut tally: BTreeMap<Fingerprint, u32> = BTreeMap::new();
        for (flow, empty) in votes.into_values() {
            if !(empty && some_real) {
                *tally.entry(flow).or_default() += 1;
            }
        }
        let most = tally.values().max().copied()?;
        let winner = tally.iter().find(|(_, votes)| **votes == most).map(|(flow, _)| flow)?;
        if *winner == elected {
            return None;
        }
        Finding::new(format!("{} elected {elected}, although {winner} has {most} votes", step.node))
    }

    fn happened(&mut self, incident: &Incident, _cluster: &Cluster<'_>) {
        if let Incident::Ended { node } = incident {
            self.votes.of.remove(node);
        }
    }
}
