//! The one-shot watches a client holds, by path and list; sending them again after a reconnect is left to the client.

use crate::types::{ErrorCode, EventKind, Operation, Reply, WatchEvent};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What is watched, in the three lists of `SetWatches`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct HeldWatches {
    data: BTreeSet<Arc<str>>,
    exist: BTreeSet<Arc<str>>,
    child: BTreeSet<Arc<str>>,
}

/// A watch that a request asks for; its reply decides whether there is one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum WatchRequest {
    Exists(Arc<str>),
    Data(Arc<str>),
    Children(Arc<str>),
}

impl WatchRequest {
    pub(super) fn of(operation: &Operation) -> Option<Self> {
        match operation {
            Operation::Exists { path, watch } => watch.then(|| WatchRequest::Exists(path.clone())),
            Operation::GetData { path, watch } => watch.then(|| WatchRequest::Data(path.clone())),
            Operation::GetChildren { path, watch } => watch.then(|| WatchRequest::Children(path.clone())),
            Operation::Create { .. }
            | Operation::Delete { .. }
            | Operation::SetData { .. }
            | Operation::Sync { .. } => None,
        }
    }
}

impl HeldWatches {
    /// Takes up the watch that `request` asked for, if `result` says that the server did.
    pub(super) fn register(&mut self, request: WatchRequest, result: &Result<Reply, ErrorCode>) {
        match (request, result) {
            (WatchRequest::Exists(path) | WatchRequest::Data(path), Ok(_)) => self.data.insert(path),
            (WatchRequest::Exists(path), Err(ErrorCode::NoNode)) => self.exist.insert(path),
            (WatchRequest::Children(path), Ok(_)) => self.child.insert(path),
            (WatchRequest::Exists(_) | WatchRequest::Data(_) | WatchRequest::Children(_), Err(_)) => false,
        };
    }

    /// Takes the watches that `event` has set off. False when none was held, so that nobody need be told.
    pub(super) fn take(&mut self, event: &WatchEvent) -> bool {
        let path = &event.path;
        match event.kind {
            EventKind::NodeCreated | EventKind::NodeDataChanged => {
                self.data.remove(path) | self.exist.remove(path)
            }
            EventKind::NodeChildrenChanged => self.child.remove(path),
            EventKind::NodeDeleted => {
                self.data.remove(path) | self.exist.remove(path) | self.child.remove(path)
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.data.is_empty() && self.exist.is_empty() && self.child.is_empty()
    }

    /// The lists data, exist and child, each sorted.
    pub(super) fn lists(&self) -> [Vec<Arc<str>>; 3] {
        [&self.data, &self.exist, &self.child].map(|paths| paths.iter().cloned().collect())
    }
}
