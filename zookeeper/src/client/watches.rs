//! The watches a client holds, by path and list, as Java's client keeps its books; sending them again after a reconnect
//! is left to the client.

use crate::error::ErrorCode;
use crate::operation::{Operation, Reply, WatchLists};
use crate::path::{ROOT, parent_of};
use crate::types::{EventKind, WatchEvent, Zxid};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

/// A `SetWatches` is full when its paths together have so many UTF-16 units; the last of them may go beyond it. Far
/// below what a server accepts as one frame.
const SET_WATCHES_LENGTH_MAX: usize = 128 * 1024;

/// What is watched, in the five lists of `SetWatches`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct HeldWatches {
    data: BTreeSet<Arc<str>>,
    exist: BTreeSet<Arc<str>>,
    child: BTreeSet<Arc<str>>,
    persistent: BTreeSet<Arc<str>>,
    recursive: BTreeSet<Arc<str>>,
}

/// One of the lists of a `SetWatches`.
type ListOf = fn(&mut WatchLists) -> &mut Vec<Arc<str>>;

/// What a request changes about the watches held; its reply decides whether it does.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum WatchRequest {
    Exists(Arc<str>),
    Data(Arc<str>),
    Children(Arc<str>),
    Persistent(Arc<str>),
    Recursive(Arc<str>),
    Remove { path: Arc<str>, kind: i32 },
}

impl WatchRequest {
    pub(super) fn of(operation: &Operation) -> Option<Self> {
        match operation {
            Operation::Exists { path, watch } => watch.then(|| WatchRequest::Exists(path.clone())),
            Operation::GetData { path, watch } => watch.then(|| WatchRequest::Data(path.clone())),
            Operation::GetChildren { path, watch } | Operation::GetChildren2 { path, watch } => {
                watch.then(|| WatchRequest::Children(path.clone()))
            }
            Operation::AddWatch { path, mode } => match mode {
                0 => Some(WatchRequest::Persistent(path.clone())),
                1 => Some(WatchRequest::Recursive(path.clone())),
                _ => None,
            },
            Operation::RemoveWatches { path: Some(path), kind } => {
                Some(WatchRequest::Remove { path: path.clone(), kind: *kind })
            }
            Operation::RemoveWatches { path: None, .. } => None,
            Operation::Create(_)
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
            | Operation::CheckWatches { .. }
            | Operation::GetEphemerals { .. }
            | Operation::GetAllChildrenNumber { .. }
            | Operation::WhoAmI
            | Operation::Reconfig
            | Operation::Malformed { .. }
            | Operation::Unknown { .. } => None,
        }
    }
}

impl HeldWatches {
    /// Does what `request` was to change, if `result` says that the server has done so.
    pub(super) fn register(&mut self, request: WatchRequest, result: &Result<Reply, ErrorCode>) {
        match (request, result) {
            (WatchRequest::Exists(path) | WatchRequest::Data(path), Ok(_)) => {
                self.data.insert(path);
            }
            (WatchRequest::Exists(path), Err(ErrorCode::NoNode)) => {
                self.exist.insert(path);
            }
            (WatchRequest::Children(path), Ok(_)) => {
                self.child.insert(path);
            }
            (WatchRequest::Persistent(path), Ok(_) | Err(ErrorCode::NoNode)) => {
                self.persistent.insert(path);
            }
            (WatchRequest::Recursive(path), Ok(_) | Err(ErrorCode::NoNode)) => {
                self.recursive.insert(path);
            }
            (WatchRequest::Remove { path, kind }, Ok(_)) => self.remove(&path, kind),
            (
                WatchRequest::Exists(_)
                | WatchRequest::Data(_)
                | WatchRequest::Children(_)
                | WatchRequest::Persistent(_)
                | WatchRequest::Recursive(_)
                | WatchRequest::Remove { .. },
                Err(_),
            ) => {}
        }
    }

    /// The kinds are those of the wire; see [`Operation::RemoveWatches`].
    fn remove(&mut self, path: &Arc<str>, kind: i32) {
        if matches!(kind, 1 | 3) {
            self.child.remove(path);
        }
        if matches!(kind, 2 | 3) {
            self.data.remove(path);
            self.exist.remove(path);
        }
        if matches!(kind, 3 | 4) {
            self.persistent.remove(path);
        }
        if matches!(kind, 3 | 5) {
            self.recursive.remove(path);
        }
    }

