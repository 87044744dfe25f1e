//! What a client asks of the tree, and what it gets back; what it means is left to the replica.

use crate::acl::{Acl, Identity};
use crate::error::ErrorCode;
use crate::names::Names;
use crate::types::{Data, Release, Stat, Zxid};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The version that matches every version.
pub const ANY_VERSION: i32 = -1;

/// The longest time to live: what fits into 40 bits.
pub(crate) const TTL_MS_MAX: i64 = 0xff_ffff_ffff;

/// What kind of node to create: the flag of the request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum CreateMode {
    /// 0: stays until it is deleted.
    Persistent,
    /// 1: goes away with the session that created it, and has no children.
    Ephemeral,
    /// 2: as `Persistent`, with a number of ten digits appended to the name.
    PersistentSequential,
    /// 3: as `Ephemeral`, with a number of ten digits appended to the name.
    EphemeralSequential,
    /// 4: as `Persistent`; the leader deletes it when it has lost its last child.
    Container,
    /// 5: as `Persistent`; the leader deletes it when it has no children and was not changed for a while.
    PersistentWithTtl,
    /// 6: as `PersistentWithTtl`, with a number of ten digits appended to the name.
    PersistentSequentialWithTtl,
    /// A flag that stands for nothing; refused with [`ErrorCode::BadArguments`].
    Unknown(i32),
}

impl CreateMode {
    /// Whether a number is appended to the name.
    #[must_use]
    pub const fn is_sequential(self) -> bool {
        match self {
            CreateMode::PersistentSequential
            | CreateMode::EphemeralSequential
            | CreateMode::PersistentSequentialWithTtl => true,
            CreateMode::Persistent
            | CreateMode::Ephemeral
            | CreateMode::Container
            | CreateMode::PersistentWithTtl
            | CreateMode::Unknown(_) => false,
        }
    }

    /// Whether the node goes away with its session.
    #[must_use]
    pub const fn is_ephemeral(self) -> bool {
        match self {
            CreateMode::Ephemeral | CreateMode::EphemeralSequential => true,
            CreateMode::Persistent
            | CreateMode::PersistentSequential
            | CreateMode::Container
            | CreateMode::PersistentWithTtl
            | CreateMode::PersistentSequentialWithTtl
            | CreateMode::Unknown(_) => false,
        }
    }

    /// Whether the node has a time to live.
    #[must_use]
    pub const fn is_ttl(self) -> bool {
        match self {
            CreateMode::PersistentWithTtl | CreateMode::PersistentSequentialWithTtl => true,
            CreateMode::Persistent
            | CreateMode::Ephemeral
            | CreateMode::PersistentSequential
            | CreateMode::EphemeralSequential
            | CreateMode::Container
            | CreateMode::Unknown(_) => false,
        }
    }
}

/// Which of the four requests to create a node this is. What it makes of the flag differs, and what it answers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum CreateRequest {
    /// `create` (1): answers with the path alone.
    Create,
    /// `create2` (15): answers with path and stat.
    Create2,
    /// `createContainer` (19): answers with path and stat.
    CreateContainer,
    /// `createTTL` (21): answers with path and stat.
    CreateTtl,
}

/// A node to create.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Create {
    /// By which request.
    pub request: CreateRequest,
    /// The node, without the number of a sequential one.
    pub path: Arc<str>,
    /// Its first data.
    pub data: Data,
    /// Its ACL; `None` is what the wire calls null.
    pub acl: Option<Vec<Acl>>,
    /// Its kind.
    pub mode: CreateMode,
    /// Its time to live in milliseconds. Only `CreateTtl` carries one; −1 for the others.
    pub ttl_ms: i64,
}

impl Create {
    /// A node that everybody may read and write, by `create2`.
    #[must_use]
    pub fn open(path: Arc<str>, data: Arc<[u8]>, mode: CreateMode) -> Self {
        let request = match mode {
            CreateMode::Container => CreateRequest::CreateContainer,
            CreateMode::PersistentWithTtl | CreateMode::PersistentSequentialWithTtl => {
                CreateRequest::CreateTtl
            }
            CreateMode::Persistent
            | CreateMode::Ephemeral
            | CreateMode::PersistentSequential
            | CreateMode::EphemeralSequential
            | CreateMode::Unknown(_) => CreateRequest::Create2,
        };
        Create { request, path, data: Some(data), acl: Some(Acl::open()), mode, ttl_ms: -1 }
    }

