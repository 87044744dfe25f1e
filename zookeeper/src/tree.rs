//! The tree of nodes: what is in it, and what each prepared step changes; who may do what, and when, is left to the replica.
//!
//! The tree is a function of the steps taken on it, so that replicas that apply the same transactions are equal.

mod children;
mod leftovers;
mod node;
mod step;

use crate::acl::Acl;
use crate::error::ErrorCode;
use crate::path::{ROOT, name_of, parent_of};
use crate::types::{Data, SessionId, Stat, Zxid};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Bound;
use leftovers::Leftovers;
pub(crate) use node::{Kind, Znode};
use serde::{Deserialize, Serialize};
pub(crate) use step::{NewNode, Step};

/// The nodes every server has from the start; they cannot be deleted.
pub(crate) const RESERVED: [&str; 4] = [ROOT, "/zookeeper", CONFIG, "/zookeeper/quota"];

/// The node that tells of the members of the ensemble.
const CONFIG: &str = "/zookeeper/config";

/// When a transaction happens.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Stamp {
    /// Its number.
    pub(crate) zxid: Zxid,
    /// Milliseconds of the leader's wall clock.
    pub(crate) millis: i64,
}

/// All nodes, by path. A copy shares them with the original until they change.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Tree {
    nodes: BTreeMap<Arc<str>, Arc<Znode>>,
    ephemerals: BTreeMap<SessionId, BTreeSet<Arc<str>>>,
    leftovers: Leftovers,
}

impl Default for Tree {
    fn default() -> Self {
        Tree::new()
    }
}

impl Tree {
    /// The tree of a fresh server: the root, `/zookeeper`, and its `config` and `quota`.
    #[must_use]
    pub fn new() -> Self {
        let stamp = Stamp { zxid: Zxid(0), millis: 0 };
        let (open, readable): (Arc<[Acl]>, Arc<[Acl]>) = (Acl::open().into(), Acl::readable().into());
        let mut nodes = BTreeMap::<Arc<str>, Arc<Znode>>::new();
        for path in RESERVED {
            let mut node = Znode::new(stamp, Some(Arc::from([])), open.clone(), Kind::Persistent);
            if path == CONFIG {
                // The server sets the ACL of this one itself, with version −1.
                (node.acl, node.aversion) = (readable.clone(), -1);
            }
            nodes.insert(path.into(), node.into());
            if path != ROOT {
                let parent = parent_of(path).and_then(|parent| nodes.get_mut(parent));
                let parent = parent.expect("parents come first in the list");
                Arc::make_mut(parent).children.insert(name_of(path).into());
            }
        }
        Tree { nodes, ephemerals: BTreeMap::new(), leftovers: Leftovers::default() }
    }

    /// Shows who the members of the ensemble are. A server that stands alone shows nothing.
    pub(crate) fn set_ensemble(&mut self, text: Arc<[u8]>, wall_ms: i64) {
        let config =
            self.nodes.get_mut(CONFIG).expect("it is there from the start, and nobody may delete it");
        let config = Arc::make_mut(config);
        (config.data, config.version, config.mtime) = (Some(text), -1, wall_ms);
    }

    /// The stat of the node at `path`.
    ///
    /// # Errors
    /// [`ErrorCode::NoNode`]. Reads do not ask whether the path is legal.
    pub fn stat(&self, path: &str) -> Result<Stat, ErrorCode> {
        self.node(path).map(Znode::stat)
    }

    /// Data and stat of the node at `path`.
    ///
    /// # Errors
    /// [`ErrorCode::NoNode`].
    pub fn data(&self, path: &str) -> Result<(Data, Stat), ErrorCode> {
        self.node(path).map(|node| (node.data.clone(), node.stat()))
    }

    /// The names of the children of the node at `path`, sorted, and its stat.
    ///
    /// # Errors
    /// [`ErrorCode::NoNode`].
    pub fn children(&self, path: &str) -> Result<(Vec<Arc<str>>, Stat), ErrorCode> {
        self.node(path).map(|node| (node.children.iter().cloned().collect(), node.stat()))
    }

    /// The paths of all nodes, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &Arc<str>> {
        self.nodes.keys()
    }

    /// How many nodes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none: never, for the root is always there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The paths of the ephemeral nodes of a session, sorted.
    pub fn ephemerals(&self, session: SessionId) -> impl Iterator<Item = &Arc<str>> {
        self.ephemerals.get(&session).into_iter().flatten()
    }

    /// The sessions that own ephemeral nodes.
    pub fn ephemeral_owners(&self) -> impl Iterator<Item = SessionId> {
        self.ephemerals.keys().copied()
    }

    /// The node at `path`. The empty path is another name of the root for those who do not ask whether a path is legal.
    pub(crate) fn node(&self, path: &str) -> Result<&Znode, ErrorCode> {
        let path = if path.is_empty() { ROOT } else { path };
        self.nodes.get(path).map(|node| &**node).ok_or(ErrorCode::NoNode)
    }

    /// How many nodes are below `path`, which is that of a node, or empty. Below the empty path there is the root.
    pub(crate) fn count_below(&self, path: &str) -> usize {
        if path == ROOT {
            return self.nodes.len() - 1;
        }
        let first = format!("{path}/");
        self.nodes
            .range::<str, _>((Bound::Included(&*first), Bound::Unbounded))
            .take_while(|(path, _)| path.starts_with(&*first))
            .count()
    }

    /// The containers and nodes with a time to live that nobody needs any more, sorted.
    pub(crate) fn leftovers(&self, now_wall_ms: i64) -> Vec<Arc<str>> {
        self.leftovers.due(now_wall_ms)
    }

    /// Checks what the tree believes of itself: parents and children, owners and ephemeral nodes agree.
    ///
    /// # Panics
    /// When they do not, which is a bug of this crate.
    pub fn check_invariants(&self) {
        let mut children = 0;
        let mut ephemerals = 0;
        let mut leftovers = Leftovers::default();
        for (path, node) in &self.nodes {
            children += node.children.len();
            leftovers.note(path, node);
            if **path != *ROOT {
                let parent = parent_of(path).and_then(|parent| self.nodes.get(parent));
                let listed = parent.is_some_and(|parent| parent.children.contains(name_of(path)));
                assert!(listed, "{path} is no child of its parent");
            }
            if let Kind::Ephemeral(owner) = node.kind {
                ephemerals += 1;
                assert!(node.children.is_empty(), "the ephemeral node {path} has children");
                let listed = self.ephemerals.get(&owner).is_some_and(|paths| paths.contains(path));
                assert!(listed, "the ephemeral node {path} is not listed with its owner");
            }
            assert!(!node.acl.is_empty(), "{path} has no ACL");
        }
        assert_eq!(children + 1, self.nodes.len(), "a child is listed that does not exist");
        assert_eq!(
            ephemerals,
            self.ephemerals.values().map(BTreeSet::len).sum::<usize>(),
            "an owner lists too much"
        );
        assert_eq!(leftovers, self.leftovers, "what is to be deleted is not what is listed for it");
    }
}

#[cfg(test)]
impl Tree {
    /// Makes a node look as if so many children had been created.
    pub(crate) fn set_children_created(&mut self, path: &str, number: i32) {
        self.change(&path.into(), |node| node.children_created = number);
    }

    /// Makes a node look as if its data and its ACL had been set so often.
    pub(crate) fn set_versions(&mut self, path: &str, version: i32) {
        self.change(&path.into(), |node| (node.version, node.aversion) = (version, version));
    }
}
