//! One entry of the ensemble's log, as its leader numbers it; what it does to a server is left to the replica.

use crate::acl::{self, Acl, Identity};
use crate::error::ErrorCode;
use crate::operation::{Operation, Reply};
use crate::types::{EventKind, Release, SessionId, Zxid};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A transaction. Every server applies the same ones in the same order, and comes to the same result. A copy is made for
/// each log; what needs memory is shared by all of them.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Transaction {
    /// Its number.
    pub zxid: Zxid,
    /// Milliseconds of the leader's wall clock.
    pub wall_ms: i64,
    /// Whose it is. The leader's own (the deletion of containers) are of session 0.
    pub session: SessionId,
    /// What it does.
    pub body: TransactionBody,
}

impl Transaction {
    /// About how many bytes of memory it takes, for those who bound what they keep; also those it shares with other logs.
    #[must_use]
    pub fn weight(&self) -> usize {
        let inside = match &self.body {
            TransactionBody::Write(write) => {
                write.operation.weight() + write.identities.len() * size_of::<Identity>()
            }
            TransactionBody::OpenSession { .. }
            | TransactionBody::CloseSession { .. }
            | TransactionBody::EmptyMulti
            | TransactionBody::Refused(_) => 0,
        };
        size_of::<Transaction>() + inside
    }
}

/// Each log has a copy of its own, and most messages between servers carry one.
const _: () = assert!(size_of::<Transaction>() <= 48);

/// What a transaction does.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum TransactionBody {
    /// Opens the session.
    OpenSession {
        /// Its negotiated timeout.
        timeout: Duration,
    },
    /// Ends the session and deletes its ephemeral nodes.
    CloseSession {
        /// Settles their order, which ZooKeeper leaves open. With 0 it is the order of the paths.
        order: u64,
        /// Whether its time was up. Otherwise its client asked for the end. It makes no difference but for the record.
        expired: bool,
    },
    /// A write. It is checked when it is applied, and takes its number even when it is refused.
    Write(Arc<Write>),
    /// A `Multi` without parts, which changes nothing and cannot fail. Leases are kept up by it, so that a quiet cluster
    /// writes little else: it has no memory of its own.
    EmptyMulti,
    /// A write that the leader has refused already.
    Refused(ErrorCode),
}

/// What a client asks to be written; not a `Multi` without parts, which is a body of its own.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Write {
    /// What to write.
    pub operation: Operation,
    /// Who asks for it.
    pub identities: Arc<[Identity]>,
}

impl TransactionBody {
    /// The body of a transaction that writes this.
    pub(crate) fn write(operation: Operation, identities: Arc<[Identity]>) -> Self {
        match operation {
            Operation::Multi { operations } if operations.is_empty() => TransactionBody::EmptyMulti,
            operation => TransactionBody::Write(Arc::new(Write { operation, identities })),
        }
    }
}

/// What a transaction has done to a server.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Applied {
    /// What its client is told.
    pub result: Result<Reply, ErrorCode>,
    /// What watches are told, in this order.
    pub changes: Vec<Change>,
}

/// One change of the tree, as watches see it. The creation or deletion of a node is followed by the change of its
/// parent's children.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Change {
    /// What happened.
    pub kind: EventKind,
    /// To which node.
    pub path: Arc<str>,
    /// The ACL of that node, which says who may hear of it.
    pub acl: Arc<[Acl]>,
}

impl Change {
    /// Whether a connection with these identities may hear of it: who may not read the node is not told (ZOOKEEPER-4799),
    /// but a watch that waits once is over all the same.
    #[must_use]
    pub fn may_be_told(&self, release: Release, identities: &[Identity]) -> bool {
        acl::permits(release, &self.acl, acl::READ, identities)
    }
}