    /// Takes the one-shot watches that `event` has set off. False when no watch was, so that nobody need be told.
    pub(super) fn take(&mut self, event: &WatchEvent) -> bool {
        let path = &event.path;
        let one_shot = match event.kind {
            EventKind::NodeCreated | EventKind::NodeDataChanged => {
                self.data.remove(path) | self.exist.remove(path)
            }
            EventKind::NodeChildrenChanged => self.child.remove(path),
            EventKind::NodeDeleted => {
                self.data.remove(path) | self.exist.remove(path) | self.child.remove(path)
            }
        };
        one_shot || self.persistent.contains(path) || self.is_below_recursive(event)
    }

    /// A server may tell of children below a recursive watch, for the sake of another watch; that is not for it.
    fn is_below_recursive(&self, event: &WatchEvent) -> bool {
        match event.kind {
            EventKind::NodeCreated | EventKind::NodeDeleted | EventKind::NodeDataChanged => {
                !self.recursive.is_empty() && upwards(&event.path).any(|path| self.recursive.contains(path))
            }
            EventKind::NodeChildrenChanged => false,
        }
    }

    /// The lists as they are sent to the server, each sorted, in as many parts as it takes.
    pub(super) fn lists(&self, relative_zxid: Zxid) -> Vec<WatchLists> {
        let empty = WatchLists { relative_zxid, ..WatchLists::default() };
        let mut parts = vec![];
        let mut length = SET_WATCHES_LENGTH_MAX;
        for (list, paths) in self.by_list() {
            for path in paths {
                if length >= SET_WATCHES_LENGTH_MAX {
                    parts.push(empty.clone());
                    length = 0;
                }
                length += path.encode_utf16().count();
                let part = parts.last_mut().expect("the first path has opened the first part");
                list(part).push(path.clone());
            }
        }
        parts
    }

    /// In the order in which Java sends them.
    fn by_list(&self) -> [(ListOf, &BTreeSet<Arc<str>>); 5] {
        [
            (|lists| &mut lists.data, &self.data),
            (|lists| &mut lists.exist, &self.exist),
            (|lists| &mut lists.child, &self.child),
            (|lists| &mut lists.persistent, &self.persistent),
            (|lists| &mut lists.recursive, &self.recursive),
        ]
    }
}

