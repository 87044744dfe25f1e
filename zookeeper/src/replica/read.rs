//! Reads of the tree: who may, and what is shown; watches are the server's business.

use super::multi::is_understood;
use super::{Replica, malformed};
use crate::acl::{self, Identity};
use crate::error::ErrorCode;
use crate::names::Names;
use crate::operation::{Operation, Reply};
use crate::order::{arrange, mixed};
use crate::tree::Znode;
use crate::types::{Release, SessionId};
use crate::wire::WRITTEN_BYTES_MAX;
use alloc::sync::Arc;
use alloc::vec::Vec;

impl Replica {
    /// Answers a read of the tree. `choices` settles the order of lists; with 0 they are sorted.
    ///
    /// What is no read of the tree is not known here.
    pub(crate) fn read(
        &self,
        operation: &Operation,
        session: SessionId,
        identities: &[Identity],
        choices: u64,
    ) -> Result<Reply, ErrorCode> {
        match operation {
            Operation::Exists { path, .. } => self.exists(path, identities),
            Operation::GetData { path, .. } => {
                let node = self.readable(path, identities)?;
                Ok(Reply::Data { data: node.data.clone(), stat: node.stat() })
            }
            Operation::GetAcl { path } => self.acl(path, identities),
            Operation::GetChildren { path, .. } => {
                let children = listed(path, self.readable(path, identities)?, choices);
                Ok(Reply::Children { children })
            }
            Operation::GetChildren2 { path, .. } => {
                let node = self.readable(path, identities)?;
                Ok(Reply::ChildrenWithStat {
                    children: listed(path, node, choices).into(),
                    stat: node.stat().into(),
                })
            }
            Operation::MultiRead { operations } => self.multi_read(operations, session, identities, choices),
            Operation::GetEphemerals { prefix } => Ok(self.ephemerals(prefix, session, choices)),
            Operation::GetAllChildrenNumber { path } => {
                self.readable(path, identities)?;
                let number = i32::try_from(self.tree.count_below(path)).unwrap_or(i32::MAX);
                Ok(Reply::AllChildrenNumber { number })
            }
            Operation::WhoAmI => {
                Ok(Reply::WhoAmI { identities: identities.iter().map(Identity::as_user).collect() })
            }
            Operation::Sync { path } => Ok(Reply::Synced { path: path.clone() }),
            Operation::Malformed { opcode, .. } => Err(malformed(*opcode, self.release)),
            // One that is no transaction was not understood.
            Operation::Multi { .. } if operation.loses_zxid(self.release) => {
                Ok(Reply::BrokenMulti { results: Vec::new() })
            }
            Operation::Multi { .. } => Err(ErrorCode::MarshallingError),
            Operation::Create(_)
            | Operation::Delete { .. }
            | Operation::DeleteContainer { .. }
            | Operation::SetData { .. }
            | Operation::SetAcl { .. }
            | Operation::Check { .. }
            | Operation::SetWatches(_)
            | Operation::AddWatch { .. }
            | Operation::RemoveWatches { .. }
            | Operation::CheckWatches { .. }
            | Operation::Reconfig
            | Operation::Unknown { .. } => Err(ErrorCode::Unimplemented),
        }
    }

    /// With 3.8 everybody may ask whether a node exists.
    fn exists(&self, path: &str, identities: &[Identity]) -> Result<Reply, ErrorCode> {
        if path.contains('\0') {
            return Err(ErrorCode::BadArguments);
        }
        let node = match self.release {
            Release::V3_8_0 => self.tree.node(path)?,
            Release::V3_9_5 => self.readable(path, identities)?,
        };
        Ok(Reply::Exists { stat: node.stat() })
    }

    fn readable(&self, path: &str, identities: &[Identity]) -> Result<&Znode, ErrorCode> {
        let node = self.tree.node(path)?;
        self.demand(node, acl::READ, identities).map(|()| node)
    }

    fn demand(&self, node: &Znode, permissions: i32, identities: &[Identity]) -> Result<(), ErrorCode> {
        match acl::permits(self.release, &node.acl, permissions, identities) {
            true => Ok(()),
            false => Err(ErrorCode::NoAuth),
        }
    }

    fn acl(&self, path: &str, identities: &[Identity]) -> Result<Reply, ErrorCode> {
        let node = self.tree.node(path)?;
        self.demand(node, acl::READ | acl::ADMIN, identities)?;
        let acl = match self.demand(node, acl::ADMIN, identities) {
            Ok(()) => node.acl.to_vec(),
            Err(_) => acl::redacted(&node.acl),
        };
        Ok(Reply::Acl { acl, stat: node.stat().into() })
    }

    /// Writes alone are understood, and stumbled over at the first; among reads one spoils the whole. A read without a
    /// path is stumbled over in its turn.
    ///
    /// The results end where they have become too long to be sent: the memory for all of them could be any amount, and
    /// the connection is closed instead of an answer.
    fn multi_read(
        &self,
        operations: &[Operation],
        session: SessionId,
        identities: &[Identity],
        choices: u64,
    ) -> Result<Reply, ErrorCode> {
        let is_read = |part: &Operation| match part {
            Operation::Malformed { opcode, .. } => matches!(opcode, 4 | 8),
            part => part.is_part_of_multi_read(),
        };
        if !operations.iter().all(is_read) {
            let writes = |part: &Operation| match part {
                Operation::Malformed { opcode, .. } => !matches!(opcode, 4 | 8),
                part => is_understood(part, self.release),
            };
            return match operations.iter().all(writes) {
                true => Ok(Reply::BrokenMulti { results: Vec::new() }),
                false => Err(ErrorCode::MarshallingError),
            };
        }
        let mut results = Vec::with_capacity(operations.len());
        let mut bytes = 0;
        for part in operations {
            if let Operation::Malformed { .. } = part {
                return Ok(Reply::BrokenMulti { results });
            }
            let result = self.read(part, session, identities, choices);
            bytes += result.as_ref().map_or(0, least_bytes);
            results.push(result);
            if bytes > WRITTEN_BYTES_MAX {
                break;
            }
        }
        Ok(Reply::Multi { results })
    }

    /// The prefix is one of text, not of names, except that blanks around nothing or around the root do not count.
    fn ephemerals(&self, prefix: &str, session: SessionId, choices: u64) -> Reply {
        let everything = matches!(prefix.trim_matches(|blank| blank <= ' '), "" | "/");
        let wanted = |path: &&Arc<str>| everything || path.starts_with(prefix);
        let mut paths: Vec<_> = self.tree.ephemerals(session).filter(wanted).cloned().collect();
        arrange(choices, &mut paths);
        Reply::Ephemerals { paths }
    }
}

/// How many bytes one of the results of a `multiRead` has on the wire at least.
fn least_bytes(reply: &Reply) -> usize {
    match reply {
        Reply::Data { data, .. } => data.as_ref().map_or(0, |data| data.len()),
        // Each name has a length before it, and is not empty.
        Reply::Children { children } => children.len() * 5,
        _ => 0,
    }
}

fn listed(path: &str, node: &Znode, choices: u64) -> Names {
    node.children.listed(mixed(choices, path))
}
