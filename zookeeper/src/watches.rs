//! The server's watches, by path and by connection; what is sent to whom is left to the server.
//!
//! As on a real server there are two tables: one for the existence and the data of a node, one for its children.

mod table;
#[cfg(test)]
mod tests;

use crate::error::ErrorCode;
use crate::operation::{Operation, Reply, WatchLists};
use crate::path::ROOT;
use crate::tree::Tree;
use crate::types::{ConnectionId, EventKind, Release, WatchEvent, Zxid};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use table::{Modes, Table};

/// What a watch waits for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum WatchMode {
    /// The next creation, deletion or change of data. Goes off once.
    Data,
    /// The next deletion, or creation or deletion of a child. Goes off once.
    Child,
    /// All of these, until it is taken away.
    Persistent,
    /// Creation, deletion and change of data of the node and of every node below it, until it is taken away.
    Recursive,
}

/// Which watches a client names when it takes some away or asks for them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum WatchKind {
    Children,
    Data,
    Any,
    Persistent,
    Recursive,
}

impl WatchKind {
    /// Kinds 4 and 5 came with 3.9.2 (ZOOKEEPER-4472). Before that, and with other numbers, a server gets no further
    /// than reading the request.
    fn of(number: i32, release: Release) -> Result<Self, ErrorCode> {
        match (number, release) {
            (1, _) => Ok(WatchKind::Children),
            (2, _) => Ok(WatchKind::Data),
            (3, _) => Ok(WatchKind::Any),
            (4, Release::V3_9_5) => Ok(WatchKind::Persistent),
            (5, Release::V3_9_5) => Ok(WatchKind::Recursive),
            (_, Release::V3_8_0 | Release::V3_9_5) => Err(ErrorCode::MarshallingError),
        }
    }
}

/// All watches of all connections. A watch belongs to its connection and goes with it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Watches {
    release: Release,
    data: Table,
    child: Table,
}

impl Watches {
    pub(crate) fn new(release: Release) -> Self {
        Watches { release, data: Table::default(), child: Table::default() }
    }

    /// Arms a watch. With 3.8 a connection has one mode for each path and table, and the last one wins; with 3.9 it
    /// keeps them all (ZOOKEEPER-4466).
    pub(crate) fn add(&mut self, path: &Arc<str>, connection: ConnectionId, mode: WatchMode) {
        let replace = match self.release {
            Release::V3_8_0 => true,
            Release::V3_9_5 => false,
        };
        match mode {
            WatchMode::Data => self.data.add(path, connection, Modes::ONCE, replace),
            WatchMode::Child => self.child.add(path, connection, Modes::ONCE, replace),
            WatchMode::Persistent => {
                self.data.add(path, connection, Modes::PERSISTENT, replace);
                self.child.add(path, connection, Modes::PERSISTENT, replace);
            }
            WatchMode::Recursive => {
                self.data.add(path, connection, Modes::RECURSIVE, replace);
                match self.release {
                    Release::V3_8_0 => self.child.add(path, connection, Modes::RECURSIVE, replace),
                    Release::V3_9_5 => {}
                }
            }
        }
    }

    /// Arms what a read that asks for a watch arms, now that its outcome is known. Only `exists` watches for a node that
    /// is not there.
    pub(crate) fn register(
        &mut self,
        operation: &Operation,
        result: &Result<Reply, ErrorCode>,
        connection: ConnectionId,
    ) {
        match operation {
            Operation::Exists { path, watch: true } if matches!(result, Ok(_) | Err(ErrorCode::NoNode)) => {
                self.add(path, connection, WatchMode::Data);
            }
            Operation::GetData { path, watch: true } if result.is_ok() => {
                self.add(path, connection, WatchMode::Data);
            }
            Operation::GetChildren { path, watch: true } | Operation::GetChildren2 { path, watch: true }
                if result.is_ok() =>
            {
                self.add(path, connection, WatchMode::Child);
            }
            Operation::Exists { .. }
            | Operation::GetData { .. }
            | Operation::GetChildren { .. }
            | Operation::GetChildren2 { .. }
            | Operation::Create(_)
            | Operation::Delete { .. }
            | Operation::DeleteContainer { .. }
            | Operation::SetData { .. }
            | Operation::GetAcl { .. }
            | Operation::SetAcl { .. }
            | Operation::Sync { .. }
            | Operation::Check { .. }
            | Operation::Multi { .. }
            | Operation::MultiRead { .. }
            | Operation::SetWatches(_)
            | Operation::AddWatch { .. }
            | Operation::RemoveWatches { .. }
            | Operation::CheckWatches { .. }
            | Operation::GetEphemerals { .. }
            | Operation::GetAllChildrenNumber { .. }
            | Operation::WhoAmI
            | Operation::Reconfig
            | Operation::Malformed { .. }
            | Operation::Unknown { .. } => {}
        }
    }