/// The path, its parent, and so on up to the root.
fn upwards(path: &str) -> impl Iterator<Item = &str> {
    core::iter::successors(Some(path), |path| if *path == ROOT { None } else { parent_of(path) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    /// With the same path in all five lists.
    fn full(path: &str) -> HeldWatches {
        let list = || BTreeSet::from([Arc::from(path)]);
        HeldWatches { data: list(), exist: list(), child: list(), persistent: list(), recursive: list() }
    }

    /// In which lists `path` still is.
    fn held(watches: &HeldWatches, path: &str) -> Vec<usize> {
        let lists = watches.by_list().into_iter().enumerate();
        lists.filter(|(_, (_, paths))| paths.contains(path)).map(|(number, _)| number).collect()
    }

    fn event(kind: EventKind, path: &str) -> WatchEvent {
        WatchEvent { kind, path: path.into() }
    }

    #[test]
    fn each_kind_of_event_takes_its_one_shot_watches_and_leaves_the_others() {
        for (kind, left) in [
            (EventKind::NodeCreated, [2, 3, 4].as_slice()),
            (EventKind::NodeDataChanged, &[2, 3, 4]),
            (EventKind::NodeChildrenChanged, &[0, 1, 3, 4]),
            (EventKind::NodeDeleted, &[3, 4]),
        ] {
            let mut watches = full("/a");
            assert!(watches.take(&event(kind, "/a")), "{kind:?}");
            assert_eq!(held(&watches, "/a"), left, "{kind:?}");
        }
    }

    #[test]
    fn a_persistent_watch_is_told_of_its_own_path_alone() {
        let watches = HeldWatches { persistent: full("/a").persistent, ..HeldWatches::default() };
        for kind in [EventKind::NodeCreated, EventKind::NodeDeleted, EventKind::NodeChildrenChanged] {
            assert!(watches.clone().take(&event(kind, "/a")), "{kind:?}");
            assert!(!watches.clone().take(&event(kind, "/a/b")), "{kind:?}");
        }
    }

    #[test]
    fn a_recursive_watch_is_told_of_everything_below_but_not_of_children() {
        let mut watches = HeldWatches { recursive: full("/a").recursive, ..HeldWatches::default() };
        for path in ["/a", "/a/b", "/a/b/c"] {
            assert!(watches.take(&event(EventKind::NodeCreated, path)), "{path}");
            assert!(!watches.take(&event(EventKind::NodeChildrenChanged, path)), "{path}");
        }
        for path in ["/", "/ab", "a", "", "/b"] {
            assert!(!watches.take(&event(EventKind::NodeDeleted, path)), "{path}");
        }
        let mut root = HeldWatches { recursive: full("/").recursive, ..HeldWatches::default() };
        assert!(root.take(&event(EventKind::NodeDataChanged, "/")));
        assert!(root.take(&event(EventKind::NodeDataChanged, "/a/b")));
    }

    #[test]
    fn each_kind_of_removal_takes_its_lists() {
        for (kind, left) in [
            (1, [0, 1, 3, 4].as_slice()),
            (2, &[2, 3, 4]),
            (3, &[]),
            (4, &[0, 1, 2, 4]),
            (5, &[0, 1, 2, 3]),
            (6, &[0, 1, 2, 3, 4]),
        ] {
            let remove = || WatchRequest::Remove { path: "/a".into(), kind };
            let mut watches = full("/a");
            watches.register(remove(), &Err(ErrorCode::NoWatcher));
            assert_eq!(held(&watches, "/a"), [0, 1, 2, 3, 4]);
            watches.register(remove(), &Ok(Reply::WatchesRemoved));
            assert_eq!(held(&watches, "/a"), left, "{kind}");
        }
    }

    #[test]
    fn the_result_decides_what_is_watched() {
        #[track_caller]
        fn check(request: WatchRequest, of_ok: &[usize], of_no_node: &[usize]) {
            for (result, expected) in [
                (Ok(Reply::Nothing), of_ok),
                (Err(ErrorCode::NoNode), of_no_node),
                (Err(ErrorCode::NoAuth), &[]),
                (Err(ErrorCode::ConnectionLoss), &[]),
            ] {
                let mut watches = HeldWatches::default();
                watches.register(request.clone(), &result);
                assert_eq!(held(&watches, "/a"), expected, "{request:?} {result:?}");
            }
        }
        let path = Arc::<str>::from("/a");
        check(WatchRequest::Data(path.clone()), &[0], &[]);
        check(WatchRequest::Exists(path.clone()), &[0], &[1]);
        check(WatchRequest::Children(path.clone()), &[2], &[]);
        check(WatchRequest::Persistent(path.clone()), &[3], &[3]);
        check(WatchRequest::Recursive(path.clone()), &[4], &[4]);
    }

    #[test]
    fn the_lists_are_cut_where_a_part_has_128_kib() {
        assert_eq!(HeldWatches::default().lists(Zxid(7)), []);
        // Each path has 1024 units; the 129th opens the next part.
        let paths = |first: u32, count: u32| -> BTreeSet<Arc<str>> {
            (first..first + count).map(|number| format!("/{number:01023}").into()).collect()
        };
        let watches = HeldWatches { data: paths(0, 128), ..HeldWatches::default() };
        assert_eq!(watches.lists(Zxid(7)).len(), 1);
        let watches = HeldWatches { data: paths(0, 100), child: paths(0, 29), ..watches };
        let parts = watches.lists(Zxid(7));
        let lengths: Vec<_> = parts.iter().map(|part| (part.data.len(), part.child.len())).collect();
        assert_eq!(lengths, [(100, 28), (0, 1)]);
        assert!(parts.iter().all(|part| part.relative_zxid == Zxid(7)));
        let watches =
            HeldWatches { persistent: paths(0, 1), recursive: paths(0, 300), ..HeldWatches::default() };
        let lengths: Vec<_> =
            watches.lists(Zxid(7)).iter().map(|part| (part.persistent.len(), part.recursive.len())).collect();
        assert_eq!(lengths, [(1, 127), (0, 128), (0, 45)]);
    }
}
