//! The containers and nodes with a time to live that the leader may delete; that it does is left to it.

use super::node::{Kind, Znode};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What is to be deleted now or later, so that nobody has to look through the tree for it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub(super) struct Leftovers {
    /// Containers that once had a child and have none.
    containers: BTreeSet<Arc<str>>,
    /// Nodes without children, by the last millisecond that they are to see.
    ttls: BTreeSet<(i64, Arc<str>)>,
}

/// When a node may be deleted.
enum When {
    Never,
    Now,
    After(i64),
}

fn when(node: &Znode) -> When {
    match node.kind {
        Kind::Persistent | Kind::Ephemeral(_) => When::Never,
        Kind::Container if node.children.is_empty() && node.children_created > 0 => When::Now,
        Kind::Ttl(ttl) if node.children.is_empty() => When::After(node.mtime.saturating_add(ttl)),
        Kind::Container | Kind::Ttl(_) => When::Never,
    }
}

impl Leftovers {
    /// Lists a node that has come, or has changed and was forgotten before.
    pub(super) fn note(&mut self, path: &Arc<str>, node: &Znode) {
        let new = match when(node) {
            When::Never => true,
            When::Now => self.containers.insert(path.clone()),
            When::After(last) => self.ttls.insert((last, path.clone())),
        };
        assert!(new, "a node that nobody needs was listed twice");
    }

    /// Forgets a node that goes, or is about to change.
    pub(super) fn forget(&mut self, path: &Arc<str>, node: &Znode) {
        let known = match when(node) {
            When::Never => true,
            When::Now => self.containers.remove(path),
            When::After(last) => self.ttls.remove(&(last, path.clone())),
        };
        assert!(known, "a node that nobody needs was not listed");
    }

    /// What is to be deleted at `now_wall_ms` of the leader's wall clock, sorted.
    pub(super) fn due(&self, now_wall_ms: i64) -> Vec<Arc<str>> {
        let expired = self.ttls.iter().take_while(|(last, _)| *last < now_wall_ms).map(|(_, path)| path);
        let mut due: Vec<_> = self.containers.iter().chain(expired).cloned().collect();
        due.sort();
        due
    }
}