    /// Whether the flag stands for nothing, or does not go with the time to live: that is refused before anything else is
    /// looked at.
    #[must_use]
    pub(crate) fn has_bad_flag(&self) -> bool {
        match (self.mode, self.request) {
            (CreateMode::Unknown(_), _) => true,
            (mode, CreateRequest::CreateTtl) if mode.is_ttl() => !(1..=TTL_MS_MAX).contains(&self.ttl_ms),
            (mode, _) if mode.is_ttl() => true,
            (_, CreateRequest::CreateTtl) => self.ttl_ms >= 0,
            (_, CreateRequest::Create | CreateRequest::Create2 | CreateRequest::CreateContainer) => false,
        }
    }

    /// Whether a server gets through reading it as part of a multi. 3.9 looks at flags and ACLs while it reads.
    #[must_use]
    pub(crate) fn is_understood_as_part(&self, release: Release) -> bool {
        match (self.request, release) {
            (CreateRequest::CreateTtl, Release::V3_8_0 | Release::V3_9_5) => true,
            (
                CreateRequest::Create | CreateRequest::Create2 | CreateRequest::CreateContainer,
                Release::V3_8_0,
            ) => true,
            (
                CreateRequest::Create | CreateRequest::Create2 | CreateRequest::CreateContainer,
                Release::V3_9_5,
            ) => {
                let known = !matches!(self.mode, CreateMode::Unknown(_));
                known && !self.mode.is_ttl() && self.acl.is_some()
            }
        }
    }
}

/// The lists of watches that a client arms again after a reconnect.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct WatchLists {
    /// Changes after this transaction were missed.
    pub relative_zxid: Zxid,
    /// Paths whose data was watched.
    pub data: Vec<Arc<str>>,
    /// Paths whose creation was watched.
    pub exist: Vec<Arc<str>>,
    /// Paths whose children were watched.
    pub child: Vec<Arc<str>>,
    /// Paths with a persistent watch.
    pub persistent: Vec<Arc<str>>,
    /// Paths with a persistent recursive watch.
    pub recursive: Vec<Arc<str>>,
    /// Whether a null stands behind the last of these paths. A server does what it is told before it, and stumbles.
    pub ends_in_null: bool,
}

