//! The first message of a connection: a session is opened, or attached to again; what follows is left to `requests`.

use super::peer::{Ask, PeerMessage};
use super::requests::Answer;
use super::turn::Turn;
use super::{Part, Server};
use crate::protocol::ServerMessage;
use crate::sessions::password_of;
use crate::types::{ConnectionId, Password, SessionId, Zxid};
use core::time::Duration;

impl Server {
    pub(super) fn connect(
        &mut self,
        turn: &mut Turn,
        connection: ConnectionId,
        asked: Option<(SessionId, Password)>,
        timeout: Duration,
        last_zxid_seen: Zxid,
    ) {
        if last_zxid_seen > self.visible_zxid() {
            // Serving this client would take it back in time.
            return self.close(turn, connection);
        }
        let timeout = self.config.negotiate(timeout);
        match asked {
            None => self.open_session(turn, connection, timeout),
            Some((session, password)) => self.attach(turn, connection, session, password, timeout),
        }
    }

    fn open_session(&mut self, turn: &mut Turn, connection: ConnectionId, timeout: Duration) {
        let session = self.disk.next_session;
        self.disk.next_session = SessionId(session.0 + 1);
        self.connections.ask(turn.now, connection, session, timeout);
        self.submit(turn, session, Ask::OpenSession { timeout }, Answer::Connected { connection, session });
    }

    /// Attaches to a session. Its connection to this server is closed at once, before the password is even looked at.
    fn attach(
        &mut self,
        turn: &mut Turn,
        connection: ConnectionId,
        session: SessionId,
        password: Password,
        timeout: Duration,
    ) {
        if let Some(before) = self.connections.of_session(session) {
            self.close(turn, before);
        }
        self.connections.ask(turn.now, connection, session, timeout);
        if password != password_of(session) {
            return self.refuse(turn, connection, session);
        }
        let here = self.own_owner();
        match &mut self.part {
            Part::Leading(leader) => {
                if leader.tracker.touch(turn.now, session, timeout) {
                    leader.tracker.set_owner(session, here);
                    self.connected(turn, connection, session);
                } else {
                    self.refuse(turn, connection, session);
                }
            }
            Part::Following(follower) => {
                follower.revalidating.insert(session, connection);
                turn.send_peer(follower.leader, follower.link, PeerMessage::Revalidate { session, timeout });
            }
            Part::Looking(_) => self.close(turn, connection),
        }
    }

    /// The connection has the session it waits for: says so, and goes on with what the client has sent since.
    pub(super) fn connected(&mut self, turn: &mut Turn, connection: ConnectionId, session: SessionId) {
        let Some(known) = self.connections.get(connection) else { return };
        if !known.stage.waits_for(session) {
            return;
        }
        let password = password_of(session);
        turn.send(connection, ServerMessage::Connected { session, password, timeout: known.timeout });
        for message in self.connections.attach(connection) {
            self.receive(turn, connection, message);
        }
    }

    /// The session that the connection waits for does not exist any more, or it is somebody else's.
    pub(super) fn refuse(&mut self, turn: &mut Turn, connection: ConnectionId, session: SessionId) {
        if self.connections.get(connection).is_some_and(|known| known.stage.waits_for(session)) {
            turn.send(connection, ServerMessage::Expired);
            self.close(turn, connection);
        }
    }

    pub(super) fn close(&mut self, turn: &mut Turn, connection: ConnectionId) {
        if self.forget(connection) {
            turn.close(connection);
        }
    }

    /// Forgets a connection and its watches. What it has asked to be written is still written. False when there is none.
    pub(super) fn forget(&mut self, connection: ConnectionId) -> bool {
        let session = self.connections.get(connection).and_then(|known| known.stage.session());
        let known = self.connections.remove(connection);
        if known {
            self.watches.remove_connection(connection);
            session.into_iter().for_each(|session| self.pending.forget(session));
        }
        known
    }
}