    /// Serves `addWatch`: the mode is 0 for a persistent watch and 1 for a recursive one. Any path will do.
    pub(crate) fn add_watch(
        &mut self,
        path: &Arc<str>,
        mode: i32,
        connection: ConnectionId,
    ) -> Result<Reply, ErrorCode> {
        let mode = match mode {
            0 => WatchMode::Persistent,
            1 => WatchMode::Recursive,
            _ => return Err(ErrorCode::MarshallingError),
        };
        self.add(path, connection, mode);
        Ok(Reply::WatchAdded)
    }

    /// Serves `removeWatches`. With 3.8 the kind names a table, whatever is in it. Nobody watches a null.
    pub(crate) fn remove(
        &mut self,
        path: Option<&str>,
        kind: i32,
        connection: ConnectionId,
    ) -> Result<Reply, ErrorCode> {
        let (data, child) = match (WatchKind::of(kind, self.release)?, self.release) {
            (WatchKind::Any, Release::V3_8_0 | Release::V3_9_5) => (Modes::ALL, Modes::ALL),
            (WatchKind::Children, Release::V3_8_0) => (Modes::NONE, Modes::ALL),
            (WatchKind::Children, Release::V3_9_5) => (Modes::NONE, Modes::ONCE),
            (WatchKind::Data, Release::V3_8_0) => (Modes::ALL, Modes::NONE),
            (WatchKind::Data, Release::V3_9_5) => (Modes::ONCE, Modes::NONE),
            (WatchKind::Persistent, Release::V3_8_0 | Release::V3_9_5) => {
                (Modes::PERSISTENT, Modes::PERSISTENT)
            }
            (WatchKind::Recursive, Release::V3_8_0 | Release::V3_9_5) => (Modes::RECURSIVE, Modes::NONE),
        };
        let Some(path) = path else { return Err(ErrorCode::NoWatcher) };
        let child_removed = self.child.remove(path, connection, child);
        let data_removed = self.data.remove(path, connection, data);
        if child_removed || data_removed { Ok(Reply::WatchesRemoved) } else { Err(ErrorCode::NoWatcher) }
    }

    /// Serves `checkWatches`. 3.8 stumbles over a null.
    pub(crate) fn check(
        &self,
        path: Option<&str>,
        kind: i32,
        connection: ConnectionId,
    ) -> Result<Reply, ErrorCode> {
        let kind = WatchKind::of(kind, self.release)?;
        let found = match (self.release, path) {
            (Release::V3_8_0, None) => return Err(ErrorCode::MarshallingError),
            (Release::V3_8_0, Some(path)) => self.is_watched(path, kind)?,
            (Release::V3_9_5, None) => false,
            (Release::V3_9_5, Some(path)) => self.has(path, kind, connection),
        };
        if found { Ok(Reply::WatchesChecked) } else { Err(ErrorCode::NoWatcher) }
    }

    fn has(&self, path: &str, kind: WatchKind, connection: ConnectionId) -> bool {
        let (data, child) = match kind {
            WatchKind::Children => (Modes::NONE, Modes::ONCE),
            WatchKind::Data => (Modes::ONCE, Modes::NONE),
            WatchKind::Any => (Modes::ALL, Modes::ALL),
            WatchKind::Persistent => (Modes::PERSISTENT, Modes::NONE),
            WatchKind::Recursive => (Modes::RECURSIVE, Modes::NONE),
        };
        self.data.modes(path, connection).intersects(data)
            || self.child.modes(path, connection).intersects(child)
    }

    /// What 3.8 answers: whether *anybody* watches the path in that table.
    fn is_watched(&self, path: &str, kind: WatchKind) -> Result<bool, ErrorCode> {
        let (data, child) = match kind {
            WatchKind::Children => (false, true),
            WatchKind::Data => (true, false),
            WatchKind::Any | WatchKind::Persistent | WatchKind::Recursive => (true, true),
        };
        let in_child = child && is_watched_in(&self.child, path)?;
        let in_data = data && is_watched_in(&self.data, path)?;
        Ok(in_child || in_data)
    }