/// What a client asks of the tree. The numbers are those of the wire.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Operation {
    /// 1, 15, 19, 21: creates a node below an existing one.
    Create(Box<Create>),
    /// 2: deletes a node without children.
    Delete {
        /// The node.
        path: Arc<str>,
        /// The version its data must have, or [`ANY_VERSION`].
        version: i32,
    },
    /// 20: deletes a container or TTL node without children. The leader's own request, but nobody is kept from it.
    DeleteContainer {
        /// The node.
        path: Arc<str>,
    },
    /// 3: asks for the stat of a node.
    Exists {
        /// The node.
        path: Arc<str>,
        /// Whether to tell once of its creation, deletion or change of data.
        watch: bool,
    },
    /// 4: reads a node.
    GetData {
        /// The node.
        path: Arc<str>,
        /// Whether to tell once of its deletion or change of data; nothing is watched when there is no node.
        watch: bool,
    },
    /// 5: replaces the data of a node.
    SetData {
        /// The node.
        path: Arc<str>,
        /// Its new data.
        data: Data,
        /// The version its data must have, or [`ANY_VERSION`].
        version: i32,
    },
    /// 6: reads the ACL of a node.
    GetAcl {
        /// The node.
        path: Arc<str>,
    },
    /// 7: replaces the ACL of a node.
    SetAcl {
        /// The node.
        path: Arc<str>,
        /// Its new ACL; `None` is what the wire calls null.
        acl: Option<Vec<Acl>>,
        /// The version its ACL must have, or [`ANY_VERSION`].
        version: i32,
    },
    /// 8: lists the children of a node.
    GetChildren {
        /// The node.
        path: Arc<str>,
        /// Whether to tell once of its deletion or of a child created or deleted; nothing is watched when there is no node.
        watch: bool,
    },
    /// 12: as `GetChildren`, and the stat of the node.
    GetChildren2 {
        /// The node.
        path: Arc<str>,
        /// Whether to tell once of its deletion or of a child created or deleted; nothing is watched when there is no node.
        watch: bool,
    },
    /// 9: waits until the server has applied what the leader has proposed so far.
    Sync {
        /// Any path, or what the wire calls null; nothing looks at it.
        path: Option<Arc<str>>,
    },
    /// 13: checks the version of a node. It belongs into a `Multi`. On its own 3.9 does not know it, and 3.8 answers it only
    /// when the check fails: that it has succeeded nobody ever hears.
    Check {
        /// The node.
        path: Arc<str>,
        /// The version its data must have, or [`ANY_VERSION`].
        version: i32,
    },
    /// 14: all of these writes and checks, or none.
    Multi {
        /// Creates, deletes, `SetData` and `Check`, in order.
        operations: Vec<Operation>,
    },
    /// 22: several reads.
    MultiRead {
        /// `GetData` and `GetChildren`, in order.
        operations: Vec<Operation>,
    },
    /// 101 and 105: arms the watches again that an earlier connection of the session took with it.
    SetWatches(Box<WatchLists>),
    /// 106: adds a watch that stays.
    AddWatch {
        /// The node.
        path: Arc<str>,
        /// 0 persistent, 1 persistent and recursive; others are refused.
        mode: i32,
    },
    /// 18: takes watches away.
    RemoveWatches {
        /// The node, or what the wire calls null, which nobody watches.
        path: Option<Arc<str>>,
        /// 1 of children, 2 of data, 3 any, 4 persistent, 5 recursive (the last two since 3.9.2); others are refused.
        kind: i32,
    },
    /// 17: asks whether there is a watch.
    CheckWatches {
        /// As for `RemoveWatches`.
        path: Option<Arc<str>>,
        /// As for `RemoveWatches`.
        kind: i32,
    },
    /// 103: lists the ephemeral nodes of the session below a prefix.
    GetEphemerals {
        /// The prefix.
        prefix: Arc<str>,
    },
    /// 104: counts all nodes below one.
    GetAllChildrenNumber {
        /// The node.
        path: Arc<str>,
    },
    /// 107: lists the identities of the connection.
    WhoAmI,
    /// 16: changes the members of the ensemble. Always refused here.
    Reconfig,
    /// A request whose body makes no sense.
    Malformed {
        /// The number of the request.
        opcode: i32,
        /// Whether the body could be read, and has null where none may be; for a `multi`, whether reading it ends at
        /// such a null, whatever stands behind.
        readable: bool,
    },
    /// A request that is not known.
    Unknown {
        /// The number of the request.
        opcode: i32,
    },
}

impl Operation {
    /// About how many bytes of memory the operation takes, for those who bound what they keep.
    #[must_use]
    pub fn weight(&self) -> usize {
        let text = |path: &Option<Arc<str>>| path.as_ref().map_or(0, |path| path.len());
        let list = |paths: &Vec<Arc<str>>| -> usize {
            paths.iter().map(|path| path.len() + size_of::<Arc<str>>()).sum()
        };
        let of_acl = |acl: &Option<Vec<Acl>>| {
            let entry =
                |entry: &Acl| size_of::<Acl>() + entry.identity.scheme.len() + entry.identity.id.len();
            acl.iter().flatten().map(entry).sum::<usize>()
        };
        let of_data = |data: &Data| data.as_ref().map_or(0, |data| data.len());
        let inside = match self {
            Operation::Create(create) => {
                size_of::<Create>() + create.path.len() + of_data(&create.data) + of_acl(&create.acl)
            }
            Operation::SetData { path, data, .. } => path.len() + of_data(data),
            Operation::SetAcl { path, acl, .. } => path.len() + of_acl(acl),
            Operation::Delete { path, .. }
            | Operation::DeleteContainer { path }
            | Operation::Exists { path, .. }
            | Operation::GetData { path, .. }
            | Operation::GetAcl { path }
            | Operation::GetChildren { path, .. }
            | Operation::GetChildren2 { path, .. }
            | Operation::Check { path, .. }
            | Operation::AddWatch { path, .. }
            | Operation::GetEphemerals { prefix: path }
            | Operation::GetAllChildrenNumber { path } => path.len(),
            Operation::Sync { path }
            | Operation::RemoveWatches { path, .. }
            | Operation::CheckWatches { path, .. } => text(path),
            Operation::Multi { operations } | Operation::MultiRead { operations } => {
                operations.iter().map(Operation::weight).sum::<usize>()
            }
            Operation::SetWatches(lists) => {
                let WatchLists { data, exist, child, persistent, recursive, .. } = &**lists;
                [data, exist, child, persistent, recursive].into_iter().map(list).sum::<usize>()
            }
            Operation::WhoAmI
            | Operation::Reconfig
            | Operation::Malformed { .. }
            | Operation::Unknown { .. } => 0,
        };
        size_of::<Operation>() + inside
    }

