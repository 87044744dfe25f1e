//! The status table that every node holds: node → its newest known status. Merging tables is a join: any order of
//! delivery, with any repetition, ends in the same table.

use crate::identity::NodeId;
use crate::status::NodeStatus;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What one node knows of all nodes.
///
/// Entries are shared, and so are whole tables (`Arc<StatusTable>`): a heartbeat that carries its sender's table
/// copies nothing, and two nodes that hold the same table find that out by comparing one pointer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct StatusTable {
    entries: BTreeMap<NodeId, Arc<NodeStatus>>,
}

impl StatusTable {
    /// What is known of `node`.
    #[must_use]
    pub fn get(&self, node: NodeId) -> Option<&Arc<NodeStatus>> {
        self.entries.get(&node)
    }

    /// All entries, ordered by node id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<NodeStatus>> {
        self.entries.values()
    }

    /// How many nodes are known, tombstones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes `status` in if it supersedes what is known. Says whether it did.
    pub fn merge(&mut self, status: &Arc<NodeStatus>) -> bool {
        let newer = match self.entries.get(&status.node.id) {
            Some(known) => !Arc::ptr_eq(known, status) && status.supersedes(known),
            None => true,
        };
        if newer {
            self.entries.insert(status.node.id, status.clone());
        }
        newer
    }

    /// Replaces what is known, whatever its version. Only for the rules under which versions are not compared.
    pub fn force(&mut self, status: &Arc<NodeStatus>) {
        self.entries.insert(status.node.id, status.clone());
    }

    /// Forgets `node`. Only for the rule under which removal leaves no tombstone.
    pub fn forget(&mut self, node: NodeId) {
        self.entries.remove(&node);
    }

    /// The entries of `self` that would change `other`: the answer to a heartbeat.
    #[must_use]
    pub fn newer_than(&self, other: &StatusTable) -> Vec<Arc<NodeStatus>> {
        // Both are in the order of the ids, so one walk along both is enough.
        let mut theirs = other.entries.values().peekable();
        let mut news = Vec::new();
        for mine in self.entries.values() {
            while theirs.next_if(|theirs| theirs.node.id < mine.node.id).is_some() {}
            let known = theirs.next_if(|theirs| theirs.node.id == mine.node.id);
            if known.is_none_or(|known| !Arc::ptr_eq(mine, known) && mine.supersedes(known)) {
                news.push(mine.clone());
            }
        }
        news
    }

    /// The nodes that are CONNECTED, ordered by id.
    pub fn connected(&self) -> impl Iterator<Item = &Arc<NodeStatus>> {
        self.iter().filter(|status| status.state.is_connected())
    }
}
