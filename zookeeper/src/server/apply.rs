//! What a transaction does when it is applied: the replica changes, watches go off, the session is heard of, its client
//! is answered, in this order.

use super::interface::ServerRecord;
use super::requests::Answer;
use super::turn::Turn;
use super::{Part, Server};
use crate::protocol::ServerMessage;
use crate::transaction::{Change, Transaction, TransactionBody};
use crate::types::{ConnectionId, Release, SessionId, Zxid};

impl Server {
    /// Applies the next transaction. `answer` is for the client of this server that has asked for it.
    pub(super) fn apply(&mut self, turn: &mut Turn, transaction: &Transaction, answer: Option<Answer>) {
        let leaves = self.forget_who_leaves(transaction, answer.as_ref());
        let applied = self.disk.replica.apply(transaction);
        self.tell_watches(turn, transaction.zxid, &applied.changes);
        self.note(turn, transaction);
        if let Some(answer) = answer {
            self.answer(turn, answer, applied.result);
        }
        if let Some(connection) = leaves {
            turn.close(connection);
        }
    }

    /// The connection of a session that ends without having asked here for its end. It hears of nothing any more, not even
    /// of its own ephemeral nodes; one that has asked does.
    fn forget_who_leaves(
        &mut self,
        transaction: &Transaction,
        answer: Option<&Answer>,
    ) -> Option<ConnectionId> {
        match (&transaction.body, answer) {
            (TransactionBody::CloseSession { .. }, None) => {
                let leaves = self.connections.of_session(transaction.session);
                leaves.filter(|connection| self.forget(*connection))
            }
            (TransactionBody::CloseSession { .. }, Some(_))
            | (
                TransactionBody::OpenSession { .. }
                | TransactionBody::Write(_)
                | TransactionBody::EmptyMulti
                | TransactionBody::Refused(_),
                _,
            ) => None,
        }
    }

    /// Events are sent before the reply to the request that caused them. A watch that goes off for somebody who may not
    /// read the node is gone all the same.
    fn tell_watches(&mut self, turn: &mut Turn, zxid: Zxid, changes: &[Change]) {
        let release = self.config.release;
        let zxid = match release {
            Release::V3_8_0 => None,
            Release::V3_9_5 => Some(zxid),
        };
        for change in changes {
            let connections = &self.connections;
            self.watches.trigger(change.kind, &change.path, |connection, event| {
                if change.may_be_told(release, connections.identities(connection)) {
                    turn.send(connection, ServerMessage::Event { event, zxid });
                }
            });
        }
    }

    /// The leader tracks sessions, and records them.
    fn note(&mut self, turn: &mut Turn, transaction: &Transaction) {
        let Part::Leading(leader) = &mut self.part else { return };
        let session = transaction.session;
        match &transaction.body {
            TransactionBody::OpenSession { timeout } => {
                turn.record(ServerRecord::SessionOpened { session, timeout: *timeout });
            }
            TransactionBody::CloseSession { expired, .. } => {
                leader.tracker.remove(session);
                turn.record(ended(session, *expired));
            }
            TransactionBody::Write(_) | TransactionBody::EmptyMulti | TransactionBody::Refused(_) => {}
        }
    }
}

fn ended(session: SessionId, expired: bool) -> ServerRecord {
    if expired { ServerRecord::SessionExpired { session } } else { ServerRecord::SessionClosed { session } }
}
