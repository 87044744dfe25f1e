//! The requests of attached clients, and the queue in which those of one session wait for each other; what a read or a
//! transaction does is left to `reads` and `apply`.
//!
//! On a server of an ensemble a write waits until it is committed, and everything that its session has sent behind it
//! waits too, pings included; other sessions do not.

use super::connections::Speaker;
use super::leader::Origin;
use super::peer::{Ask, PeerMessage};
use super::turn::Turn;
use super::{Part, Server};
use crate::authentication::authenticate;
use crate::error::ErrorCode;
use crate::operation::{Operation, Reply};
use crate::protocol::{ClientMessage, ServerMessage};
use crate::types::{ConnectionId, SessionId, Zxid};
use alloc::sync::Arc;
use alloc::vec;
use core::time::Duration;

/// Who is to be told what of a transaction.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Answer {
    /// That its session is open.
    Connected { connection: ConnectionId, session: SessionId },
    /// The outcome.
    Reply { connection: ConnectionId, xid: i32, manner: Manner },
    /// That its session is closed.
    Closed { connection: ConnectionId, xid: i32 },
}

/// What a reply looks like that is not plainly the outcome.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Manner {
    Plain,
    /// A `Multi` of so many parts: the end of the session is told as an outcome of them.
    Parts(usize),
    /// A `Check` on its own: 3.8.0 stumbles over its success and says nothing.
    ErrorsOnly,
}

/// Something that a session's later requests wait for, or one of these.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Waiting {
    /// For the transaction that comes of request `number` of this server.
    Committed { number: u64, answer: Answer },
    /// For the leader's answer to a `Sync`.
    Synced { number: u64, connection: ConnectionId, xid: i32, path: Option<Arc<str>> },
    /// For those before it.
    Local { connection: ConnectionId, local: Local },
}

/// What a server does by itself.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Local {
    Ping,
    Read {
        xid: i32,
        operation: Operation,
    },
    /// The leader saw that the session belongs to another server. No client ever sees an error for it.
    Moved,
}

impl Server {
    /// A message has arrived on a connection.
    pub(super) fn receive(&mut self, turn: &mut Turn, connection: ConnectionId, message: ClientMessage) {
        if !self.is_serving() {
            return self.close(turn, connection);
        }
        let Some((speaker, timeout)) = self.connections.heard(turn.now, connection) else { return };
        match speaker {
            Speaker::Newcomer => self.first(turn, connection, message),
            Speaker::Waiting => {
                if !self.connections.hold(connection, message) {
                    self.close(turn, connection);
                }
            }
            Speaker::Client(session) => self.serve(turn, connection, session, timeout, message),
        }
    }

    fn first(&mut self, turn: &mut Turn, connection: ConnectionId, message: ClientMessage) {
        match message {
            ClientMessage::Connect { session, timeout, last_zxid_seen } => {
                self.connect(turn, connection, session, timeout, last_zxid_seen);
            }
            ClientMessage::Ping
            | ClientMessage::Authenticate { .. }
            | ClientMessage::Request { .. }
            | ClientMessage::CloseSession { .. } => self.close(turn, connection),
        }
    }

    /// Serves a message of an attached client. All but credentials are heard of as a sign of life; of a session that is
    /// about to end they are not, and are dropped without an answer.
    fn serve(
        &mut self,
        turn: &mut Turn,
        connection: ConnectionId,
        session: SessionId,
        timeout: Duration,
        message: ClientMessage,
    ) {
        match message {
            ClientMessage::Connect { .. } => self.close(turn, connection),
            ClientMessage::Authenticate { xid, scheme, credentials } => {
                self.authenticate(turn, connection, xid, &scheme, &credentials);
            }
            ClientMessage::Ping => {
                if self.touch(turn.now, session, timeout) {
                    self.local(turn, connection, session, Local::Ping);
                }
            }
            ClientMessage::Request { xid, operation } => {
                if self.touch(turn.now, session, timeout) {
                    self.request(turn, connection, session, xid, operation);
                }
            }
            ClientMessage::CloseSession { xid } => {
                if self.touch(turn.now, session, timeout) {
                    self.submit(turn, session, Ask::CloseSession, Answer::Closed { connection, xid });
                }
            }
        }
    }

