//! What a node asks of ZooKeeper, and what it hears from it. The words are ZooKeeper's; the client that carries them
//! is the caller's.

use crate::time::Instant;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use serde::{Deserialize, Serialize};

/// The number of one operation, unique within one run of the process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct OperationId(pub u64);

/// How long a znode lives, and who names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum CreateMode {
    /// Until deleted.
    Persistent,
    /// Until deleted, or until the session that created it ends.
    Ephemeral,
    /// As ephemeral; ZooKeeper appends a growing sequence number.
    EphemeralSequential,
    /// Until ZooKeeper finds that its last child is gone.
    Container,
}

/// One operation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Operation {
    /// Create a znode.
    Create {
        /// Its path; a prefix of it when sequential.
        path: Arc<str>,
        /// Its data.
        data: Arc<str>,
        /// What kind.
        mode: CreateMode,
    },
    /// Replace a znode's data, whatever its version.
    SetData {
        /// Its path.
        path: Arc<str>,
        /// Its new data.
        data: Arc<str>,
    },
    /// Delete a znode, whatever its version.
    Delete {
        /// Its path.
        path: Arc<str>,
    },
    /// Ask whether a znode exists, and watch for its creation, change or deletion.
    Exists {
        /// Its path.
        path: Arc<str>,
        /// Whether to leave a watch.
        watch: bool,
    },
    /// Read a znode's data, and watch for its change or deletion.
    GetData {
        /// Its path.
        path: Arc<str>,
        /// Whether to leave a watch.
        watch: bool,
    },
    /// List a znode's children, and watch for changes of the list.
    GetChildren {
        /// Its path.
        path: Arc<str>,
        /// Whether to leave a watch.
        watch: bool,
    },
    /// Let the server that this session is attached to catch up with all that was written before, whoever wrote it.
    Sync {
        /// Any path.
        path: Arc<str>,
    },
}

/// What the caller is to do with ZooKeeper.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum CoordinationRequest {
    /// Carry out one operation, in order with the earlier ones of the same session.
    Perform {
        /// To name it in the answer.
        id: OperationId,
        /// What to do.
        operation: Operation,
    },
    /// Close the session: its ephemeral znodes vanish at once.
    Close,
}

/// Some of the names of a list, each behind its ending.
pub type Part = Arc<Vec<(u128, Arc<str>)>>;

/// The last sixteen bytes of a name, as a number; 0 if it is shorter. Sequence numbers are at the end of names, and who looks
/// for one in a long list has the endings in one row, and not in ten thousand places.
#[must_use]
pub fn ending(name: &str) -> u128 {
    name.as_bytes().last_chunk().map_or(0, |last| u128::from_be_bytes(*last))
}

/// A list of names, in parts that another list may share: who lists ten thousand names after each creation of one more
/// copies a hundred of them.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Arc<str>>", into = "Vec<Arc<str>>")]
pub struct Names {
    parts: Vec<Part>,
}

impl Names {
    /// The list that these parts make up. Where one ends and the next begins means nothing; each name must be behind its
    /// [`ending`].
    #[must_use]
    pub fn of_parts(parts: Vec<Part>) -> Names {
        Names { parts }
    }

    /// The names, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        self.with_endings().map(|(_, name)| name)
    }

    /// The names, each behind its ending.
    pub(crate) fn with_endings(&self) -> impl Iterator<Item = &(u128, Arc<str>)> {
        self.parts.iter().flat_map(|part| part.iter())
    }

    /// The names in the parts that `other` does not share. There may be the same ones in it all the same.
    pub(crate) fn not_shared_with<'a>(&'a self, other: &'a Names) -> impl Iterator<Item = &'a Arc<str>> {
        let is_shared = |part: &&Part| other.parts.iter().any(|other| Arc::ptr_eq(part, other));
        let parts = self.parts.iter().filter(move |part| !is_shared(part));
        parts.flat_map(|part| part.iter().map(|(_, name)| name))
    }
}

impl From<Vec<Arc<str>>> for Names {
    fn from(names: Vec<Arc<str>>) -> Self {
        let part = names.into_iter().map(|name| (ending(&name), name)).collect();
        Names { parts: Vec::from([Arc::new(part)]) }
    }
}