    /// Whether the operation goes to the leader: it needs the connection that owns the session. Almost all of these take
    /// a zxid; [`Operation::takes_zxid`] says which.
    #[must_use]
    pub const fn is_write(&self) -> bool {
        match self {
            Operation::Create(_)
            | Operation::Delete { .. }
            | Operation::DeleteContainer { .. }
            | Operation::SetData { .. }
            | Operation::SetAcl { .. }
            | Operation::Check { .. }
            | Operation::Multi { .. }
            | Operation::Reconfig => true,
            Operation::Exists { .. }
            | Operation::GetData { .. }
            | Operation::GetAcl { .. }
            | Operation::GetChildren { .. }
            | Operation::GetChildren2 { .. }
            | Operation::Sync { .. }
            | Operation::MultiRead { .. }
            | Operation::SetWatches(_)
            | Operation::AddWatch { .. }
            | Operation::RemoveWatches { .. }
            | Operation::CheckWatches { .. }
            | Operation::GetEphemerals { .. }
            | Operation::GetAllChildrenNumber { .. }
            | Operation::WhoAmI
            | Operation::Malformed { .. }
            | Operation::Unknown { .. } => false,
        }
    }

    /// Whether the operation is a transaction and takes a zxid, also when it is refused.
    ///
    /// A body that cannot be read is found out by 3.8 when the number is given already, and by 3.9 before that. With a
    /// `multi` it is the other way round for 3.9, unless reading it ends at a `create` without an ACL.
    #[must_use]
    pub fn takes_zxid(&self, release: Release) -> bool {
        match (self, release) {
            (Operation::Multi { .. }, Release::V3_8_0) => !self.loses_zxid(release),
            (Operation::Multi { operations }, Release::V3_9_5) => !stops_at_null_acl(operations),
            (Operation::Check { .. }, Release::V3_9_5) => false,
            (Operation::Malformed { opcode, readable }, Release::V3_8_0) => {
                matches!(opcode, 1 | 2 | 5 | 7 | 13 | 14 | 15 | 19 | 20 | 21) || *opcode == 16 && *readable
            }
            (Operation::Malformed { opcode, readable }, Release::V3_9_5) => match opcode {
                14 => !*readable,
                opcode => matches!(opcode, 1 | 2 | 5 | 7 | 15 | 16 | 19 | 21) && *readable,
            },
            (operation, Release::V3_8_0 | Release::V3_9_5) => operation.is_write(),
        }
    }

    /// Whether the operation is given a number that never becomes one of a transaction: 3.8 stumbles over a part of a
    /// multi that has no path just behind that.
    #[must_use]
    pub(crate) fn loses_zxid(&self, release: Release) -> bool {
        match (self, release) {
            (Operation::Multi { operations }, Release::V3_8_0) => {
                operations.iter().any(|part| matches!(part, Operation::Malformed { .. }))
            }
            (_, Release::V3_8_0 | Release::V3_9_5) => false,
        }
    }

    /// Whether the operation may be part of a `multi`.
    pub(crate) const fn is_part_of_multi(&self) -> bool {
        matches!(
            self,
            Operation::Create(_)
                | Operation::Delete { .. }
                | Operation::SetData { .. }
                | Operation::Check { .. }
        )
    }

    /// Whether the operation may be part of a `multiRead`.
    pub(crate) const fn is_part_of_multi_read(&self) -> bool {
        matches!(self, Operation::GetData { .. } | Operation::GetChildren { .. })
    }