    /// Credentials are looked at as they come; they wait for nothing.
    fn authenticate(
        &mut self,
        turn: &mut Turn,
        connection: ConnectionId,
        xid: i32,
        scheme: &str,
        credentials: &[u8],
    ) {
        let Some(known) = self.connections.get(connection) else { return };
        let super_digest = self.config.super_digest.as_deref();
        let added = authenticate(scheme, credentials, super_digest, known.origin.as_deref());
        let result = added.as_ref().map(|_| Reply::Authenticated).map_err(|code| *code);
        turn.send(connection, ServerMessage::Reply { xid, zxid: Zxid(0), result });
        match added {
            Ok(added) => self.connections.add_identities(connection, added),
            Err(_) => self.close(turn, connection),
        }
    }

    /// Something was heard of a session. False when its end is decided.
    fn touch(&mut self, now: Duration, session: SessionId, timeout: Duration) -> bool {
        match &mut self.part {
            Part::Leading(leader) => leader.tracker.touch(now, session, timeout),
            Part::Following(follower) => {
                follower.touched.touch(session, timeout);
                true
            }
            Part::Looking(_) => false,
        }
    }

    fn request(
        &mut self,
        turn: &mut Turn,
        connection: ConnectionId,
        session: SessionId,
        xid: i32,
        operation: Operation,
    ) {
        let release = self.config.release;
        if operation.closes_connection(release) {
            let (zxid, result) = (Zxid::NONE, Err(ErrorCode::Unimplemented));
            turn.send(connection, ServerMessage::Reply { xid, zxid, result });
            return self.close(turn, connection);
        }
        if operation.takes_zxid(release) {
            let identities = self.connections.listed_identities(connection);
            let answer = Answer::Reply { connection, xid, manner: manner_of(&operation) };
            self.submit(turn, session, Ask::Write { operation, identities }, answer);
        } else if let (Operation::Sync { path }, Part::Following(_)) = (&operation, &self.part) {
            self.sync(turn, connection, session, xid, path.clone());
        } else {
            if operation.loses_zxid(release) {
                self.lose_zxid();
            }
            self.local(turn, connection, session, Local::Read { xid, operation });
        }
    }

    /// Gives a number away that no transaction will have. In an ensemble the original is stuck behind such a request;
    /// here it only stays without effect.
    fn lose_zxid(&mut self) {
        if let (true, Part::Leading(leader)) = (self.config.is_alone(), &mut self.part) {
            leader.proposed = leader.proposed.next();
        }
    }

    /// Has something written: here when this server leads, otherwise by the leader.
    pub(super) fn submit(&mut self, turn: &mut Turn, session: SessionId, ask: Ask, answer: Answer) {
        let here = self.own_owner();
        match &mut self.part {
            Part::Leading(leader) => {
                let body = leader.decide(turn.now, &self.config, here, session, ask);
                self.propose(turn, session, body, Origin::Client(answer));
            }
            Part::Following(follower) => {
                self.numbers += 1;
                let number = self.numbers;
                turn.send_peer(follower.leader, follower.link, PeerMessage::Ask { number, session, ask });
                self.pending.push(session, Waiting::Committed { number, answer });
            }
            Part::Looking(_) => {}
        }
    }

    /// Asks the leader what it has proposed so far.
    fn sync(
        &mut self,
        turn: &mut Turn,
        connection: ConnectionId,
        session: SessionId,
        xid: i32,
        path: Option<Arc<str>>,
    ) {
        let Part::Following(follower) = &self.part else { return };
        self.numbers += 1;
        let number = self.numbers;
        turn.send_peer(follower.leader, follower.link, PeerMessage::Sync { number, session });
        self.pending.push(session, Waiting::Synced { number, connection, xid, path });
    }