impl From<Names> for Vec<Arc<str>> {
    fn from(names: Names) -> Self {
        names.iter().cloned().collect()
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Names {}

impl PartialOrd for Names {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Names {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl Hash for Names {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.iter().for_each(|name| name.hash(state));
    }
}

/// What an operation gave.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// The znode was created.
    Created {
        /// Its path, with the sequence number.
        path: Arc<str>,
        /// The transaction that created it.
        czxid: u64,
    },
    /// The data was replaced.
    DataSet,
    /// The znode was deleted.
    Deleted,
    /// The znode exists.
    Exists {
        /// The transaction that created it.
        czxid: u64,
    },
    /// The znode's data.
    Data {
        /// The data; not UTF-8 reads as empty.
        data: Arc<str>,
        /// The transaction that created the znode.
        czxid: u64,
    },
    /// The names of the znode's children.
    Children {
        /// In an order that means nothing.
        children: Names,
    },
    /// The server has caught up.
    Synced,
}

/// Why an operation gave nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum CoordinationError {
    /// There is no such znode (or no parent).
    NoNode,
    /// There is one already.
    NodeExists,
    /// The connection broke: a write may have happened, or not, or may still happen.
    ConnectionLoss,
    /// The session is over.
    SessionExpired,
    /// The server refused it for another reason: our mistake.
    Refused(ErrorText),
}

/// The name of an error that this crate has no use for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ErrorText {
    /// BadArguments.
    BadArguments,
    /// BadVersion.
    BadVersion,
    /// NotEmpty.
    NotEmpty,
    /// NoChildrenForEphemerals.
    NoChildrenForEphemerals,
}

/// What a watch saw.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum WatchKind {
    /// The znode was created.
    Created,
    /// The znode was deleted.
    Deleted,
    /// Its data changed.
    DataChanged,
    /// Its list of children changed.
    ChildrenChanged,
}

/// What a node hears from ZooKeeper.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum CoordinationEvent {
    /// A new session is open: nothing of an older one is left to this process.
    Connected,
    /// The connection is gone; the session may live or not. Roles must be given up at once.
    Suspended,
    /// The connection is back, and so is the session with its ephemeral znodes.
    Reconnected,
    /// The session is over.
    Lost,
    /// Until then ZooKeeper cannot have given the session up by itself, whatever happens from now on.
    Lease {
        /// On this node's own clock.
        until: Instant,
    },
    /// An operation ended.
    Completed {
        /// Which.
        id: OperationId,
        /// With what.
        result: Result<Outcome, CoordinationError>,
    },
    /// A one-shot watch fired.
    Watched {
        /// The znode.
        path: Arc<str>,
        /// What happened to it.
        kind: WatchKind,
    },
}

/// Where things are in ZooKeeper, below `nifi.zookeeper.root.node`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Paths {
    root: String,
}

impl Paths {
    /// The paths below `root`, which begins with a slash and does not end with one ("/" itself is allowed).
    #[must_use]
    pub fn new(root: &str) -> Self {
        Paths { root: root.trim_end_matches('/').into() }
    }

    /// The parents of everything, each after the one that it lies in. `election`: how those of the election are made;
    /// the others are persistent.
    #[must_use]
    pub fn parents(&self, election: CreateMode) -> Vec<(Arc<str>, CreateMode)> {
        let mut parents: Vec<(Arc<str>, CreateMode)> = Vec::new();
        let mut path = String::new();
        for segment in self.root.split('/').filter(|segment| !segment.is_empty()) {
            path.push('/');
            path.push_str(segment);
            parents.push((path.as_str().into(), CreateMode::Persistent));
        }
        for below in ["leaders", "leaders/Cluster Coordinator", "leaders/Primary Node"] {
            parents.push((self.below(below), election));
        }
        for path in [self.below("cluster"), self.members(), self.exclusions()] {
            parents.push((path, CreateMode::Persistent));
        }
        parents
    }

    /// Where candidates for `role` ("Cluster Coordinator", "Primary Node") line up.
    #[must_use]
    pub fn election(&self, role: &str) -> Arc<str> {
        child(&self.below("leaders"), role)
    }

    /// Where the elected coordinator writes its address.
    #[must_use]
    pub fn coordinator(&self) -> Arc<str> {
        self.below("cluster/coordinator")
    }

    /// Where members register.
    #[must_use]
    pub fn members(&self) -> Arc<str> {
        self.below("cluster/nodes")
    }

    /// Which flow the nodes elected, and below it which runs of which nodes were given it.
    #[must_use]
    pub fn elected_flow(&self) -> Arc<str> {
        self.below("cluster/flow")
    }

    /// Where the decisions of people about nodes are kept.
    #[must_use]
    pub fn exclusions(&self) -> Arc<str> {
        self.below("cluster/excluded")
    }

    fn below(&self, path: &str) -> Arc<str> {
        child(&self.root, path)
    }
}

/// The path of `child` below `parent`.
#[must_use]
pub fn child(parent: &str, child: &str) -> Arc<str> {
    [parent, "/", child].concat().into()
}
