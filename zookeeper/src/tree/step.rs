//! The steps that a transaction takes on the tree once it has passed all checks.

use super::node::{Kind, Znode};
use super::{Stamp, Tree};
use crate::acl::Acl;
use crate::path::{name_of, parent_of};
use crate::transaction::Change;
use crate::types::{Data, EventKind, SessionId, Stat};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A step that has passed all checks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    Create(NewNode),
    Delete { path: Arc<str> },
    SetData { path: Arc<str>, data: Data, version: i32 },
    SetAcl { path: Arc<str>, acl: Arc<[Acl]>, version: i32 },
    Check,
}

/// A node that is to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NewNode {
    pub(crate) path: Arc<str>,
    pub(crate) data: Data,
    pub(crate) acl: Arc<[Acl]>,
    pub(crate) kind: Kind,
    /// Children of the parent ever created, with this one.
    pub(crate) parent_created: i32,
}

impl Tree {
    /// Takes a step. Gives the stat of the node behind it, and adds what watches are told to `changes`.
    pub(crate) fn take(&mut self, stamp: Stamp, step: Step, changes: &mut Vec<Change>) -> Option<Stat> {
        match step {
            Step::Create(node) => Some(self.create(stamp, node, changes)),
            Step::Delete { path } => {
                self.delete(stamp, &path, changes);
                None
            }
            Step::SetData { path, data, version } => {
                Some(self.set_data(stamp, &path, data, version, changes))
            }
            Step::SetAcl { path, acl, version } => Some(self.change(&path, |node| {
                (node.acl, node.aversion) = (acl, version);
                node.stat()
            })),
            Step::Check => None,
        }
    }

    fn create(&mut self, stamp: Stamp, new: NewNode, changes: &mut Vec<Change>) -> Stat {
        let NewNode { path, data, acl, kind, parent_created } = new;
        let parent = self.parent_of(&path);
        let parent_acl = self.change(&parent, |node| {
            // ZooKeeper keeps old transactions from undoing newer ones in this way, and so the count ends at 2³¹ − 1.
            if parent_created > node.children_created {
                (node.children_created, node.pzxid) = (parent_created, stamp.zxid);
            }
            let new = node.children.insert(name_of(&path).into());
            assert!(new, "a child was created twice");
            node.acl.clone()
        });
        let node = Znode::new(stamp, data, acl.clone(), kind);
        let stat = node.stat();
        self.leftovers.note(&path, &node);
        if let Kind::Ephemeral(session) = kind {
            self.ephemerals.entry(session).or_default().insert(path.clone());
        }
        let previous = self.nodes.insert(path.clone(), node.into());
        assert!(previous.is_none(), "a node was created over another");
        changes.push(Change { kind: EventKind::NodeCreated, path, acl });
        changes.push(Change { kind: EventKind::NodeChildrenChanged, path: parent, acl: parent_acl });
        stat
    }

    fn delete(&mut self, stamp: Stamp, path: &Arc<str>, changes: &mut Vec<Change>) {
        let node = self.nodes.remove(path).expect("the node was checked");
        assert!(node.children.is_empty(), "a node with children was deleted");
        self.leftovers.forget(path, &node);
        if let Kind::Ephemeral(session) = node.kind {
            self.disown(session, path);
        }
        let parent = self.parent_of(path);
        let parent_acl = self.change(&parent, |parent| {
            let known = parent.children.remove(name_of(path));
            assert!(known, "a node was no child of its parent");
            parent.pzxid = stamp.zxid.max(parent.pzxid);
            parent.acl.clone()
        });
        let acl = node.acl.clone();
        changes.push(Change { kind: EventKind::NodeDeleted, path: path.clone(), acl });
        changes.push(Change { kind: EventKind::NodeChildrenChanged, path: parent, acl: parent_acl });
    }

    fn disown(&mut self, session: SessionId, path: &str) {
        let paths = self.ephemerals.get_mut(&session).expect("the owner of an ephemeral node is listed");
        let known = paths.remove(path);
        assert!(known, "an ephemeral node was not listed with its owner");
        if paths.is_empty() {
            self.ephemerals.remove(&session);
        }
    }

    fn set_data(
        &mut self,
        stamp: Stamp,
        path: &Arc<str>,
        data: Data,
        version: i32,
        changes: &mut Vec<Change>,
    ) -> Stat {
        let (acl, stat) = self.change(path, |node| {
            (node.data, node.version) = (data, version);
            (node.mzxid, node.mtime) = (stamp.zxid, stamp.millis);
            (node.acl.clone(), node.stat())
        });
        changes.push(Change { kind: EventKind::NodeDataChanged, path: path.clone(), acl });
        stat
    }

    /// The path of the parent of a node, as the tree holds it.
    fn parent_of(&self, path: &str) -> Arc<str> {
        let parent = parent_of(path).and_then(|parent| self.nodes.get_key_value(parent));
        parent.expect("the parent was checked").0.clone()
    }

    /// Changes a node that is there.
    pub(super) fn change<T>(&mut self, path: &Arc<str>, change: impl FnOnce(&mut Znode) -> T) -> T {
        let node = self.nodes.get_mut(path).expect("the node was checked");
        self.leftovers.forget(path, node);
        let node = Arc::make_mut(node);
        let changed = change(node);
        self.leftovers.note(path, node);
        changed
    }

    /// Deletes all ephemeral nodes of a session, in the order that `order` stands for.
    pub(crate) fn delete_ephemerals(
        &mut self,
        stamp: Stamp,
        session: SessionId,
        order: u64,
        changes: &mut Vec<Change>,
    ) {
        let mut paths: Vec<_> = self.ephemerals(session).cloned().collect();
        crate::order::arrange(order, &mut paths);
        paths.iter().for_each(|path| self.delete(stamp, path, changes));
    }
}
