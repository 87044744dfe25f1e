//! A ZooKeeper that is never away: znodes in a map, and one-shot watches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use zeromaster_core::coordination::{
    CoordinationError, CoordinationEvent, CreateMode, Operation, Outcome, WatchKind,
};

#[derive(Default)]
pub(crate) struct ZooKeeper {
    /// Data and czxid by path.
    znodes: BTreeMap<Arc<str>, (Arc<str>, u64)>,
    zxid: u64,
    /// Who watches the data, or the existence, of which path.
    data_watches: BTreeMap<Arc<str>, BTreeSet<usize>>,
    child_watches: BTreeMap<Arc<str>, BTreeSet<usize>>,
    events: Vec<(usize, CoordinationEvent)>,
}

impl ZooKeeper {
    /// Does what `node` asks.
    pub(crate) fn perform(
        &mut self,
        node: usize,
        operation: Operation,
    ) -> Result<Outcome, CoordinationError> {
        match operation {
            Operation::Create { path, data, mode } => self.create(path, data, mode),
            Operation::SetData { path, data } => {
                self.znodes.get_mut(&path).ok_or(CoordinationError::NoNode)?.0 = data;
                self.fire_data(&path, WatchKind::DataChanged);
                Ok(Outcome::DataSet)
            }
            Operation::Delete { path } => {
                self.znodes.remove(&path).ok_or(CoordinationError::NoNode)?;
                self.fire_data(&path, WatchKind::Deleted);
                self.fire_children(&path);
                Ok(Outcome::Deleted)
            }
            Operation::Exists { path, watch } => {
                watch.then(|| self.data_watches.entry(path.clone()).or_default().insert(node));
                let (_, czxid) = self.znodes.get(&path).ok_or(CoordinationError::NoNode)?;
                Ok(Outcome::Exists { czxid: *czxid })
            }
            Operation::GetData { path, watch } => {
                let (data, czxid) = self.znodes.get(&path).cloned().ok_or(CoordinationError::NoNode)?;
                watch.then(|| self.data_watches.entry(path).or_default().insert(node));
                Ok(Outcome::Data { data, czxid })
            }
            Operation::GetChildren { path, watch } => {
                let children = self.znodes.keys().filter_map(|znode| child_name(&path, znode).map(Arc::from));
                let children = children.collect::<Vec<_>>().into();
                watch.then(|| self.child_watches.entry(path).or_default().insert(node));
                Ok(Outcome::Children { children })
            }
            Operation::Sync { .. } => Ok(Outcome::Synced),
        }
    }

    /// The events that came of it, for the nodes that watched.
    pub(crate) fn events(&mut self) -> impl Iterator<Item = (usize, CoordinationEvent)> {
        self.events.drain(..)
    }

    fn create(
        &mut self,
        path: Arc<str>,
        data: Arc<str>,
        mode: CreateMode,
    ) -> Result<Outcome, CoordinationError> {
        self.zxid += 1;
        let czxid = self.zxid;
        let path: Arc<str> = match mode {
            CreateMode::Persistent | CreateMode::Ephemeral | CreateMode::Container => path,
            // The number only has to grow.
            CreateMode::EphemeralSequential => format!("{path}{czxid:010}").into(),
        };
        if self.znodes.contains_key(&path) {
            return Err(CoordinationError::NodeExists);
        }
        self.znodes.insert(path.clone(), (data, czxid));
        self.fire_data(&path, WatchKind::Created);
        self.fire_children(&path);
        Ok(Outcome::Created { path, czxid })
    }

    fn fire_data(&mut self, path: &Arc<str>, kind: WatchKind) {
        let nodes = self.data_watches.remove(path).unwrap_or_default();
        let event = |node| (node, CoordinationEvent::Watched { path: path.clone(), kind });
        self.events.extend(nodes.into_iter().map(event));
    }

    fn fire_children(&mut self, child: &str) {
        let parent: Arc<str> = child.rsplit_once('/').map_or("", |(parent, _)| parent).into();
        let nodes = self.child_watches.remove(&parent).unwrap_or_default();
        let kind = WatchKind::ChildrenChanged;
        let event = |node| (node, CoordinationEvent::Watched { path: parent.clone(), kind });
        self.events.extend(nodes.into_iter().map(event));
    }
}

fn child_name<'a>(parent: &str, znode: &'a str) -> Option<&'a str> {
    znode.strip_prefix(parent)?.strip_prefix('/').filter(|name| !name.contains('/'))
}
