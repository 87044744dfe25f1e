//! Requests that change nothing but watches: answered by the server that they come to, from what it has applied.

use super::Server;
use super::turn::Turn;
use crate::error::ErrorCode;
use crate::operation::{Operation, Reply};
use crate::protocol::ServerMessage;
use crate::types::{ConnectionId, SessionId};

impl Server {
    pub(super) fn read(
        &mut self,
        turn: &mut Turn,
        connection: ConnectionId,
        session: SessionId,
        xid: i32,
        operation: Operation,
    ) {
        let result = self.outcome(turn, connection, session, &operation);
        turn.send(connection, ServerMessage::Reply { xid, zxid: self.visible_zxid(), result });
    }

    fn outcome(
        &mut self,
        turn: &mut Turn,
        connection: ConnectionId,
        session: SessionId,
        operation: &Operation,
    ) -> Result<Reply, ErrorCode> {
        match operation {
            Operation::Sync { path } => Ok(Reply::Synced { path: path.clone() }),
            Operation::SetWatches(lists) => {
                self.watches.set_watches(lists, connection, self.disk.replica.tree(), |event| {
                    turn.send(connection, ServerMessage::Event { event, zxid: None });
                })
            }
            Operation::AddWatch { path, mode } => self.watches.add_watch(path, *mode, connection),
            Operation::RemoveWatches { path, kind } => {
                self.watches.remove(path.as_deref(), *kind, connection)
            }
            Operation::CheckWatches { path, kind } => self.watches.check(path.as_deref(), *kind, connection),
            // The only read that shows their order.
            Operation::WhoAmI => {
                let identities = self.connections.listed_identities(connection);
                self.disk.replica.read(operation, session, &identities, self.config.choices)
            }
            Operation::Create(_)
            | Operation::Delete { .. }
            | Operation::DeleteContainer { .. }
            | Operation::Exists { .. }
            | Operation::GetData { .. }
            | Operation::SetData { .. }
            | Operation::GetAcl { .. }
            | Operation::SetAcl { .. }
            | Operation::GetChildren { .. }
            | Operation::GetChildren2 { .. }
            | Operation::Check { .. }
            | Operation::Multi { .. }
            | Operation::MultiRead { .. }
            | Operation::GetEphemerals { .. }
            | Operation::GetAllChildrenNumber { .. }
            | Operation::Reconfig
            | Operation::Malformed { .. }
            | Operation::Unknown { .. } => {
                let identities = self.connections.identities(connection);
                let result = self.disk.replica.read(operation, session, identities, self.config.choices);
                self.watches.register(operation, &result, connection);
                result
            }
        }
    }
}
