//! What the nodes' tables say: nothing older than they said before, and of one address one thing.

use super::by_node::ByNode;
use super::{Cluster, Finding, Incident, Interest, Observation, Property, Stimulus, oracle};
use crate::setup::node_of_host;
use crate::words::name;
use crate::world::process::Machine;
use std::sync::Arc;
use zeromaster_core::event::ClusterEvent;
use zeromaster_core::status::NodeStatus;
use zeromaster_core::table::StatusTable;

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct NewerStatusStays {
    /// The table of each process after the last step in which it could change.
    held: ByNode<Arc<StatusTable>>,
    /// The last change that was looked at: in a wide cluster many nodes go from one shared table to another one.
    looked_at: Option<(Arc<StatusTable>, Arc<StatusTable>)>,
}

impl NewerStatusStays {
    /// What `is` has lost of what `was` said.
    fn lost(&mut self, step: &Observation<'_>, was: &Arc<StatusTable>) -> Option<String> {
        let is = step.after.table();
        let is_known =
            |(from, to): &(Arc<StatusTable>, Arc<StatusTable>)| Arc::ptr_eq(from, was) && Arc::ptr_eq(to, is);
        if was.is_empty() || self.looked_at.as_ref().is_some_and(is_known) {
            return None;
        }
        let keeps_tombstones = step.after.config().rules.removal_leaves_tombstone;
        let lost = was.beside(is).find_map(|(was, is)| match (was?, is) {
            (was, None) if keeps_tombstones => {
                Some(format!("{} forgot {}, which was {}", step.node, name(&was.node), show(was)))
            }
            (was, Some(is)) if is.version < was.version => Some(format!(
                "{} says {} of {} now, after the newer {}",
                step.node,
                show(is),
                name(&was.node),
                show(was)
            )),
            (_, None | Some(_)) => None,
        });
        if lost.is_none() {
            self.looked_at = Some((was.clone(), is.clone()));
        }
        lost
    }
}

fn show(status: &NodeStatus) -> String {
    format!("{} of decision {}", status.state.name(), status.version)
}

/// A status that a coordinator of the latest term told and that is not in the table after the step.
fn ignored(step: &Observation<'_>) -> Option<String> {
    let Stimulus::FromCoordinator { name: message, epoch, news: Some((node, version)) } = step.stimulus
    else {
        return None;
    };
    let forgets = !step.after.config().rules.removal_leaves_tombstone;
    if epoch < step.after.known_epoch() || version.epoch > epoch {
        return None;
    }
    match step.after.table().get(node) {
        Some(status) if status.version >= version => None,
        None if forgets => None,
        Some(_) | None => Some(format!(
            "{} was told decision {version} about {} in a {message}, and its table does not have it",
            step.node,
            Machine::number_of(node)
        )),
    }
}

impl Property for NewerStatusStays {
    fn name(&self) -> &'static str {
        "newer-status-stays"
    }

    fn promise(&self) -> &'static str {
        "In the table of a process no status is replaced by an older one, none is lost, and what a coordinator of the \
         latest term tells is there (spec S27, S28, I11)."
    }

    fn interest(&self) -> Interest {
        // A coordinator records each change of its own table.
        Interest::COMMANDED.and(Interest::RECORDING)
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        let is = step.after.table();
        let held = self.held.get_or_insert(step.node, || is.clone());
        let lost = if Arc::ptr_eq(held, is) {
            None
        } else {
            let was = std::mem::replace(held, is.clone());
            self.lost(step, &was)
        };
        lost.or_else(|| ignored(step)).and_then(Finding::new)
    }

    fn happened(&mut self, incident: &Incident, _cluster: &Cluster<'_>) {
        if let Incident::Ended { node } = incident {
            self.held.remove(*node);
        }
    }
}

/// See [`Property::promise`].
#[derive(Debug, Default)]
pub(super) struct OneEntryPerAddress;

impl Property for OneEntryPerAddress {
    fn name(&self) -> &'static str {
        "one-entry-per-address"
    }

    fn promise(&self) -> &'static str {
        "In the table of a coordinator that decides no two nodes with the same addresses are both CONNECTING or CONNECTED \
         (spec S37)."
    }

    fn interest(&self) -> Interest {
        Interest::RECORDING
    }

    fn stepped(&mut self, step: &Observation<'_>) -> Option<Finding> {
        step.after.decides(step.local)?;
        step.events().find_map(|event| match event {
            ClusterEvent::Transition { after, .. } => second_entry(step, after),
            _ => None,
        })
    }
}

/// A second entry with the addresses of `status`'s node. A machine's ids are numbered, so the table is not walked.
fn second_entry(step: &Observation<'_>, status: &NodeStatus) -> Option<Finding> {
    let table = step.after.table();
    let machine = step.cluster.machine(node_of_host(&status.node.socket.host)?)?;
    let own = table.get(status.node.id).filter(|own| oracle::is_in(&own.state))?;
    let others = (0..=machine.wipes).map(|wipes| Machine::fresh_id(machine.number, wipes));
    let other = others.filter(|id| *id != own.node.id).find_map(|id| {
        table
            .get(id)
            .filter(|other| oracle::is_in(&other.state) && oracle::have_one_address(&own.node, &other.node))
    })?;
    Finding::new(format!(
        "{} says {} of {} and {} of {}, which have the same addresses",
        step.node,
        own.state.name(),
        own.node.id,
        other.state.name(),
        other.node.id
    ))
}
