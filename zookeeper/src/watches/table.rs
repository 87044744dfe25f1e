//! One table of watches, found by path and by connection; which watches go into which table is left to its parent.

use crate::path::{ROOT, parent_of};
use crate::types::{ConnectionId, EventKind};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;

/// A set of ways in which one connection watches one path.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Modes(u8);

impl Modes {
    pub(super) const NONE: Modes = Modes(0);
    pub(super) const ONCE: Modes = Modes(1);
    pub(super) const PERSISTENT: Modes = Modes(2);
    pub(super) const RECURSIVE: Modes = Modes(4);
    pub(super) const ALL: Modes = Modes(7);

    pub(super) const fn intersects(self, other: Modes) -> bool {
        self.0 & other.0 != 0
    }

    const fn with(self, other: Modes) -> Modes {
        Modes(self.0 | other.0)
    }

    const fn without(self, other: Modes) -> Modes {
        Modes(self.0 & !other.0)
    }
}

/// About how many bytes of memory a watch takes besides its path.
const WATCH_BYTES: usize = 200;

/// About how many bytes of memory the watch of one connection on a path takes.
fn weight(path: &str) -> usize {
    WATCH_BYTES + path.len()
}

/// The same watches, found from both sides. No entry is empty.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Table {
    by_path: BTreeMap<Arc<str>, BTreeMap<ConnectionId, Modes>>,
    by_connection: BTreeMap<ConnectionId, BTreeSet<Arc<str>>>,
    /// How many of them are recursive: while there are none, nobody has to look at the parents of a path.
    recursive: usize,
    /// About how much memory they take.
    bytes: usize,
}

impl Table {
    /// Adds to the modes of a connection at a path, or replaces them.
    pub(super) fn add(&mut self, path: &Arc<str>, connection: ConnectionId, modes: Modes, replace: bool) {
        let before = self.modes(path, connection);
        let after = if replace { modes } else { before.with(modes) };
        self.set(path, connection, before, after);
    }

    /// Takes modes from a connection at a path. False when it had none of them.
    pub(super) fn remove(&mut self, path: &str, connection: ConnectionId, modes: Modes) -> bool {
        let before = self.modes(path, connection);
        if !before.intersects(modes) {
            return false;
        }
        self.set(&path.into(), connection, before, before.without(modes));
        true
    }

    fn set(&mut self, path: &Arc<str>, connection: ConnectionId, before: Modes, after: Modes) {
        self.recursive += usize::from(after.intersects(Modes::RECURSIVE));
        self.recursive -= usize::from(before.intersects(Modes::RECURSIVE));
        if after != Modes::NONE {
            self.by_path.entry(path.clone()).or_default().insert(connection, after);
            if self.by_connection.entry(connection).or_default().insert(path.clone()) {
                self.bytes += weight(path);
            }
        } else if before != Modes::NONE {
            remove_from(&mut self.by_path, path, |connections| {
                connections.remove(&connection);
                connections.is_empty()
            });
            self.unlist(path, connection);
        }
    }

    fn unlist(&mut self, path: &str, connection: ConnectionId) {
        self.bytes -= weight(path);
        remove_from(&mut self.by_connection, &connection, |paths| {
            paths.remove(path);
            paths.is_empty()
        });
    }

    /// How a connection watches a path.
    pub(super) fn modes(&self, path: &str, connection: ConnectionId) -> Modes {
        self.by_path
            .get(path)
            .and_then(|connections| connections.get(&connection))
            .copied()
            .unwrap_or_default()
    }

    /// Whether any connection watches exactly this path.
    pub(super) fn is_watched(&self, path: &str) -> bool {
        self.by_path.contains_key(path)
    }

    pub(super) fn has_recursive(&self) -> bool {
        self.recursive > 0
    }