    /// Does what a server does by itself, behind whatever its session waits for. Only the leader knows whether the
    /// session has moved; a follower serves the reads of its old connection.
    fn local(&mut self, turn: &mut Turn, connection: ConnectionId, session: SessionId, local: Local) {
        let here = self.own_owner();
        let local = match &mut self.part {
            Part::Leading(leader) => leader.tracker.check(session, here).map_or(Local::Moved, |()| local),
            Part::Following(_) | Part::Looking(_) => local,
        };
        if self.pending.has(session) {
            self.pending.push(session, Waiting::Local { connection, local });
        } else {
            self.perform(turn, connection, session, local);
        }
    }

    /// Does it, on a connection that is open.
    fn perform(&mut self, turn: &mut Turn, connection: ConnectionId, session: SessionId, local: Local) {
        match local {
            Local::Ping => turn.send(connection, ServerMessage::Pong { zxid: self.visible_zxid() }),
            Local::Read { xid, operation } => self.read(turn, connection, session, xid, operation),
            Local::Moved => self.close(turn, connection),
        }
    }

    /// The transaction of request `number` has come: who is to be told of it.
    pub(super) fn take_answer(&mut self, session: SessionId, number: u64) -> Option<Answer> {
        let is_it = |first: &Waiting| matches!(first, Waiting::Committed { number: of, .. } if *of == number);
        match self.pending.pop_if(session, is_it)? {
            Waiting::Committed { answer, .. } => Some(answer),
            Waiting::Synced { .. } | Waiting::Local { .. } => None,
        }
    }

    /// The leader has answered `Sync` number `number`.
    pub(super) fn synced(&mut self, turn: &mut Turn, session: SessionId, number: u64) {
        let is_it = |first: &Waiting| matches!(first, Waiting::Synced { number: of, .. } if *of == number);
        if let Some(Waiting::Synced { connection, xid, path, .. }) = self.pending.pop_if(session, is_it) {
            self.reply(turn, connection, xid, Ok(Reply::Synced { path }));
            self.go_on(turn, session);
        }
    }

    /// Does what has waited, up to the next one that has to wait.
    pub(super) fn go_on(&mut self, turn: &mut Turn, session: SessionId) {
        let is_local = |first: &Waiting| matches!(first, Waiting::Local { .. });
        while let Some(Waiting::Local { connection, local }) = self.pending.pop_if(session, is_local) {
            if self.connections.get(connection).is_some() {
                self.perform(turn, connection, session, local);
            }
        }
        if self.connections.of_session(session).is_none() {
            self.pending.forget(session);
        }
    }

    /// Tells a client the outcome of a transaction.
    pub(super) fn answer(&mut self, turn: &mut Turn, answer: Answer, result: Result<Reply, ErrorCode>) {
        match answer {
            Answer::Connected { connection, session } => self.connected(turn, connection, session),
            Answer::Reply { connection, xid, manner } => match (manner, result) {
                (_, Err(ErrorCode::SessionMoved)) => self.close(turn, connection),
                (Manner::ErrorsOnly, Ok(_)) => {}
                (Manner::Parts(parts), Err(ErrorCode::SessionExpired)) if parts > 0 => {
                    let mut results = vec![Err(ErrorCode::RuntimeInconsistency); parts];
                    results[0] = Err(ErrorCode::SessionExpired);
                    self.reply(turn, connection, xid, Ok(Reply::Multi { results }));
                }
                (Manner::Plain | Manner::Parts(_) | Manner::ErrorsOnly, result) => {
                    self.reply(turn, connection, xid, result);
                }
            },
            Answer::Closed { connection, xid } => {
                if self.connections.get(connection).is_some() {
                    let zxid = self.visible_zxid();
                    turn.send(connection, ServerMessage::SessionClosed { xid, zxid });
                    self.close(turn, connection);
                }
            }
        }
    }

    pub(super) fn reply(
        &self,
        turn: &mut Turn,
        connection: ConnectionId,
        xid: i32,
        result: Result<Reply, ErrorCode>,
    ) {
        if self.connections.get(connection).is_some() {
            turn.send(connection, ServerMessage::Reply { xid, zxid: self.visible_zxid(), result });
        }
    }
}

fn manner_of(operation: &Operation) -> Manner {
    if let Operation::Multi { operations } = operation {
        Manner::Parts(operations.len())
    } else if let Operation::Check { .. } = operation {
        Manner::ErrorsOnly
    } else {
        Manner::Plain
    }
}