    /// Serves `setWatches`: arms watches again, or tells what they have missed. What a persistent watch has missed is
    /// never told, and a path on two lists may be told of twice.
    pub(crate) fn set_watches(
        &mut self,
        lists: &WatchLists,
        connection: ConnectionId,
        tree: &Tree,
        mut tell: impl FnMut(WatchEvent),
    ) -> Result<Reply, ErrorCode> {
        // A client's number may be negative.
        let missed = |zxid: Zxid| zxid.0.cast_signed() > lists.relative_zxid.0.cast_signed();
        for path in &lists.data {
            match tree.stat(path) {
                Err(_) => tell(WatchEvent { kind: EventKind::NodeDeleted, path: path.clone() }),
                Ok(stat) if missed(stat.mzxid) => {
                    tell(WatchEvent { kind: EventKind::NodeDataChanged, path: path.clone() });
                }
                Ok(_) => self.add(path, connection, WatchMode::Data),
            }
        }
        for path in &lists.exist {
            match tree.stat(path) {
                Ok(_) => tell(WatchEvent { kind: EventKind::NodeCreated, path: path.clone() }),
                Err(_) => self.add(path, connection, WatchMode::Data),
            }
        }
        for path in &lists.child {
            match tree.stat(path) {
                Err(_) => tell(WatchEvent { kind: EventKind::NodeDeleted, path: path.clone() }),
                Ok(stat) if missed(stat.pzxid) => {
                    tell(WatchEvent { kind: EventKind::NodeChildrenChanged, path: path.clone() });
                }
                Ok(_) => self.add(path, connection, WatchMode::Child),
            }
        }
        lists.persistent.iter().for_each(|path| self.add(path, connection, WatchMode::Persistent));
        lists.recursive.iter().for_each(|path| self.add(path, connection, WatchMode::Recursive));
        if lists.ends_in_null { Err(ErrorCode::MarshallingError) } else { Ok(Reply::WatchesSet) }
    }

    /// Sets off the watches that wait for `kind` at `path`, and tells each connection once.
    ///
    /// Within one event the connections come in the order of their numbers; ZooKeeper promises no order. A deletion is
    /// told to those who watch the data first; who watches the children too is not told twice.
    pub(crate) fn trigger(
        &mut self,
        kind: EventKind,
        path: &Arc<str>,
        mut tell: impl FnMut(ConnectionId, WatchEvent),
    ) {
        let mut told = |connection| tell(connection, WatchEvent { kind, path: path.clone() });
        match kind {
            EventKind::NodeCreated | EventKind::NodeDataChanged => {
                self.data.take(kind, path).into_iter().for_each(&mut told);
            }
            EventKind::NodeChildrenChanged => self.child.take(kind, path).into_iter().for_each(&mut told),
            EventKind::NodeDeleted => {
                let of_data: BTreeSet<_> = self.data.take(kind, path);
                let of_children = self.child.take(kind, path);
                let rest = of_children.into_iter().filter(|connection| !of_data.contains(connection));
                of_data.iter().copied().chain(rest).for_each(&mut told);
            }
        }
    }

    /// Forgets all watches of a connection.
    pub(crate) fn remove_connection(&mut self, connection: ConnectionId) {
        self.data.remove_connection(connection);
        self.child.remove_connection(connection);
    }

    /// The watches for the existence and the data of nodes, sorted by path.
    pub(crate) fn of_data(&self) -> impl Iterator<Item = (&Arc<str>, ConnectionId)> {
        self.data.iter()
    }

    /// How many watches there are, of both tables: one for each connection and path.
    pub(crate) fn len(&self) -> usize {
        self.data.len() + self.child.len()
    }

    /// About how many bytes of memory they take.
    pub(crate) fn bytes(&self) -> usize {
        self.data.bytes() + self.child.bytes()
    }

    /// The connection whose watches take most memory, and how much.
    pub(crate) fn heaviest(&self) -> Option<(ConnectionId, usize)> {
        let mut bytes_of = BTreeMap::<_, usize>::new();
        for (connection, bytes) in self.data.bytes_by_connection().chain(self.child.bytes_by_connection()) {
            *bytes_of.entry(connection).or_default() += bytes;
        }
        bytes_of.into_iter().max_by_key(|(_, bytes)| *bytes)
    }

    /// The connections that have a watch; some twice.
    pub(crate) fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.data.connections().chain(self.child.connections())
    }

    /// Checks that the two directions of each table say the same.
    pub(crate) fn check_invariants(&self) {
        self.data.check_invariants();
        self.child.check_invariants();
    }
}

/// 3.8 walks up from the path, and trips over one that does not begin with a slash.
fn is_watched_in(table: &Table, path: &str) -> Result<bool, ErrorCode> {
    if path.is_empty() {
        return Ok(false);
    }
    if !path.contains(ROOT) {
        return Err(ErrorCode::MarshallingError);
    }
    let watched = table.is_watched(path);
    if !watched && table.has_recursive() && !path.starts_with(ROOT) {
        return Err(ErrorCode::MarshallingError);
    }
    Ok(watched)
}
