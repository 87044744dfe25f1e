//! One node, and what is shown of it.

use super::Stamp;
use super::children::Children;
use crate::acl::Acl;
use crate::types::{Data, SessionId, Stat, Zxid};
use alloc::sync::Arc;
use serde::{Deserialize, Serialize};

/// One node. The creations below it are counted, the deletions are not: sequence numbers come from this count.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(crate) struct Znode {
    pub(crate) data: Data,
    pub(crate) acl: Arc<[Acl]>,
    pub(crate) kind: Kind,
    pub(super) czxid: Zxid,
    pub(super) mzxid: Zxid,
    pub(super) pzxid: Zxid,
    pub(super) ctime: i64,
    pub(super) mtime: i64,
    pub(crate) version: i32,
    pub(crate) children_created: i32,
    pub(crate) aversion: i32,
    pub(crate) children: Children,
}

/// What a node is, which a real server reads off its owner.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(crate) enum Kind {
    Persistent,
    Ephemeral(SessionId),
    Container,
    /// Its time to live in milliseconds.
    Ttl(i64),
}

impl Znode {
    pub(super) fn new(stamp: Stamp, data: Data, acl: Arc<[Acl]>, kind: Kind) -> Self {
        Znode {
            data,
            acl,
            kind,
            czxid: stamp.zxid,
            mzxid: stamp.zxid,
            pzxid: stamp.zxid,
            ctime: stamp.millis,
            mtime: stamp.millis,
            version: 0,
            children_created: 0,
            aversion: 0,
            children: Children::default(),
        }
    }

    /// Whether the node goes with its session. Only such a node can have no children.
    pub(crate) fn is_ephemeral(&self) -> bool {
        match self.kind {
            Kind::Ephemeral(_) => true,
            Kind::Persistent | Kind::Container | Kind::Ttl(_) => false,
        }
    }

    pub(crate) fn stat(&self) -> Stat {
        let num_children = i32::try_from(self.children.len()).unwrap_or(i32::MAX);
        Stat {
            czxid: self.czxid,
            mzxid: self.mzxid,
            pzxid: self.pzxid,
            ctime: self.ctime,
            mtime: self.mtime,
            version: self.version,
            // Created + deleted = 2 × created − those that are left; it wraps as ZooKeeper's does.
            cversion: self.children_created.wrapping_mul(2).wrapping_sub(num_children),
            aversion: self.aversion,
            ephemeral_owner: match self.kind {
                Kind::Ephemeral(session) => Some(session),
                Kind::Persistent | Kind::Container | Kind::Ttl(_) => None,
            },
            data_length: self.data.as_ref().map_or(0, |data| i32::try_from(data.len()).unwrap_or(i32::MAX)),
            num_children,
        }
    }
}
