//! Silence: noticed when it lasts, and not before.

use super::by_node::ById;
use super::{Cluster, Finding, Incident, Interest, Observation, Property, Stimulus, window};
use crate::plan::NodeNumber;
use crate::words::name;
use crate::world::process::Machine;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::time::Duration;
use zeromaster_core::event::ClusterEvent;
use zeromaster_core::identity::{Incarnation, NodeId};
use zeromaster_core::leadership::Role;
use zeromaster_core::message::Membership;
use zeromaster_core::status::{ConnectionState, DisconnectionCode, Epoch, NodeStatus};
use zeromaster_core::time::Instant;

/// What a coordinator has heard in its present term, kept beside it and independent of it.
#[derive(Debug)]
struct Term {
    epoch: Epoch,
    began: Instant,
    /// When it began to decide.
    opened: Instant,
    heard: ById<Heard>,
    /// When the coordinator was away, and for how long: until when on its own clock.
    absences: Vec<(Instant, Duration)>,
    slowed: bool,
}

/// What a coordinator has heard of one node.
#[derive(Debug, Default)]
struct Heard {
    /// Its newest heartbeat: of which run, and its number.
    newest: Option<(Incarnation, u64)>,
    /// When each run was last heard, or last changed, on the coordinator's own clock.
    runs: SmallVec<[(Incarnation, Instant); 1]>,
    /// When the coordinator changed its state last, in this term. What was before is of no interest: the term began later.
    changed: Instant,
}

impl Heard {
    /// The run was heard, or has changed.
    fn note(&mut self, incarnation: Incarnation, at: Instant) {
        match self.runs.iter_mut().find(|(run, _)| *run == incarnation) {
            Some((_, last)) => *last = at,
            None => self.runs.push((incarnation, at)),
        }
    }
}

/// The terms of all nodes that act as coordinator.
#[derive(Debug, Default)]
struct Terms {
    of: BTreeMap<NodeNumber, Term>,
}

impl Terms {
    /// Notes what the step tells of the node's term. `None` when it has none.
    fn note(&mut self, step: &Observation<'_>) -> Option<&mut Term> {
        let Some(epoch) = step.coordinates else {
            self.of.remove(&step.node);
            return None;
        };
        let held = self.of.get(&step.node).is_some_and(|term| term.epoch == epoch);
        let is_election = |event: &ClusterEvent| {
            matches!(event, ClusterEvent::Elected { role: Role::ClusterCoordinator, .. })
        };
        let taken_up_again = step.events().any(is_election);
        if !held || taken_up_again {
            let (began, opened) = (step.local, step.local);
            let term =
                Term { epoch, began, opened, heard: ById::default(), absences: Vec::new(), slowed: false };
            self.of.insert(step.node, term);
        }
        let term = self.of.get_mut(&step.node)?;
        if step.events().any(|event| matches!(event, ClusterEvent::TookOffice { .. })) {
            term.opened = step.local;
        }
        // One that was overtaken on its way says nothing new.
        if let Stimulus::Heartbeat { node, incarnation, epoch, sequence, .. } = step.stimulus
            && epoch == term.epoch
        {
            let heard = term.heard.get_or_default(node);
            if heard.newest < Some((incarnation, sequence)) {
                heard.newest = Some((incarnation, sequence));
                heard.note(incarnation, step.local);
            }
        }
        Some(term)
    }

    fn happened(&mut self, incident: &Incident, cluster: &Cluster<'_>) {
        match incident {
            Incident::Ended { node } => {
                self.of.remove(node);
            }
            Incident::Absent { node, length } => {
                let local = cluster.machine(*node).map(|machine| machine.local(cluster.now));
                if let (Some(term), Some(local)) = (self.of.get_mut(node), local) {
                    term.absences.push((local, *length));
                }
            }
            Incident::Slowed { node } => {
                if let Some(term) = self.of.get_mut(node) {
                    term.slowed = true;
                }
            }
            Incident::Started { .. } | Incident::ServerEnded { .. } | Incident::Requested { .. } => {}
        }
    }
}

impl Term {
    fn last_heard(&self, node: NodeId, incarnation: Incarnation) -> Instant {
        let runs = self.heard.get(node).map_or(&[][..], |heard| &heard.runs);
        let at = runs.iter().find(|(run, _)| *run == incarnation).map(|(_, at)| *at);
        at.unwrap_or(Instant::ZERO).max(self.began)
    }

    /// As [`Term::last_heard`], where any change of the node counts, and that the coordinator began to decide.
    fn last_sign(&self, node: NodeId, incarnation: Incarnation) -> Instant {
        let changed = self.heard.get(node).map_or(Instant::ZERO, |heard| heard.changed);
        self.last_heard(node, incarnation).max(changed).max(self.opened)
    }