    /// Whether the request is not known, so that the connection is closed behind the answer. The answer then carries no
    /// number of a transaction, but −1.
    #[must_use]
    pub const fn closes_connection(&self, release: Release) -> bool {
        match release {
            Release::V3_8_0 => matches!(self, Operation::Unknown { .. }),
            Release::V3_9_5 => matches!(
                self,
                Operation::Unknown { .. } | Operation::Check { .. } | Operation::Malformed { opcode: 13, .. }
            ),
        }
    }
}

/// Whether reading a multi ends at an ACL that is null. 3.9 trips over it so badly that the multi gets no zxid; whatever
/// else it may find before that it refuses as it should.
pub(crate) fn stops_at_null_acl(operations: &[Operation]) -> bool {
    let first_reads = operations.first().is_some_and(Operation::is_part_of_multi_read);
    for part in operations {
        if let Operation::Create(create) = part
            && create.request != CreateRequest::CreateTtl
        {
            match (create.mode, &create.acl) {
                (CreateMode::Unknown(_), _) => return false,
                (_, None) => return true,
                (mode, Some(_)) if mode.is_ttl() => return false,
                (_, Some(_)) => {}
            }
        }
        let misses = matches!(part, Operation::Malformed { .. });
        let legal = misses || part.is_part_of_multi() || part.is_part_of_multi_read();
        if !legal || part.is_part_of_multi_read() != first_reads {
            return false;
        }
    }
    false
}

/// What an operation that succeeded gives back.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// To `create`.
    Created {
        /// The node, with the number of a sequential one.
        path: Arc<str>,
    },
    /// To the other three requests that create.
    CreatedWithStat {
        /// The node, with the number of a sequential one.
        path: Arc<str>,
        /// Its stat.
        stat: Stat,
    },
    /// The node was deleted.
    Deleted,
    /// The node exists.
    Exists {
        /// Its stat.
        stat: Stat,
    },
    /// The node was read.
    Data {
        /// Its data.
        data: Data,
        /// Its stat.
        stat: Stat,
    },
    /// The data was replaced.
    DataSet {
        /// The stat after it.
        stat: Stat,
    },
    /// The ACL was read.
    Acl {
        /// The ACL.
        acl: Vec<Acl>,
        /// The stat of the node.
        stat: Box<Stat>,
    },
    /// The ACL was replaced.
    AclSet {
        /// The stat after it.
        stat: Stat,
    },
    /// The children were listed.
    Children {
        /// Their names (not paths). ZooKeeper promises no order.
        children: Names,
    },
    /// The children were listed.
    ChildrenWithStat {
        /// Their names (not paths). ZooKeeper promises no order.
        children: Vec<Arc<str>>,
        /// The stat of their parent.
        stat: Box<Stat>,
    },
    /// The server has caught up.
    Synced {
        /// The path of the request.
        path: Option<Arc<str>>,
    },
    /// The version is the one asked for.
    Checked,
    /// What became of each part of a `Multi` or `MultiRead`. When a part of a `Multi` failed, all are errors:
    /// [`ErrorCode::Ok`] before it, [`ErrorCode::RuntimeInconsistency`] behind it.
    Multi {
        /// The results, in the order of the operations.
        results: Vec<Result<Reply, ErrorCode>>,
    },
    /// What became of the first parts of a `Multi` or `MultiRead`, before the server stumbled over the next. It is
    /// sent with [`ErrorCode::MarshallingError`], and a client takes it for that.
    BrokenMulti {
        /// The results, in the order of the operations.
        results: Vec<Result<Reply, ErrorCode>>,
    },
    /// The watches of `SetWatches` are armed, or were told of.
    WatchesSet,
    /// The watch is there.
    WatchAdded,
    /// The watches are gone.
    WatchesRemoved,
    /// There is such a watch.
    WatchesChecked,
    /// The ephemeral nodes of the session.
    Ephemerals {
        /// Their paths. ZooKeeper promises no order.
        paths: Vec<Arc<str>>,
    },
    /// How many nodes there are below.
    AllChildrenNumber {
        /// Their number.
        number: i32,
    },
    /// Who the connection is.
    WhoAmI {
        /// Its identities.
        identities: Vec<Identity>,
    },
    /// The credentials were accepted.
    Authenticated,
    /// A header and nothing else.
    Nothing,
}
