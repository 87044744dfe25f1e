//! What one server holds of the replicated state: the tree and the table of sessions, as of the last transaction applied.

mod multi;
mod prepare;
mod read;
#[cfg(test)]
mod tests;

use crate::acl::Identity;
use crate::error::ErrorCode;
use crate::operation::{Operation, Reply};
use crate::transaction::{Applied, Change, Transaction, TransactionBody};
use crate::tree::{Stamp, Tree};
use crate::types::{Release, SessionId, Zxid};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use prepare::Preparation;
use serde::{Deserialize, Serialize};

/// The replicated state of one server.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(crate) struct Replica {
    release: Release,
    extended_types: bool,
    tree: Tree,
    sessions: BTreeMap<SessionId, Duration>,
    last_zxid: Zxid,
}

impl Replica {
    /// The state of a fresh server. With `extended_types` nodes may have a time to live.
    pub(crate) fn new(release: Release, extended_types: bool) -> Self {
        Replica { release, extended_types, tree: Tree::new(), sessions: BTreeMap::new(), last_zxid: Zxid(0) }
    }

    /// Shows who the members of the ensemble are, in the node that is there for it. No transaction does this: each
    /// server does it for itself when it starts. One that stands alone does not.
    pub(crate) fn set_ensemble(&mut self, text: Arc<[u8]>, wall_ms: i64) {
        self.tree.set_ensemble(text, wall_ms);
    }

    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The sessions that are open, with their timeouts.
    pub(crate) fn sessions(&self) -> &BTreeMap<SessionId, Duration> {
        &self.sessions
    }

    /// The transaction applied last.
    pub(crate) fn last_zxid(&self) -> Zxid {
        self.last_zxid
    }

    /// The containers and nodes with a time to live that the leader is to delete, sorted. Its cost depends on their
    /// number alone.
    pub(crate) fn due_containers(&self, now_wall_ms: i64) -> Vec<Arc<str>> {
        self.tree.leftovers(now_wall_ms)
    }

    /// Applies the next transaction.
    ///
    /// # Panics
    /// When it is not newer than the last one.
    pub(crate) fn apply(&mut self, transaction: &Transaction) -> Applied {
        assert!(transaction.zxid > self.last_zxid, "transactions are applied in order, and once");
        self.last_zxid = transaction.zxid;
        let stamp = Stamp { zxid: transaction.zxid, millis: transaction.wall_ms };
        let mut changes = Vec::new();
        let result = match &transaction.body {
            TransactionBody::OpenSession { timeout } => {
                self.sessions.insert(transaction.session, *timeout);
                Ok(Reply::Nothing)
            }
            TransactionBody::CloseSession { order, .. } => {
                self.sessions.remove(&transaction.session);
                self.tree.delete_ephemerals(stamp, transaction.session, *order, &mut changes);
                Ok(Reply::Nothing)
            }
            TransactionBody::Write(write) => {
                self.write(stamp, transaction.session, &write.operation, &write.identities, &mut changes)
            }
            TransactionBody::EmptyMulti => Ok(Reply::Multi { results: Vec::new() }),
            TransactionBody::Refused(code) => Err(*code),
        };
        Applied { result, changes }
    }

    fn write(
        &mut self,
        stamp: Stamp,
        session: SessionId,
        operation: &Operation,
        identities: &[Identity],
        changes: &mut Vec<Change>,
    ) -> Result<Reply, ErrorCode> {
        let preparation =
            Preparation::new(&self.tree, self.release, self.extended_types, session, identities);
        match operation {
            Operation::Create(_)
            | Operation::Delete { .. }
            | Operation::DeleteContainer { .. }
            | Operation::SetData { .. }
            | Operation::SetAcl { .. } => {
                let (step, answer) = preparation.prepare(operation)?;
                let stat = self.tree.take(stamp, step, changes);
                Ok(answer.with(stat))
            }
            Operation::Check { .. } => match self.release {
                Release::V3_8_0 => preparation.prepare(operation).map(|_| Reply::Checked),
                Release::V3_9_5 => Err(ErrorCode::Unimplemented),
            },
            Operation::Multi { operations } => match multi::prepare(preparation, operations)? {
                Ok(prepared) => {
                    let take = |(step, answer): (_, prepare::Answer)| {
                        let stat = self.tree.take(stamp, step, changes);
                        Ok(answer.with(stat))
                    };
                    Ok(Reply::Multi { results: prepared.into_iter().map(take).collect() })
                }
                Err(failed) => Ok(failed),
            },
            // Nothing but a reconfiguration of the ensemble could be switched on for it.
            Operation::Reconfig => Err(ErrorCode::ReconfigDisabled),
            Operation::Malformed { opcode, .. } => Err(malformed(*opcode, self.release)),
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
            | Operation::Unknown { .. } => Err(ErrorCode::Unimplemented),
        }
    }
}

/// What is answered to a body that makes no sense.
fn malformed(opcode: i32, release: Release) -> ErrorCode {
    match (opcode, release) {
        // 3.8 takes the whole message for the path of a container, and 3.9 knows no check outside of a multi.
        (20, Release::V3_8_0) => ErrorCode::BadArguments,
        (13, Release::V3_9_5) => ErrorCode::Unimplemented,
        (_, Release::V3_8_0 | Release::V3_9_5) => ErrorCode::MarshallingError,
    }
}