    /// The connections that are to hear of `kind` at `path`. Their one-shot watches there are gone.
    ///
    /// A recursive watch never tells of children: the child itself was told of.
    pub(super) fn take(&mut self, kind: EventKind, path: &str) -> BTreeSet<ConnectionId> {
        let mut told = BTreeSet::new();
        if self.by_path.is_empty() {
            return told;
        }
        let recursive = match kind {
            EventKind::NodeCreated | EventKind::NodeDeleted | EventKind::NodeDataChanged => Modes::RECURSIVE,
            EventKind::NodeChildrenChanged => Modes::NONE,
        };
        self.take_at(path, Modes::ONCE.with(Modes::PERSISTENT).with(recursive), &mut told);
        if self.has_recursive() && recursive != Modes::NONE {
            let mut path = path;
            while path != ROOT
                && let Some(parent) = parent_of(path)
            {
                let connections = self.by_path.get(parent).into_iter().flatten();
                told.extend(connections.filter(|(_, modes)| modes.intersects(recursive)).map(|(id, _)| id));
                path = parent;
            }
        }
        told
    }

    fn take_at(&mut self, path: &str, waiting: Modes, told: &mut BTreeSet<ConnectionId>) {
        let Some(connections) = self.by_path.get_mut(path) else { return };
        told.extend(connections.iter().filter(|(_, modes)| modes.intersects(waiting)).map(|(id, _)| id));
        let mut gone = BTreeSet::new();
        connections.retain(|id, modes| {
            *modes = modes.without(Modes::ONCE);
            let stays = *modes != Modes::NONE;
            if !stays {
                gone.insert(*id);
            }
            stays
        });
        if connections.is_empty() {
            self.by_path.remove(path);
        }
        gone.into_iter().for_each(|connection| self.unlist(path, connection));
    }

    pub(super) fn remove_connection(&mut self, connection: ConnectionId) {
        for path in self.by_connection.remove(&connection).unwrap_or_default() {
            self.bytes -= weight(&path);
            remove_from(&mut self.by_path, &*path, |connections| {
                let modes = connections.remove(&connection).expect("a watch is found from both sides");
                self.recursive -= usize::from(modes.intersects(Modes::RECURSIVE));
                connections.is_empty()
            });
        }
    }

    /// Who watches what, sorted by path.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, ConnectionId)> {
        self.by_path.iter().flat_map(|(path, connections)| connections.keys().map(move |id| (path, *id)))
    }

    /// How many watches there are.
    pub(super) fn len(&self) -> usize {
        self.by_connection.values().map(BTreeSet::len).sum()
    }

    /// About how much memory they take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// About how much memory those of each connection take.
    pub(super) fn bytes_by_connection(&self) -> impl Iterator<Item = (ConnectionId, usize)> {
        let bytes = |paths: &BTreeSet<Arc<str>>| paths.iter().map(|path| weight(path)).sum();
        self.by_connection.iter().map(move |(connection, paths)| (*connection, bytes(paths)))
    }

    pub(super) fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.by_connection.keys().copied()
    }

    pub(super) fn check_invariants(&self) {
        let mut watches = 0;
        let mut recursive = 0;
        for (path, connections) in &self.by_path {
            assert!(!connections.is_empty(), "a path without watches stays in the table");
            for (connection, modes) in connections {
                assert!(*modes != Modes::NONE, "a watch that waits for nothing stays in the table");
                let known = self.by_connection.get(connection).is_some_and(|paths| paths.contains(path));
                assert!(known, "a watch found by path is not found by connection");
                watches += 1;
                recursive += usize::from(modes.intersects(Modes::RECURSIVE));
            }
        }
        let by_connection = self.by_connection.values().map(BTreeSet::len).sum::<usize>();
        assert_eq!(watches, by_connection, "the two directions of a watch table differ");
        assert_eq!(recursive, self.recursive, "recursive watches are miscounted");
        let bytes: usize = self.bytes_by_connection().map(|(_, bytes)| bytes).sum();
        assert_eq!(bytes, self.bytes, "the memory of watches is miscounted");
    }
}

/// Changes what is found under a key, and removes it when `is_empty` says that nothing is left.
fn remove_from<K: Ord + core::borrow::Borrow<Q>, Q: Ord + ?Sized, V>(
    map: &mut BTreeMap<K, V>,
    key: &Q,
    is_empty: impl FnOnce(&mut V) -> bool,
) {
    let entry = map.get_mut(key).expect("a watch is found from both sides");
    if is_empty(entry) {
        map.remove(key);
    }
}
