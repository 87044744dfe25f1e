//! The server's table of one-shot watches, by path and by connection; what is sent to whom is left to the server.

use crate::types::{ConnectionId, EventKind, WatchEvent};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;

/// All watches of all connections. A watch belongs to its connection and goes with it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Watches {
    data: Table,
    child: Table,
}

impl Watches {
    /// Arms a watch on the existence and data of `path`.
    pub(crate) fn add_data(&mut self, path: &Arc<str>, connection: ConnectionId) {
        self.data.add(path, connection);
    }

    /// Arms a watch on the children of `path`.
    pub(crate) fn add_child(&mut self, path: &Arc<str>, connection: ConnectionId) {
        self.child.add(path, connection);
    }

    /// Takes the watches that `kind` at `path` sets off, and tells each connection once.
    ///
    /// Within one event the connections come in the order of their numbers; ZooKeeper promises no order. A deletion is
    /// told to those who watch the data first; who watches the children too is not told twice.
    pub(crate) fn trigger(
        &mut self,
        kind: EventKind,
        path: &str,
        mut tell: impl FnMut(ConnectionId, WatchEvent),
    ) {
        match kind {
            EventKind::NodeCreated | EventKind::NodeDataChanged => {
                if let Some((path, connections)) = self.data.take(path) {
                    connections.iter().for_each(|&told| tell(told, WatchEvent { kind, path: path.clone() }));
                }
            }
            EventKind::NodeChildrenChanged => {
                if let Some((path, connections)) = self.child.take(path) {
                    connections.iter().for_each(|&told| tell(told, WatchEvent { kind, path: path.clone() }));
                }
            }
            EventKind::NodeDeleted => {
                let data = self.data.take(path).map(|(path, connections)| {
                    connections.iter().for_each(|&told| tell(told, WatchEvent { kind, path: path.clone() }));
                    connections
                });
                if let Some((path, connections)) = self.child.take(path) {
                    let told_already =
                        |told: &&ConnectionId| data.as_ref().is_some_and(|data| data.contains(told));
                    let rest = connections.iter().filter(|told| !told_already(told));
                    rest.for_each(|&told| tell(told, WatchEvent { kind, path: path.clone() }));
                }
            }
        }
    }

    /// Forgets all watches of a connection.
    pub(crate) fn remove_connection(&mut self, connection: ConnectionId) {
        self.data.remove_connection(connection);
        self.child.remove_connection(connection);
    }

    /// The connections that have a watch.
    pub(crate) fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.data.by_connection.keys().chain(self.child.by_connection.keys()).copied()
    }

    /// Checks that the two directions of each table say the same.
    pub(crate) fn check_invariants(&self) {
        self.data.check_invariants();
        self.child.check_invariants();
    }
}

/// The same pairs, found from both sides. No entry is empty.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Table {
    by_path: BTreeMap<Arc<str>, BTreeSet<ConnectionId>>,
    by_connection: BTreeMap<ConnectionId, BTreeSet<Arc<str>>>,
}

impl Table {
    fn add(&mut self, path: &Arc<str>, connection: ConnectionId) {
        self.by_path.entry(path.clone()).or_default().insert(connection);
        self.by_connection.entry(connection).or_default().insert(path.clone());
    }

    fn take(&mut self, path: &str) -> Option<(Arc<str>, BTreeSet<ConnectionId>)> {
        let (path, connections) = self.by_path.remove_entry(path)?;
        for connection in &connections {
            let paths =
                self.by_connection.get_mut(connection).expect("a watch found by path is found by connection");
            paths.remove(&path);
            if paths.is_empty() {
                self.by_connection.remove(connection);
            }
        }
        Some((path, connections))
    }

    fn remove_connection(&mut self, connection: ConnectionId) {
        for path in self.by_connection.remove(&connection).unwrap_or_default() {
            let connections =
                self.by_path.get_mut(&path).expect("a watch found by connection is found by path");
            connections.remove(&connection);
            if connections.is_empty() {
                self.by_path.remove(&path);
            }
        }
    }

    fn check_invariants(&self) {
        let by_path = self.by_path.values().map(BTreeSet::len).sum::<usize>();
        let by_connection = self.by_connection.values().map(BTreeSet::len).sum::<usize>();
        assert_eq!(by_path, by_connection, "the two directions of a watch table differ");
        for (path, connections) in &self.by_path {
            assert!(!connections.is_empty(), "a path without watches stays in the table");
            for connection in connections {
                let known = self.by_connection.get(connection).is_some_and(|paths| paths.contains(path));
                assert!(known, "a watch found by path is not found by connection");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use EventKind::{NodeChildrenChanged, NodeCreated, NodeDataChanged, NodeDeleted};
    use alloc::vec::Vec;

    /// Connection 1 watches the data of /a, connection 2 its children, connection 3 both.
    fn watches() -> Watches {
        let path: Arc<str> = "/a".into();
        let mut watches = Watches::default();
        for connection in [1, 3] {
            watches.add_data(&path, ConnectionId(connection));
        }
        for connection in [2, 3] {
            watches.add_child(&path, ConnectionId(connection));
        }
        watches
    }

    #[track_caller]
    fn check(watches: &mut Watches, kind: EventKind, path: &str, expected: &[u64]) {
        let mut told = Vec::new();
        watches.trigger(kind, path, |connection, event| {
            assert_eq!((event.kind, &*event.path), (kind, path));
            told.push(connection.0);
        });
        assert_eq!(told, expected);
        watches.check_invariants();
    }

    #[test]
    fn each_kind_takes_the_watches_of_its_table_once() {
        for kind in [NodeCreated, NodeDataChanged] {
            let mut watches = watches();
            check(&mut watches, kind, "/b", &[]);
            check(&mut watches, kind, "/a", &[1, 3]);
            check(&mut watches, kind, "/a", &[]);
            check(&mut watches, NodeChildrenChanged, "/a", &[2, 3]);
            assert_eq!(watches, Watches::default());
        }
    }

    #[test]
    fn a_deletion_is_told_once_to_each_connection_and_takes_both_tables() {
        let mut watches = watches();
        check(&mut watches, NodeDeleted, "/a", &[1, 3, 2]);
        assert_eq!(watches, Watches::default());
    }

    #[test]
    fn watches_go_with_their_connection() {
        let mut watches = watches();
        watches.remove_connection(ConnectionId(3));
        check(&mut watches, NodeDeleted, "/a", &[1, 2]);
        watches.remove_connection(ConnectionId(9));
        assert_eq!(watches, Watches::default());
    }
}
