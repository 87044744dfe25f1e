//! The status table that every node holds: node → its newest known status. Merging tables is a join: any order of
//! delivery, with any repetition, ends in the same table.

mod entries;

use crate::identity::NodeId;
use crate::status::NodeStatus;
use alloc::sync::Arc;
use alloc::vec::Vec;
use entries::Entries;
use serde::{Deserialize, Serialize};

/// What one node knows of all nodes.
///
/// Entries are shared, and so are whole tables (`Arc<StatusTable>`): a heartbeat that carries its sender's table
/// copies nothing, and two nodes that hold the same table find that out by comparing one pointer. A table that is
/// copied and then changed goes on sharing what did not change, and a comparison skips what is shared.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct StatusTable {
    #[serde(with = "entries::as_map")]
    entries: Entries,
}

impl StatusTable {
    /// What is known of `node`.
    #[must_use]
    pub fn get(&self, node: NodeId) -> Option<&Arc<NodeStatus>> {
        self.entries.get(node)
    }

    /// All entries, ordered by node id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<NodeStatus>> {
        self.entries.iter()
    }

    /// How many nodes are known, tombstones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.len() == 0
    }

    /// Takes `status` in if it supersedes what is known. Says whether it did.
    pub fn merge(&mut self, status: &Arc<NodeStatus>) -> bool {
        let newer = is_news(status, self.get(status.node.id));
        if newer {
            self.entries.put(status);
        }
        newer
    }

    /// Forgets `node`. Only for the rule under which removal leaves no tombstone.
    pub fn forget(&mut self, node: NodeId) {
        self.entries.remove(node);
    }

    /// The entries of `self` that would change `other`: the answer to a heartbeat.
    #[must_use]
    pub fn newer_than(&self, other: &StatusTable) -> Vec<Arc<NodeStatus>> {
        self.beside(other)
            .filter_map(|(mine, theirs)| mine.filter(|mine| is_news(mine, theirs)))
            .cloned()
            .collect()
    }

    /// The entries of each table that would change the other: this one's, and then the other's.
    #[must_use]
    pub fn news(&self, other: &StatusTable) -> (Vec<Arc<NodeStatus>>, Vec<Arc<NodeStatus>>) {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for (our, their) in self.beside(other) {
            ours.extend(our.filter(|our| is_news(our, their)).cloned());
            theirs.extend(their.filter(|their| is_news(their, our)).cloned());
        }
        (ours, theirs)
    }

    /// Both entries of each node of which the two tables do not share one, this table's first, ordered by node id. They
    /// may be equal all the same.
    pub fn beside<'a>(
        &'a self,
        other: &'a StatusTable,
    ) -> impl Iterator<Item = (Option<&'a Arc<NodeStatus>>, Option<&'a Arc<NodeStatus>>)> {
        self.entries.beside(&other.entries)
    }

    /// The nodes that are CONNECTED, ordered by id.
    pub fn connected(&self) -> impl Iterator<Item = &Arc<NodeStatus>> {
        self.iter().filter(|status| status.state.is_connected())
    }
}

/// Whether `status` says more than what is known.
fn is_news(status: &Arc<NodeStatus>, known: Option<&Arc<NodeStatus>>) -> bool {
    known.is_none_or(|known| !Arc::ptr_eq(known, status) && status.supersedes(known))
}