    /// How long the coordinator was away since then. `certain`: only what it must have noticed, which is an absence
    /// by which its tick came at least one interval late.
    fn away_since(&self, since: Instant, interval: Duration, certain: bool) -> Duration {
        let absences = self.absences.iter().filter(|(until, _)| *until > since);
        let count = |length: Duration| match certain {
            true if length < interval * 2 => Duration::ZERO,
            true => length.saturating_sub(interval),
            false => length + interval,
        };
        absences.map(|(_, length)| count(*length)).sum()
    }
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct NoFalseExpiry {
    terms: Terms,
}

impl Property for NoFalseExpiry {
    fn name(&self) -> &'static str {
        "no-false-expiry"
    }

    fn promise(&self) -> &'static str {
        "Nobody is put out for lack of heartbeat before interval × missable has passed, on the coordinator's clock and \
         not counting its own absence, since its last heartbeat, its last change of state, or the begin of the term \
         (spec S39, I2)."
    }

    fn interest(&self) -> Interest {
        Interest::IN_OFFICE
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let window = window(step.after.config());
        let interval = step.after.config().heartbeat_interval;
        let local = step.local;
        let mut early = None;
        let term = self.terms.note(step)?;
        for event in step.events() {
            let ClusterEvent::Transition { before, after, .. } = event else { continue };
            let (node, incarnation) = (after.node.id, after.incarnation);
            if after.version.epoch == term.epoch
                && after.state.code() == Some(DisconnectionCode::LackOfHeartbeat)
            {
                let heard = term.last_heard(node, incarnation);
                let silent = local.since(heard).saturating_sub(term.away_since(heard, interval, true));
                if silent < window && early.is_none() {
                    early = Some(format!(
                        "{} put {} out for lack of heartbeat after {silent:?} of silence, {window:?} are allowed (its own absence does not count)",
                        step.node,
                        name(&after.node)
                    ));
                }
            } else if before.as_ref().is_none_or(|before| before.state != after.state) {
                term.heard.get_or_default(node).note(incarnation, local);
            }
        }
        early.and_then(Finding::new)
    }

    fn happened(&mut self, incident: &Incident, cluster: &Cluster<'_>) {
        self.terms.happened(incident, cluster);
    }
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct SilenceDetectedInTime {
    terms: Terms,
}

impl Property for SilenceDetectedInTime {
    fn name(&self) -> &'static str {
        "silence-detected-in-time"
    }

    fn promise(&self) -> &'static str {
        "A node that is silent for interval × missable and two intervals more is neither CONNECTED nor CONNECTING for \
         a coordinator that has held office for so long (spec I1, I5, L2, L3); but for one that \
         loads the flow under the rule that it is silent meanwhile."
    }

    fn interest(&self) -> Interest {
        Interest::IN_OFFICE
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let term = self.terms.note(step)?;
        for event in step.events() {
            if let ClusterEvent::Transition { after, .. } = event {
                term.heard.get_or_default(after.node.id).changed = step.local;
            }
        }
        None
    }

    fn happened(&mut self, incident: &Incident, cluster: &Cluster<'_>) {
        self.terms.happened(incident, cluster);
    }

    /// Looks at every coordinator's table, once in an interval.
    fn looked(&mut self, cluster: &Cluster<'_>) -> Option<Finding> {
        let interval = cluster.common.heartbeat_interval;
        for (number, term) in &mut self.terms.of {
            let Some(machine) = cluster.machine(*number) else { continue };
            let Some(running) = machine.awake() else { continue };
            let local = machine.local(cluster.now);
            // A slow process, or one that has just come to, has its tick before it.
            let allowed = cluster.window() + interval * if term.slowed { 6 } else { 2 };
            if running.node.decides(local).is_none() {
                continue;
            }
            for status in running.node.table().iter() {
                let waits = match status.state {
                    ConnectionState::Connected { .. } | ConnectionState::Connecting { .. } => true,
                    ConnectionState::Disconnecting
                    | ConnectionState::Disconnected { .. }
                    | ConnectionState::Offloading
                    | ConnectionState::Offloaded
                    | ConnectionState::Removed => false,
                };
                let heard = term.last_sign(status.node.id, status.incarnation);
                if !waits || local.since(heard) <= allowed {
                    continue;
                }
                let silent = local.since(heard).saturating_sub(term.away_since(heard, interval, false));
                if silent > allowed && loads_in_silence(cluster, status) {
                    // Its silence counts from when it is seen to have loaded.
                    term.heard.get_or_default(status.node.id).changed = local;
                } else if silent > allowed {
                    return Finding::new(format!(
                        "{number} still calls {} {} after {silent:?} of silence, {allowed:?} are allowed",
                        name(&status.node),
                        status.state.name()
                    ));
                }
            }
        }
        None
    }
}

/// Whether a node that is CONNECTING is alive and loads the flow, under the rule that it does so in silence (NiFi).
fn loads_in_silence(cluster: &Cluster<'_>, status: &NodeStatus) -> bool {
    let running = cluster.machine_of(&status.node, status.incarnation).and_then(Machine::awake);
    running.is_some_and(|running| {
        matches!(running.node.membership(), Membership::Loading { .. })
            && !running.node.config().rules.loading_nodes_heartbeat
    })
}
