//! A ZooKeeper for one node under test: znodes, one session, one-shot watches. What other sessions do, the test does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use zeromaster_core::coordination::{
    CoordinationError, CoordinationEvent, CreateMode, Operation, Outcome, WatchKind,
};

#[derive(Clone, Debug)]
struct Znode {
    data: Arc<str>,
    czxid: u64,
    ours: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct ZooKeeper {
    znodes: BTreeMap<String, Znode>,
    zxid: u64,
    sequence: u64,
    data_watches: BTreeSet<String>,
    child_watches: BTreeSet<String>,
    fired: Vec<CoordinationEvent>,
}

impl ZooKeeper {
    /// Transactions are numbered from 101 on, so that a test may speak of earlier ones.
    pub(crate) fn new() -> Self {
        ZooKeeper { zxid: 100, ..ZooKeeper::default() }
    }

    /// Carries out one operation of the node under test.
    pub(crate) fn perform(&mut self, operation: &Operation) -> Result<Outcome, CoordinationError> {
        match operation {
            Operation::Create { path, data, mode } => {
                let sequential = *mode == CreateMode::EphemeralSequential;
                let ours = matches!(mode, CreateMode::Ephemeral | CreateMode::EphemeralSequential);
                let path = if sequential { self.numbered(path) } else { path.to_string() };
                self.create(&path, data, ours)
            }
            Operation::SetData { path, data } => {
                self.znodes.get_mut(path.as_ref()).ok_or(CoordinationError::NoNode)?.data = data.clone();
                self.fire_data(path, WatchKind::DataChanged);
                Ok(Outcome::DataSet)
            }
            Operation::Delete { path } => self.delete(path),
            Operation::Exists { path, watch } => {
                self.watch_data(path, *watch);
                let znode = self.znodes.get(path.as_ref()).ok_or(CoordinationError::NoNode)?;
                Ok(Outcome::Exists { czxid: znode.czxid })
            }
            Operation::GetData { path, watch } => {
                let znode = self.znodes.get(path.as_ref()).cloned().ok_or(CoordinationError::NoNode)?;
                self.watch_data(path, *watch);
                Ok(Outcome::Data { data: znode.data, czxid: znode.czxid })
            }
            Operation::GetChildren { path, watch } => {
                if !self.znodes.contains_key(path.as_ref()) {
                    return Err(CoordinationError::NoNode);
                }
                if *watch {
                    self.child_watches.insert(path.to_string());
                }
                Ok(Outcome::Children { children: self.children(path).into() })
            }
            Operation::Sync { .. } => Ok(Outcome::Synced),
        }
    }

    /// Another session creates a znode, with all its parents.
    pub(crate) fn put(&mut self, path: &str, data: &str) -> u64 {
        let mut parent = String::new();
        for segment in path.trim_start_matches('/').split('/') {
            parent = format!("{parent}/{segment}");
            if parent != path && !self.znodes.contains_key(&parent) {
                self.create(&parent.clone(), "", false).expect("its own parent was created before it");
            }
        }
        self.znodes.remove(path);
        self.create(path, data, false).expect("there is no such znode any more");
        self.zxid
    }

    /// A znode goes, as if its session had ended, or a person had deleted it.
    pub(crate) fn remove(&mut self, path: &str) {
        self.delete(path).ok();
    }

    /// The session of the node under test is over.
    pub(crate) fn expire(&mut self) {
        self.data_watches.clear();
        self.child_watches.clear();
        self.znodes.retain(|_, znode| !znode.ours);
        self.fired.clear();
    }

    /// The next sequence number is greater than this one.
    pub(crate) fn set_sequence(&mut self, sequence: u64) {
        self.sequence = sequence;
    }

    /// The watches broke with the connection, and nobody set them again.
    pub(crate) fn abandon_watches(&mut self) {
        self.data_watches.clear();
        self.child_watches.clear();
        self.fired.clear();
    }

    /// The session of the node under test is over for the node, and not yet here: what it made stays as it is.
    pub(crate) fn abandon(&mut self) {
        self.abandon_watches();
        self.znodes.values_mut().for_each(|znode| znode.ours = false);
    }

    pub(crate) fn data(&self, path: &str) -> Option<&str> {
        self.znodes.get(path).map(|znode| znode.data.as_ref())
    }

    /// The watches that fired since the last call.
    pub(crate) fn fired(&mut self) -> Vec<CoordinationEvent> {
        std::mem::take(&mut self.fired)
    }

    pub(crate) fn children(&self, parent: &str) -> Vec<Arc<str>> {
        let names = self.znodes.keys().filter_map(|path| path.strip_prefix(parent)?.strip_prefix('/'));
        names.filter(|name| !name.contains('/')).map(Arc::from).collect()
    }

    fn numbered(&mut self, prefix: &str) -> String {
        self.sequence += 1;
        format!("{prefix}{:010}", self.sequence)
    }

    fn create(&mut self, path: &str, data: &str, ours: bool) -> Result<Outcome, CoordinationError> {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        if !parent.is_empty() && !self.znodes.contains_key(parent) {
            return Err(CoordinationError::NoNode);
        }
        if self.znodes.contains_key(path) {
            return Err(CoordinationError::NodeExists);
        }
        self.zxid += 1;
        self.znodes.insert(path.into(), Znode { data: data.into(), czxid: self.zxid, ours });
        self.fire_data(path, WatchKind::Created);
        self.fire_children(parent);
        Ok(Outcome::Created { path: path.into(), czxid: self.zxid })
    }

    fn delete(&mut self, path: &str) -> Result<Outcome, CoordinationError> {
        self.znodes.remove(path).ok_or(CoordinationError::NoNode)?;
        self.zxid += 1;
        self.fire_data(path, WatchKind::Deleted);
        self.fire_children(path.rsplit_once('/').map_or("", |(parent, _)| parent));
        Ok(Outcome::Deleted)
    }

    fn watch_data(&mut self, path: &str, watch: bool) {
        if watch {
            self.data_watches.insert(path.into());
        }
    }

    fn fire_data(&mut self, path: &str, kind: WatchKind) {
        if self.data_watches.remove(path) {
            self.fired.push(CoordinationEvent::Watched { path: path.into(), kind });
        }
    }

    fn fire_children(&mut self, parent: &str) {
        if self.child_watches.remove(parent) {
            let (path, kind) = (parent.into(), WatchKind::ChildrenChanged);
            self.fired.push(CoordinationEvent::Watched { path, kind });
        }
    }
}
